"""Does a lower error give a better score? What a one-shot run took from the layers' outputs, beside what the task felt.

A one-shot method knows the layers, not the task: it is judged by the reconstruction error of each layer on calibration
text. Whether that is the right thing to look at is what this panel shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

import pandas as pd

from core.evidence.single import Versus
from core.runs.records import RunRecord
from core.statistics.ranks import by_chance, rank_correlation
from core.views.drawing import style
from core.views.drawing.build import Part, build
from core.views.drawing.view import View
from core.views.scores.points import Point, points
from core.views.scores.points import panels as score_panels

HEIGHT = 470
FEWEST = 4  # runs of a panel: below it there is no order to speak of
STRONG, WEAK = 0.8, 0.4  # how the size of a rank correlation is said
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "triangle-down", "x", "pentagon")
ERROR_WORDS = "reconstruction error"
QUESTION = (
    "A method without training knows the layers, not the task: it is judged by how much of each layer's output is "
    "lost. Colour: the method. Shape: the pattern.")


@dataclass(frozen=True)
class Mark:
    """One one-shot run. *error*: the mean over its matrices of |X (W - W')^T|^2 / |X W^T|^2 on its calibration text."""

    point: Point
    error: float
    calibration: int  # training examples behind the error


def panels(records: Iterable[RunRecord]) -> list[tuple[str, str]]:
    """(task, model) of every panel: those with at least FEWEST one-shot runs whose error was recorded."""
    known = list(records)
    return [pair for pair in score_panels(known) if len(marks(known, *pair)) >= FEWEST]


def marks(records: Iterable[RunRecord], task: str, model: str) -> list[Mark]:
    """The one-shot runs of one task and model that recorded a reconstruction error for every matrix."""
    by_id = {r.id: r for r in records}
    out = []
    for point in points(by_id.values(), task, model):
        error = mean_error(by_id[point.id])
        if not point.trained and error is not None:
            out.append(Mark(point, error, by_id[point.id].spec.calibration))
    return out


def mean_error(record: RunRecord) -> float | None:
    """The mean of the matrices' relative output errors; None when one is missing, or when it has no logarithm."""
    errors = [m.error for m in record.matrices]
    if not errors or any(e is None for e in errors):
        return None
    value = mean(e for e in errors if e is not None)
    return value if math.isfinite(value) and value > 0 else None


def drawn(records: Sequence[RunRecord], versus: Versus, task: str, model: str, floor: float | None) -> View:
    """`panel`, where answers are at hand."""
    return panel(records, task, model, floor, versus)


def panel(records: Sequence[RunRecord], task: str, model: str, floor: float | None = None,
          versus: Versus | None = None) -> View:
    """Score over reconstruction error, a mark a one-shot run: its method's colour, its pattern's shape.

    x: the mean over the matrices of the share of their output that was lost, logarithmic. y: the task's main metric.
    The grey line is dense, the band around it two standard errors of its score. The broken line, *floor*, is the best
    constant answer. *versus* knows the paired differences of runs that keep answers; others are judged by the band.
    """
    found = marks(records, task, model)
    dots = [m.point for m in found]
    results = next(r.results for r in records if r.id == dots[0].id)
    assert results is not None
    kinds = {p.words: (round(p.sparsity, 3), -p.bits, p.words) for p in dots}
    patterns = sorted(kinds, key=kinds.__getitem__)
    symbols = {name: SYMBOLS[i % len(SYMBOLS)] for i, name in enumerate(patterns)}
    span = [min(m.error for m in found) / 1.3, max(m.error for m in found) * 1.3]
    level, half = mean(p.dense for p in dots), mean(p.noise for p in dots)
    data: list[Part] = [{"type": "scatter", "x": span, "y": [level, level], "mode": "lines", "name": "Dense",
                         "hoverinfo": "skip", "line": {"color": style.colour("dense"), "width": 2}}]
    if floor is not None:
        data.append({"type": "scatter", "x": span, "y": [floor, floor], "mode": "lines", "name": "constant answer",
                     "hoverinfo": "skip", "line": {"color": style.GREY, "width": 1.4, "dash": "dash"}})
    data += [_trace([m for m in found if m.point.method == method], method, symbols)
             for method in dict.fromkeys(p.method for p in dots)]
    data += [{"type": "scatter", "x": [None], "y": [None], "mode": "markers", "name": name, "hoverinfo": "skip",
              "marker": {"symbol": symbol, "size": 11, "color": style.GREY}} for name, symbol in symbols.items()]
    band = {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": level - half, "y1": level + half,
            "line": {"width": 0}, "layer": "below", "fillcolor": style.WASH}
    low = min([p.score for p in dots] + [level - half] + ([] if floor is None else [floor]))
    high = max([p.score for p in dots] + [level + half])
    room = 0.06 * (high - low or 0.1)
    figure = build(data, {
        "shapes": [band], "margin": {"t": 12, "b": 158}, "legend": {"y": -0.27, "yanchor": "top"},
        "xaxis": {"type": "log", "range": [math.log10(v) for v in span], "tickformat": "~%",
                  "dtick": "D2" if span[1] / span[0] < 1e4 else 1,
                  "title": {"text": f"{ERROR_WORDS}, mean over matrices (log)"}},
        "yaxis": {"range": [low - room, high + room], "title": {"text": style.metric_words(results.metric)}},
    }, HEIGHT, legend=True, revision=f"errors/{task}/{model}")
    claim = _claim(found, task, versus)
    return View(claim, figure, None, _alt(found, task, model), _table(found),
                "Compare marks of one shape: the same pattern, so the same number of zeros, by different methods.",
                heading=style.lead(claim, " (rank", ";"))


def _trace(own: Sequence[Mark], method: str, symbols: dict[str, str]) -> Part:
    title = style.method_title(method)
    return {
        "type": "scatter", "mode": "markers", "name": title, "x": [m.error for m in own],
        "y": [m.point.score for m in own],
        "marker": {"color": style.colour(method), "size": 12, "symbol": [symbols[m.point.words] for m in own]},
        "customdata": [[m.point.words, style.percent(m.error), style.score(m.point.dense), m.calibration, m.point.id]
                       for m in own],
        "hovertemplate": f"<b>{title} · %{{customdata[0]}}</b><br>%{{y:.3f}}, dense %{{customdata[2]}}<br>"
                         "%{customdata[1]} of a layer's output lost, on average<br>"
                         "%{customdata[3]} calibration examples<br>%{customdata[4]}<extra></extra>"}


def _claim(found: Sequence[Mark], task: str, versus: Versus | None) -> str:
    """What the panel says: does the order of the errors tell the order of the scores, over all and at one pattern?"""
    r = rank_correlation([m.error for m in found], [m.point.score for m in found])
    title, runs = style.task_title(task), len(found)
    if r is None:
        return f"{title}: {runs} runs without training, and nothing to order: all errors or all scores are equal."
    signed = f"{r:+.2f}".replace("-", "−")
    said = f"rank correlation {signed} over {runs} runs without training"
    if abs(r) <= by_chance(runs):
        text = f"{title}: whether a lower error gives a better score cannot be told from chance here ({said})"
    elif abs(r) < WEAK:
        text = f"{title}: the error says little about the score ({said})"
    else:
        often = "nearly always" if abs(r) >= STRONG else "often"
        text = f"{title}: a lower error {often} came with a {'better' if r < 0 else 'worse'} score ({said})"
    held, groups = at_one_pattern(found, versus)
    if groups:
        text += (f"; at the same pattern the lowest error scored best, or level with the best, in {held} of "
                 f"{groups} {'pattern' if groups == 1 else 'patterns'}")
    return text + "."


def at_one_pattern(found: Sequence[Mark], versus: Versus | None = None) -> tuple[int, int]:
    """(in how many patterns the run with the lowest error has the best score or is level with it, of how many).

    Counted are patterns with at least two methods. More zeros mean a larger error *and* a lower score, whatever the
    method: only runs of one pattern say whether the error itself matters. Level: the 95 % interval of the paired
    difference holds 0; without answers, closer than two standard errors of the dense score.
    """
    held = groups = 0
    for pattern in dict.fromkeys(m.point.words for m in found):
        own = [m for m in found if m.point.words == pattern]
        if len({m.point.method for m in own}) < 2:
            continue
        least = min(own, key=lambda m: m.error).point
        best = max((m.point for m in own), key=lambda p: p.score)
        apart = versus.apart(least.id, best.id) if versus is not None else None
        groups += 1
        held += best.score - least.score <= least.noise if apart is None else apart.high >= 0
    return held, groups


def small_print(records: Sequence[RunRecord], task: str, model: str) -> str:
    """What stands under a panel: what the error is, and what counts as level on either axis."""
    found = marks(records, task, model)
    half, runs = mean(m.point.noise for m in found), len(found)
    examples = sorted({m.calibration for m in found})
    text = " or ".join(style.count(n) for n in examples)
    return (f"Error: the share of a layer's output that is lost on {text} calibration examples, taken from the "
            "training set; the mean over all pruned matrices. Two runs are level where the 95 % interval of their "
            f"paired difference holds 0. Grey band: two standard errors of the dense score, ±{half:.3f}. A rank "
            f"correlation of {runs} unrelated runs easily reaches ±{min(by_chance(runs), 1.0):.2f}. More zeros mean a "
            "larger error and a lower score by any method: compare within one pattern.")


def _alt(found: Sequence[Mark], task: str, model: str) -> str:
    listed = "; ".join(f"{style.method_title(m.point.method)} at {m.point.words}: error {style.percent(m.error)}, "
                       f"score {style.score(m.point.score)}" for m in sorted(found, key=lambda m: m.error)[:16])
    return (f"{style.task_title(task)}, {model}: score over {ERROR_WORDS} of {len(found)} runs without training, "
            f"dense {style.score(mean(m.point.dense for m in found))}. From the lowest error: {listed}.")


def _table(found: Sequence[Mark]) -> pd.DataFrame:
    return pd.DataFrame([{
        "method": style.method_title(m.point.method), "pattern": m.point.words, ERROR_WORDS: m.error,
        "score": m.point.score, "dense": m.point.dense, "difference": round(m.point.score - m.point.dense, 4),
        "calibration examples": m.calibration, "seed": m.point.seed, "evaluation examples": m.point.n_eval,
        "run": m.point.id} for m in sorted(found, key=lambda m: m.error)])
