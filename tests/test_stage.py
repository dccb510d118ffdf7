"""The stage: one figure, large, under one claim; slides find their pages; a locked link shows only its knobs."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from core.decks.base import Deck, Slide
from core.decks.packed import packed
from core.runs.store import Store
from tests import films, makers
from tests.opening import whole_app
from tests.test_large import sizes
from ui import routes
from ui.pages import PAGES
from ui.stage import menu

WIDGETS = ("selectbox", "slider", "select_slider", "button", "button_group", "text_input", "multiselect", "toggle",
           "checkbox", "radio", "number_input", "text_area")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = makers.empty_store(tmp_path_factory.mktemp("store"))
    makers.make_run(store.recorded, parent=makers.make_dense(store.recorded))
    return store


@pytest.fixture
def app(runs: Store, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    return whole_app(monkeypatch, runs)


def opened(app: AppTest, page: str, **query: str) -> AppTest:
    if page != "overview":
        app.switch_page(PAGES[page].file)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def claim(app: AppTest) -> str:
    return " ".join(e.proto.body for e in app.get("html") if "stage-claim" in e.proto.body and "<h3" in e.proto.body)


def charts(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def link(app: AppTest) -> dict[str, str]:
    return {k: v[0] if isinstance(v, list) else v for k, v in app.query_params.items()}


def names(app: AppTest) -> set[str]:
    """What the widgets of the page are called."""
    return {str(w.label) for kind in WIDGETS for w in app.get(kind)}


def test_one_figure_stands_under_one_claim_in_large_text(app: AppTest) -> None:
    opened(app, "occupancy")
    many = len(charts(app))
    assert many > 1 and not claim(app)
    opened(app, "occupancy", present="1")
    (figure,) = charts(app)
    assert min(size for _, size in sizes(figure["layout"])) >= 24 and figure["layout"]["height"] == 876
    assert "groups hold exactly" in claim(app)
    asked = opened(app, "occupancy", present="1", look="strip")
    assert len(charts(asked)) == 1 and "ragged" in claim(asked)


def test_a_film_on_the_stage_is_the_only_thing_and_says_its_claim(app: AppTest) -> None:
    opened(app, "watch", present="1")
    (film,) = films.films(app)
    assert film["id"].endswith("/stage0") and not claim(app) and not app.dataframe
    leading, *rest = [[name for column in row["columns"] for name in column["panels"]] for row in film["rows"]]
    assert leading == ["say"] and film["panels"]["say"]["large"]  # its own sentence, a moment each, is the claim
    shown = [name for row in rest for name in row]
    assert "time" in shown and not any(film["panels"][name]["kind"] == "words" for name in shown)


def test_words_of_a_claim_are_no_markup(app: AppTest) -> None:
    deck = Deck("x", (Slide("occupancy", {}, "<img src=x onerror=alert(1)> & 1 < 2"),))
    opened(app, "occupancy", present="1", deck=packed(deck), slide="1")
    assert "&lt;img src=x" in claim(app) and "<img" not in claim(app)


def test_a_page_without_a_figure_says_so(app: AppTest) -> None:
    assert "Which runs" in claim(opened(app, "runs", present="1"))
    assert any("Nothing here" in m.value for m in app.markdown)
    assert "has no figure" in claim(opened(app, "occupancy", present="1", look="nosuch"))


def test_a_slide_finds_its_page_and_forgets_what_was_chosen_before(app: AppTest) -> None:
    deck = Deck("x", (Slide("plane", {"case": "small", "k": "3"}, "one"), Slide("plane", {"look": "plane"}, "two")))
    word = packed(deck)
    opened(app, "occupancy", present="1", deck=word, slide="1")
    said = link(app)
    assert app.title[0].value == PAGES["plane"].title and "one" in claim(app)
    assert (said["case"], said["k"], said["slide"], said["deck"]) == ("small", "3", "1", word)
    app.query_params.clear()  # as the key does: the link of the next slide, on the same page
    opened(app, "plane", present="1", deck=word, slide="2", look="plane")
    assert "two" in claim(app)
    assert link(app).get("case", "good") == "good", "the next slide takes over what the one before chose"


@pytest.mark.parametrize(("deck", "slide", "says"), [
    ("nosuch", "1", "Unknown deck"), ("eNnonsense", "1", "is not whole"), ("two-of-four", "99", "1 to 6")])
def test_a_bad_deck_gets_a_red_box_and_the_page_its_figure(app: AppTest, deck: str, slide: str, says: str) -> None:
    opened(app, "occupancy", present="1", deck=deck, slide=slide)
    assert any(says in box.value for box in app.error) and len(charts(app)) == 1


def test_a_locked_link_shows_its_knobs_and_no_other(app: AppTest) -> None:
    opened(app, "plane", case="good")
    free = names(app)
    assert {"rho", "Tilt of the valley"} <= free and len(free) > 5
    opened(app, "plane", case="good", lock="rho,iterations")
    assert names(app) == {"rho", "Iterations"} and not app.error
    app.select_slider(key="plane.rho").set_value("5").run()
    assert link(app)["rho"] == "5" and link(app)["lock"] == "rho,iterations" and names(app) == {"rho", "Iterations"}


@pytest.mark.parametrize("page", ["weights", "projection", "lab"])
def test_an_empty_lock_leaves_no_knob(app: AppTest, page: str) -> None:
    opened(app, page, lock="")
    assert {label for label in names(app) if not label.startswith(("Pin", "Save"))} == set()


def test_a_lock_on_a_knob_that_is_not_there_is_said(app: AppTest) -> None:
    opened(app, "plane", lock="rhoo")
    assert any("Unknown knob 'rhoo'" in box.value and "'rho'" in box.value for box in app.error)


def test_the_stage_has_the_knobs_that_the_link_names(app: AppTest) -> None:
    opened(app, "occupancy", present="1", lock="share")
    assert names(app) == {"Largest dense weights that count"} and charts(app)[0]["layout"]["height"] < 876


def test_the_link_for_a_class_is_whole_and_can_be_read_by_a_telephone() -> None:
    parts = urlsplit(routes.address("lab", {"pattern": "2:4", "lock": "rho,rounds"}))
    assert parts.path == "/lab" and parse_qs(parts.query) == {"pattern": ["2:4"], "lock": ["rho,rounds"]}
    assert routes.address("overview", {}).endswith("/")
    assert menu.picture("http://127.0.0.1:8501/lab?lock=rho").startswith(b"\x89PNG")
