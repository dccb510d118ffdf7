"""The large chart, the forest and the small multiples: what is drawn where, and that all say their intervals."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from core.evidence.cells import Cell, cells
from core.evidence.tables import table
from core.runs.store import Store
from core.views.drawing.view import View
from core.views.scores import chart, forest, multiples
from core.views.scores.published import PUBLISHED
from tests.planting import store_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def found(store: Store) -> list[Cell]:
    return cells(store.entries())


def spec(view: View) -> dict[str, Any]:
    assert view.figure is not None
    made: dict[str, Any] = json.loads(view.figure.to_json())
    return made


def trace(view: View, name: str) -> dict[str, Any]:
    return next(t for t in spec(view)["data"] if t.get("name") == name)


MRPC = chart.Asked(("mrpc",), "tiny")


def test_a_point_is_the_mean_over_seeds_with_its_interval(found: list[Cell]) -> None:
    line = trace(chart.chart(found, MRPC), "ADMM in training")
    assert line["y"] == pytest.approx([0.89, 0.8]) and line["customdata"][0][3] == "2 seeds, 200 examples"
    assert all(a > 0.02 and b > 0.02 for a, b in zip(line["error_y"]["array"], line["error_y"]["arrayminus"],
                                                     strict=True))
    assert [x == pytest.approx(want, abs=0.02) for x, want in zip(line["x"], (0.5, 0.75), strict=True)] == [True] * 2


def test_the_story_is_in_colour_and_the_rest_is_grey_until_chosen(found: list[Cell]) -> None:
    from dataclasses import replace

    view = chart.chart(found, MRPC)
    assert trace(view, "Wanda")["line"]["color"] == chart.style.GREY
    assert trace(view, "ASP")["line"]["color"] == chart.style.colour("asp")
    assert not trace(view, "Wanda")["error_y"]["visible"] and trace(view, "ASP")["error_y"]["visible"]
    lit = chart.chart(found, replace(MRPC, lit=("wanda",)))
    assert trace(lit, "Wanda")["line"]["color"] == chart.style.colour("wanda")
    assert spec(lit)["layout"]["yaxis"]["range"] == spec(view)["layout"]["yaxis"]["range"]  # fixed, whatever is lit


def test_every_line_is_named_once_at_its_end_and_no_name_lies_over_another(found: list[Cell]) -> None:
    drawn = spec(chart.chart(found, MRPC))
    layout = drawn["layout"]
    names = [note["text"] for note in layout["annotations"]]
    assert sorted(names) == sorted(["Dense", chart.CONSTANT, "Magnitude, one-shot", "Wanda", "ASP", "SR-STE",
                                    "ADMM in training", "NxMTransformer"])
    low, high = layout["yaxis"]["range"]
    pixels = sorted((note["y"] - low) / (high - low) * (chart.HEIGHT - chart.TOP - chart.BOTTOM)
                    for note in layout["annotations"])
    assert all(b - a >= 18.9 for a, b in pairwise(pixels))
    legend = [one["name"] for one in drawn["data"] if one.get("showlegend") is not False]
    assert legend == ["trained", "not trained", "not above constant answer"]  # marks alone, no line twice


def test_where_names_are_many_grey_lines_share_one(found: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    def ended() -> tuple[list[str], int]:
        drawn = spec(chart.chart(found, MRPC))
        leaders = [t for t in drawn["data"] if t["mode"] == "lines" and t["line"]["dash"] == "dot"]
        return [note["text"] for note in drawn["layout"]["annotations"]], len(leaders)

    names, leaders = ended()
    assert len(names) == chart.CROWD == leaders + 2  # a leader a line; dense and the constant answer need none
    monkeypatch.setattr(chart, "CROWD", 7)
    names, leaders = ended()
    assert sorted(names) == sorted(["Dense", chart.CONSTANT, "Magnitude, one-shot", "ASP", "ADMM in training",
                                    "3 others, in grey"]) and leaders == 3
    assert trace(chart.chart(found, MRPC), "Wanda")["hovertemplate"].startswith("<b>Wanda")


def test_what_does_not_beat_the_constant_answer_is_crossed_and_said(found: list[Cell]) -> None:
    view = chart.chart(found, MRPC)
    assert trace(view, "ASP")["marker"]["symbol"] == ["circle", chart.IDLE_MARK]
    assert trace(view, "Magnitude, one-shot")["marker"]["symbol"] == ["circle-open", chart.IDLE_MARK]
    assert trace(view, "ADMM in training")["marker"]["symbol"] == ["circle", "circle"]
    assert "No better than a constant answer somewhere (crosses): ASP; Magnitude, one-shot" in view.claim
    dashed = [s for s in spec(view)["layout"]["shapes"] if s["line"].get("dash") == "dash"]
    assert [s["y0"] for s in dashed] == [pytest.approx(0.5)]  # half of the labels are 1
    marked = view.table[view.table["beats a constant answer"] == "no"]
    assert set(zip(marked["method"], marked["pattern"], strict=True)) == {
        ("ASP", "1:4"), ("Magnitude, one-shot", "1:4")}


@pytest.mark.parametrize("quantity", ["score", "agreement", "kl", "loss"])
def test_every_quantity_has_its_constant_line_and_a_claim_with_an_interval(found: list[Cell], quantity: str) -> None:
    view = chart.chart(found, chart.Asked(("mrpc",), "tiny", quantity))
    assert any(note["text"] == chart.CONSTANT for note in spec(view)["layout"]["annotations"])
    assert view.heading.startswith("MRPC: ADMM in training at 1:4 ") and view.heading.count("(") == 1
    assert "a constant answer" in view.alt and "costs nothing" not in view.claim


def test_on_the_axis_of_bits_dense_is_at_the_left(found: list[Cell]) -> None:
    view = chart.chart(found, chart.Asked(("mrpc",), "tiny", axis=chart.BITS))
    axis = spec(view)["layout"]["xaxis"]
    assert axis["type"] == "log" and axis["range"][0] > axis["range"][1]
    assert trace(view, "ADMM in training")["x"] == pytest.approx(list(view.table[
        view.table["method"] == "ADMM in training"]["bits per weight"]))


def test_published_points_are_off_until_asked_for_and_marked_apart(found: list[Cell]) -> None:
    from dataclasses import replace

    asked = chart.Asked(("sst2",), "tiny")
    assert not any(t.get("name") == "published, another model" for t in spec(chart.chart(found, asked))["data"])
    mark = trace(chart.chart(found, replace(asked, printed=True)), "published, another model")
    assert (mark["x"], mark["y"], mark["marker"]["symbol"]) == ([0.5], [0.913], "star-open")


def test_every_published_point_names_model_and_source() -> None:
    assert all(entry.model and entry.source and entry.note for entry in PUBLISHED)


def test_without_runs_there_are_words_and_no_picture(found: list[Cell]) -> None:
    assert chart.chart(found, chart.Asked(("cola",), "tiny")).figure is None
    assert forest.forest(found, ("mrpc",), "tiny", "4:8").figure is None
    assert multiples.multiples(found, ("mrpc",), "tiny").figure is None


def test_the_forest_is_sorted_and_says_what_the_table_says(found: list[Cell]) -> None:
    view = forest.forest(found, ("mrpc",), "tiny", "2:4")
    dots, *meanings = spec(view)["data"]
    assert dots["showlegend"] is False
    assert set(dots["marker"]["symbol"]) == {"circle", "circle-open"}
    assert [(t["name"], t["marker"]["symbol"], t["x"]) for t in meanings] == [
        ("trained", "circle", [None]), ("not trained", "circle-open", [None])]
    assert dots["x"] == sorted(dots["x"]) and dots["y"][-1] == "ADMM in training"
    made = table(found, ("mrpc",), "tiny", "2:4")
    want = {forest._name(r): 100 * r.versus.interval.value for r in made.rows if r.versus}
    assert dict(zip(dots["y"], dots["x"], strict=True)) == pytest.approx(want)
    assert view.heading.startswith("At 2:4, ADMM in training loses 1.0 points (")


def test_the_forest_is_turned_to_another_reference(found: list[Cell]) -> None:
    view = forest.forest(found, ("mrpc",), "tiny", "1:4", "score", "asp")
    dots, *meanings = spec(view)["data"]
    crossed = any(name.endswith(forest.IDLE_WORDS) for name in dots["y"])
    assert ("not above constant answer" in [t["name"] for t in meanings]) == crossed
    assert "Dense" in dots["y"] and not any(name.startswith("ASP") for name in dots["y"])
    assert "gains 30.0 points" in view.heading and view.heading.endswith("against ASP.")
    assert set(forest.references(found, ("mrpc",), "tiny", "1:4", "score")) == {"dense", "magnitude", "wanda", "asp",
                                                                                "admm"}
    by_loss = spec(forest.forest(found, ("mrpc",), "tiny", "2:4", "loss"))["data"][0]
    assert by_loss["x"] == sorted(by_loss["x"], reverse=True)  # less is better: the least on top


def test_the_tasks_side_by_side_share_their_axes(found: list[Cell]) -> None:
    view = multiples.multiples(found, ("sst2", "mrpc"), "tiny")
    layout = spec(view)["layout"]
    assert layout["yaxis2"]["matches"] == "y" and layout["xaxis"]["range"] == layout["xaxis2"]["range"] == [0, 1]
    assert {t["name"] for t in spec(view)["data"]} == {"Magnitude, one-shot", "ASP", "ADMM in training"}
    assert view.heading.startswith("Hardest for ADMM in training at 2:4: ")
    assert "SST-2" in view.alt and "MRPC" in view.alt


def test_a_regression_has_a_distance_and_no_agreement(found: list[Cell]) -> None:
    view = chart.chart(found, chart.Asked(("stsb",), "tiny", "kl"))
    assert spec(view)["layout"]["yaxis"]["title"]["text"] == "Squared distance to dense"
    assert chart.chart(found, chart.Asked(("stsb",), "tiny", "agreement")).figure is None


def test_a_chart_is_light(found: list[Cell]) -> None:
    for view in (chart.chart(found, MRPC), forest.forest(found, ("mrpc",), "tiny", "2:4"),
                 multiples.multiples(found, ("sst2", "mrpc"), "tiny")):
        assert view.figure is not None and len(view.figure.to_json()) < 40_000
