"""BESA: how much every matrix and every row learned to prune, beside the uniform share, and what that did to the
layers' outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.names import layer_of, part_of
from core.runs.records import Matrix
from core.runs.store import Run
from core.runs.told import kept
from core.sparsity.patterns import parse_pattern
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below
from core.views.drawing.view import View

REACH = 0.30  # of the way to 0 or 1, whichever is nearer: a little more than a smoothed share can go
SMOOTH = 16  # steps of a running mean: those of one text alone jump
HEIGHT = 430
LEAST = 5e-4  # a smaller change of the error is none


@dataclass(frozen=True)
class Shares:
    """One matrix: the share of zeros of every row `[out]`, and of all."""

    layer: int
    part: str
    rows: NDArray[np.float64]
    whole: float


def pictures(run: Run) -> list[View]:
    """The shares, then the errors.

    Raises InputError for arrays that are missing or damaged.
    """
    return [shares(run), errors(run)]


def _shares(run: Run) -> list[Shares]:
    return [_share(run, m) for m in run.record.matrices]


def _share(run: Run, matrix: Matrix) -> Shares:
    zeros = kept(run, f"rows/{matrix.name}", 1)
    if zeros.shape != matrix.shape[:1] or int(zeros.max()) > matrix.shape[1]:
        raise InputError(f"The zeros of the rows of {matrix.name} do not fit its shape {list(matrix.shape)}",
                         "a count for every row", "Make the run again.")
    rows = zeros.astype(np.float64) / matrix.shape[1]
    return Shares(layer_of(matrix.name) or 0, part_of(matrix.name), rows, float(rows.mean()))


def shares(run: Run) -> View:
    """A panel for every part of a layer, a line for every layer: the matrix's share of zeros as a dot, its rows' as a
    bar (5 to 95 %), the uniform share as the line that both would stand on.

    Raises InputError for arrays that are missing or damaged.
    """
    found, target = _shares(run), parse_pattern(run.record.spec.pattern).sparsity
    parts = list(dict.fromkeys(s.part for s in found))
    layers = sorted({s.layer for s in found})
    reach = REACH * min(target, 1 - target)
    low = min(target - reach, *(float(np.quantile(s.rows, 0.05)) for s in found))
    high = max(target + reach, *(float(np.quantile(s.rows, 0.95)) for s in found))
    data: list[Part] = []
    layout: Part = {"yaxis": {"tickvals": layers, "range": [max(layers) + 0.6, min(layers) - 0.6], "showgrid": False,
                              "title": {"text": "layer"}, "zeroline": False}}
    notes, lines, room = [], [], 1 / len(parts)
    for at, part in enumerate(parts):
        axis = "x" if at == 0 else f"x{at + 1}"
        layout[axis.replace("x", "xaxis")] = {
            "domain": [at * room + 0.006, (at + 1) * room - 0.006], "range": [low, high], "tickformat": ".0%",
            "tickvals": [target - 0.5 * reach, target + 0.5 * reach], "tickangle": 0, "anchor": "y", "zeroline": False}
        notes.append({"text": part.replace("attention ", "attention<br>"), "showarrow": False, "font": {"size": 15},
                      "x": (at + 0.5) * room, "xref": "paper", "xanchor": "center", "y": 1, "yref": "paper",
                      "yanchor": "bottom"})
        lines.append({"type": "line", "xref": axis, "x0": target, "x1": target, "yref": "paper", "y0": 0, "y1": 1,
                      "layer": "below", "line": {"color": style.GREY, "width": 2, "dash": "dash"}})
        data += _panel([s for s in found if s.part == part], axis, first=at == 0)
    data.append({"type": "scatter", "x": [None], "y": [None], "mode": "lines", "showlegend": True,
                 "name": "uniform share", "line": {"color": style.GREY, "width": 2, "dash": "dash"}})
    figure = build(data, {**layout, "annotations": notes, "shapes": lines, "legend": legend_below(),
                          "margin": {"l": 56, "r": 12, "t": 48, "b": 92}}, HEIGHT, legend=True,
                   revision=run.record.id)
    most, least = max(found, key=lambda s: s.whole), min(found, key=lambda s: s.whole)
    spread = [float(np.quantile(np.concatenate([s.rows for s in found]), q)) for q in (0.05, 0.95)]
    apart = f"{100 * (most.whole - least.whole):.1f}"
    claim = (f"At {style.percent(target)} zeros in all, every matrix has the uniform share: it learned nothing, or "
             "made no pass over the text." if not float(apart) else
             f"At {style.percent(target)} zeros in all, {_name(most)} learned to spare most, "
             f"{style.percent(most.whole)}, and {_name(least)} least, {style.percent(least.whole)}, {apart} points "
             f"apart; of single rows nine in ten lie between {style.percent(spread[0])} and "
             f"{style.percent(spread[1])}.")
    return View(claim, figure, None,
                f"{len(parts)} panels of {len(layers)} layers: the share of zeros, a dot a matrix, a bar for its rows. "
                + claim, _table(found, target),
                "Look for the panel whose dots leave the broken line together: that part of a layer can spare more, "
                "or less, wherever it is.",
                heading=f"The learned shares lie up to {apart} points apart." if float(apart) else
                        "Every matrix kept the uniform share.")


def _panel(found: list[Shares], axis: str, first: bool) -> list[Part]:
    colour = style.colour("besa")
    ends: list[float | None] = []
    across: list[float | None] = []
    for s in found:
        ends += [float(np.quantile(s.rows, 0.05)), float(np.quantile(s.rows, 0.95)), None]
        across += [s.layer, s.layer, None]
    bars: Part = {"type": "scatter", "mode": "lines", "x": ends, "y": across, "xaxis": axis, "showlegend": first,
                  "name": "its rows, 5 to 95 %", "hoverinfo": "skip", "legendgroup": "rows",
                  "line": {"color": style.faded(colour, 0.45), "width": 7}}
    dots: Part = {"type": "scatter", "mode": "markers", "x": [s.whole for s in found], "y": [s.layer for s in found],
                  "xaxis": axis, "showlegend": first, "name": "matrix", "legendgroup": "matrix",
                  "marker": {"size": 12, "color": colour},
                  "hovertemplate": "layer %{y}: %{x:.2%} zeros<extra></extra>"}
    return [bars, dots]


def _name(s: Shares) -> str:
    return f"{s.part} of layer {s.layer}" if s.layer else s.part


def _table(found: list[Shares], target: float) -> pd.DataFrame:
    return pd.DataFrame([
        {"layer": s.layer, "part": s.part, "uniform": round(target, 4), "learned": round(s.whole, 4),
         "rows, 5 %": round(float(np.quantile(s.rows, 0.05)), 4),
         "rows, 95 %": round(float(np.quantile(s.rows, 0.95)), 4)} for s in found])


def errors(run: Run) -> View:
    """The error of every layer's output over its steps, as a share of that which the uniform share makes on the same
    text: a running mean, a line a layer, the stronger the deeper (the legend names both ends); at the end the error
    over all the text.

    Raises InputError for arrays that are missing or damaged.
    """
    whole = kept(run, "whole", 2).astype(np.float64)
    ratios = whole[:, 1] / np.where(whole[:, 0] > 0, whole[:, 0], 1.0)
    data, ends = list[Part](), list[Part]()
    longest = 1
    for number in range(1, len(whole) + 1):
        colour = style.rgba(style.SEQUENTIAL_HUE, 0.3 + 0.7 * number / len(whole))
        if f"method/error/{number}" in run.keys and (course := _course(run, number)) is not None:
            longest = max(longest, len(course))
            data.append({"type": "scatter", "mode": "lines", "x": list(range(1, len(course) + 1)), "y": course,
                         "name": f"layer {number}", "showlegend": number in (1, len(whole)),
                         "line": {"color": colour, "width": 2.5},
                         "hovertemplate": f"layer {number}, step %{{x}}: %{{y:.1%}}<extra></extra>"})
        ends.append({"type": "scatter", "mode": "markers", "x": [longest * 1.03], "y": [float(ratios[number - 1])],
                     "showlegend": number == len(whole), "name": "all the text, in the end",
                     "marker": {"color": colour, "size": 11, "symbol": "diamond"},
                     "hovertemplate": f"layer {number}, in the end: %{{y:.1%}}<extra></extra>"})
    data += ends
    lowest = min([0.8, *(float(np.min(part["y"])) for part in data)])
    level = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": 1, "y1": 1, "layer": "below",
             "line": {"color": style.GREY, "width": 2, "dash": "dash"}}
    words = {"text": "uniform share", "showarrow": False, "xref": "paper", "x": 0.01, "yref": "y", "y": 1,
             "yanchor": "bottom", "xanchor": "left", "font": {"size": 14}}
    figure = build(data, {
        "shapes": [level], "annotations": [words], "legend": legend_below(),
        "margin": {"l": 72, "r": 12, "t": 12, "b": 104},
        "xaxis": {"title": {"text": "steps on one layer"}, "range": [0, longest * 1.06], "showgrid": False},
        "yaxis": {"title": {"text": "error of the layer's output"}, "tickformat": ".0%",
                  "range": [0.98 * lowest, 1.06]}}, HEIGHT, legend=True, revision=run.record.id)
    gain = 1.0 - float(ratios.mean())
    learned = abs(gain) >= LEAST
    claim = (f"With the shares in the end the layers' outputs are as far off as with the uniform one: "
             f"{style.percent(float(whole[:, 1].mean()))} of their size." if not learned else
             f"With the learned shares the layers' outputs are off by {style.percent(abs(gain))} "
             f"{'less' if gain >= 0 else 'more'} than with the uniform one (mean over {len(whole)} layers, on the "
             f"calibration text): from {style.percent(float(whole[:, 0].mean()))} of their size to "
             f"{style.percent(float(whole[:, 1].mean()))}.")
    table = pd.DataFrame([{"layer": i, "error, uniform": float(a), "error, learned": float(b)}
                          for i, (a, b) in enumerate(whole, 1)])
    return View(claim, figure, None, f"{len(whole)} lines over {longest} steps. {claim}", table,
                "The text is what it learned on: a score on other text says whether it helps.",
                heading=f"The layers' outputs are off by {style.percent(abs(gain))} "
                        f"{'less' if gain >= 0 else 'more'}." if learned else "The error is that of the uniform share.")


def _course(run: Run, number: int) -> NDArray[np.float64] | None:
    """The running mean of a layer's error relative to the uniform share's, `[steps]`; None without a step."""
    error = run.array(f"method/error/{number}")
    if error is not None and not error.size:
        return None
    error, uniform = (kept(run, f"{key}/{number}", 1).astype(np.float64) for key in ("error", "uniform"))
    if error.shape != uniform.shape:
        raise InputError(f"The errors of layer {number} of {run.record.id} do not fit together",
                         "two of every step", "Make the run again.")
    sums = np.cumsum(np.stack([error, uniform]), axis=1)
    behind = np.pad(sums, ((0, 0), (SMOOTH, 0)))[:, : sums.shape[1]]
    means = sums - behind
    return means[0] / np.where(means[1] > 0, means[1], 1.0)
