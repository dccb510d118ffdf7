"""The ADMM trace: residuals, rho, flips, moved mask, loss and score over one time axis. Did it converge?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.runs.phases import TRACE
from core.runs.records import RunRecord
from core.runs.store import Run
from core.views.drawing import style
from core.views.drawing.view import View
from core.views.scores.stages import finite

TARGET = 0.02  # the primal residual that counts as "W has reached the pattern"
NAME, CURVES = 16, 56  # pixels of height of a curve's name, and of what a panel's curves fill
WORDS = 0.65  # of the time axis, from where on a name would reach into the words of the line
MOST = 1200  # points a curve: more cannot be told apart on a screen
PANEL = 82  # pixels of height a panel
GUTTER = 0.035  # between two panels, as a share of the whole

Row = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One small panel: the trace keys it draws, and how."""

    title: str
    keys: tuple[tuple[str, str], ...]  # (key of the trace, words of the legend)
    log: bool = False
    percent: bool = False


PANELS = (
    Panel("residuals", (("primal", "primal ‖W − Z‖ / ‖W‖"), ("dual", "dual rho‖Zₖ − Zₖ₋₁‖ / ‖W‖")), log=True),
    Panel("rho", (("rho", "rho"),), log=True),
    Panel("flips", (("flips", "mask entries flipped since the last step"),)),
    Panel("moved mask", (("moved", "mask that differs from plain magnitude"),), percent=True),
    Panel("loss", (("loss", "training loss"),)),
    Panel("score", (("score", "evaluation score"),)),
)
FEW = (Panel("W to Z (log)", PANELS[0].keys[:1], log=True), *PANELS[-2:])  # what a small figure has room for


def has_admm(run: Run) -> bool:
    """Did this run pull W towards Z, in training or layer by layer?"""
    return any("primal" in row for row in run.trace)


def timeline(run: Run, panels: Sequence[Panel] = PANELS) -> View:
    """What was logged for *panels*, one above the other over one time axis with one cursor; the phases are shaded.

    x: optimiser steps (iterations, for the layer-wise method). Curves of more than MOST rows are thinned to every
    k-th row, and the view says so.
    """
    rows = run.trace
    shown = [p for p in panels if any(finite(row.get(k)) for row in rows for k, _ in p.keys)]
    table = pd.DataFrame(rows)
    if not shown:
        return View(f"{style.method_title(run.record.spec.method)} logged no steps: it prunes once and trains nothing.",
                    None, None, "no trace", table, "")
    every = -(-len(rows) // MOST)
    xs = _time(rows)
    figure = go.Figure()
    share = (1 - GUTTER * (len(shown) - 1)) / len(shown)
    for at, panel in enumerate(shown):
        top = 1 - at * (share + GUTTER)
        _draw(figure, panel, at, [max(0.0, top - share), top], rows, xs, every, run.record)
    _phases(figure, rows, xs)
    height = 100 + PANEL * len(shown)
    style.finish(figure, height, revision=run.record.id)
    last = "y" if len(shown) == 1 else f"y{len(shown)}"
    figure.update_xaxes(title_text=_unit(rows), anchor=last, showspikes=True, spikemode="across", spikethickness=1,
                        spikecolor=style.GREY, spikedash="solid")
    figure.update_layout(hovermode="x", hoversubplots="axis", margin={"l": 100, "t": 40, "b": 78})
    alt = f"{len(rows)} logged rows over {_unit(rows)} {xs[0]} to {xs[-1]}. " + " ".join(
        f"{words}: {_ends(rows, key)}." for p in shown for key, words in p.keys if _ends(rows, key))
    thinned = f" Every {every}. row is drawn; the table holds all." if every > 1 else ""
    return View(_converged(run) + _moved(run.record), figure, None, alt, table,
                "Move the pointer along the panels: one cursor reads them all. Look for the moment when the flips "
                f"stop and the primal residual starts to fall.{thinned}",
                heading=_heading(run))


def _decades(rows: Sequence[Row], panel: Panel) -> float:
    """How many powers of ten the positive values of *panel* span."""
    values = [row[key] for row in rows for key, _ in panel.keys if finite(row.get(key)) and row[key] > 0]
    return math.log10(max(values) / min(values)) if values else 0.0


def _ticks(decades: float) -> Row:
    """Labels of a log axis that do not overlap: one a decade (every second where there are many), over less than
    that at 1, 2 and 5."""
    if decades >= 1.2:
        return {"dtick": 2 if decades >= 4 else 1}
    return {"dtick": "D2"} if decades >= 0.4 else {}


def _draw(figure: go.Figure, panel: Panel, at: int, domain: list[float], rows: Sequence[Row], xs: Sequence[float],
          every: int, record: RunRecord) -> None:
    axis = "" if at == 0 else str(at + 1)
    colour = style.colour(record.spec.method)
    left = False  # does a curve's name stand where the words of the line would?
    reading = "%{y:.2%}" if panel.percent else "%{y:.3~g}"
    for n, (key, words) in enumerate(panel.keys):
        picked = [(x, row[key]) for x, row in zip(xs, rows, strict=True) if finite(row.get(key))]
        thin = picked if len(picked) <= MOST else [p for i, p in enumerate(picked) if i % every == 0]
        if panel.log:
            thin = [(x, y) for x, y in thin if y > 0]  # a log axis has no place for zero
        figure.add_scatter(
            x=[x for x, _ in thin], y=[y for _, y in thin], xaxis="x", yaxis=f"y{axis}", name=words,
            mode="lines+markers" if len(thin) < 30 else "lines", marker={"size": 6, "color": colour},
            line={"color": colour, "width": 2.5, "dash": "solid" if n == 0 else "dot"},
            hovertemplate=f"{words}: {reading}<extra></extra>")
        if len(panel.keys) > 1 and thin:  # two curves of one colour: each says its name where it ends
            x, y = thin[-1]
            room = x < xs[-1]  # the phase after it leaves space to the right
            line = math.log10(TARGET / y) * _pixels(rows, panel) if panel.log else math.inf
            anchor, shift = _beside(line, ("bottom", "top")[n] if room else "bottom", (8, 0)[n] if room else 0,
                                    above=n == 0)
            low = shift - (NAME if anchor == "top" else 0)
            left |= abs(low - line) < NAME - 2 and (x - xs[0]) > WORDS * (xs[-1] - xs[0])
            figure.add_annotation(x=x, y=math.log10(y) if panel.log else y, xref="x", yref=f"y{axis}", text=key,
                                  showarrow=False, xanchor="left" if room else "right", font={"size": 13},
                                  yanchor=anchor, xshift=10 if room else 0, yshift=shift)
    figure.update_layout({f"yaxis{axis}": {
        "domain": domain, "title": {"text": panel.title}, "type": "log" if panel.log else "linear", "nticks": 4,
        **(_ticks(_decades(rows, panel)) if panel.log else {}),
        "tickformat": ".4~%" if panel.percent else "~g", "exponentformat": "power", "anchor": "x",
        **({} if panel.log else {"rangemode": "normal"})}})
    if panel.keys[0][0] == "primal":
        _level(figure, axis, TARGET, f"{TARGET}: W has reached the pattern", style.GREY, log=True, left=left)
    if panel.keys[0][0] == "score" and record.results is not None and record.results.dense is not None:
        _level(figure, axis, record.results.dense, "dense", style.colour("dense"))


def _pixels(rows: Sequence[Row], panel: Panel) -> float:
    """Pixels that a power of ten is high in a log panel, about: Plotly leaves some room over and under the curves."""
    return CURVES / max(_decades(rows, panel), 0.1)


def _beside(line: float, anchor: str, shift: float, above: bool) -> tuple[str, float]:
    """Anchor and shift of a curve's name at its end, such that the level *line* pixels above that end (below it, where
    negative) does not run through the name. *anchor*, *shift*: where it stands when there is room; *above*: under its
    end stands another name."""
    low = shift - (NAME if anchor == "top" else 0)
    if not low - 1 < line < low + NAME + 1:
        return anchor, shift
    if line <= 0:
        return "bottom", 0
    return ("bottom", line + 1) if above else ("top", 0)


def _level(figure: go.Figure, axis: str, value: float, words: str, colour: str, log: bool = False,
           left: bool = False) -> None:
    """A thin line across one panel, with its words at the right end, or at the *left* one."""
    figure.add_shape(type="line", xref="paper", x0=0, x1=1, yref=f"y{axis}", y0=value, y1=value, layer="below",
                     line={"color": colour, "width": 1.5, "dash": "dash"})
    place = {"x": 0, "xanchor": "left"} if left else {"x": 1, "xanchor": "right"}
    figure.add_annotation(xref="paper", yref=f"y{axis}", y=math.log10(value) if log else value, yanchor="bottom",
                          text=words, showarrow=False, font={"size": 13}, **place)


def _time(rows: Sequence[Row]) -> list[float]:
    """The rows' steps; their order where steps are missing or run backwards."""
    steps = [row.get("step") for row in rows]
    if all(finite(s) for s in steps) and all(a <= b for a, b in pairwise(steps)):  # type: ignore[operator]
        return steps  # type: ignore[return-value]
    return list(range(len(rows)))


def _unit(rows: Sequence[Row]) -> str:
    return "iterations" if all(row.get("phase") == "layer-wise" for row in rows) else "steps"


def spans(rows: Sequence[Row]) -> list[tuple[str, float, float]]:
    """(phase, from, to) of every stretch of rows with the same phase; a stretch ends where the next begins.

    A method with a fixed mask logs its first row, before any step, in a phase that never comes: without a single
    residual in it, "admm" is not shown.
    """
    xs = _time(rows)
    pulled = any(finite(row.get("primal")) for row in rows)
    out: list[tuple[str, float, float]] = []
    for row, x in zip(rows, xs, strict=True):
        name = str(row.get("phase", ""))
        name = "refine" if name == "admm" and not pulled else name
        if out and out[-1][0] == name:
            out[-1] = (name, out[-1][1], x)
        else:
            if out:
                out[-1] = (out[-1][0], out[-1][1], x)
            out.append((name, x, x))
    return out


def _phases(figure: go.Figure, rows: Sequence[Row], xs: Sequence[float]) -> None:
    for at, (name, start, end) in enumerate(spans(rows)):
        figure.add_shape(type="rect", x0=start, x1=end, xref="x", y0=0, y1=1, yref="paper", layer="below",
                         line={"width": 0}, fillcolor=style.WASH if at % 2 == 0 else "rgba(0,0,0,0)")
        figure.add_annotation(x=start, xref="x", y=1.0, yref="paper", yanchor="bottom", xanchor="left", yshift=4,
                              text=TRACE.get(name, name), showarrow=False, font={"size": 14})


def _ends(rows: Sequence[Row], key: str) -> str:
    values = [row[key] for row in rows if finite(row.get(key))]
    return f"from {values[0]:.3g} to {values[-1]:.3g}" if values else ""


def at_hard_prune(rows: Sequence[Row]) -> Row | None:
    """The last row of the ADMM phase that has a residual; None when there was no ADMM."""
    found = [row for row in rows if finite(row.get("primal")) and row.get("phase") != "refine"]
    return found[-1] if found else None


def _converged(run: Run) -> str:
    last = at_hard_prune(run.trace)
    moving = [row for row in run.trace if row.get("phase") == "moving" and finite(row.get("flips"))]
    if last is None and moving:
        return (f"{style.method_title(run.record.spec.method)} chooses its mask anew at every step: "
                f"{style.count(int(moving[-1]['flips']))} entries flipped between the last two logged steps, "
                f"{style.count(int(max(row['flips'] for row in moving)))} when most did.")
    if last is None:
        moves = "." if any(finite(row.get("flips")) for row in run.trace) else ", and only loss and score move."
        return f"{style.method_title(run.record.spec.method)} has no ADMM phase: its mask is fixed {_fixed(run)}{moves}"
    primal = last["primal"]
    verdict = "W had all but reached the pattern" if primal <= TARGET else "W was still on its way to the pattern"
    stopped = "" if not finite(last.get("flips")) else (
        " and no mask entry flipped any more" if last["flips"] == 0 else "")
    return f"{_moment(run)} the primal residual was {primal:.2g}: {verdict}{stopped}."


def _moment(run: Run) -> str:
    """What the last row of ADMM is called: a run that goes on, or ended before, has not come to its hard prune."""
    over = run.record.status == "succeeded" or any(row.get("phase") == "refine" for row in run.trace)
    return "At the hard prune" if over else "At the last look"


def _fixed(run: Run) -> str:
    """When the mask of a run without ADMM is fixed."""
    before = [row for row in run.trace if row.get("phase") != "refine" and finite(row.get("step"))]
    return f"after {style.count(int(before[-1]['step']))} steps" if before else "from the start"


def _heading(run: Run) -> str:
    last = at_hard_prune(run.trace)
    if last is None and not any(row.get("phase") == "moving" for row in run.trace):
        return f"{style.method_title(run.record.spec.method)}: the mask is fixed {_fixed(run)}."
    return "" if last is None else \
        f"{_moment(run)} W was {style.percent(last['primal'], 2)} of its size away from the pattern."


def _moved(record: RunRecord) -> str:
    """How far the final mask is from plain magnitude's, in a sentence; "" where no matrix is listed."""
    size = sum(math.prod(m.shape) for m in record.matrices)
    moved = sum(m.moved * math.prod(m.shape) for m in record.matrices)
    return f" In the end {style.percent(moved / size)} of the mask differs from plain magnitude's." if size else ""
