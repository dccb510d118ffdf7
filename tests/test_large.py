"""A figure made large: no text stays small, all lengths grow alike, ticks do not touch, and the first figure stays."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from core.views.drawing import style
from core.views.drawing.build import build
from core.views.drawing.large import FACTOR, LEAST, large

WIDE, HIGH = 1808, 876


def sizes(node: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every size of a font in a figure, wherever it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "template":
                continue
            if key.endswith("font") and isinstance(value, dict):
                yield from ((f"{path}.{key}", float(size)) for size in np.ravel(value.get("size", 0)))
            else:
                yield from sizes(value, f"{path}.{key}")
    elif isinstance(node, (list, tuple)):
        for each in node:
            yield from sizes(each, path)


def drawn(**layout: Any) -> go.Figure:
    return build([{"type": "scatter", "x": [0, 1, 2], "y": [1, 2, 3], "mode": "lines+markers",
                   "line": {"width": 2}, "marker": {"size": [6, 8, 10], "line": {"width": 1}},
                   "error_y": {"array": [1, 1, 1], "width": 4, "thickness": 1}},
                  {"type": "bar", "x": [0, 1], "y": [1, 2], "width": [0.8, 0.8], "text": ["a", "b"],
                   "texttemplate": "%{text}"},
                  {"type": "heatmap", "z": [[0, 1]], "zmin": 0, "zmax": 1, "colorbar": {"thickness": 8}}],
                 layout, 400, legend=True)


def test_no_text_is_small_and_all_lengths_grow_by_one_factor() -> None:
    first = drawn(annotations=[{"text": "note", "x": 0, "y": 0, "ax": 10, "ay": -20, "yshift": 6},
                               {"text": "at", "x": 0, "y": 0, "ax": 1, "ay": 2, "axref": "x", "ayref": "y"}],
                  shapes=[{"type": "line", "line": {"width": 3}}], margin={"l": 64, "r": 100, "t": 28, "b": 52},
                  legend={"title": {"text": "what"}}, xaxis={"title": {"text": "x"}})
    before = copy.deepcopy(first.to_plotly_json())
    figure = large(first, WIDE, HIGH)
    found = dict(sizes(figure.to_plotly_json()))
    assert found and min(found.values()) >= LEAST, found
    for needed in ("annotations", "xaxis.tickfont", "yaxis.tickfont", "legend.font", "legend.title.font",
                   "colorbar.tickfont", "textfont", "hoverlabel.font", "xaxis.title.font"):
        assert any(needed in path for path in found), needed
    line, bar, heat = figure.data
    assert line.line.width == 2 * FACTOR and line.error_y.width == 4 * FACTOR
    assert np.allclose(line.marker.size, np.array([6, 8, 10]) * FACTOR) and line.marker.line.width == FACTOR
    assert list(bar.width) == [0.8, 0.8] and heat.colorbar.thickness == 8 * FACTOR
    near, far = figure.layout.annotations
    assert (near.ax, near.ay, near.yshift) == (10 * FACTOR, -20 * FACTOR, 6 * FACTOR) and (far.ax, far.ay) == (1, 2)
    assert figure.layout.shapes[0].line.width == 3 * FACTOR and figure.layout.margin.r == 100 * FACTOR
    assert (figure.layout.width, figure.layout.height) == (WIDE, HIGH)
    assert np.allclose(line.y, [1, 2, 3])
    after = first.to_plotly_json()
    assert str(after) == str(before), "the first figure was changed: it is shared between viewers"


def test_lines_and_markers_without_a_size_of_their_own_grow_too() -> None:
    plain = go.Figure([{"type": "scatter", "x": [0, 1], "y": [0, 1]}, {"type": "scatter", "y": [1], "mode": "lines"}])
    both, lines = large(plain, WIDE, HIGH).data
    assert both.line.width == lines.line.width == 2 * FACTOR and both.marker.size == 6 * FACTOR
    assert lines.marker.size is None


def test_text_that_says_its_own_size_is_heard() -> None:
    figure = drawn(annotations=[{"text": "a<br><span style='font-size:12px'>b</span>", "x": 0, "y": 0}])
    assert f"font-size:{LEAST}px" in large(figure, WIDE, HIGH).layout.annotations[0].text


@pytest.mark.parametrize(("count", "width"), [(40, WIDE), (12, 700), (3, WIDE)])
def test_ticks_of_a_list_do_not_touch(count: int, width: int) -> None:
    names = [f"step {100 + k}" for k in range(count)]
    figure = drawn(xaxis={"tickvals": list(range(count)), "ticktext": names, "range": [-0.5, count - 0.5]})
    axis = large(figure, width, HIGH).layout.xaxis
    kept = list(axis.tickvals)
    margin = large(figure, width, HIGH).layout.margin
    pixels = (width - margin.l - margin.r) / count
    if len(kept) > 1:
        assert (kept[1] - kept[0]) * pixels >= 0.5 * axis.tickfont.size * len(names[0]), "neighbours overlap"
    assert list(axis.ticktext) == [names[k] for k in kept]
    if count == 3:
        assert kept == [0, 1, 2]


def test_names_are_never_left_out() -> None:
    names = [f"method {chr(97 + k)}" for k in range(12)]
    rows = go.Figure([{"type": "scatter", "x": list(range(12)), "y": names, "mode": "markers"}])
    axis = large(style.finish(rows, 400), WIDE, 400).layout.yaxis
    assert axis.nticks is None and axis.tickvals is None
    few = drawn(xaxis={"tickvals": [0, 1, 2, 3], "ticktext": ["attention output"] * 4})
    assert list(large(few, 600, HIGH).layout.xaxis.ticktext) == ["attention<br>output"] * 4


def test_a_pile_of_low_panels_lays_its_titles_down_and_keeps_its_curves() -> None:
    traces = [{"type": "scatter", "x": [0, 1], "y": [0.001, 1.0], "yaxis": f"y{k or ''}"} for k in ("", 2, 3)]
    layout: dict[str, Any] = {
        f"yaxis{k or ''}": {"domain": [at, at + 0.15], "title": {"text": "residuals (log)"}, "type": "log"}
        for k, at in (("", 0.8), (2, 0.4), (3, 0.0))}
    layout["annotations"] = [{"text": "primal", "x": 1, "y": 0.0, "yref": "y", "showarrow": False}]
    figure = large(build(traces, layout, 400), WIDE, HIGH)
    low, high = figure.layout.yaxis.range
    assert -4 < low < -3 and 0 < high < 1, "around a large word Plotly would leave room for decades"
    assert not figure.layout.yaxis.title.text
    titles = [note for note in figure.layout.annotations if note.text == "residuals (log)"]
    assert [round(note.y, 3) for note in titles] == [0.875, 0.475, 0.075]
    assert figure.layout.margin.l > 0.5 * LEAST * len("residuals (log)")


def test_a_single_panel_keeps_its_title() -> None:
    assert large(drawn(yaxis={"title": {"text": "share of the groups"}}), WIDE, HIGH).layout.yaxis.title.text
