"""What does a quieter network cost? Score over the share of quiet regions, all runs of one task, model and pattern."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.evidence import words
from core.evidence.single import Versus
from core.runs.records import RunRecord
from core.views.activations.region_film import map_title, map_words
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View
from core.views.scores.points import Point, point_of, scored


@dataclass(frozen=True)
class Trade:
    """One run: quiet shares (means over layers, training sample) of the dense and the final model, and its score."""

    id: str
    method: str
    label: str  # what sets it apart from other runs of its method
    before: float
    after: float
    level: float  # the final share once the map is as loud as the dense one; NaN where not kept
    point: Point  # its score beside dense's


def trades(records: Iterable[RunRecord], task: str, model: str, pattern: str, name: str,
           versus: Versus | None = None) -> list[Trade]:
    """The runs that kept shares of the feature map *name*, trained ones without a grid, quietest last."""
    out = []
    for r in records:
        spec = r.spec
        if not scored(r) or (spec.task, spec.model, spec.pattern) != (task, model, pattern) or spec.bits \
                or not spec.epochs or not r.moments or name not in r.moments[-1].quiet:
            continue
        first, last = r.moments[0], r.moments[-1]
        level = last.level.get(name, [])
        out.append(Trade(r.id, spec.method, _label(r), _mean(first.quiet[name]), _mean(last.quiet[name]), _mean(level),
                         point_of(r, versus)))
    return sorted(out, key=lambda t: (t.after, t.id))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _label(record: RunRecord) -> str:
    strength, maps = record.spec.knobs.get("strength"), record.spec.knobs.get("maps")
    return "" if strength is None else f"λ = {float(strength):g}" + (f", {maps}" if maps else "")


def trade(records: Iterable[RunRecord], versus: Versus | None, task: str, model: str, pattern: str, name: str,
          here: str) -> View:
    """Score over quiet share, around it the interval of its difference to dense, paired example by example, as *versus*
    knows it; the line is dense. Where a run keeps no answers, a band says which scores count as equal. Run *here* is
    ringed.

    Raises InputError for a feature map that there is not.
    """
    title = map_title(name)
    found = trades(records, task, model, pattern, name, versus)
    if not found:
        return words_only(f"No trained run at {pattern} kept what its {map_words(name)} felt: make one again.")
    dense, before = found[0].point.dense, found[0].before
    band = max((t.point.noise for t in found if t.point.apart is None), default=0.0)
    data = [{"type": "scatter", "mode": "markers", "name": "dense", "x": [before], "y": [dense],
             "marker": {"color": style.colour("dense"), "size": 13, "symbol": "diamond"},
             "hovertemplate": "dense: %{x:.1%} quiet, %{y:.3f}<extra></extra>"}]
    data += [_series(method, [t for t in found if t.method == method]) for method in dict.fromkeys(
        t.method for t in found)]
    data += [{"type": "scatter", "mode": "markers", "name": "this run", "x": [t.after], "y": [t.point.score],
              "hoverinfo": "skip", "marker": {"size": 24, "symbol": "circle-open", "color": style.ACCENT,
                                              "line": {"width": 2.5, "color": style.ACCENT}}}
             for t in found if t.id == here]
    shown = [y for t in found for y in (t.point.score, *_ends(t))] + [dense - band, dense + band]
    room = 0.08 * (max(shown) - min(shown) or 0.1)
    across = {"xref": "paper", "x0": 0, "x1": 1, "layer": "below"}
    shapes: list[Part] = [{**across, "type": "line", "y0": dense, "y1": dense,
                           "line": {"width": 1.5, "color": style.colour("dense")}}]
    if band:
        shapes.append({**across, "type": "rect", "y0": dense - band, "y1": dense + band, "line": {"width": 0},
                       "fillcolor": style.faded(style.colour("dense"), 0.14)})
    figure = build(data, {
        "shapes": shapes,
        "legend": legend_below(), "margin": {"t": 24, "b": 100, "l": 72, "r": 24},
        "xaxis": {"title": {"text": f"quiet regions of the {map_words(name)}", "standoff": 6}, "tickformat": ".0%",
                  "range": [-0.03, 1.03]},
        "yaxis": {"title": {"text": "score"}, "range": [min(shown) - room, max(shown) + room]},
    }, 440, legend=True, revision=f"{task}/{model}/{pattern}/{name}")
    claim = _claim(title, found)
    table = pd.DataFrame([{"run": t.id, "method": style.method_title(t.method), "term": t.label,
                           "quiet, dense": t.before, "quiet, final": t.after, "quiet, at one level": t.level,
                           "score": t.point.score, "against dense": t.point.score - t.point.dense,
                           "low": t.point.apart.low if t.point.apart else None,
                           "high": t.point.apart.high if t.point.apart else None} for t in found])
    return View(claim, figure, None, f"{len(found)} runs at {pattern}. {claim}", table,
                f"Bars: 95 % intervals of the difference to dense ({style.score(dense)}), paired example by example; "
                "one that reaches the line is level. " + ("Grey band: two standard errors of the dense score, for runs "
                "that keep no answers. " if band else "") +
                "A share counts only if it holds at one level of loudness too: see the numbers.",
                heading=_heading(found))


def _ends(t: Trade) -> tuple[float, ...]:
    """The ends of the bar at a run's score."""
    apart = t.point.apart
    return () if apart is None else (t.point.dense + apart.low, t.point.dense + apart.high)


def _series(method: str, runs: list[Trade]) -> Part:
    joined = sum(bool(t.label) for t in runs) > 1
    return {"type": "scatter", "mode": "lines+markers+text" if joined else "markers+text",
            "name": style.method_title(method), "x": [t.after for t in runs], "y": [t.point.score for t in runs],
            "error_y": {"array": [t.point.apart.half if t.point.apart else 0.0 for t in runs], "thickness": 1.3,
                        "width": 4, "color": style.faded(style.colour(method), 0.7)},
            "text": [t.label.partition(",")[0] for t in runs], "textposition": "top right", "textfont": {"size": 13},
            "marker": {"color": style.colour(method), "size": 12}, "cliponaxis": False,
            "line": {"color": style.colour(method), "width": 1.5, "dash": "dot"},
            "customdata": [t.label for t in runs],
            "hovertemplate": "%{x:.1%} quiet, %{y:.3f} %{customdata}<extra></extra>"}


def _heading(found: list[Trade]) -> str:
    best = _best(found)
    return f"{style.method_title(best.method)} is the quietest that keeps its score: {style.percent(best.after)}." \
        if best.point.within else "No run here is level with dense."


def _best(found: list[Trade]) -> Trade:
    """The quietest run that is level with dense; the quietest of all where none is."""
    fine = [t for t in found if t.point.within]
    return fine[-1] if fine else found[-1]


def _claim(title: str, found: list[Trade]) -> str:
    """The quietest run that keeps its score, where one does, and by how much it is apart from dense."""
    best = _best(found)
    who = style.method_title(best.method) + (f" ({best.label})" if best.label else "")
    move = f"{style.percent(best.before)} → {style.percent(best.after)} quiet regions"
    cost = 100 * (best.point.score - best.point.dense)
    said = f"{abs(cost):.1f} points {'under' if cost < 0 else 'over'} dense"
    if best.point.apart is not None:
        said += f" ({words.between(best.point.apart)})"
    if best.point.within:
        return f"{title}: the quietest run that is level with dense is {who}: {move}, {said}."
    return f"{title}: no run here is level with dense; the quietest, {who}, has {move}, {said}."
