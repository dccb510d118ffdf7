"""The lesson's strip, at the bottom of every page whose link holds `?lesson=admm&step=once`.

The link is all there is: lesson, step, and the state of the step's page. So every step opens alone, the back button
goes back, and a knob turned during a step changes the picture and leaves the strip. What was guessed is kept for the
session only.

Keys: P back, N next, 1 to 4 the answers. The player has H, J, K and L.
"""

from __future__ import annotations

import streamlit as st

from core.errors import InputError, unknown
from core.lessons import LESSONS
from core.lessons.base import Lesson, Question, Step
from ui import links, routes, stage
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
    said = {"step": lesson.steps[place].id, "look": lesson.steps[place].look.key}
    st.html(f"<style>{MARK % said}</style>")
    st.html(f"<script>{SHOW % said}</script>", unsafe_allow_javascript=True)
    with st.bottom:
        _draw(lesson, place, page)


GO = "lesson.go"  # where to go: a callback cannot leave its page, the next run of the page can
TRIES = 2  # a run of the page that was just left may still be under way, once
SILENT = "What this picture comes to is said once the question of the lesson is answered."
# The window belongs to the picture, its player and its knobs: the heading, the navigation and the boxes that choose a
# run give way. What the step speaks of has a line at its left, in the theme's accent.
MARK = """
.stSidebar, [data-testid="stExpandSidebarButton"], .st-key-plane-case, .st-key-plane-case + .stElementContainer,
.st-key-bar, .st-key-one-screen [data-testid="stButtonGroup"] { display: none; }
.stAppHeader { position: absolute; left: auto; right: 0; width: 3.5rem; background: none; }
.stMain .stMainBlockContainer.stMainBlockContainer { padding: 0.8rem 3.5rem 1rem 2rem; }
.stMain .stMainBlockContainer > .stVerticalBlock { gap: 0.6rem; }
.st-key-known { padding-left: 1rem; }
.st-key-known p { font-size: 1.2rem; white-space: normal; }
.st-key-known a, .st-key-known a * { white-space: normal; overflow: visible; height: auto; }
.stMain h2 { padding: 0.2rem 0; font-size: 1.15rem; }
.st-key-heading { position: absolute; opacity: 0; }
.st-key-%(look)s, .st-key-film-box-%(look)s { box-shadow: -0.5rem 0 0 -0.25rem var(--st-primary-color, #4c84d8);
  scroll-margin-top: 1rem; }
@media (max-width: 640px) { .stMain .stMainBlockContainer.stMainBlockContainer { padding: 2.5rem 1rem 1rem; } }
"""


# Once a step: from the top; on a telephone, from what the step speaks of. Both words are the lesson's own.
SHOW = """
(() => {
  const step = "%(step)s", look = ".st-key-%(look)s, .st-key-film-box-%(look)s";
  if (window.sparsescopeStep === step) return;
  window.sparsescopeStep = step;
  document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
  let tries = 40;
  const wait = setInterval(() => {
    const found = document.querySelector(look);
    if (found && found.offsetHeight > 100) {
      if (window.innerWidth < 640) found.scrollIntoView({block: "start", behavior: "smooth"});
      clearInterval(wait);
    }
    if (--tries < 0) clearInterval(wait);
  }, 150);
})();
"""


def asking() -> Step | None:
    """The step of a lesson whose question waits for an answer on this page: until then no picture gives it away.

    None outside a lesson, where nothing is asked, and once somebody has guessed.
    """
    lesson = LESSONS.get(st.query_params.get("lesson", ""))
    if lesson is None or stage.on():
        return None
    name = st.query_params.get("step", lesson.steps[0].id)
    step = next((each for each in lesson.steps if each.id == name), None)
    if step is None or step.question is None or _guess(lesson, step) in st.session_state:
        return None
    return step


def _guess(lesson: Lesson, step: Step) -> str:
    """Where the session keeps what was guessed."""
    return f"lesson.guess.{lesson.id}.{step.id}"


def query(lesson: Lesson, step: Step) -> dict[str, str]:
    """All that the link of *step* says."""
    return {"lesson": lesson.id, "step": step.id, **step.state}


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
        links.forget_all()
        if page == step.page and set(st.query_params) <= {"lesson", "step"}:
            st.query_params.update(step.state)


def _go(lesson: Lesson, place: int) -> None:
    """Open the step at *place* with its own state, on its own page."""
    step = lesson.steps[place]
    links.forget_all()
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
        routes.switch(to, asked)


def _draw(lesson: Lesson, place: int, page: str) -> None:
    step = lesson.steps[place]
    with st.container(key="lesson", gap=None):
        _head(lesson, place, page)
        left, right = st.columns(2, gap="large")
        with left:
            st.markdown(f"{links.plain(step.words)} :gray[**Look at** {links.plain(step.look.words)}]")
        with right:
            if step.question is not None:
                _ask(_guess(lesson, step), step.question)


def _head(lesson: Lesson, place: int, page: str) -> None:
    """Where we are, and the ways on."""
    step, last = lesson.steps[place], len(lesson.steps) - 1
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"Step {place + 1} of {last + 1} · **{links.plain(step.title)}**", width="stretch")
        if step.question is not None and _guess(lesson, step) in st.session_state:
            st.button("Ask again", key="lesson.ask", type="tertiary", on_click=st.session_state.pop,
                      args=(_guess(lesson, step), None))
        st.button("Back", icon=":material/arrow_back:", key="lesson.back", shortcut="P", disabled=place == 0,
                  on_click=_go, args=(lesson, max(place - 1, 0)))
        st.button("Next", icon=":material/arrow_forward:", key="lesson.next", shortcut="N", type="primary",
                  disabled=place == last, on_click=_go, args=(lesson, min(place + 1, last)))
        st.button("Set the knobs again" if page == step.page else f"Go to {PAGES[step.page].title}",
                  icon=":material/restart_alt:", key="lesson.again", on_click=_go, args=(lesson, place))
        with st.popover("Link"):
            st.caption("This step, for somebody else:")
            st.code(routes.address(step.page, query(lesson, step)), language=None, wrap_lines=True)
        st.button("Leave the lesson", icon=":material/close:", key="lesson.leave", on_click=_leave, args=(page,))


def _ask(key: str, question: Question) -> None:
    """The question; once guessed, whether it was right, and why. The whole page runs again: its pictures may speak."""
    st.markdown(f"**{links.plain(question.text)}**")
    guess = st.session_state.get(key)
    if guess is None:
        with st.container(horizontal=True, gap="small"):
            for place, option in enumerate(question.options):
                st.button(links.plain(option), key=f"lesson.option.{place}", shortcut=str(place + 1),
                          on_click=st.session_state.__setitem__, args=(key, place))
        return
    right = question.options[question.answer]
    verdict = "Right:" if guess == question.answer else f"You said: {question.options[guess]}. It is:"
    st.markdown(f"{links.plain(verdict)} **{links.plain(right)}.** {links.plain(question.reveal)}")
