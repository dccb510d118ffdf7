"""The page of one group: what it opens with, what the link says, what a person can get wrong."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.store import Store
from tests.films import films, text
from tests.opening import charts, open_page, said


def page(monkeypatch: pytest.MonkeyPatch, store: Store, **query: str) -> AppTest:
    return open_page(monkeypatch, store, "projection", **query)


def told(app: AppTest, k: int = -1) -> str:
    """What the page and its film say, at iteration *k* (-1: the last)."""
    if not films(app):
        return said(app)
    return " ".join([said(app), *(text(app, name, k) for name in ("claim", "arithmetic", "judged")),
                     text(app, "crossed")])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> AppTest:
    return page(monkeypatch, empty_store)


def test_the_page_opens_with_a_loser_that_came_back(opened: AppTest) -> None:
    words = told(opened)
    assert "Iteration 20: entries 1 and 3 stay" in words
    assert "the dual carries it across the line at iteration 6" in words
    assert "the least of all 6 choices" in words
    assert len(films(opened)) == 1 and not opened.error
    assert "Entry 1: W + U =" in words


def test_every_choice_comes_from_the_link(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = page(monkeypatch, empty_store, pattern="1:3", values="0.3,-2,1", entry="2", value="0.25", coupling="0",
               rho="0.7", iterations="9", k="0")
    words = told(app, 0)
    assert "Iteration 0: entry 3 stays, the largest of 3" in words  # -2 became 0.25
    assert "in 9 iterations" in words
    assert app.query_params["values"] == "0.3, 0.25, 1"
    assert "value" not in app.query_params
    assert "Entry 2: W + U = 0.25" in words
    assert not app.error


def test_dragging_a_value_moves_the_weight_and_writes_the_link(opened: AppTest) -> None:
    drag = next(s for s in opened.slider if s.label == "Value of entry 1")
    assert drag.value == 0.7
    drag.set_value(0.95).run()
    assert not opened.exception
    assert opened.query_params["values"] == "0.95, 0.6, 1, 0.8"
    assert "No entry crosses" in told(opened)  # it is among the largest from the start


def test_another_pattern_forgets_the_values_of_the_old_one(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = page(monkeypatch, empty_store, values="1,2,3,4", entry="4")
    app.selectbox[0].set_value("4:8").run()
    assert not app.exception and not app.error
    assert "values" not in app.query_params
    assert "the 4 largest of 8" in told(app)


def test_values_are_typed(opened: AppTest) -> None:
    opened.text_input[0].set_value("1, 2, 3, 3").run()
    assert not opened.exception and not opened.error
    assert opened.query_params["values"] == "1, 2, 3, 3"
    opened.text_input[0].set_value("").run()
    assert "values" not in opened.query_params
    assert opened.text_input[0].value == "0.7, 0.6, 1, 0.8"


def test_start_again_takes_everything_back(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = page(monkeypatch, empty_store, pattern="1:4", values="1,2,3,4", rho="2", coupling="20", iterations="7")
    next(b for b in app.button if b.label == "Start again").click().run()
    assert not app.exception
    assert app.query_params == {}
    assert "Iteration 20: entries 1 and 3 stay" in told(app)


@pytest.mark.parametrize(("query", "words"), [
    ({"values": "1,x,3,4"}, "'x'"), ({"values": "1,nan,3,4"}, "'nan'"), ({"values": "1,inf,3,4"}, "'inf'"),
    ({"values": "1,2,3"}, "4 numbers, separated by commas"), ({"values": "<b>*,2,3,4"}, "A value is"),
    ({"rho": "0"}, "a number above 0"), ({"rho": "-3"}, "a number above 0"), ({"rho": "nan"}, "rho is"),
    ({"pattern": "9:4"}, "did you mean '4:9'"), ({"pattern": "4:32"}, "groups of at most 16 here"),
    ({"pattern": "library:4x4:8:9999"}, "there are 12870"),
    ({"pattern": "library:9x9:8:2"}, "at most 64 weights in a block"),
    ({"entry": "5"}, "Unknown entry"), ({"value": "much"}, "value is"), ({"coupling": "half"}, "no whole number"),
    ({"iterations": "many"}, "no whole number"), ({"k": "soon"}, "no whole number"), ({"seed": "-1"}, "seed is")])
def test_bad_input_gets_a_red_box_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                                     query: dict[str, str], words: str) -> None:
    app = page(monkeypatch, empty_store, **query)
    assert len(app.error) == 1
    assert words in app.error[0].value.replace("\\", "")
    assert "entries 1 and 3 stay" in told(app)


def test_a_bad_text_stays_to_be_mended(opened: AppTest) -> None:
    opened.text_input[0].set_value("1, 2, 3").run()
    assert len(opened.error) == 1 and opened.text_input[0].value == "1, 2, 3"
    opened.text_input[0].set_value("1, 2, 3, 9").run()
    assert not opened.error and "the 2 largest of 4" in told(opened)


@pytest.mark.parametrize(("query", "words"), [
    ({"values": "0,0,0,0"}, "kept energy has no meaning"), ({"pattern": "4:4"}, "there is nothing to choose"),
    ({"pattern": "1:1"}, "there is nothing to choose"), ({"values": "5,5,5,5", "k": "0"}, "tie: the lower index stays"),
    ({"values": "1e6,2,3,-1e6"}, "entries 1 and 4"), ({"iterations": "999"}, "Iteration 200"),
    ({"pattern": "8:16"}, "of 12\N{NARROW NO-BREAK SPACE}870")])
def test_the_edges_of_what_can_be_asked(monkeypatch: pytest.MonkeyPatch, empty_store: Store, query: dict[str, str],
                                        words: str) -> None:
    app = page(monkeypatch, empty_store, **query)
    assert words in told(app, int(query.get("k", -1))) and not app.error


def test_a_library_has_a_block_and_its_patterns(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = page(monkeypatch, empty_store, pattern="library:4x4:8:16")
    assert "of 16 wins" in said(app) and "free choice of 8 of 16" in said(app)
    assert charts(app) == 2 and not app.error
    before = said(app)
    next(s for s in app.slider if s.label == "Another block").set_value(3).run()
    assert not app.exception
    assert app.query_params["seed"] == "3" and said(app) != before


def test_a_dragged_block_gives_way_to_another_draw(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = page(monkeypatch, empty_store, pattern="library:2x2:2:4", values="1,2,3,4")
    assert "of 4 wins" in said(app)
    next(s for s in app.slider if s.label == "Another block").set_value(1).run()
    assert "values" not in app.query_params
