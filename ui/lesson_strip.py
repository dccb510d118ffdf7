"""The lesson's strip, at the bottom of every page whose link holds `?lesson=admm&step=once`.

The link is all there is: lesson, step, and the state of the step's page. So every step opens alone, the back button
goes back, and a knob turned during a step changes the picture and leaves the strip. What was guessed is kept for the
session only.

Keys: P back, N next, 1 to 4 the answers. The player has H, J, K and L.
"""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st
from streamlit.errors import StreamlitAPIException

from core.errors import InputError, unknown
from core.lessons import LESSONS
from core.lessons.base import Lesson, Question, Step
from ui import links, player
from ui.pages import PAGES


def draw(page: str) -> None:
    """Draw the strip on *page* when the link asks for a lesson; a red box when it asks for one that does not exist."""
    _travel(page)
    asked = st.query_params.get("lesson")
    if asked is None:
        st.session_state.pop("lesson.at", None)
        return
    try:
        lesson = _lesson(asked)
        place = lesson.place(st.query_params.get("step", lesson.steps[0].id))
    except InputError as error:
        st.error(links.plain(str(error)))
        return
    _arrive(lesson, lesson.steps[place], page)
    st.html(f"<style>{MARK % lesson.steps[place].look.key}</style>")
    st.html(f"<script>{SHOW % (lesson.steps[place].id, lesson.steps[place].look.key)}</script>",
            unsafe_allow_javascript=True)
    with st.bottom:
        _draw(lesson, place, page)


GO = "lesson.go"  # where to go: a callback cannot leave its page, the next run of the page can
TRIES = 2  # the last tick of a player may bring the page back that was just left, once
# Two thirds of a small window belong to the picture: the page's own heading gives way, and what the step speaks of
# has a line at its left, in the theme's accent. What a case shows is not said before the question is answered.
MARK = """
.st-key-plane-case + .stElementContainer { display: none; }
.stMainBlockContainer { padding-top: 4rem; padding-bottom: 1rem; }
.stElementContainer:has(h1), .stElementContainer:has(h1) + .stElementContainer { position: absolute; opacity: 0; }
.st-key-%s { box-shadow: -0.5rem 0 0 -0.25rem var(--st-primary-color, #4c84d8); scroll-margin-top: 4rem; }
"""


# Once a step: bring what it speaks of into the window, as soon as it is there. Both words are the lesson's own.
SHOW = """
(() => {
  const step = "%s", look = ".st-key-%s";
  if (window.sparsescopeStep === step) return;
  window.sparsescopeStep = step;
  let tries = 40;
  const wait = setInterval(() => {
    const found = document.querySelector(look);
    if (found && found.querySelector("svg, img, [data-testid=stBidiComponentIsolated]")) {
      const tall = found.offsetHeight > 0.6 * window.innerHeight;
      found.scrollIntoView({block: tall ? "start" : "center", behavior: "smooth"});
      clearInterval(wait);
    }
    if (--tries < 0) clearInterval(wait);
  }, 150);
})();
"""


def query(lesson: Lesson, step: Step) -> dict[str, str]:
    """All that the link of *step* says."""
    return {"lesson": lesson.id, "step": step.id, **step.state}


def listed(lesson: Lesson) -> None:
    """The steps of *lesson* as links, and the one that begins it."""
    st.markdown(links.plain(lesson.words))
    _link(lesson, 0, "Start the lesson", ":material/play_arrow:")
    for place, step in enumerate(lesson.steps):
        _link(lesson, place, f"{place + 1}. {links.plain(step.title)}", None)


def lessons() -> None:
    """All lessons, each with its steps."""
    for lesson in LESSONS.values():
        st.subheader(links.plain(lesson.title), anchor=False)
        listed(lesson)


def _link(lesson: Lesson, place: int, label: str, icon: str | None) -> None:
    step = lesson.steps[place]
    try:
        st.page_link(PAGES[step.page].file, label=label, icon=icon, query_params=query(lesson, step))
    except (StreamlitAPIException, KeyError):  # a page run alone has no navigation
        st.caption(label)


def _lesson(name: str) -> Lesson:
    if name not in LESSONS:
        raise unknown("lesson", name, LESSONS)
    return LESSONS[name]


def _arrive(lesson: Lesson, step: Step, page: str) -> None:
    """At a step's first run: forget what other pages remember, so that the picture is the step's and no one else's.

    A link that names the step alone gets the step's state.
    """
    here = f"{lesson.id}/{step.id}"
    if st.session_state.get("lesson.at") != here:
        st.session_state["lesson.at"] = here
        _forget()
        if page == step.page and set(st.query_params) <= {"lesson", "step"}:
            st.query_params.update(step.state)


def _forget() -> None:
    links.forget_all()
    player.stop()


def _go(lesson: Lesson, place: int) -> None:
    """Open the step at *place* with its own state, on its own page."""
    step = lesson.steps[place]
    _forget()
    st.session_state[GO] = (step.page, query(lesson, step), TRIES)


def _leave(page: str) -> None:
    """The same picture, without the strip."""
    kept = {key: value for key, value in st.query_params.items() if key not in ("lesson", "step")}
    st.session_state[GO] = (page, kept, TRIES)


def _travel(page: str) -> None:
    """Go where a button of the strip led, until this is it."""
    to, asked, tries = st.session_state.pop(GO, (page, None, 0))
    if tries and (to, asked) != (page, st.query_params.to_dict()):
        st.session_state[GO] = (to, asked, tries - 1)
        try:
            st.switch_page(PAGES[to].file, query_params=asked)
        except StreamlitAPIException:
            st.error("This page was started alone, so there is no other to go to. Start app.py instead.")


def _draw(lesson: Lesson, place: int, page: str) -> None:
    step = lesson.steps[place]
    with st.container(key="lesson", gap=None):
        _head(lesson, place, page)
        left, right = st.columns(2, gap="large")
        with left:
            st.markdown(f"{links.plain(step.words)} :gray[**Look at** {links.plain(step.look.words)}]")
        with right:
            if step.question is not None:
                st.fragment(_ask)(f"lesson.guess.{lesson.id}.{step.id}", step.question)


def _head(lesson: Lesson, place: int, page: str) -> None:
    """Where we are, and the ways on."""
    step, last = lesson.steps[place], len(lesson.steps) - 1
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"Step {place + 1} of {last + 1} · **{links.plain(step.title)}**", width="stretch")
        st.button("Back", icon=":material/arrow_back:", key="lesson.back", shortcut="P", disabled=place == 0,
                  on_click=_go, args=(lesson, max(place - 1, 0)))
        st.button("Next", icon=":material/arrow_forward:", key="lesson.next", shortcut="N", type="primary",
                  disabled=place == last, on_click=_go, args=(lesson, min(place + 1, last)))
        st.button("Set the knobs again" if page == step.page else f"Go to {PAGES[step.page].title}",
                  icon=":material/restart_alt:", key="lesson.again", on_click=_go, args=(lesson, place))
        with st.popover("Link"):
            st.caption("This step, for somebody else:")
            st.code(_address(lesson, step), language=None, wrap_lines=True)
        st.button("Leave the lesson", icon=":material/close:", key="lesson.leave", on_click=_leave, args=(page,))


def _address(lesson: Lesson, step: Step) -> str:
    """The whole link of *step*, on the server that this page came from."""
    here = (st.context.url or "").rstrip("/")
    pages = tuple(f"/{key}" for key in PAGES)
    root = here.rsplit("/", 1)[0] if here.endswith(pages) else here
    return f"{root}/{step.page}?{urlencode(query(lesson, step))}"


def _ask(key: str, question: Question) -> None:
    """The question; once guessed, whether it was right, and why."""
    st.markdown(f"**{links.plain(question.text)}**")
    guess = st.session_state.get(key)
    if guess is None:
        with st.container(horizontal=True, gap="small"):
            for place, option in enumerate(question.options):
                st.button(links.plain(option), key=f"lesson.option.{place}", shortcut=str(place + 1),
                          on_click=st.session_state.__setitem__, args=(key, place))
        return
    right = question.options[question.answer]
    verdict = "Yes:" if guess == question.answer else f"You said: {question.options[guess]}. It is:"
    st.markdown(f"{links.plain(verdict)} **{links.plain(right)}.** {links.plain(question.reveal)}")
    st.button("Ask again", key="lesson.ask", type="tertiary", on_click=st.session_state.pop, args=(key, None))
