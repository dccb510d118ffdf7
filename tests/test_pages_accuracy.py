"""Accuracy vs ratio as a person uses it: links, boxes, what is said where there is little."""

from __future__ import annotations

import json
from functools import wraps
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.evidence.cells import Cell, cells
from core.evidence.tables import table
from core.evidence.words import signed_interval
from core.runs.store import Store
from core.views.drawing.view import View
from core.views.scores import chart
from tests import makers
from tests.opening import charts, open_page, said
from tests.planting import store_of
from ui import accuracy_bar, cache, starting


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of(tmp_path_factory.mktemp("planted"))


def spec(at: AppTest, n: int = 0) -> str:
    text: str = at.get("plotly_chart")[n].proto.spec
    return text


def test_the_page_opens_on_the_task_with_most_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, store, "accuracy")
    assert not at.error and charts(at) == 3 and len(at.header) == 3
    assert at.header[0].value.startswith("MRPC: ADMM in training at 1:4 loses 10.0 points (")
    assert at.header[1].value.startswith("At 2:4, ADMM in training loses 1.0 points (")
    assert any("Ratio is not speed" in c.value and "validation" in c.value for c in at.caption)
    assert "Left out" not in said(at)


def test_a_server_that_worked_ahead_has_drawn_what_the_page_opens_with(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(tmp_path)
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(store.live))
    cache._looked.clear()
    drawn: list[chart.Asked] = []

    @wraps(chart.chart)
    def counted(found: list[Cell], asked: chart.Asked) -> View:
        drawn.append(asked)
        return plain(found, asked)

    plain = chart.chart
    monkeypatch.setattr(chart, "chart", counted)
    starting.work_ahead()
    assert drawn == [accuracy_bar.opening()]
    at = open_page(monkeypatch, store, "accuracy")
    assert charts(at) == 3 and len(drawn) == 1
    open_page(monkeypatch, store, "accuracy", lit="asp")
    assert [asked.lit for asked in drawn[1:]] == [("asp",)]


def test_a_server_without_runs_works_nothing_ahead(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(empty_store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(empty_store.live))
    cache._looked.clear()
    assert accuracy_bar.opening() is None
    starting.work_ahead()


@pytest.mark.parametrize(("query", "words"), [
    ({"task": "average"}, "Average of 3 tasks"), ({"task": "agreement"}, "Agreement"),
    ({"task": "average", "show": "kl"}, "Average of 2 tasks: ADMM in training at 1:4 has "),
    ({"task": "stsb", "show": "kl"}, "STS-B: ASP at 2:4 has "),
    ({"task": "mrpc", "axis": "bits"}, "MRPC"), ({"show": "agreement"}, "points of agreement with dense")])
def test_a_link_says_what_is_shown(store: Store, monkeypatch: pytest.MonkeyPatch, query: dict[str, str],
                                   words: str) -> None:
    at = open_page(monkeypatch, store, "accuracy", **query)
    assert not at.error and words in at.header[0].value
    assert ('"type":"log"' in spec(at)) == (query.get("axis") == "bits")


def test_what_a_quantity_is_not_defined_for_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, store, "accuracy", task="stsb", show="agreement")
    assert not at.error and "no runs with answers to show here" in said(at)


@pytest.mark.parametrize(("query", "given"), [
    ({"axis": "money"}, "Unknown axis"), ({"show": "beauty"}, "Unknown quantity"), ({"task": "mrcp"}, "Unknown task"),
    ({"pattern": "9:9"}, "Unknown pattern"), ({"against": "nobody"}, "Unknown reference")])
def test_a_bad_link_gets_a_red_box_and_the_page_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch,
                                                        query: dict[str, str], given: str) -> None:
    at = open_page(monkeypatch, store, "accuracy", **query)
    assert given in at.error[0].value and charts(at) == 3


def test_the_lines_in_colour_come_from_the_link_and_go_into_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, store, "accuracy", task="mrpc", lit="wanda,<b>,nobody")
    assert at.multiselect[0].value == ["wanda"]
    names = {t["name"]: t["line"]["color"] for t in json.loads(spec(at))["data"] if t.get("name")}
    assert names["Wanda"] != names["ASP"] == "#7a828c"
    at.multiselect[0].set_value(["wanda", "asp"]).run()
    assert not at.exception and at.query_params["lit"] in ("wanda,asp", ["wanda,asp"])


def test_the_forest_turns_with_its_boxes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, store, "accuracy", task="mrpc", pattern="1:4", against="asp")
    assert at.header[1].value.startswith("At 1:4, ADMM in training gains 30.0 points (")
    assert at.header[1].value.endswith("against ASP.")


def test_the_page_and_the_command_say_the_same_figures(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, store, "accuracy", task="mrpc", pattern="1:4")
    assert not at.dataframe  # a table is set up once it is unfolded
    at.session_state["forest.numbers"] = True
    shown, dots = at.run().dataframe[0].value, json.loads(spec(at, 1))["data"][0]
    drawn = [given[0] for given in dots["customdata"]]
    made = table(cells(store.entries()), ("mrpc",), "tiny", "1:4")
    for row, (_, line) in zip(made.rows, shown.iterrows(), strict=True):
        assert (row.value.interval.value, row.value.interval.low) == (line["value"], line["low"])
        if row.versus is not None:
            assert signed_interval("score", row.versus.interval) in drawn


def test_published_points_come_with_the_switch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, store, "accuracy", task="sst2")
    assert "published, another model" not in spec(at)
    at.toggle[0].set_value(True).run()
    assert not at.exception and "published, another model" in spec(at)
    assert not open_page(monkeypatch, store, "accuracy", task="average").toggle


def test_runs_without_answers_are_counted(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = makers.make_dense(empty_store.recorded)
    for method in ("magnitude", "asp"):
        makers.make_run(empty_store.recorded, parent=parent, method=method, answers=method == "asp")
    at = open_page(monkeypatch, empty_store, "accuracy")
    assert not at.error and any("keep no answers or answer other examples: 1 run " in c.value for c in at.caption)


def test_a_store_without_any_answers_says_how_to_make_a_run(empty_store: Store,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No runs yet" in said(open_page(monkeypatch, empty_store, "accuracy"))


def test_score_over_error_is_a_view_of_its_own(good_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page(monkeypatch, good_store, "accuracy", view="error")
    assert not at.exception and not at.toggle and charts(at) == 2
    assert not any("Ratio is not speed" in c.value for c in at.caption)
