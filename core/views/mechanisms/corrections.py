"""Sparse plus low rank: what a pruned matrix leaves of its layer's output, direction by direction, and which directions
the correction takes back; then every layer with and without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.names import layer_of
from core.runs.records import Matrix
from core.runs.store import Run
from core.runs.told import kept
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below
from core.views.drawing.view import View

HEIGHT = 430
LEAST = 32  # directions that are drawn at least, and four times the rank: those after them hold little each
TAKEN, LEFT, ALONE = "taken back by the correction", "left", "pruned matrix alone"


@dataclass(frozen=True)
class Correction:
    """One matrix. squares `[min(out, in)]`: what the pruned matrix leaves, by direction, falling, as shares of the
    layer's output; the first `rank` are taken back."""

    matrix: Matrix
    squares: NDArray[np.float64]

    @property
    def alone(self) -> float:
        """What the pruned matrix leaves by itself, as a share of the layer's output."""
        return float(self.squares.sum())

    @property
    def together(self) -> float:
        """What is left with the correction."""
        return float(self.squares[self.matrix.rank:].sum())

    @property
    def back(self) -> float:
        """The share of its error that the correction takes back; 0 where there is none to take."""
        return 1 - self.together / self.alone if self.alone else 0.0


def pictures(run: Run) -> list[View]:
    """The directions of one matrix, then all layers.

    Raises InputError for arrays that are missing or damaged.
    """
    found = [_correction(run, m) for m in run.record.matrices]
    return [directions(run, max(found, key=lambda c: c.alone - c.together)), layers(run, found)]


def _correction(run: Run, matrix: Matrix) -> Correction:
    squares = kept(run, f"squares/{matrix.name}", 1).astype(np.float64)
    if len(squares) != min(matrix.shape) or not 0 < matrix.rank <= len(squares) or squares.min() < 0:
        raise InputError(f"What {run.record.id} kept of the correction of {matrix.name} does not fit its shape "
                         f"{list(matrix.shape)} and rank {matrix.rank}", "a number of every direction",
                         "Make the run again.")
    return Correction(matrix, squares)


def directions(run: Run, one: Correction) -> View:
    """A bar a direction: its share of the error that the pruned matrix leaves. Coloured: what the correction takes
    back, so the coloured bars together are what it is worth."""
    rank, many, total = one.matrix.rank, len(one.squares), one.alone or 1.0
    shown = min(max(LEAST, 4 * rank), many)
    shares = one.squares[:shown] / total
    spans = ((TAKEN, 0, min(rank, shown), style.colour(run.record.spec.method)),
             (LEFT, rank, shown, style.faded(style.GREY, 0.6)))
    data: list[Part] = [{
        "type": "bar", "name": name, "x": list(range(low + 1, high + 1)), "y": shares[low:high].tolist(),
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": "direction %{x}: %{y:.2%} of the error<extra></extra>"}
        for name, low, high, colour in spans if high > low]
    where, back = style.matrix_words(one.matrix.name), style.percent(one.back)
    figure = build(data, {
        "annotations": [{"text": where, "showarrow": False, "font": {"size": 15}, "xref": "paper", "x": 1,
                         "xanchor": "right", "yref": "paper", "y": 1, "yanchor": "bottom"}],
        "bargap": 0.15, "legend": legend_below(), "margin": {"l": 72, "r": 12, "t": 32, "b": 104},
        "xaxis": {"title": {"text": f"direction, of {style.count(many)}"}, "range": [0.3, shown + 0.7],
                  "showgrid": False, "zeroline": False},
        "yaxis": {"title": {"text": "share of the error"}, "tickformat": ".1%", "rangemode": "tozero",
                  "range": [0, 1.08 * float(shares.max()) or 1.0]}}, HEIGHT, legend=True, revision=run.record.id)
    rest = style.percent(float(one.squares[shown:].sum()) / total)
    beyond = f" The other {style.count(many - shown)}, not drawn, hold {rest} of it." if many > shown else ""
    claim = (f"{where}: the pruned matrix by itself would be off by {style.percent(one.alone)} of its layer's output. "
             f"A correction of rank {rank} takes the {rank} largest of {style.count(many)} directions of that error "
             f"back, {back} of it, and leaves {style.percent(one.together)}.{beyond}")
    table = pd.DataFrame({"direction": range(1, many + 1), "share of the output": one.squares,
                          "share of the error": one.squares / total,
                          "taken back": [i < rank for i in range(many)]})
    return View(claim, figure, None, f"{shown} bars that fall from {style.percent(float(shares[0]))} to "
                f"{style.percent(float(shares[-1]))}, the first {rank} of them coloured. {claim}", table,
                "Where the bars fall steeply, a small correction is worth its bits; where they are level, a larger one "
                "buys little more.",
                heading=f"{rank} of {style.count(many)} directions hold {back} of the error.")


def layers(run: Run, found: list[Correction]) -> View:
    """Two points a layer: the mean error of its matrices, alone and with their corrections, a line from one to the
    other."""
    by_layer: dict[int, list[Correction]] = {}
    for c in found:
        by_layer.setdefault(layer_of(c.matrix.name) or 0, []).append(c)
    numbers = sorted(by_layer)
    alone, together = ([sum(getattr(c, part) for c in by_layer[n]) / len(by_layer[n]) for n in numbers]
                       for part in ("alone", "together"))
    across = [x for n in numbers for x in (n, n, None)]
    ends = [y for pair in zip(alone, together, strict=True) for y in (*pair, None)]
    data: list[Part] = [{"type": "scatter", "mode": "lines", "x": across, "y": ends, "showlegend": False,
                         "hoverinfo": "skip", "line": {"color": style.RULE, "width": 3}}]
    data += [{"type": "scatter", "mode": "markers", "x": numbers, "y": values, "name": name,
              "marker": {"size": 12, "color": colour},
              "hovertemplate": f"layer %{{x}}, {name}: %{{y:.2%}}<extra></extra>"}
             for name, values, colour in ((ALONE, alone, style.GREY),
                                          ("with its correction", together, style.colour(run.record.spec.method)))]
    figure = build(data, {
        "legend": legend_below(), "margin": {"l": 72, "r": 12, "t": 32, "b": 104},
        "xaxis": {"title": {"text": "layer"}, "tickvals": numbers, "showgrid": False,
                  "range": [min(numbers) - 0.5, max(numbers) + 0.5]},
        "yaxis": {"title": {"text": "error of the output"}, "tickformat": ".1%",
                  "range": [0, 1.1 * max(alone) or 1.0]}}, HEIGHT, legend=True, revision=run.record.id)
    before, after = (sum(getattr(c, part) for c in found) / len(found) for part in ("alone", "together"))
    back = style.percent(1 - after / before if before else 0.0)
    claim = (f"Over {style.count(len(found))} matrices the mean error of the outputs falls from "
             f"{style.percent(before)} to {style.percent(after)}: the corrections take back {back}. Pruned matrix and "
             "correction were solved together; one that is solved to stand alone leaves less than this one would.")
    table = pd.DataFrame([{"matrix": c.matrix.name, "rank": c.matrix.rank, "alone": c.alone, "together": c.together,
                           "taken back": c.back} for c in found])
    listed = "; ".join(f"layer {n}: {style.percent(a)} and {style.percent(b)}"
                       for n, a, b in zip(numbers, alone, together, strict=True))
    return View(claim, figure, None, f"Two points a layer, alone and with the correction. {listed}. {claim}", table,
                "Run it with --knob rank=0: that is the matrix that stands alone.",
                heading=f"All corrections take back {back}.")
