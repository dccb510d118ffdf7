"""The scores along a run's way, and what the hard prune itself took from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from core.runs.records import RunRecord
from core.runs.store import Run
from core.views.drawing import style
from core.views.drawing.telling_apart import short_names
from core.views.drawing.view import View


def finite(value: object) -> bool:
    """Is this a number that can be drawn?"""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


HEIGHT = 380  # of both pictures, which stand side by side
WAY = ("dense", "admm_w", "admm_z", "hard_pruned", "final")


def stages(record: RunRecord) -> list[tuple[str, float]]:
    """(stage, score) of every score that this run has, in the order of `style.STAGES`."""
    if record.results is None:
        return []
    return [(s, value) for s in style.STAGES if finite(value := getattr(record.results, s))]


def waterfall(run: Run) -> View:
    """The scores from dense to final as steps, each change written on its step; one-shot magnitude stands apart as
    the mark to beat: it starts from dense too, but it is not on this run's way."""
    record = run.record
    found = stages(record)
    table = pd.DataFrame([{"stage": style.STAGES[s], "what it is": style.STAGE_MEANING[s], "score": v}
                          for s, v in found])
    if len(found) < 2:
        return View("This run has no scores to compare: it ended before they were measured.", None, None,
                    "no scores", table, "")
    way = [(s, v) for s, v in found if s in WAY]
    colour = style.colour(record.spec.method)
    figure = go.Figure()
    figure.add_scatter(x=[_tick(s) for s, _ in way], y=[v for _, v in way], mode="lines+markers", cliponaxis=False,
                       line={"color": colour, "width": 2.5, "shape": "hv"}, marker={"size": 13, "color": colour},
                       customdata=[[style.STAGES[s], style.STAGE_MEANING[s]] for s, _ in way],
                       hovertemplate="<b>%{customdata[0]}</b> %{y:.3f}<br>%{customdata[1]}<extra></extra>")
    plain = [v for s, v in found if s == "one_shot"]
    figure.add_scatter(x=[_tick("one_shot") for _ in plain], y=plain, mode="markers",
                       hovertemplate="One-shot magnitude %{y:.3f}<extra></extra>",
                       marker={"size": 13, "symbol": "circle-open", "color": style.colour("magnitude"),
                               "line": {"width": 2.5}})
    before = None
    for s, v in found:  # the numbers stand in one row above: beside their marks they would cross the steps
        below = ""
        if s in WAY:
            below, before = "" if before is None else style.change(v - before), v
        figure.add_annotation(x=_tick(s), yref="paper", y=1.0, yanchor="bottom", showarrow=False, font={"size": 15},
                              text=f"<b>{style.score(v)}</b><br>{below or ' '}")
    style.finish(figure, HEIGHT, revision=record.id)
    low, high = min(v for _, v in found), max(v for _, v in found)
    room = 0.12 * ((high - low) or 0.05)
    figure.update_xaxes(categoryorder="array", categoryarray=[_tick(s) for s, _ in found], showgrid=False, tickangle=0,
                        range=[-0.5, len(found) - 0.5])
    figure.update_yaxes(title_text=style.metric_words(record.results.metric if record.results else ""),
                        range=[low - room, high + room], nticks=5)
    figure.update_layout(margin={"t": 58, "b": 64, "l": 86})
    alt = "Scores: " + ", ".join(f"{style.STAGES[s]} {style.score(v)}" for s, v in found) + "."
    return View(_way_claim(record, dict(found)), figure, None, alt, table,
                "Compare the open mark, plain magnitude at the same pattern, with where this run ends.",
                heading=_way_heading(dict(found)))


def _tick(stage: str) -> str:
    """A stage on an axis: in two lines, so that six of them fit half a page."""
    return "<br>".join(style.STAGES[stage].replace("-pruned", "- pruned").rsplit(" ", 1))


def _way_heading(found: dict[str, float]) -> str:
    final, dense = found.get("final"), found.get("dense")
    return "" if final is None or dense is None else f"It ends {style.change(final - dense)} from dense."


def _way_claim(record: RunRecord, found: dict[str, float]) -> str:
    final, dense, plain = found.get("final"), found.get("dense"), found.get("one_shot")
    if final is None or dense is None:
        return "The scores that this run reached before it ended."
    text = (f"{style.method_title(record.spec.method)} ends at {style.score(final)}, "
            f"{style.change(final - dense)} to dense")
    if plain is not None and record.spec.method != "magnitude":
        text += f" and {style.change(final - plain)} to one-shot magnitude"
    return text + "."


# -- the drop at the hard prune ----------------------------------------------------------------------------------


def drop_of(record: RunRecord) -> tuple[str, float, float] | None:
    """(stage before, score before, score after) of the hard prune; the stage is W after ADMM, or dense without ADMM."""
    results = record.results
    if results is None or results.hard_pruned is None:
        return None
    start = "admm_w" if results.admm_w is not None else "dense"
    value = getattr(results, start)
    return None if value is None else (start, value, results.hard_pruned)


def drop(records: Sequence[RunRecord], run_id: str, most: int = 8) -> View:
    """What the hard prune itself took from the score: this run beside the others of its task, model, pattern and
    grid."""
    own = next((r for r in records if r.id == run_id), None)
    if own is None or drop_of(own) is None:
        return View("This run has no score from before and after a hard prune.", None, None, "no scores",
                    pd.DataFrame(), "")
    peers = [r for r in records if r.id != own.id and drop_of(r) and _terms(r) == _terms(own)]
    listed = [own, *sorted(peers, key=lambda r: r.id)[: most - 1]]
    listed.sort(key=lambda r: -_loss(r))
    rows = [(r, *drop_of(r)) for r in listed]  # type: ignore[misc]
    names = _names(listed)
    figure = go.Figure()
    for name, (r, start, before, after) in zip(names, rows, strict=True):
        colour, strong = style.colour(r.spec.method), r.id == own.id
        figure.add_scatter(
            x=[before, after], y=[name, name], mode="lines+markers",
            line={"color": colour, "width": 5 if strong else 2},
            marker={"size": 13 if strong else 9, "color": colour, "symbol": ["circle-open", "circle"],
                    "line": {"width": 2, "color": colour}}, opacity=1.0 if strong else 0.65,
            hovertemplate=f"{style.STAGES[start]} {before:.3f}, hard-pruned {after:.3f}<extra></extra>")
        figure.add_annotation(x=max(before, after), y=name, text=style.change(after - before), xanchor="left",
                              xshift=12, showarrow=False, font={"size": 15 if strong else 13})
    style.finish(figure, HEIGHT, revision=f"drop/{run_id}")
    low, high = min(min(b, a) for _, _, b, a in rows), max(max(b, a) for _, _, b, a in rows)
    room = (high - low) or 0.1
    figure.update_xaxes(title_text="score: open before, full after", nticks=4,
                        range=[low - 0.08 * room, high + 0.4 * room])
    figure.update_yaxes(automargin=True, showgrid=False)
    start, before, after = drop_of(own)  # type: ignore[misc]
    table = pd.DataFrame([{"run": r.id, "before is": style.STAGES[s], "before": b, "hard-pruned": a,
                           "change": round(a - b, 4), "final": r.results.final if r.results else None}
                          for r, s, b, a in rows])
    alt = "; ".join(f"{n}: {style.score(b)} before, {style.score(a)} after" for n, (_, _, b, a) in
                    zip(names, rows, strict=True)) + "."
    return View(_drop_claim(own, start, before, after), figure, None, alt, table,
                "A run whose W had reached the pattern loses next to nothing here; one that had not pays at once.",
                heading=style.lead(_drop_claim(own, start, before, after), ":"))


def _terms(record: RunRecord) -> tuple[object, ...]:
    """What two runs must share for their drops to stand side by side."""
    spec, results = record.spec, record.results
    return spec.task, spec.model, spec.pattern, spec.bits, results and (results.split, results.n_eval)


def _loss(record: RunRecord) -> float:
    found = drop_of(record)
    return found[1] - found[2] if found else 0.0


def _names(records: Sequence[RunRecord]) -> list[str]:
    """One name a row."""
    names = short_names(records)  # of one pattern: it need not be said in every row
    pattern = f" · {style.pattern_words(records[0].spec.pattern)}"
    return [names[r.id].replace(pattern, "", 1) for r in records]


def _drop_claim(record: RunRecord, start: str, before: float, after: float) -> str:
    took = before - after
    verb = f"took {took:.3f} of score" if took > 0.0005 else (
        "took nothing from the score" if took > -0.0005 else f"gave {-took:.3f} of score")
    place = "in W" if start == "admm_w" else "dense"
    text = f"The hard prune {verb}: {style.score(before)} {place}, {style.score(after)} under the mask"
    final = record.results.final if record.results else None
    if final is not None and record.spec.epochs > 0 and abs(final - after) > 0.0005:
        text += f"; the run ends at {style.score(final)}"
    return text + "."
