"""PIP: the score of every head and neuron round by round, how far its gradient moves under noise, and which units left;
then the same score beside plain first-order importance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.arrays import METHOD
from core.runs.store import Run
from core.runs.told import kept
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, shared_title
from core.views.drawing.view import View

LOW, HIGH = -2.5, 1.0  # powers of ten of a score in relation to its layer's mean: the fixed range
LINES = 72  # units of a kind that have a line of their own; of more, evenly chosen ones
POINTS = 1200  # the same for points
HEIGHT = 440
GONE = style.rgba(style.NEGATIVE, 0.75)
NOUNS = {"head": "attention heads", "neuron": "FFN neurons"}
TICKS = {"tickvals": [-2, -1, 0, 1], "ticktext": ["0.01", "0.1", "1", "10"]}


@dataclass(frozen=True)
class Units:
    """All units of one kind, layer after layer. score `[rounds, units]`, plain `[units]`: relative to the mean of their
    layer, 1 = as the mean; gone `[units]`: the round in which a unit left, 0 = it stays."""

    noun: str
    layer: NDArray[np.int64]
    number: NDArray[np.int64]
    score: NDArray[np.float64]
    plain: NDArray[np.float64]
    gone: NDArray[np.int64]

    def some(self, most: int) -> NDArray[np.int64]:
        """Places of at most *most* units, evenly chosen."""
        return np.unique(np.linspace(0, len(self.gone) - 1, min(most, len(self.gone))).astype(np.int64))

    def name(self, i: int) -> str:
        """"head 3 of layer 2"."""
        return f"{self.noun} {self.number[i]} of layer {self.layer[i]}"

    @property
    def alike(self) -> float:
        """Of the units that left, the share that is also among as many of the lowest plain scores."""
        left = np.flatnonzero(self.gone)
        lowest = np.argsort(self.plain, kind="stable")[: len(left)]
        return len(np.intersect1d(left, lowest)) / max(len(left), 1)


def pictures(run: Run) -> list[View]:
    """The rounds, then the comparison.

    Raises InputError for arrays that are missing or damaged.
    """
    found = [units for noun in NOUNS if (units := _units(run, noun)).gone.any()]
    if not found:
        raise InputError(f"In what {run.record.id} kept of its method no unit ever left", "a round for some of them",
                         "Make the run again.")
    return [rounds(run, found), beside(run, found)]


def _units(run: Run, noun: str) -> Units:
    start = f"{METHOD}/gone/{noun}/"
    layers = sorted(int(key.removeprefix(start)) for key in run.keys
                    if key.startswith(start) and key.removeprefix(start).isdigit())
    parts = []
    for layer in layers:
        gone, plain, score = (kept(run, f"{key}/{noun}/{layer}", n) for key, n in (("gone", 1), ("plain", 1),
                                                                                  ("score", 2)))
        if not gone.shape == plain.shape == score.shape[1:] or int(gone.max()) > len(score):
            raise InputError(f"The scores of the {noun}s of layer {layer} of {run.record.id} do not fit together",
                             "one of every unit and round", "Make the run again.")
        parts.append((layer, score.astype(np.float64), plain.astype(np.float64), gone.astype(np.int64)))
    if not parts or len({len(score) for _, score, _, _ in parts}) > 1:
        raise InputError(f"What {run.record.id} kept of its method has no usable scores of {noun}s",
                         "as many rounds in every layer", "Make the run again.")
    return Units(noun, np.concatenate([np.full(len(g), layer) for layer, _, _, g in parts]),
                 np.concatenate([np.arange(1, len(g) + 1) for *_, g in parts]),
                 np.concatenate([score for _, score, _, _ in parts], axis=1),
                 np.concatenate([plain for _, _, plain, _ in parts]), np.concatenate([g for *_, g in parts]))


def _power(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms to base 10, held inside the range that is drawn."""
    return np.asarray(np.clip(np.log10(np.maximum(values, 1e-12)), LOW, HIGH))


def _panels(found: list[Units], title: str, x: Callable[[], Part]) -> tuple[Part, list[str]]:
    """The axes of a panel a kind of unit, side by side."""
    layout: Part = {"yaxis": {"title": {"text": title}, "range": [LOW - 0.1, HIGH + 0.1], "zeroline": False, **TICKS}}
    axes, notes = [], []
    for at, units in enumerate(found):
        axes.append("x" if at == 0 else f"x{at + 1}")
        ends = [at / len(found) + (0.02 if at else 0), (at + 1) / len(found) - (0.02 if at + 1 < len(found) else 0)]
        layout[axes[-1].replace("x", "xaxis")] = {"domain": ends, "anchor": "y", "zeroline": False, **x()}
        notes.append({"text": f"{style.count(len(units.gone))} {units.noun}s", "showarrow": False,
                      "font": {"size": 15}, "x": sum(ends) / 2, "xref": "paper", "xanchor": "center", "y": 1,
                      "yref": "paper", "yanchor": "bottom"})
    return layout | {"annotations": notes, "legend": legend_below(),
                     "margin": {"l": 72, "r": 12, "t": 36, "b": 104}}, axes


def rounds(run: Run, found: list[Units]) -> View:
    """A panel a kind of unit: a line a unit over the rounds, blue where it stays; where it leaves, it ends in a cross.
    """
    last = len(found[0].score)
    layout, axes = _panels(found, "score, 1 = mean of its layer", lambda: {
        "title": {"text": "round"}, "tickvals": list(range(1, last + 1)), "showgrid": False,
        "range": [0.8, last + 0.2]})
    stay, go = style.rgba(style.POSITIVE, 0.55), GONE
    data: list[Part] = []
    for units, axis in zip(found, axes, strict=True):
        first, some = axis == "x", units.some(LINES)
        for left, words, colour in ((False, "stays", stay), (True, "leaves", go)):
            xs: list[float | None] = []
            ys: list[float | None] = []
            for i in some[(units.gone[some] > 0) == left].tolist():
                until = int(units.gone[i]) or last
                xs += [*range(1, until + 1), None]
                ys += [*_power(units.score[:until, i]).tolist(), None]
            data.append({"type": "scatter", "mode": "lines", "x": xs, "y": ys, "xaxis": axis, "name": words,
                         "legendgroup": words, "showlegend": first, "hoverinfo": "skip",
                         "line": {"color": colour, "width": 1.5}})
        ends = some[units.gone[some] > 0]
        data.append({"type": "scatter", "mode": "markers", "x": units.gone[ends].tolist(), "xaxis": axis,
                     "y": _power(units.score[units.gone[ends] - 1, ends]).tolist(), "name": "its last round",
                     "showlegend": first, "legendgroup": "last", "text": [units.name(i) for i in ends],
                     "hovertemplate": "%{text} leaves in round %{x}<extra></extra>",
                     "marker": {"symbol": "x", "size": 8, "color": style.rgba(style.NEGATIVE, 1)}})
    figure = build(data, layout, HEIGHT, legend=True, revision=run.record.id)
    counts = [f"{style.count(int((u.gone > 0).sum()))} of {style.count(len(u.gone))} {NOUNS[u.noun]}" for u in found]
    drawn = "; ".join(f"{len(u.some(LINES))} of the {u.noun}s have a line" for u in found)
    claim = (f"In {last} rounds {' and '.join(counts)} leave: those whose gradient moves least when noise is added to "
             f"the embeddings, in relation to their layer. The scores are taken anew after every round.")
    table = pd.DataFrame([
        {"round": r, "kind": u.noun, "leave": int((u.gone == r).sum()),
         "left": int(((u.gone == 0) | (u.gone > r)).sum()),
         "highest score that left": float(u.score[r - 1][u.gone == r].max()) if (u.gone == r).any() else 0.0}
        for r in range(1, last + 1) for u in found])
    return View(claim, figure, None, f"Lines over {last} rounds; {drawn}. {claim}", table,
                "A line that ends above one that goes on belongs to another kind of unit, or the other was the last "
                "that its layer has to keep.",
                heading=f"{counts[0]} cannot tell noise." if len(found) == 1 else
                        f"{counts[0]} leave, and {style.percent(float((found[1].gone > 0).mean()))} of the neurons.")


def beside(run: Run, found: list[Units]) -> View:
    """A panel a kind of unit: the first round's score over plain first-order importance, both relative to the layer's
    mean, a point a unit. In the words: how many of those that left the other would have removed."""
    layout, axes = _panels(found, "score of the two views", lambda: {
        "range": [LOW - 0.1, HIGH + 0.1], "tickvals": [-2, 0], "ticktext": ["0.01", "1"]})
    layout["annotations"].append(shared_title("plain importance |Σ w g|"))
    data: list[Part] = []
    for units, axis in zip(found, axes, strict=True):
        some = units.some(POINTS)
        for left, words, colour in ((False, "stays", style.rgba(style.POSITIVE, 0.6)), (True, "leaves", GONE)):
            here = some[(units.gone[some] > 0) == left]
            data.append({"type": "scatter", "mode": "markers", "x": _power(units.plain[here]).tolist(),
                         "y": _power(units.score[0, here]).tolist(), "xaxis": axis, "name": words,
                         "legendgroup": words, "showlegend": axis == "x", "text": [units.name(i) for i in here],
                         "hovertemplate": "%{text}<extra></extra>",
                         "marker": {"size": 10 if units.noun == "head" else 5, "color": colour,
                                    "symbol": "x" if left else "circle"}})
    figure = build(data, layout, HEIGHT, legend=True, revision=run.record.id)
    shares = [f"{style.percent(u.alike)} of the {NOUNS[u.noun]}" for u in found]
    claim = (f"Of the units that left, plain first-order importance, |sum of w g|, would have removed "
             f"{' and '.join(shares)} too, as many in all; pure chance would be "
             + " and ".join(style.percent(float((u.gone > 0).mean())) for u in found) + ".")
    table = pd.DataFrame([
        {"kind": u.noun, "layer": int(u.layer[i]), "unit": int(u.number[i]), "two views": float(u.score[0, i]),
         "plain": float(u.plain[i]), "left in round": int(u.gone[i])} for u in found for i in u.some(LINES)])
    return View(claim, figure, None, f"{sum(len(u.some(POINTS)) for u in found)} points, both axes from "
                f"{10**LOW:.2g} to {10**HIGH:.2g} times the layer's mean. {claim}", table,
                "Points below the diagonal matter to the loss, but say the same with and without noise.",
                heading=f"Plain importance would remove {shares[0]} too.")
