"""How a choice is kept: both kinds survive a walk over other pages, defaults leave the link, bad values are said."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.store import Store
from tests import makers
from tests.opening import ran, whole_app
from ui.pages import PAGES

MATRIX = "bert.encoder.layer.1.output.dense"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two pruned runs of one dense parent, large enough for windows of single weights."""
    store = makers.empty_store(tmp_path_factory.mktemp("store"))
    parent = makers.make_dense(store.recorded)
    for method in ("admm", "asp"):
        makers.make_run(store.recorded, parent=parent, method=method)
    return store


@pytest.fixture
def app(runs: Store, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    return whole_app(monkeypatch, runs)


def go(app: AppTest, page: str, /, **asked: str) -> AppTest:
    """Another page, by the menu: its link says nothing but *asked*."""
    app.query_params.clear()
    app.switch_page(PAGES[page].file)
    for key, value in asked.items():
        app.query_params[key] = value
    return ran(app)


def turn(app: AppTest, kind: str, label: str, value: Any) -> None:
    """Move the widget of *label* as a person does."""
    next(w for w in app.get(kind) if w.label == label).set_value(value)
    ran(app)


def link(app: AppTest) -> dict[str, str]:
    return {k: v[0] if isinstance(v, list) else v for k, v in app.query_params.items()}


def test_a_shared_choice_goes_along_to_every_page_and_back(app: AppTest, runs: Store) -> None:
    go(app, "weights")
    other = next(r.id for r in runs.records() if r.spec.method == "asp")
    assert link(app)["run"] != other
    turn(app, "selectbox", "Run", other)
    turn(app, "selectbox", "Matrix", MATRIX)
    for page in ("occupancy", "compare", "weights"):
        go(app, page)
        assert link(app)["matrix"] == MATRIX, page
        if page == "compare":
            assert other in link(app)["runs"].split(",")
        else:
            assert link(app)["run"] == other, page


def test_what_the_new_link_names_wins_over_what_was_remembered(app: AppTest) -> None:
    go(app, "weights", matrix=MATRIX)
    go(app, "occupancy", matrix="bert.encoder.layer.0.output.dense")
    assert link(app)["matrix"] == "bert.encoder.layer.0.output.dense"


@pytest.mark.parametrize(("page", "kind", "label", "value", "key", "text"), [
    ("weights", "button_group", "Colour the model by", "energy", "figure", "energy"),
    ("occupancy", "slider", "Largest dense weights that count", 7, "share", "7"),
    ("patterns", "slider", "Supports, K", 9, "supports", "9"),
    ("compare", "button_group", "Against the reference", "weights", "by", "weights"),
    ("accuracy", "toggle", "Published points", True, "published", "true"),
    ("plane", "select_slider", "Iterations", "50", "iterations", "50"),
    ("projection", "slider", "Correlation of neighbours", 20, "coupling", "20"),
    ("projection", "slider", "Value of entry 1", 0.95, "values", "0.95, 0.6, 1, 0.8"),
    ("projection", "text_input", "4 values, separated by commas", "1, 2, 3, 3", "values", "1, 2, 3, 3"),
    ("projection", "selectbox", "rho", "2", "rho", "2"),
    ("run", "text_input", "Seed", "7", "seed", "7"),
])
def test_a_knob_of_a_page_is_there_when_one_comes_back_and_nowhere_else(app: AppTest, page: str, kind: str, label: str,
                                                                        value: Any, key: str, text: str) -> None:
    go(app, page)
    assert key not in link(app), "a default is not in the link"
    turn(app, kind, label, value)
    assert link(app)[key] == text
    others = ["plane" if page != "plane" else "projection", "overview"]
    for other in others:
        go(app, other)
        assert key not in link(app), other
    go(app, page)
    assert link(app)[key] == text
    assert next(w for w in app.get(kind) if w.label == label).value == value


def test_a_knob_moved_back_to_its_default_is_forgotten(app: AppTest) -> None:
    go(app, "projection")
    turn(app, "slider", "Correlation of neighbours", 20)
    turn(app, "slider", "Correlation of neighbours", 60)
    assert "coupling" not in link(app)
    go(app, "plane")
    assert "coupling" not in link(go(app, "projection"))


def test_defaults_that_a_link_names_are_left_out_of_it(app: AppTest) -> None:
    assert link(go(app, "projection", pattern="2:4", rho="1", coupling="60", entry="1", seed="0")) == {}
    assert link(go(app, "accuracy", published="false", axis="zeros")) == {}


def test_the_pattern_of_one_page_is_not_the_filter_of_another(app: AppTest) -> None:
    go(app, "projection")
    turn(app, "selectbox", "Pattern", "1:4")
    assert link(app)["pattern"] == "1:4"
    go(app, "runs")
    assert "pattern" not in link(app) and next(b for b in app.selectbox if b.label == "Pattern").value == ""
    turn(app, "selectbox", "Pattern", "2:4")
    go(app, "projection")
    assert link(app)["pattern"] == "1:4"
    assert link(go(app, "runs"))["pattern"] == "2:4"


def test_a_link_that_names_one_knob_of_a_page_says_them_all(app: AppTest) -> None:
    """It shows the same in a session that has turned knobs as in a fresh one."""
    go(app, "projection", coupling="20", iterations="7")
    go(app, "overview")
    go(app, "projection", rho="2")
    assert link(app) == {"rho": "2"}
    go(app, "overview")
    assert link(go(app, "projection")) == {"rho": "2"}


def test_a_text_that_could_not_be_used_is_still_there_to_be_mended(app: AppTest) -> None:
    go(app, "projection")
    turn(app, "text_input", "4 values, separated by commas", "1, 2, 3")
    assert len(app.error) == 1
    go(app, "overview")
    go(app, "projection")
    box = next(b for b in app.text_input if b.label.startswith("4 values"))
    assert box.value == "1, 2, 3" and len(app.error) == 1
    turn(app, "text_input", box.label, "1, 2, 3, 9")
    assert not app.error


def test_what_memory_says_and_another_run_has_not_is_no_fault_of_the_link(
        empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that kept every feature map, then one that kept the block output alone; then a link that asks for more."""
    parent = makers.make_dense(empty_store.recorded)
    rich = makers.make_run(empty_store.recorded, parent=parent, watched=True)
    poor = makers.make_run(empty_store.recorded, parent=parent, method="asp")
    app = whole_app(monkeypatch, empty_store)
    go(app, "activations", run=rich, map="ffn")
    assert not app.error and link(app)["map"] == "ffn"
    go(app, "activations", run=poor)
    assert not app.error and link(app)["map"] == "block"
    go(app, "activations", run=poor, map="ffn")
    assert "Unknown feature map 'ffn'" in app.error[0].value
