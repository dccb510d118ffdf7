"""The map of a model that lost whole units: its layers down, their heads as squares and their neurons as a strip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.runs.store import Run
from core.sparsity.units import Noun
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, map_axis, swatch
from core.views.drawing.view import View
from core.views.patterns import units_left
from core.views.patterns.units_left import Left

CELLS = 256  # of a strip of neurons: what a screen can tell apart
COLOURS: dict[Noun, str] = {"head": style.rgba(style.POSITIVE, 1), "neuron": style.rgba(style.NEGATIVE, 1)}
GONE = style.rgba(style.PRUNED)
SPANS: dict[Noun, tuple[float, float]] = {"head": (0.0, 0.36), "neuron": (0.45, 0.93)}
MARKS: dict[Noun, str] = {"head": "", "neuron": "2"}


def units_map(run: Run, chosen: str = "") -> View:
    """What is left of every layer of *run*, a run of units; the module of matrix *chosen* is outlined."""
    found = units_left.left(run)
    words = units_left.counted(run, found)
    claim = f"{words} are left; {style.percent(run.record.sparsity)} of the layers' weights are zero."
    if gone := units_left.gone(found):
        claim += f" Gone as a whole: {gone}. What comes in there goes out unchanged."
    unknown = any(f.kept is None for f in found)
    hint = "This run kept how many are left, not which: they are drawn first." if unknown else \
        "Heads and neurons stand in their own order. Choose a matrix in the bar on top: its module is outlined."
    layers = dict.fromkeys(f.module.layer for f in found)
    alt = f"Map of {len(layers)} layers with their heads and neurons. {claim} From the first layer: " + "; ".join(
        f"{f.count} of {f.module.units} {f.module.noun}s in layer {f.module.layer}" for f in found) + "."
    table = pd.DataFrame([{"where": f.module.title, "units": f.module.units, "left": f.count,
                           "share left": f.count / f.module.units} for f in found])
    return View(claim, figure_of(found, chosen, run.record.id), None, alt, table, hint, heading=f"{words} are left.")


def cells(left: Left) -> tuple[NDArray[np.float64], int]:
    """The share that is left of every *k* consecutive units, and k: one, or as many as make at most CELLS cells."""
    k = -(-left.module.units // CELLS)
    drawn = left.drawn.astype(np.float64)
    return np.array([drawn[i:i + k].mean() for i in range(0, len(drawn), k)]), k


def figure_of(found: Sequence[Left], chosen: str = "", revision: str = "keep", height: int = 40) -> go.Figure:
    """Rows of *height* pixels, a layer each; the numbers of units that are left beside them."""
    layers = list(dict.fromkeys(f.module.layer for f in found))
    rows = {layer: at for at, layer in enumerate(layers)}
    data, notes, boxes = list[Part](), list[Part](), list[Part]()
    legend = []
    layout: Part = {"margin": {"t": 36, "b": 52, "l": 70, "r": 8}, "legend": legend_below()}
    for noun, mark in MARKS.items():
        mine = [f for f in found if f.module.noun == noun]
        drawn = {rows[f.module.layer]: cells(f) for f in mine}
        k, width = max(each for _, each in drawn.values()), max(len(shares) for shares, _ in drawn.values())
        grid = np.full((len(layers), width), np.nan, np.float32)
        said = np.full((len(layers), width), "", dtype=object)
        for f in mine:
            at, (shares, each) = rows[f.module.layer], drawn[rows[f.module.layer]]
            grid[at, :len(shares)] = shares
            said[at, :len(shares)] = _hover(f, shares, each)
        data.append({"type": "heatmap", "z": grid, "zmin": 0, "zmax": 1, "xaxis": f"x{mark}", "yaxis": "y",
                     "colorscale": [(0.0, GONE), (1.0, COLOURS[noun])], "showscale": False, "ygap": 5,
                     "xgap": 4 if noun == "head" else 0, "text": said, "hovertemplate": "%{text}<extra></extra>"})
        low, high = SPANS[noun]
        layout[f"xaxis{mark}"] = map_axis(domain=[low, high], showticklabels=False, showline=False, ticks="",
                                          range=[-0.5, width - 0.5])
        known = all(f.kept is not None for f in mine)
        notes.append({"text": f"{'which ' if known else ''}{noun}s {'are ' if known else ''}left, of "
                      f"{style.count(mine[0].module.units)}",
                      "x": low, "xref": "paper", "y": 1, "yref": "paper", "xanchor": "left", "yanchor": "bottom",
                      "showarrow": False, "font": {"size": 15}})
        for f in mine:
            y = rows[f.module.layer]
            notes.append({"text": style.count(f.count) if f.count else "<b>gone</b>", "x": high + 0.008,
                          "xref": "paper", "y": y, "yref": "y", "xanchor": "left", "showarrow": False,
                          "font": {"size": 15}})
            if chosen in (*f.module.rows, f.module.columns):
                boxes.append({"type": "rect", "xref": f"x{mark}", "yref": "y", "x0": -0.5, "x1": width - 0.5,
                              "y0": y - 0.49, "y1": y + 0.49, "line": {"width": 3, "color": style.ACCENT}})
        mixed = any(((shares > 0) & (shares < 1)).any() for shares, _ in drawn.values())
        legend.append(swatch(f"{noun}s left, {k} a cell" if mixed else f"{noun}s left", COLOURS[noun]))
    layout["yaxis"] = map_axis(tickvals=list(rows.values()), ticktext=[f"layer {layer}" for layer in layers],
                               range=[len(layers) - 0.5, -0.5], showline=False)
    return build([*data, *legend, swatch("gone", GONE)], {**layout, "annotations": notes, "shapes": boxes},
                 96 + height * len(layers), legend=True, revision=revision)


def _hover(f: Left, shares: NDArray[np.float64], each: int) -> list[str]:
    """What a cell says: which units it stands for, and what is left of them."""
    noun, where = f.module.noun, f"layer {f.module.layer}"
    if f.kept is None:
        return [f"{where}: {style.count(f.count)} of {style.count(f.module.units)} {noun}s are left"] * len(shares)
    if each == 1:
        return [f"{where}, {noun} {i + 1}: {'left' if share else 'gone'}" for i, share in enumerate(shares.tolist())]
    return [f"{where}, {noun}s {i * each + 1}–{min((i + 1) * each, f.module.units)}: {style.percent(share)} left"
            for i, share in enumerate(shares.tolist())]
