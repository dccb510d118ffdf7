"""The page of two weights: every case, knobs and link, values that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.lab import plane
from core.runs.store import Store
from tests.films import header, text
from tests.opening import open_page, said


def query(app: AppTest) -> dict[str, Any]:
    """The link, one text a key."""
    return {key: value[0] if isinstance(value, list) else value for key, value in app.query_params.items()}


def test_it_opens_on_a_case_that_works(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "plane")
    assert "agree on keeping w2, the better arm: loss 1.81" in text(app, "claim")
    assert len(app.latex) == 3 and not app.error and header(app)["default"] == 30
    assert query(app) == {"case": "good"}
    assert "How do two copies of a weight come to agree?" in said(app)


@pytest.mark.parametrize(("case", "words"), [
    ("good", "the better arm"), ("small", "still cannot decide"), ("large", "the worse arm"),
    ("other", "the worse arm"), ("once", "the better arm")])
def test_every_case_opens_by_its_link(monkeypatch: pytest.MonkeyPatch, empty_store: Store, case: str,
                                      words: str) -> None:
    app = open_page(monkeypatch, empty_store, "plane", case=case)
    assert words in text(app, "claim") and not app.error
    assert plane.CASES[case].shows.split(".")[0] in said(app)
    assert query(app) == {"case": case}


def test_a_link_with_every_knob_is_understood(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "plane", case="good", rho="0.3", tilt="40", curvature="4", m1="-12",
                    m2="7", s1="3", s2="-20", iterations="12", wstep="gradient", k="5")
    assert "After 5 iterations" in text(app, "claim", 5) and not app.error and query(app)["k"] == "5"
    assert "Your own choices" in said(app)
    assert [app.select_slider(key=f"plane.{key}").value for key in plane.KNOBS] == \
        ["0.3", "40", "4", "12", "-12", "7", "3", "-20"]


def test_a_slider_writes_the_link_and_a_case_takes_it_back(monkeypatch: pytest.MonkeyPatch,
                                                           empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "plane", k="3")
    app.select_slider(key="plane.rho").set_value("10").run()
    assert not app.exception and query(app) == {"case": "large", "k": "3"}  # it is that case now
    app.select_slider(key="plane.tilt").set_value("30").run()
    assert query(app) == {"case": "large", "tilt": "30", "k": "3"}
    app.button_group(key="plane.case").set_value("once").run()
    assert not app.exception and query(app) == {"case": "once", "k": "0"}  # a case opens at its beginning
    assert app.select_slider(key="plane.tilt").value == "-50"


def test_the_w_step_can_be_one_of_gradient_descent(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "plane", rho="5")
    app.button_group(key="plane.wstep").set_value("gradient").run()
    assert not app.exception and query(app)["wstep"] == "gradient"
    assert "one step downhill" in text(app, "steps", 1)


def test_the_start_is_an_iteration_too(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "plane", k="0")
    assert "Before the first iteration" in text(app, "claim", 0) and query(app)["k"] == "0"


@pytest.mark.parametrize(("key", "value", "words"), [
    ("rho", "-1", "rho=-1 is not positive"), ("rho", "nan", "rho=nan is no number"), ("rho", "<b>", "is no number"),
    ("tilt", "steep", "is no whole number"), ("m2", "26", "out of range"), ("case", "best", "Unknown case"),
    ("wstep", "adam", "Unknown wstep"), ("k", "many", "is no whole number")])
def test_a_bad_value_gets_a_red_box_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, empty_store: Store, key: str,
                                                       value: str, words: str) -> None:
    app = open_page(monkeypatch, empty_store, "plane", **{key: value})
    assert len(app.error) == 1 and words in app.error[0].value
    assert "loss 1.81, the lowest on the cross" in text(app, "claim")
    if key != "k":
        app.select_slider(key="plane.curvature").set_value("5").run()
        assert not app.exception and not app.error and query(app) == {"case": "good", "curvature": "5"}


def test_the_choices_of_another_page_change_nothing(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "plane")
    app.session_state["link.rho"], app.session_state["link.k"] = "0.5", "2"
    app.query_params.clear()
    app.run()
    assert not app.exception and header(app)["default"] == 30 and query(app) == {"case": "good"}


def test_the_page_opens_again_on_what_was_chosen_last(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "plane", case="small", tilt="10")
    app.query_params.clear()  # a walk over another page
    app.run()
    assert not app.exception and query(app) == {"case": "small", "tilt": "10"}
