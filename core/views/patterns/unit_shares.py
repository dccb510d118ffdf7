"""What the units of one module held of its largest weights before, and what they hold now: the occupancy of heads and
neurons. A free choice thins all of them; a pattern of units empties some and leaves the others whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.store import Run
from core.sparsity.units import Module
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View
from core.views.patterns import units_left
from core.views.patterns.units_left import Left
from core.views.weights.pair import dense_of, whole

FEW = 64  # units that get a bar and a number each, in their order; more are sorted
NOT_KEPT = "The dense weights were not kept: what the units held before is not known."


def held(module: Module, weights: dict[str, NDArray[np.floating]], share: float) -> NDArray[np.float64]:
    """By unit `[units]`: the share of its weights that are among the largest *share* (0..1) of the module's matrices,
    *weights* `[out, in]` by name. Of equal weights all count, or none."""
    parts = [np.abs(weights[name]).reshape(module.units, -1) for name in module.rows]
    columns = np.abs(weights[module.columns])
    parts.append(columns.T.reshape(module.units, -1))
    sizes = np.concatenate(parts, axis=1)
    number = round(share * sizes.size)
    if not number:
        return np.zeros(module.units)
    least = np.partition(sizes.reshape(-1), sizes.size - number)[sizes.size - number]
    return np.asarray((sizes >= least).mean(axis=1), np.float64)


def usual(run: Run) -> int:
    """The share of all weights that stays, in whole percent: where the knob starts."""
    return max(1, round(100 * (1 - run.record.sparsity)))


def known(run: Run) -> bool:
    """Can it be counted what the units of *run* held before?"""
    return any(dense_of(run, matrix.name) is not None for matrix in run.record.matrices)


def unit_shares(run: Run, matrix: str, share: int) -> View:
    """The module of *matrix*: what its units held of the largest *share* percent of its dense weights, and whether they
    are left."""
    found = units_left.of_matrix(run, matrix)
    if found is None:
        return words_only("This matrix belongs to no head and no neuron.")
    left = found[0]
    m = left.module
    weights = {}
    for name in (*m.rows, m.columns):
        weight = whole(dense_of(run, name), run.shape(name), f"weight/{name} of {run.record.parent}")
        if weight is None:
            return words_only(NOT_KEPT)
        weights[name] = weight
    before = held(m, weights, share / 100)
    order = np.arange(m.units) if m.units <= FEW else np.argsort(-before, kind="stable")
    return _view(run, left, before, order, share)


def _view(run: Run, left: Left, before: NDArray[np.float64], order: NDArray[np.intp], share: int) -> View:
    m, drawn = left.module, left.drawn
    many = m.units > FEW
    names = np.array([str(i + 1) for i in order])
    places = np.arange(m.units) if many else names
    data: list[Part] = [
        {"type": "bar", "x": places, "y": drawn[order].astype(np.float64), "name": f"{m.noun} left, whole",
         "width": 1.0 if many else 0.8, "marker": {"color": style.rgba(_rgb(left), 0.35), "line": {"width": 0}},
         "customdata": names, "hovertemplate": f"{m.noun} %{{customdata}}: %{{y:.0%}} now<extra></extra>"},
        {"type": "scatter", "x": places, "y": before[order], "name": f"before: its weights among the largest {share} %",
         "mode": "lines" if many else "markers", "line": {"width": 3, "color": style.GREY},
         "marker": {"size": 30, "symbol": "line-ew", "line": {"width": 4, "color": style.GREY}},
         "customdata": names, "hovertemplate": f"{m.noun} %{{customdata}}: %{{y:.1%}} before<extra></extra>"}]
    title = f"{m.noun}s, the one that held most first" if many else m.noun
    figure = build(data, {
        "bargap": 0, "margin": {"t": 12, "b": 104}, "legend": legend_below(),
        "xaxis": {"title": {"text": title}, "showgrid": False, "range": [-0.6, m.units - 0.4],
                  **({"nticks": 6} if many else {"type": "category", "tickvals": places.tolist()})},
        "yaxis": {"range": [0, 1.02], "tickvals": [0, 0.5, 1], "tickformat": ".0%",
                  "title": {"text": f"share of the {m.noun}"}},
    }, 400, legend=True, revision=f"{run.record.id}/{m.title}")
    low, high = (style.percent(float(v)) for v in (before.min(), before.max()))
    claim = f"In the {m.title}, every {m.noun} held from {low} to {high} of its weights among the largest {share} % " \
            f"of the dense ones; now {style.count(left.count)} hold all of theirs, " \
            f"{style.count(m.units - left.count)} hold none."
    if left.kept is not None and 0 < left.count < m.units:
        stayed, went = (style.percent(float(before[which].mean())) for which in (left.kept, ~left.kept))
        claim += f" Those that stay held {stayed} on average, those that went {went}."
    elif left.kept is None:
        claim += " Which ones, this run did not keep: they are drawn first."
    table = pd.DataFrame({m.noun: np.arange(m.units) + 1, "before": before,
                          "left": drawn if left.kept is not None else [None] * m.units})
    alt = f"A bar for each of {m.units} {m.noun}s that is left, and a mark for what it held before. {claim}"
    return View(claim, figure, None, alt, table, f"A free choice of weights would thin every {m.noun}. Move the "
                f"threshold: is there one at which some {m.noun}s are empty by themselves?",
                heading=f"Before, {low} to {high} of a {m.noun}'s weights counted; now all or none.")


def _rgb(left: Left) -> tuple[int, int, int]:
    return style.POSITIVE if left.module.noun == "head" else style.NEGATIVE
