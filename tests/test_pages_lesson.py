"""The lesson over the real pages and the recorded runs: every step opens alone, shows its figure, and leads on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.lessons.admm import ADMM, FILM
from core.lessons.base import Step
from tests.films import films
from tests.opening import ran
from tests.sources import ROOT
from ui.lesson_strip import SILENT, query
from ui.pages import PAGES

Query = dict[str, str]


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The runs of the repository, and none of this machine."""
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(ROOT / "cached_runs"))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(tmp_path))


def opened(page: str, asked: Query) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
    app.switch_page(PAGES[page].file)
    for key, value in asked.items():
        app.query_params[key] = value
    return ran(app)


def press(app: AppTest, name: str) -> AppTest:
    app.button(key=f"lesson.{name}").click()
    return ran(app)


def link(app: AppTest) -> Query:
    return {k: v[0] if isinstance(v, list) else v for k, v in app.query_params.items()}


def said(app: AppTest) -> str:
    return " ".join(str(m.value) for m in app.markdown).replace("\\", "")


def claims(app: AppTest) -> list[str]:
    """What views and films say it comes to, the films at the moment that the link names."""
    spoken = [s.value for s in app.header]
    for film in films(app):
        k = int(link(app).get("k", film["default"]))
        spoken += [panel["texts"][min(k, len(panel["texts"]) - 1)] for panel in film["panels"].values()
                   if panel.get("tells")]
    return [words for words in spoken if words]


def figures(app: AppTest) -> list[str]:
    """The keys of the charts and films, as Streamlit writes them at the end of their ids."""
    found = [chart.proto.id for chart in (*app.get("plotly_chart"), *app.get("bidi_component"))]
    return [name.rpartition("-")[2].removeprefix("film.") for name in found]


def numbers(app: AppTest) -> list[str]:
    """The folded tables."""
    return [e.label for e in app.expander if e.label == "The numbers"]


def shown(app: AppTest) -> list[bytes]:
    """The charts and films as they are sent."""
    return [chart.proto.SerializeToString() for chart in (*app.get("plotly_chart"), *app.get("bidi_component"))]


def at(name: str) -> Step:
    return ADMM.steps[ADMM.place(name)]


def test_the_way_in_has_a_picture_an_act_and_does_without_those_whose_runs_are_not_here(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    app = opened("lesson", {})
    assert not app.error and len(app.get("image")) == len(ADMM.acts)
    assert [each.value for each in app.subheader] == [act.title for act in ADMM.acts]
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(tmp_path))
    bare = opened("lesson", {})
    assert not bare.error and len(bare.get("image")) == 2


@pytest.mark.parametrize("place", range(len(ADMM.steps)), ids=[s.id for s in ADMM.steps])
def test_a_step_opens_alone_shows_its_figure_and_leads_on(place: int) -> None:
    step, last = ADMM.steps[place], len(ADMM.steps) - 1
    app = opened(step.page, query(ADMM, step))
    assert not app.error, [e.value for e in app.error]
    assert app.title[0].value == PAGES[step.page].title
    assert f"Step {place + 1} of {last + 1}" in said(app) and step.words in said(app)
    if step.page != "lesson":
        assert figures(app) == [step.look.key], "what is asked about is shown, and nothing that tells"
        assert claims(app) == [] and not numbers(app)
        assert all(SILENT.encode() in sent for sent in shown(app))
    assert {k: v for k, v in step.state.items() if k in link(app)}.items() <= link(app).items()
    assert app.button(key="lesson.back").disabled == (place == 0)
    assert app.button(key="lesson.next").disabled == (place == last)
    if place < last:
        beyond = ADMM.steps[place + 1]
        press(app, "next")
        assert app.title[0].value == PAGES[beyond.page].title and not app.error
        assert link(app)["step"] == beyond.id
        assert figures(app) == ([] if beyond.page == "lesson" else [beyond.look.key])


@pytest.mark.parametrize("page", sorted({s.page for s in ADMM.steps[:-1]}))
def test_every_key_of_a_state_is_one_that_the_page_reads(page: str) -> None:
    """A page says what it cannot use: so nonsense under every key must be answered by a red box that names it."""
    keys = {key for step in ADMM.steps if step.page == page for key in step.state}
    for key in keys:
        app = opened(page, {**next(s.state for s in ADMM.steps if key in s.state and s.page == page), key: "no-such"})
        assert "no-such" in " ".join(e.value for e in app.error), key


def test_a_guess_is_answered_and_can_be_taken_back() -> None:
    step = at("memory")
    assert step.question is not None and step.question.answer == 1
    app = opened(step.page, query(ADMM, step))
    assert step.question.reveal not in said(app)
    press(app, "option.0")
    assert "You said: w1 again. It is: **w2.**" in said(app) and step.question.reveal in said(app)
    press(app, "ask")
    assert step.question.reveal not in said(app)
    press(app, "option.1")
    assert "Right: **w2.**" in said(app)


def test_the_pictures_speak_once_a_guess_was_made() -> None:
    step = at("crossing")
    app = opened(step.page, query(ADMM, step))
    before = shown(app)
    press(app, "option.0")
    assert claims(app) and numbers(app) and shown(app) != before and SILENT.encode() not in shown(app)[0]
    press(app, "ask")
    assert claims(app) == [] and shown(app) == before


def test_a_film_keeps_what_it_comes_to_for_itself_until_a_guess_was_made() -> None:
    step = at("film")
    app = opened(step.page, query(ADMM, step))
    assert claims(app) == [] and b'"silent":true' in shown(app)[0]
    press(app, "option.2")
    assert len(claims(app)) == 1 and numbers(app)
    assert b'"silent"' not in shown(app)[0] and SILENT.encode() not in shown(app)[0]


def test_what_a_run_cost_is_said_once_a_guess_was_made() -> None:
    step = at("steep")
    app = opened(step.page, query(ADMM, step))
    assert not [c.value for c in app.caption if "layer-wise solution" in c.value]
    press(app, "option.0")
    assert len([c.value for c in app.caption if "layer-wise solution" in c.value]) == 1


def test_the_end_says_what_is_known_and_leads_on() -> None:
    app = opened("lesson", query(ADMM, ADMM.steps[-1]))
    assert claims(app) == ["What you know now", "What next"]
    assert all(words in said(app) for words in ADMM.known.values())
    found: list[Any] = [link.proto for link in app.get("page_link")]
    assert [p.label for p in found] == [way.words for way in ADMM.onward]
    assert f"run={FILM}" in found[0].query_string


def test_a_knob_turned_leaves_the_strip_and_one_click_sets_it_again() -> None:
    step = at("meet")
    app = opened(step.page, query(ADMM, step))
    before = shown(app)
    app.select_slider(key="plane.rho").set_value("0.1")
    ran(app)
    assert shown(app) != before and link(app)["step"] == "meet" and step.words in said(app)
    press(app, "again")
    assert shown(app) == before and link(app) == query(ADMM, step)


def test_a_step_shows_the_same_whatever_was_turned_before() -> None:
    """What pages remember of a visit must not leak into a step."""
    step = at("group")
    alone = shown(opened(step.page, query(ADMM, step)))
    app = opened(step.page, {"pattern": "1:4", "coupling": "90", "rho": "0.2", "iterations": "7", "entry": "2",
                             "values": "4, 3, 2, 1"})
    assert shown(app) != alone
    app.switch_page(PAGES["plane"].file)
    for key, value in query(ADMM, at("start")).items():
        app.query_params[key] = value
    press(ran(app), "next")
    assert link(app)["step"] == "group" and shown(app) == alone


def test_back_returns_and_leaving_keeps_the_picture() -> None:
    app = press(press(opened("plane", query(ADMM, at("once"))), "next"), "back")
    assert link(app)["step"] == "once"
    assert claims(app) == []
    press(app, "leave")
    assert link(app) == at("once").state and numbers(app), "the pictures speak again"
    assert not [b for b in app.button if b.key.startswith("lesson.")]


def test_the_strip_on_another_page_leads_to_its_own() -> None:
    app = opened("trace", {"lesson": "admm", "step": "once"})
    assert app.button(key="lesson.again").label == f"Go to {PAGES['plane'].title}"
    press(app, "again")
    assert app.title[0].value == PAGES["plane"].title and link(app) == query(ADMM, at("once"))


def test_a_lesson_without_a_step_begins_at_the_first() -> None:
    assert ADMM.steps[0].words in said(opened("plane", {"lesson": "admm"}))


@pytest.mark.parametrize(("asked", "words"), [
    ({"lesson": "adm"}, "Unknown lesson"), ({"lesson": "admm", "step": "onec"}, "Unknown step"),
    ({"lesson": "<b>"}, "Unknown lesson")])
def test_an_unknown_lesson_or_step_gets_a_red_box_and_the_page_lives(asked: Query, words: str) -> None:
    app = opened("plane", asked)
    assert words in app.error[0].value and "plane" in figures(app)
    assert not [b for b in app.button if b.key.startswith("lesson.")]


@pytest.mark.parametrize("name", ["memory", "crossing"])
def test_a_link_that_names_the_step_alone_sets_its_knobs(name: str) -> None:
    step = at(name)
    bare = opened(step.page, {"lesson": ADMM.id, "step": step.id})
    whole = opened(step.page, query(ADMM, step))
    assert shown(bare) == shown(whole) and link(bare)["k"] == step.state["k"]


def test_the_start_page_links_every_step() -> None:
    app = opened("lesson", {})
    found: list[Any] = [link.proto for link in app.get("page_link")]
    labels = [p.label for p in found]
    assert labels[0] == "Start the lesson" and [label.split(". ", 1)[1] for label in labels[1:]] == \
        [s.title for s in ADMM.steps]
    for step, proto in zip(ADMM.steps, found[1:], strict=True):
        assert step.page in proto.page and f"step={step.id}" in proto.query_string


def test_a_page_started_alone_says_why_it_cannot_go_on() -> None:
    step = at("crossing")
    app = AppTest.from_file(str(ROOT / PAGES[step.page].file), default_timeout=90)
    for key, value in query(ADMM, step).items():
        app.query_params[key] = value
    press(ran(app), "next")
    assert "Start app.py" in app.error[0].value and step.words in said(app)
