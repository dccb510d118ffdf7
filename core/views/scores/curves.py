"""Accuracy versus ratio: one panel a task and model, a point a run, a line a method, the dense line with its noise.

The ratio is the share of zeros, or what is left to store: bits per weight, the dense model's 32 at the left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.methods import METHODS
from core.runs.records import RunRecord
from core.sparsity.storage import FLOAT
from core.statistics.noise import rule
from core.views.drawing import style
from core.views.drawing.build import words_only
from core.views.drawing.view import View
from core.views.scores.points import VALIDATION, Point, left_out, panels, points
from core.views.scores.published import Published, published

__all__ = ["AXES", "BITS", "VALIDATION", "ZEROS", "Point", "left_out", "panel", "panels", "points", "small_print"]

HEIGHT = 470
ZEROS, BITS = "zeros", "bits"
AXES = {ZEROS: "zeros", BITS: "bits per weight"}  # what x may be, as the link says it and as the page does
RATIO_IS_NOT_SPEED = (
    "Ratio is not speed: a zero still takes its place and its multiplication unless the hardware skips it. What "
    "sparsity costs in score is on this page; what it saves in time is measured apart.")
READING = {
    ZEROS: "A line joins a method's mean at each sparsity.",
    BITS: "Bits per weight: what a file has to hold of the pruned matrices, that is values, which of them stay, and "
          "scales. Dense is 32; further right is smaller. Published scores state no storage: they are on the other "
          "axis."}
SHAPES = {0: "circle", 8: "square", 4: "diamond", 3: "triangle-up", 2: "triangle-down"}  # by the bits of a grid


def shape(bits: int) -> str:
    """The mark of a run whose weights are on a grid of *bits* bits; 0 = float32."""
    return SHAPES.get(bits, "pentagon")


def shape_words(bits: int) -> str:
    """A mark's meaning, for the legend."""
    return f"{bits}-bit grid" if bits else "float32"


def drawn(records: Sequence[RunRecord], task: str, model: str, axis: str = ZEROS) -> list[Point]:
    """The points of a panel that have a place on *axis*."""
    return [p for p in points(records, task, model) if math.isfinite(at(p, axis))]


def at(point: Point, axis: str) -> float:
    """Where *point* stands on *axis*: share of zeros 0..1, or bits per weight."""
    return point.stored if axis == BITS else point.sparsity


def panel(records: Sequence[RunRecord], task: str, model: str, with_published: bool = False,
          axis: str = ZEROS) -> View:
    """Score over *axis* for one task and model.

    x: share of zeros that the run measured, 0..1; or bits per weight, logarithmic, falling. y: the task's main metric.
    A line joins the mean score of a method at each x; runs that trained and runs that did not are two lines, because
    their budgets differ, and so are runs on a grid of few bits, which have their own mark. The grey line is dense, the
    band around it what counts as equal (`core.statistics.noise`), a darker band the spread over dense seeds where
    there are several. Without a picture when no run has a place on *axis*.
    """
    dots = drawn(records, task, model, axis)
    if not dots:
        return words_only(f"{style.task_title(task)}: what the runs here take to store is not known.")
    metric = _metric(records, dots)
    printed = published(task) if with_published and axis == ZEROS else []
    span = _span(dots, printed, axis)
    figure = go.Figure()
    _dense(figure, dots, axis, span)
    seen: set[str] = set()
    for method, trained, bits in dict.fromkeys((p.method, p.trained, p.bits) for p in dots):
        name = _name(method, trained)
        _line(figure, [p for p in dots if (p.method, p.trained, p.bits) == (method, trained, bits)], name, axis,
              first=name not in seen)
        seen.add(name)
    _shapes(figure, dots)
    if printed:
        figure.add_scatter(
            x=[p.sparsity for p in printed], y=[p.score for p in printed], mode="markers",
            name="published, another model",
            marker={"symbol": "star-open", "size": 14, "color": style.GREY, "line": {"width": 2}},
            customdata=[[p.system, p.model, p.note, p.source] for p in printed],
            hovertemplate="<b>%{customdata[0]}</b><br>published, another model: %{customdata[1]}<br>%{y:.3f} "
                          "(%{customdata[2]})<br>%{customdata[3]}<extra></extra>")
    style.finish(figure, HEIGHT, legend=True, revision=f"{task}/{model}/{axis}")
    figure.update_xaxes(**_ticks(span, axis))
    figure.update_yaxes(title_text=style.metric_words(metric), range=_range(dots, [p.score for p in printed]))
    figure.update_layout(margin={"t": 12, "b": 158}, legend={"y": -0.27, "yanchor": "top"})  # plots of a row align
    alt = (f"{style.task_title(task)}, {model}: score over {'bits per weight' if axis == BITS else 'sparsity'} for "
           f"{len(dots)} runs. " + " ".join(f"{name}: {text}." for name, text in _ranges(dots, axis)))
    return View(_claim(dots, task, axis), figure, None, alt, _table(dots, printed),
                "Point at a dot to read its run; click a name in the legend to take a method away.",
                heading=_heading(dots, task, axis))


def _span(dots: Sequence[Point], printed: Sequence[Published], axis: str) -> tuple[float, float]:
    """The ends of the axis, left and right, in its own unit; on the axis of bits the left end is the larger one."""
    if axis == BITS:
        return max(FLOAT, *(p.stored for p in dots)) * 1.12, min(FLOAT / 4, *(p.stored for p in dots)) / 1.15
    return -0.02, min(1.0, max([p.sparsity for p in dots] + [p.sparsity for p in printed]) + 0.06)


def _ticks(span: tuple[float, float], axis: str) -> dict[str, Any]:
    if axis == ZEROS:
        return {"title_text": "sparsity (share of zeros)", "tickformat": ".0%", "range": list(span)}
    marks = [bits for k in range(8) for bits in (2.0 ** k, 1.5 * 2.0 ** k) if span[1] <= bits <= span[0]]
    return {"title_text": "bits per weight (dense: 32; log)", "type": "log", "range": [math.log10(v) for v in span],
            "tickmode": "array", "tickvals": marks, "ticktext": [f"{bits:g}" for bits in marks]}


def _dense(figure: go.Figure, dots: Sequence[Point], axis: str, ends: tuple[float, float]) -> None:
    values = _dense_values(dots)
    level, half = mean(values), mean(p.noise for p in dots)
    span = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y", "line": {"width": 0}, "layer": "below"}
    figure.add_shape(type="rect", y0=level - half, y1=level + half, fillcolor=style.WASH, **span)
    if len(values) > 1:
        figure.add_shape(type="rect", y0=min(values), y1=max(values), fillcolor=style.RULE, **span)
    colour = style.colour("dense")
    figure.add_scatter(x=[0, 1] if axis == ZEROS else list(ends), y=[level, level], mode="lines", name="Dense",
                       legendgroup="Dense", hoverinfo="skip", line={"color": colour, "width": 2})
    if axis == BITS:  # on the axis of zeros the line itself begins where dense is
        figure.add_scatter(x=[FLOAT], y=[level], mode="markers", name="Dense", legendgroup="Dense", showlegend=False,
                           marker={"color": colour, "size": 11},
                           hovertemplate="<b>Dense</b><br>%{y:.3f}<br>32 bits per weight<extra></extra>")


def _dense_values(dots: Sequence[Point]) -> list[float]:
    """One dense score a seed."""
    return [mean(p.dense for p in dots if p.seed == seed) for seed in sorted({p.seed for p in dots})]


def _line(figure: go.Figure, dots: Sequence[Point], name: str, axis: str, first: bool) -> None:
    """One method's points of one kind of training and one grid; *first*: it stands for its name in the legend."""
    colour, trained = style.colour(dots[0].method), dots[0].trained
    places = sorted({round(at(p, axis), 3) for p in dots})
    figure.add_scatter(x=places, y=[mean(p.score for p in dots if round(at(p, axis), 3) == x) for x in places],
                       mode="lines", line={"color": colour, "width": 2.5, "dash": "solid" if trained else "dot"},
                       name=name, legendgroup=name, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=[at(p, axis) for p in dots], y=[p.score for p in dots], mode="markers", name=name, legendgroup=name,
        showlegend=first,
        marker={"color": colour, "size": 11, "symbol": shape(dots[0].bits) + ("" if trained else "-open"),
                "line": {"width": 2, "color": colour}},
        customdata=[[p.words, f"{p.epochs:g}", p.seed, style.score(p.dense), p.n_eval, p.id,
                     style.percent(p.sparsity), _stored(p)] for p in dots],
        hovertemplate=f"<b>{name} · %{{customdata[0]}}</b><br>%{{y:.3f}}, dense %{{customdata[3]}}<br>"
                      "%{customdata[6]} zeros%{customdata[7]}<br>%{customdata[1]} epochs · seed %{customdata[2]}<br>"
                      "%{customdata[4]} examples<br>%{customdata[5]}<extra></extra>")


def _shapes(figure: go.Figure, dots: Sequence[Point]) -> None:
    """What the marks mean, where some run is on a grid."""
    found = sorted({p.bits for p in dots}, key=lambda bits: -(bits or FLOAT))
    for bits in found if any(found) else []:
        figure.add_scatter(x=[None], y=[None], mode="markers", name=shape_words(bits), hoverinfo="skip",
                           marker={"symbol": shape(bits), "size": 11, "color": style.GREY})


def _stored(point: Point) -> str:
    return f" · {bits_words(point.stored)} bits per weight" if math.isfinite(point.stored) else ""


def bits_words(bits: float) -> str:
    """Bits per weight with three digits that mean something."""
    return f"{bits:.3g}"


def _name(method: str, trained: bool) -> str:
    return style.method_title(method) + ("" if trained or not _optional(method) else ", no training")


def _optional(method: str) -> bool:
    return method in METHODS and METHODS[method].training == "optional"


def _range(dots: Sequence[Point], printed: Sequence[float]) -> list[float]:
    """From a little under the lowest point to a little over the highest, the dense band included."""
    low = min([p.score for p in dots] + [p.dense - p.noise for p in dots] + list(printed))
    high = max([p.score for p in dots] + [p.dense + p.noise for p in dots] + list(printed))
    room = 0.06 * (high - low or 0.1)
    return [low - room, min(1.0, high + room) if high <= 1 else high + room]


def _heading(dots: Sequence[Point], task: str, axis: str) -> str:
    """How far a run goes that still counts as equal to dense."""
    title = style.task_title(task)
    near = [p for p in dots if p.within and (axis == BITS or p.sparsity > 0)]
    if not near:
        return f"{title}: no run is within noise of dense."
    if axis == BITS:
        return f"{title}: {bits_words(min(p.stored for p in near))} bits a weight stay within noise of dense."
    return f"{title}: {style.percent(max(p.sparsity for p in near))} zeros stay within noise of dense."


def _claim(dots: Sequence[Point], task: str, axis: str) -> str:
    """What the panel says: who still counts as equal to dense, and how far that goes."""
    title = style.task_title(task)
    counted = [p for p in dots if axis == BITS or p.sparsity > 0]  # on a grid alone nothing is zeroed
    if not counted:
        return f"{title}: no run here prunes; all are on a grid of few bits: see them over bits per weight."
    near = [p for p in counted if p.within]
    if not near:
        best = max(counted, key=lambda p: p.score - p.dense)
        return (f"{title}: no run is within noise of dense ({style.score(best.dense)}); nearest is "
                f"{style.method_title(best.method)} at {best.words}, {style.score(best.score)}.")
    if axis == BITS:
        far = min(near, key=lambda p: (round(p.stored, 3), -p.score))
        given = f"{bits_words(far.stored)} bits per weight instead of 32"
    else:
        far = max(near, key=lambda p: (round(p.sparsity, 3), p.score))
        given = f"{style.percent(far.sparsity)} zeros"
    return (f"{title}: {given} cost nothing that can be told from noise: {style.method_title(far.method)} at "
            f"{far.words} has {style.score(far.score)}, dense {style.score(far.dense)}.")


def small_print(records: Sequence[RunRecord], task: str, model: str, axis: str = ZEROS) -> str:
    """What stands under a panel: seeds, evaluation examples, and what "within noise of dense" means here."""
    dots = drawn(records, task, model, axis)
    if not dots:
        return ""
    metric = _metric(records, dots)
    values = _dense_values(dots)
    seeds = (f"One seed ({dots[0].seed}): the spread over seeds is not known here." if len(values) == 1 else
             f"{len(values)} seeds: dense lies between {style.score(min(values))} and {style.score(max(values))}, the "
             "darker band.")
    plain = "synthetic examples" if _synthetic(task) else "examples"
    split = next(r.results.split for r in records if r.results is not None and r.id == dots[0].id)
    others = left_out(records, task, model)
    apart = f" {others} runs scored on other examples are left out." if others > 1 else (
        " One run scored on other examples is left out." if others else "")
    nowhere = len(points(records, task, model)) - len(dots)
    apart += f" Not on this axis, their storage is not known: {nowhere}." if nowhere else ""
    name = style.model_title(model)
    return (f"Model {name}, n = {style.count(dots[0].n_eval)} {plain} ({split}).{apart} {seeds} Within noise of dense: "
            f"no further below it than {rule(metric)}, here {mean(p.noise for p in dots):.3f} (the pale band).")


def _synthetic(task: str) -> bool:
    from core.tasks import TASKS

    return task in TASKS and TASKS[task].kind == "built-in"


def _metric(records: Sequence[RunRecord], dots: Sequence[Point]) -> str:
    return next(r.results.metric for r in records if r.results is not None and r.id == dots[0].id)


def _ranges(dots: Sequence[Point], axis: str) -> list[tuple[str, str]]:
    out = [("Dense", style.score(mean(_dense_values(dots))))]
    for method in dict.fromkeys(p.method for p in dots):
        own = [p for p in dots if p.method == method]
        out.append((style.method_title(method), ", ".join(
            f"{p.score:.3f} at {p.words}" + (f" ({bits_words(p.stored)} bits)" if axis == BITS else "")
            for p in own[:8])))
    return out


def _table(dots: Sequence[Point], printed: Sequence[Published]) -> pd.DataFrame:
    rows = [{"method": style.method_title(p.method), "pattern": p.pattern, "sparsity": round(p.sparsity, 4),
             "bits of a value": p.bits or FLOAT, "bits per weight": round(p.stored, 3), "score": p.score,
             "dense": p.dense, "difference": round(p.score - p.dense, 4),
             "within noise of dense": "yes" if p.within else "no", "epochs": p.epochs, "distilled": p.distill,
             "seed": p.seed, "evaluation examples": p.n_eval, "run": p.id} for p in dots]
    rows += [{"method": p.system, "pattern": "published, another model", "sparsity": p.sparsity, "score": p.score,
              "run": f"{p.model}; {p.note}; {p.source}"} for p in printed]
    return pd.DataFrame(rows)
