"""Pictures of matrices: which cells are drawn, in which colours, at what cost. numpy and Plotly only.

A browser paints about 200 x 200 cells at once without stutter, so a heatmap of ours never has more than `CELLS` cells.
What is larger is shown as a window of single weights, or as block means whose blocks are a multiple of M (picking
single weights would beat against the pattern). Every heatmap has a fixed zmin and zmax; pruned cells are gaps over
their own flat grey, so that "small" and "gone" never look alike.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.runs.names import layer_of, part_of
from core.views.drawing import style
from core.views.drawing.bands import Bands, rules
from core.views.drawing.build import Part, build, legend_below, map_axis, shared_title, swatch

Floats = NDArray[np.float32]
Bits = NDArray[np.uint8]

CELLS = 24_576  # of one panel drawn cell by cell: three float32 panels stay under 0.4 MB on the wire
TILE = 16  # weights a side of the tile with numbers
WINDOW = 96  # weights a side of the window into a matrix too large to be drawn whole
FEW = 5  # ticks that count weights, at most
ROW = 104  # pixels under panels that have one row, of their bar and legend, under ticks and title
MIDDLE = [1 / 3, 2 / 3]  # of the figure: where the one colour bar of all panels lies
GREY_CELL = ((0.0, "rgba(0,0,0,0)"), (1.0, style.rgba(style.PRUNED)))  # over the page: 0 nothing, 1 pruned

def places(matrices: list[str]) -> tuple[list[int], list[str]]:
    """Layers (0: outside the layers) and parts of *matrices*, each in the order in which they first come."""
    layers = dict.fromkeys(layer_of(m) or 0 for m in matrices)
    return list(layers), list(dict.fromkeys(map(part_of, matrices)))


def block_size(shape: tuple[int, int], multiple: int, cells: int = 96) -> tuple[int, int]:
    """Rows and columns of blocks: at most *cells* blocks a side, the columns a multiple of *multiple*."""
    return ceil(shape[0] / cells), ceil(ceil(shape[1] / cells) / multiple) * multiple


def means_over(values: NDArray[np.floating], r: int, c: int) -> Floats:
    """Mean of *values* `[out, in]` per block of *r* x *c*; blocks at the border may be smaller, NaN is not there."""
    rows, cols = values.shape
    padded = np.pad(values.astype(np.float32), ((0, -rows % r), (0, -cols % c)), constant_values=np.nan)
    return np.nanmean(padded.reshape(padded.shape[0] // r, r, -1, c), axis=(1, 3)).astype(np.float32)


def limit_of(values: NDArray[np.floating], share: float = 99.5) -> float:
    """The fixed colour range: the *share*-th percentile of abs(values), never zero."""
    return float(np.percentile(np.abs(values), share)) or float(np.abs(values).max(initial=0.0)) or 1.0


def tile_width(multiple: int) -> int:
    """Columns of a tile: the most whole groups that fit in TILE, at least one group."""
    return max(TILE // multiple, 1) * multiple


def snap(start: int, size: int, length: int, multiple: int = 1) -> int:
    """The nearest allowed start, at or before *start*: inside 0..length - size and on a multiple of *multiple*."""
    return max(0, min(start, length - size)) // multiple * multiple


def tile_at(shape: tuple[int, int], row: int, column: int, multiple: int) -> tuple[slice, slice]:
    """The tile whose first weight is at or before (*row*, *column*), moved inside the matrix, on whole groups."""
    height, width = min(TILE, shape[0]), min(tile_width(multiple), shape[1])
    top, left = snap(row, height, shape[0]), snap(column, width, shape[1], multiple)
    return slice(top, top + height), slice(left, left + width)


def tile_reach(shape: tuple[int, int], multiple: int) -> tuple[int, int]:
    """The last row and the last column at which a tile can start."""
    return max(shape[0] - TILE, 0), max(shape[1] - tile_width(multiple), 0)


def drawn_whole(shape: tuple[int, int]) -> bool:
    """Can a browser paint every weight of the matrix?"""
    return shape[0] * shape[1] <= CELLS


def window(shape: tuple[int, int], row: int, column: int, multiple: int) -> tuple[slice, slice]:
    """The window of single weights around the tile at (*row*, *column*); all of a matrix that can be drawn whole."""
    if drawn_whole(shape):
        return slice(0, shape[0]), slice(0, shape[1])
    height, width = min(WINDOW, shape[0]), min(WINDOW // multiple, shape[1] // multiple) * multiple
    top = snap(row - (height - TILE) // 2, height, shape[0])
    left = snap(column - (width - tile_width(multiple)) // 2, width, shape[1], multiple)
    return slice(top, top + height), slice(left, left + width)


@dataclass(frozen=True)
class Panel:
    """One heatmap. *values* None: nothing was kept, and *why* is written in its place."""

    title: str
    values: Floats | None
    scale: Literal["diverging", "sequential"] = "diverging"
    limit: float = 1.0  # colours run -limit..limit (diverging) or 0..limit (sequential)
    pruned: Bits | None = None  # 1 where a cell is gone
    why: str = ""
    unit: str = "weight"
    bar: bool = True  # a colour bar; without one the title says what colour means
    colours: list[tuple[float, str]] | None = None  # instead of the house's scale


@dataclass(frozen=True)
class Axes:
    """What the two axes count. `ticks` are texts for the rows (tokens); `cols` the same for the columns."""

    x: str = "input"
    y: str = "output"
    start: tuple[int, int] = (0, 0)  # row and column of the first cell
    step: tuple[int, int] = (1, 1)  # rows and columns in one cell
    rows: list[str] = field(default_factory=list)
    cols: list[str] = field(default_factory=list)
    bands: Bands | None = None

    def title(self, side: int) -> str:
        """The title of the rows' axis (0) or the columns' (1)."""
        plain = self.x if side else self.y
        return plain if self.bands is None else self.bands.title(side, plain)

    def banded(self, side: int) -> Part:
        """The ticks of an axis that counts bands."""
        return {} if self.bands is None else self.bands.axis(side)


def draw(panels: list[Panel], axes: Axes, *, height: int, stacked: bool = False, keep: str = "",
         tile: tuple[slice, slice] | None = None, room: dict[str, int] | None = None, tick: int = 14,
         key: Sequence[tuple[str, str]] = ()) -> go.Figure:
    """Draw *panels* side by side (or *stacked*) with linked zoom.

    *keep*: while it stays the same, so does the zoom. *tile*: rows and columns to put a box around. *room*: margins in
    pixels for long tick texts, *tick* their size. *key*: names and colours for the legend,
    where a cell stands for a kind. What all panels have in common is said once: the title under them, the colour bar.
    """
    one, apart = _one_bar(panels), stacked or len(panels) == 1 or bool(axes.cols)
    in_row = one is not None or not any(panel.bar for panel in panels)
    under = 56 if stacked else ROW if in_row and not apart else 100
    margin = {"l": 64, "r": 84 if stacked else 12, "t": 44, "b": under} | (room or {})
    spans = _spans(len(panels), stacked, height - margin["t"] - margin["b"])
    data: list[Part] = []
    notes: list[Part] = []
    boxes: list[Part] = []
    layout: Part = {"margin": margin, "legend": {**legend_below(), "x": 1, "xanchor": "right"}}
    if not apart:
        notes.append(shared_title(axes.title(1)))
    for i, (panel, (x, y)) in enumerate(zip(panels, spans, strict=True)):
        mark = "" if i == 0 else str(i + 1)
        edge, bottom = stacked or i == 0, not stacked or i == len(panels) - 1
        layout[f"xaxis{mark}"] = map_axis(
            domain=x, anchor=f"y{mark}", showticklabels=bottom, nticks=FEW, **_ticks(axes.cols, tick, -60),
            **axes.banded(1), **_follows("x", i),
            title={"text": axes.title(1) if bottom and apart else "", "standoff": 4})
        layout[f"yaxis{mark}"] = map_axis(
            domain=y, anchor=f"x{mark}", showticklabels=edge, nticks=FEW, **_ticks(axes.rows, tick), **axes.banded(0),
            **_follows("y", i), title={"text": axes.title(0) if edge else "", "standoff": 4},
            **({} if i else {"autorange": "reversed"}))
        note = {"showarrow": False, "x": sum(x) / 2, "xref": "paper", "yref": "paper", "xanchor": "center",
                "yanchor": "middle", "font": {"size": 15}}
        notes.append({**note, "text": panel.title, "y": y[1], "yanchor": "bottom"})
        place = {"xaxis": f"x{mark}", "yaxis": f"y{mark}", **_grid(axes)}
        if panel.values is None:
            notes.append({**note, "text": wrapped(panel.why), "y": sum(y) / 2})
            continue
        if panel.pruned is not None:
            data.append({"type": "heatmap", "z": np.asarray(panel.pruned, np.uint8), "zmin": 0, "zmax": 1,
                         "colorscale": GREY_CELL, "showscale": False, "hoverinfo": "skip", **place})
        beside = (x, y) if one is None else (MIDDLE, MIDDLE)
        data.append({**_heat(panel, axes), **place, "showscale": panel.bar if one is None else i == one,
                     "colorbar": {**_bar(panel), **_bar_place(*beside, stacked),
                                  **({"y": 0.03, "ypad": 0} if one is not None and not apart else {})}})
        boxes += rules(axes.bands, f"x{mark}", f"y{mark}")
        if tile is not None:
            boxes.append({"type": "rect", "xref": f"x{mark}", "yref": f"y{mark}", "x0": tile[1].start - 0.5,
                          "x1": tile[1].stop - 0.5, "y0": tile[0].start - 0.5, "y1": tile[0].stop - 0.5,
                          "line": {"width": 2, "color": style.ACCENT}})
    gone = any(p.pruned is not None and p.values is not None for p in panels)
    if gone:
        data.append(swatch("pruned: exactly zero", style.rgba(style.PRUNED)))
    data += [swatch(name, colour) for name, colour in key]
    return build(data, {**layout, "annotations": notes, "shapes": boxes}, height, legend=gone or bool(key),
                 revision=keep or "keep")


def _one_bar(panels: list[Panel]) -> int | None:
    """The panel whose colour bar says what colours mean in all of them; None where their ranges differ."""
    barred = [i for i, panel in enumerate(panels) if panel.bar and panel.values is not None]
    ranges = {(panels[i].scale, panels[i].limit, tuple(panels[i].colours or ())) for i in barred}
    return barred[0] if len(barred) > 1 and len(ranges) == 1 else None


def _follows(axis: str, panel: int) -> Part:
    """All panels but the first take their range from the first."""
    return {"matches": axis} if panel else {}


def _spans(count: int, stacked: bool, pixels: int) -> list[tuple[list[float], list[float]]]:
    """The x and y domains of the panels; stacked ones leave 40 pixels for the title of the next."""
    gap = 40 / max(pixels, 100) if stacked else 0.03
    size = (1 - gap * (count - 1)) / count
    ends = [(i * (size + gap), i * (size + gap) + size) for i in range(count)]
    if stacked:
        return [([0.0, 1.0], [max(1 - b, 0.0), 1 - a]) for a, b in ends]
    return [([a, min(b, 1.0)], [0.0, 1.0]) for a, b in ends]


def _grid(axes: Axes) -> Part:
    """x0, dx, y0, dy of a heatmap whose cells cover *axes*: the middle of the first cell and the size of one."""
    (row, col), (r, c) = axes.start, axes.step
    return {"x0": col + (c - 1) / 2, "dx": c, "y0": row + (r - 1) / 2, "dy": r}


def _heat(panel: Panel, axes: Axes) -> Part:
    values = np.asarray(panel.values, np.float32)
    if panel.pruned is not None:
        values = np.where(np.asarray(panel.pruned) != 0, np.float32(np.nan), values)
    diverging = panel.scale == "diverging"
    return {"type": "heatmap", "z": values, "zmin": -panel.limit if diverging else 0.0, "zmax": panel.limit,
            "colorscale": panel.colours or (style.DIVERGING if diverging else style.SEQUENTIAL), "hoverongaps": False,
            "hovertemplate": f"{axes.y or 'token'} %{{y}}<br>{axes.x} %{{x}}<br>{panel.unit} %{{z:.3g}}<extra></extra>"}


def _bar(panel: Panel) -> Part:
    """The ticks of a colour bar: its ends and zero."""
    top = f"{panel.limit:.2g}"
    if panel.scale == "diverging":
        return {"tickvals": [-panel.limit, 0.0, panel.limit], "ticktext": [f"−{top}", "0", top]}
    return {"tickvals": [0.0, panel.limit], "ticktext": ["0", top]}


def _bar_place(x: list[float], y: list[float], stacked: bool) -> Part:
    """A thin colour bar: under its panel, or right of it when stacked."""
    thin = {"thickness": 8, "outlinewidth": 0}
    if stacked:
        return thin | {"len": y[1] - y[0], "y": sum(y) / 2, "x": 1.01}
    return thin | {"orientation": "h", "len": 0.8 * (x[1] - x[0]), "x": sum(x) / 2, "y": 34, "yref": "container"} | \
        {"y": 0.12, "yanchor": "bottom"}


def _ticks(texts: list[str], size: int, angle: int | None = None) -> Part:
    if not texts:
        return {}
    return {"tickvals": list(range(len(texts))), "ticktext": [html.escape(t) for t in texts], "tickangle": angle,
            "tickfont": {"size": size}}


def wrapped(text: str, width: int = 34) -> str:
    """Escape *text* and break it into lines of about *width* characters for a figure."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "<br>".join(html.escape(part) for part in [*lines, line])
