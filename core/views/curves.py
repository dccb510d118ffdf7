"""Accuracy versus ratio: one panel a task and model, a point a run, a line a method, the dense line with its noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

import pandas as pd
import plotly.graph_objects as go

from core.methods import METHODS
from core.runs.records import RunRecord
from core.views import style
from core.views.noise import noise, rule
from core.views.published import published
from core.views.view import View

HEIGHT = 470
VALIDATION = "validation"  # the split that counts; knobs are chosen on others
RATIO_IS_NOT_SPEED = (
    "Ratio is not speed: a zero still takes its place and its multiplication unless the hardware skips it. What "
    "sparsity costs in score is on this page; what it saves in time is measured apart.")


@dataclass(frozen=True)
class Point:
    """One run as the panel draws it."""

    id: str
    method: str
    trained: bool
    pattern: str
    sparsity: float
    score: float
    dense: float
    noise: float
    seed: int
    epochs: float
    distill: float
    n_eval: int

    @property
    def within(self) -> bool:
        """Is the score within noise of its own dense parent's (or above it)?"""
        return self.score >= self.dense - self.noise


def panels(records: Iterable[RunRecord]) -> list[tuple[str, str]]:
    """(task, model) of every panel, in the order of the list of tasks: those with at least one scored pruned run."""
    from core.tasks import TASKS

    order = list(TASKS)
    found = {(r.spec.task, r.spec.model) for r in records if _scored(r)}
    return sorted(found, key=lambda k: (order.index(k[0]) if k[0] in order else len(order), k))


def _scored(record: RunRecord) -> bool:
    results = record.results
    return (record.status == "succeeded" and record.spec.method != "dense" and results is not None
            and results.final is not None and results.dense is not None)


def points(records: Iterable[RunRecord], task: str, model: str) -> list[Point]:
    """The scored pruned runs of one panel, by method and sparsity. All are scored on the same examples: those of the
    validation split, or of the commonest other split where no run has a validation score."""
    order = list(METHODS)
    out = []
    mine = [r for r in records if _scored(r) and (r.spec.task, r.spec.model) == (task, model)]
    split = _split(mine)
    for r in mine:
        if r.results is None or (r.results.split, r.results.n_eval) != split:
            continue
        results = r.results
        assert results is not None and results.final is not None and results.dense is not None
        out.append(Point(r.id, r.spec.method, r.spec.epochs > 0, r.spec.pattern, r.sparsity, results.final,
                         results.dense, noise(results.metric, results.dense, results.n_eval), r.spec.seed,
                         r.spec.epochs, r.spec.distill, results.n_eval))
    return sorted(out, key=lambda p: (order.index(p.method) if p.method in order else len(order), p.trained,
                                      p.sparsity, p.pattern, p.seed, p.id))


def _split(records: Sequence[RunRecord]) -> tuple[str, int] | None:
    """(name, examples) of the evaluation set that a panel compares on."""
    found = Counter((r.results.split, r.results.n_eval) for r in records if r.results is not None)
    return max(found, key=lambda k: (k[0] == VALIDATION, found[k], k), default=None)


def left_out(records: Sequence[RunRecord], task: str, model: str) -> int:
    """How many scored runs of a panel were scored on other examples, and are not drawn."""
    mine = [r for r in records if _scored(r) and (r.spec.task, r.spec.model) == (task, model)]
    return len(mine) - len(points(records, task, model))


def panel(records: Sequence[RunRecord], task: str, model: str, with_published: bool = False) -> View:
    """Score over sparsity for one task and model.

    x: share of zeros that the run measured, 0..1. y: the task's main metric. A line joins the mean score of a method
    at each sparsity; runs that trained and runs that did not are two lines, because their budgets differ. The grey
    line is dense, the band around it what counts as equal (`core.views.noise`), a darker band the spread over dense
    seeds where there are several.
    """
    dots = points(records, task, model)
    metric = _metric(records, dots)
    printed = published(task) if with_published else []
    figure = go.Figure()
    _dense(figure, dots)
    for method, trained in dict.fromkeys((p.method, p.trained) for p in dots):
        _line(figure, [p for p in dots if (p.method, p.trained) == (method, trained)], method, trained)
    if printed:
        figure.add_scatter(
            x=[p.sparsity for p in printed], y=[p.score for p in printed], mode="markers",
            name="published, another model",
            marker={"symbol": "diamond-open", "size": 13, "color": style.GREY, "line": {"width": 2}},
            customdata=[[p.system, p.model, p.note, p.source] for p in printed],
            hovertemplate="<b>%{customdata[0]}</b><br>published, another model: %{customdata[1]}<br>%{y:.3f} "
                          "(%{customdata[2]})<br>%{customdata[3]}<extra></extra>")
    style.finish(figure, HEIGHT, legend=True, revision=f"{task}/{model}")
    right = max([p.sparsity for p in dots] + [p.sparsity for p in printed])
    figure.update_xaxes(title_text="sparsity (share of zeros)", tickformat=".0%", range=[-0.02, min(1.0, right + 0.06)])
    figure.update_yaxes(title_text=style.metric_words(metric), range=_range(dots, [p.score for p in printed]))
    figure.update_layout(margin={"t": 12, "b": 158}, legend={"y": -0.27, "yanchor": "top"})  # plots of a row align
    alt = (f"{style.task_title(task)}, {model}: score over sparsity for {len(dots)} runs. "
           + " ".join(f"{name}: {text}." for name, text in _ranges(dots)))
    return View(_claim(dots, task), figure, None, alt, _table(dots, printed),
                "Point at a dot to read its run; click a name in the legend to take a method away.")


def _dense(figure: go.Figure, dots: Sequence[Point]) -> None:
    values = _dense_values(dots)
    level, half = mean(values), mean(p.noise for p in dots)
    span = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y", "line": {"width": 0}, "layer": "below"}
    figure.add_shape(type="rect", y0=level - half, y1=level + half, fillcolor=style.WASH, **span)
    if len(values) > 1:
        figure.add_shape(type="rect", y0=min(values), y1=max(values), fillcolor=style.RULE, **span)
    figure.add_scatter(x=[0, 1], y=[level, level], mode="lines", name="Dense", hoverinfo="skip",
                       line={"color": style.colour("dense"), "width": 2})


def _dense_values(dots: Sequence[Point]) -> list[float]:
    """One dense score a seed."""
    return [mean(p.dense for p in dots if p.seed == seed) for seed in sorted({p.seed for p in dots})]


def _line(figure: go.Figure, dots: Sequence[Point], method: str, trained: bool) -> None:
    colour = style.colour(method)
    name = style.method_title(method) + ("" if trained or not _optional(method) else ", no training")
    at = sorted({round(p.sparsity, 3) for p in dots})
    figure.add_scatter(x=at, y=[mean(p.score for p in dots if round(p.sparsity, 3) == x) for x in at], mode="lines",
                       line={"color": colour, "width": 2.5, "dash": "solid" if trained else "dot"}, name=name,
                       legendgroup=name, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=[p.sparsity for p in dots], y=[p.score for p in dots], mode="markers", name=name, legendgroup=name,
        marker={"color": colour, "size": 11, "symbol": "circle" if trained else "circle-open",
                "line": {"width": 2, "color": colour}},
        customdata=[[p.pattern, f"{p.epochs:g}", p.seed, style.score(p.dense), p.n_eval, p.id] for p in dots],
        hovertemplate=f"<b>{name} · %{{customdata[0]}}</b><br>%{{y:.3f}}, dense %{{customdata[3]}}<br>"
                      "%{x:.1%} zeros · %{customdata[1]} epochs · seed %{customdata[2]}<br>"
                      "%{customdata[4]} examples<br>%{customdata[5]}<extra></extra>")


def _optional(method: str) -> bool:
    return method in METHODS and METHODS[method].training == "optional"


def _range(dots: Sequence[Point], printed: Sequence[float]) -> list[float]:
    """From a little under the lowest point to a little over the highest, the dense band included."""
    low = min([p.score for p in dots] + [p.dense - p.noise for p in dots] + list(printed))
    high = max([p.score for p in dots] + [p.dense + p.noise for p in dots] + list(printed))
    room = 0.06 * (high - low or 0.1)
    return [low - room, min(1.0, high + room) if high <= 1 else high + room]


def _claim(dots: Sequence[Point], task: str) -> str:
    """What the panel says: who still counts as equal to dense, and how far that goes."""
    near = [p for p in dots if p.within]
    if not near:
        best = max(dots, key=lambda p: p.score - p.dense)
        return (f"{style.task_title(task)}: no run is within noise of dense ({style.score(best.dense)}); nearest is "
                f"{style.method_title(best.method)} at {best.pattern}, {style.score(best.score)}.")
    far = max(near, key=lambda p: (round(p.sparsity, 3), p.score))
    return (f"{style.task_title(task)}: {style.percent(far.sparsity)} zeros cost nothing that can be told from noise: "
            f"{style.method_title(far.method)} at {far.pattern} has {style.score(far.score)}, dense "
            f"{style.score(far.dense)}.")


def small_print(records: Sequence[RunRecord], task: str, model: str) -> str:
    """What stands under a panel: seeds, evaluation examples, and what "within noise of dense" means here."""
    dots = points(records, task, model)
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
    name = model.rstrip("/").rsplit("/", 1)[-1]
    return (f"Model {name}, n = {style.count(dots[0].n_eval)} {plain} ({split}).{apart} {seeds} Within noise of dense: "
            f"no further below it than {rule(metric)}, here {mean(p.noise for p in dots):.3f} (the pale band).")


def _synthetic(task: str) -> bool:
    from core.tasks import TASKS

    return task in TASKS and TASKS[task].kind == "built-in"


def _metric(records: Sequence[RunRecord], dots: Sequence[Point]) -> str:
    return next(r.results.metric for r in records if r.results is not None and r.id == dots[0].id)


def _ranges(dots: Sequence[Point]) -> list[tuple[str, str]]:
    out = [("Dense", style.score(mean(_dense_values(dots))))]
    for method in dict.fromkeys(p.method for p in dots):
        own = [p for p in dots if p.method == method]
        out.append((style.method_title(method), ", ".join(f"{p.score:.3f} at {p.pattern}" for p in own[:8])))
    return out


def _table(dots: Sequence[Point], printed: Sequence) -> pd.DataFrame:
    rows = [{"method": style.method_title(p.method), "pattern": p.pattern, "sparsity": round(p.sparsity, 4),
             "score": p.score, "dense": p.dense, "difference": round(p.score - p.dense, 4),
             "within noise of dense": "yes" if p.within else "no", "epochs": p.epochs, "distilled": p.distill,
             "seed": p.seed, "evaluation examples": p.n_eval, "run": p.id} for p in dots]
    rows += [{"method": p.system, "pattern": "published, another model", "sparsity": p.sparsity, "score": p.score,
              "run": f"{p.model}; {p.note}; {p.source}"} for p in printed]
    return pd.DataFrame(rows)
