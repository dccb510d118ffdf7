"""What does a quieter network cost? Score over the share of quiet regions, all runs of one task, model and pattern."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.runs.records import RunRecord
from core.views.activations.region_film import map_title, map_words
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View
from core.views.scores.points import point_of, scored

POINT = 0.01  # one point of score, as papers count them


@dataclass(frozen=True)
class Trade:
    """One run: quiet shares (means over layers, training sample) of the dense and the final model, and its score."""

    id: str
    method: str
    label: str  # what sets it apart from other runs of its method
    before: float
    after: float
    level: float  # the final share once the map is as loud as the dense one; NaN where not kept
    score: float
    dense: float
    noise: float


def trades(records: Iterable[RunRecord], task: str, model: str, pattern: str, name: str) -> list[Trade]:
    """The runs that kept shares of the feature map *name*, trained ones without a grid, quietest last."""
    out = []
    for r in records:
        spec = r.spec
        if not scored(r) or (spec.task, spec.model, spec.pattern) != (task, model, pattern) or spec.bits \
                or not spec.epochs or not r.moments or name not in r.moments[-1].quiet:
            continue
        first, last, point = r.moments[0], r.moments[-1], point_of(r)
        level = last.level.get(name, [])
        out.append(Trade(r.id, spec.method, _label(r), _mean(first.quiet[name]), _mean(last.quiet[name]), _mean(level),
                         point.score, point.dense, point.noise))
    return sorted(out, key=lambda t: (t.after, t.id))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _label(record: RunRecord) -> str:
    strength, maps = record.spec.knobs.get("strength"), record.spec.knobs.get("maps")
    return "" if strength is None else f"λ = {float(strength):g}" + (f", {maps}" if maps else "")


def trade(records: Iterable[RunRecord], task: str, model: str, pattern: str, name: str, here: str) -> View:
    """Score over quiet share; the dense model with the band in which a score counts as equal; run *here* is ringed.

    Raises InputError for a feature map that there is not.
    """
    title = map_title(name)
    found = trades(records, task, model, pattern, name)
    if not found:
        return words_only(f"No trained run at {pattern} kept what its {map_words(name)} felt: make one again.")
    dense, band, before = found[0].dense, found[0].noise, found[0].before
    data = [{"type": "scatter", "mode": "markers", "name": "dense", "x": [before], "y": [dense],
             "marker": {"color": style.colour("dense"), "size": 13, "symbol": "diamond"},
             "hovertemplate": "dense: %{x:.1%} quiet, %{y:.3f}<extra></extra>"}]
    data += [_series(method, [t for t in found if t.method == method]) for method in dict.fromkeys(
        t.method for t in found)]
    data += [{"type": "scatter", "mode": "markers", "name": "this run", "x": [t.after], "y": [t.score],
              "hoverinfo": "skip", "marker": {"size": 24, "symbol": "circle-open", "color": style.ACCENT,
                                              "line": {"width": 2.5, "color": style.ACCENT}}}
             for t in found if t.id == here]
    shown = [t.score for t in found] + [dense - band, dense + band]
    room = 0.08 * (max(shown) - min(shown) or 0.1)
    figure = build(data, {
        "shapes": [{"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": dense - band, "y1": dense + band,
                    "line": {"width": 0}, "fillcolor": style.faded(style.colour("dense"), 0.14), "layer": "below"}],
        "legend": legend_below(), "margin": {"t": 24, "b": 100, "l": 72, "r": 24},
        "xaxis": {"title": {"text": f"quiet regions of the {map_words(name)}", "standoff": 6}, "tickformat": ".0%",
                  "range": [-0.03, 1.03]},
        "yaxis": {"title": {"text": "score"}, "range": [min(shown) - room, max(shown) + room]},
    }, 440, legend=True, revision=f"{task}/{model}/{pattern}/{name}")
    claim = _claim(title, found)
    table = pd.DataFrame([{"run": t.id, "method": style.method_title(t.method), "term": t.label,
                           "quiet, dense": t.before, "quiet, final": t.after, "quiet, at one level": t.level,
                           "score": t.score, "against dense": t.score - t.dense} for t in found])
    return View(claim, figure, None, f"{len(found)} runs at {pattern}. {claim}", table,
                f"Grey band: scores that differ from the dense {style.score(dense)} by less than noise. A share counts "
                "only if it holds at one level of loudness too: see the numbers.",
                heading=_heading(found))


def _series(method: str, runs: list[Trade]) -> Part:
    joined = sum(bool(t.label) for t in runs) > 1
    return {"type": "scatter", "mode": "lines+markers+text" if joined else "markers+text",
            "name": style.method_title(method), "x": [t.after for t in runs], "y": [t.score for t in runs],
            "text": [t.label.partition(",")[0] for t in runs], "textposition": "top center", "textfont": {"size": 13},
            "marker": {"color": style.colour(method), "size": 12}, "cliponaxis": False,
            "line": {"color": style.colour(method), "width": 1.5, "dash": "dot"},
            "customdata": [t.label for t in runs],
            "hovertemplate": "%{x:.1%} quiet, %{y:.3f} %{customdata}<extra></extra>"}


def _heading(found: list[Trade]) -> str:
    fine = [t for t in found if t.score >= t.dense - POINT]
    best = fine[-1] if fine else found[-1]
    return f"{style.method_title(best.method)} is the quietest that keeps its score: {style.percent(best.after)}." \
        if fine else "No run here stays within one point of dense."


def _claim(title: str, found: list[Trade]) -> str:
    """The quietest run that keeps its score: within one point of dense, where one does."""
    fine = [t for t in found if t.score >= t.dense - POINT]
    best = fine[-1] if fine else found[-1]
    who = style.method_title(best.method) + (f" ({best.label})" if best.label else "")
    move = f"{style.percent(best.before)} → {style.percent(best.after)} quiet regions"
    cost = 100 * (best.score - best.dense)
    said = f"{abs(cost):.1f} points {'under' if cost < 0 else 'over'} dense"
    if fine:
        return f"{title}: the quietest run within one point of dense is {who}: {move}, {said}."
    return f"{title}: no run here stays within one point of dense; the quietest, {who}, has {move}, {said}."
