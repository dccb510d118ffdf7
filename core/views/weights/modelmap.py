"""The model at a glance: layers × matrices as squares, coloured by one figure of the header."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.errors import unknown
from core.runs.names import layer_of, part_of
from core.runs.records import Matrix
from core.runs.store import Run
from core.views.drawing import maps, style
from core.views.drawing.build import build, map_axis, words_only
from core.views.drawing.view import View


@dataclass(frozen=True)
class Figure:
    """One figure that a matrix can be coloured by."""

    title: str
    of: Callable[[Matrix], float | None]
    top: float  # the colour range is 0..top, fixed for every run
    meaning: str


FIGURES: dict[str, Figure] = {
    "moved": Figure("moved mask", lambda m: m.moved, 0.5, "share of the mask that differs from plain magnitude's"),
    "energy": Figure("kept energy", lambda m: m.kept_energy, 1.0, "Σ(mask∘W)² / ΣW² on the dense weights"),
    "sparsity": Figure("sparsity", lambda m: 1.0 - m.density, 1.0, "share of zeros"),
    "error": Figure("output error", lambda m: m.error, 0.25, "|X(W−W′)ᵀ|² / |XWᵀ|² on the calibration inputs"),
}


def model_map(run: Run, figure: str, chosen: str = "") -> View:
    """Squares of every matrix, the number written in, *chosen* outlined. Raises InputError for an unknown *figure*."""
    if figure not in FIGURES:
        raise unknown("figure", figure, FIGURES)
    kind, entries = FIGURES[figure], run.record.matrices
    rows, columns = maps.places([m.name for m in entries])
    grid = np.full((len(rows), len(columns)), np.nan, np.float32)
    for m in entries:
        value = kind.of(m)
        if value is not None:
            grid[rows.index(layer_of(m.name) or 0), columns.index(part_of(m.name))] = value
    table = pd.DataFrame([{"matrix": m.name, kind.title: kind.of(m)} for m in entries])
    if not np.isfinite(grid).any():
        return words_only(f"This run did not keep the {kind.title} of its matrices.")
    texts = [["" if not np.isfinite(v) else style.percent(float(v)) for v in line] for line in grid]
    data = [{"type": "heatmap", "z": grid, "zmin": 0, "zmax": kind.top, "colorscale": style.SEQUENTIAL,
             "showscale": False, "xgap": 4, "ygap": 4, "hoverinfo": "skip", "x0": 0, "y0": 0},
            {"type": "scatter", "mode": "text", "x": np.tile(np.arange(len(columns)), len(rows)),
             "y": np.repeat(np.arange(len(rows)), len(columns)), "text": [t for line in texts for t in line],
             "textfont": {"size": 15}, "hoverinfo": "skip", "showlegend": False}]
    boxes = []
    if any(m.name == chosen for m in entries):
        x, y = columns.index(part_of(chosen)), rows.index(layer_of(chosen) or 0)
        boxes = [{"type": "rect", "x0": x - 0.47, "x1": x + 0.47, "y0": y - 0.45, "y1": y + 0.45,
                  "line": {"width": 3, "color": style.ACCENT}}]
    drawn = build(data, {
        "margin": {"t": 48, "b": 12, "l": 78}, "shapes": boxes,
        "xaxis": map_axis(tickvals=list(range(len(columns))), ticktext=[html.escape(c) for c in columns], side="top"),
        "yaxis": map_axis(tickvals=list(range(len(rows))), ticktext=[f"layer {k}" if k else "other" for k in rows],
                          autorange="reversed"),
    }, 84 + 46 * len(rows), revision=run.record.id)
    known = [(value, m.name) for m in entries if (value := kind.of(m)) is not None]
    low, high = min(known), max(known)
    claim = f"{kind.title.capitalize()} is {style.percent(low[0])} in every matrix." if low[0] == high[0] else \
        f"{kind.title.capitalize()} runs from {style.percent(low[0])} in {style.matrix_words(low[1])} to " \
        f"{style.percent(high[0])} in {style.matrix_words(high[1])}."
    return View(claim, drawn, None, f"{len(rows)} layers × {len(columns)} matrices. {claim}", table,
                f"{kind.title.capitalize()}: {kind.meaning}. Choose a matrix in the bar on top: all pictures follow.",
                heading="" if low[0] == high[0] else
                f"{kind.title.capitalize()} is largest in {style.matrix_words(high[1])}: {style.percent(high[0])}.")
