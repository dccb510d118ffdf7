"""One small tile of a matrix with its numbers written in, and how the weights of the matrix are spread.

The two close-up pictures of the Weights page: 16 x 16 single weights (groups ruled off, pruned ones struck through),
and the histogram of what stayed and what went.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.runs.store import Run
from core.sparsity.patterns import Pattern, parse_pattern
from core.views.drawing import maps, style
from core.views.drawing.build import Part, build, map_axis, words_only
from core.views.drawing.view import View
from core.views.weights.pair import FINAL, WHAT, Pair, What, load

HOVER = "output %{y}, input %{x}<br>before %{customdata[0]:.4f}<br>after %{customdata[1]:.4f}<extra></extra>"
STRONG = 0.7  # of the colour range: cells so dark that their number is written in white, on either theme
BINS = 81  # odd: zero has a bin of its own


def tile(run: Run, matrix: str, row: int = 0, column: int = 0, moment: str = FINAL, what: What = "w") -> View:
    """Single weights from (*row*, *column*) on. Positions outside the matrix are moved to its border."""
    pair = load(run, matrix, moment, what)
    multiple = pair.pattern.multiple
    cut = maps.tile_at(pair.entry.shape, row, column, multiple)
    row, column = cut[0].start, cut[1].start
    mask = None if pair.mask is None else pair.mask[cut]
    if pair.after is None:
        return words_only("Single weights of this matrix were not kept.") if mask is None else \
            _mask_tile(pair, mask, row, column)
    before, shown = None if pair.before is None else pair.before[cut], pair.after[cut]
    gone = np.zeros(shown.shape, bool) if mask is None else mask == 0
    height, width = shown.shape
    written = np.where(gone, before if before is not None else shown, shown)
    digits = unit_digits(pair.limit)
    figure = _figure(pair, shown, written, gone, (row, column), digits, before)
    places = np.indices(shown.shape)
    table = pd.DataFrame({
        "output": (places[0] + row).reshape(-1), "input": (places[1] + column).reshape(-1),
        "before": np.nan if before is None else before.reshape(-1), "after": shown.reshape(-1),
        "kept": ~gone.reshape(-1)})
    moment_words = "" if what == "w" else f" {WHAT[what]}."
    struck = int(gone.sum())
    claim = f"Outputs {row}–{row + height - 1}, inputs {column}–{column + width - 1}: {struck} of {gone.size} " \
            f"weights are struck out.{moment_words}{_hint(pair, before, gone)}"
    alt = f"A tile of {height} × {width} weights in units of {10.0 ** -digits:g}; {struck} are pruned: struck out." + \
        (f" Thin lines part the groups of {multiple}." if multiple > 1 else "")
    return View(claim, figure, None, alt, table, f"Numbers are in units of {10.0 ** -digits:g}; a struck number is the "
                "dense weight that went. Move the tile with the two sliders.",
                heading=f"{style.percent(struck / gone.size)} of these {gone.size} weights are struck out.")


def _mask_tile(pair: Pair, mask: maps.Bits, row: int, column: int) -> View:
    """The tile of a run that kept its mask and no weights: coloured where a weight stays, grey where it goes."""
    place = {"type": "heatmap", "zmin": 0, "zmax": 1, "showscale": False, "hoverinfo": "skip", "x0": column, "y0": row,
             "xgap": 1, "ygap": 1}
    stays = ((0.0, "rgba(0,0,0,0)"), (1.0, style.faded(style.ACCENT, 0.55)))
    (height, width), gone = mask.shape, 1 - mask
    figure = build([{**place, "z": gone, "colorscale": maps.GREY_CELL}, {**place, "z": mask, "colorscale": stays}], {
        "xaxis": map_axis(title={"text": "input"}, range=[column - 0.5, column + width - 0.5]),
        "yaxis": map_axis(title={"text": "output"}, range=[row + height - 0.5, row - 0.5]),
        "shapes": _rules(pair.pattern, (row, column), (height, width)),
    }, 600, revision=f"{pair.entry.name}/{row}/{column}")
    places = np.indices(mask.shape).reshape(2, -1)
    table = pd.DataFrame({"output": places[0] + row, "input": places[1] + column, "kept": mask.reshape(-1) == 1})
    claim = f"Outputs {row}–{row + height - 1}, inputs {column}–{column + width - 1}: {int(gone.sum())} of " \
            f"{gone.size} weights go (grey); the numbers were not kept."
    return View(claim, figure, None, f"A tile of {height} × {width} weights. {claim}", table,
                "Thick lines part the groups: count what stays in each.",
                heading=f"{style.percent(float(gone.mean()))} of these {gone.size} weights go.")


def unit_digits(limit: float) -> int:
    """Decimal places of the unit in which weights up to *limit* have one to two digits before the point."""
    return max(0, math.ceil(-math.log10(limit)) + 1) if limit > 0 else 0


def number(value: float, digits: int) -> str:
    """A weight in units of 10 ** -digits: one decimal below ten, none above, a true minus."""
    scaled = float(value) * 10.0**digits
    text = f"{abs(scaled):.1f}" if abs(scaled) < 9.95 else f"{abs(scaled):.0f}"
    return ("−" if scaled < 0 and float(text) else "") + text


def _hint(pair: Pair, before: maps.Floats | None, gone: np.ndarray) -> str:
    """Name a weight that a plain size comparison over the tile would have kept, if there is one."""
    if before is None or not gone.any() or gone.all():
        return ""
    size = np.abs(before)
    small, large = float(size[~gone].min()), float(size[gone].max())
    if large <= small or pair.pattern.grouping.cell is None:
        return ""
    return f" One of size {large:.2g} went while one of {small:.2g} stayed: each group decides for itself."


def _figure(pair: Pair, shown: maps.Floats, written: np.ndarray, gone: np.ndarray, start: tuple[int, int], digits: int,
            before: maps.Floats | None) -> go.Figure:
    height, width = shown.shape
    y, x = (axis.reshape(-1) + offset for axis, offset in zip(np.indices(shown.shape), start, strict=True))
    place = {"type": "heatmap", "showscale": False, "hoverinfo": "skip", "x0": start[1], "y0": start[0]}
    data: list[Part] = [
        {**place, "z": gone.astype(np.uint8), "zmin": 0, "zmax": 1, "colorscale": maps.GREY_CELL},
        {**place, "z": np.where(gone, np.float32(np.nan), shown), "zmin": -pair.limit, "zmax": pair.limit,
         "colorscale": style.DIVERGING}]
    known = shown if before is None else before
    values = np.stack([known, np.where(gone, np.float32(0), shown)], axis=-1).reshape(-1, 2)
    strong = np.abs(np.where(gone, 0, shown)).reshape(-1) > STRONG * pair.limit
    flat = gone.reshape(-1)
    for part, font, strength in ((~flat & ~strong, {"size": 13}, 1), (strong, {"size": 13, "color": "#ffffff"}, 1),
                                 (flat & (before is not None), {"size": 12}, 0.6)):
        data.append({"type": "scatter", "mode": "text", "x": x[part], "y": y[part], "textfont": font,
                     "opacity": strength,
                     "text": [number(v, digits) for v in written.reshape(-1)[part]], "customdata": values[part],
                     "showlegend": False, "hovertemplate": HOVER})
    cut = np.flatnonzero(flat)
    data.append({"type": "scatter", "mode": "lines", "line": {"width": 1, "color": style.GREY}, "hoverinfo": "skip",
                 "x": np.stack([x[cut] - 0.32, x[cut] + 0.32, np.full(len(cut), np.nan)], axis=1).reshape(-1),
                 "y": np.repeat(y[cut], 3), "showlegend": False})
    layout = {"xaxis": map_axis(title={"text": "input"}, range=[start[1] - 0.5, start[1] + width - 0.5]),
              "yaxis": map_axis(title={"text": "output"}, range=[start[0] + height - 0.5, start[0] - 0.5]),
              "shapes": _rules(pair.pattern, start, (height, width))}
    return build(data, layout, 600, revision=f"{pair.entry.name}/{start}")


def _rules(pattern: Pattern, start: tuple[int, int], size: tuple[int, int]) -> list[Part]:
    """Lines that rule off the groups of *pattern*: at every multiple of its sides inside the tile."""
    if pattern.grouping.cell is None:
        return []
    (top, left), (bottom, right) = start, (start[0] + size[0], start[1] + size[1])
    line = {"type": "line", "line": {"width": 2, "color": style.GREY}}
    lines = [{**line, "x0": x - 0.5, "x1": x - 0.5, "y0": top - 0.5, "y1": bottom - 0.5}
             for x in range(left, right + 1, pattern.grouping.cell[1])]
    if pattern.grouping.cell[0] > 1:
        first = -(-top // pattern.grouping.cell[0]) * pattern.grouping.cell[0]
        lines += [{**line, "x0": left - 0.5, "x1": right - 0.5, "y0": y - 0.5, "y1": y - 0.5}
                  for y in range(first, bottom + 1, pattern.grouping.cell[0])]
    return lines


def histogram(run: Run, matrix: str, moment: str = FINAL, what: What = "w") -> View:
    """How large were the weights that went and those that stayed, and how large are those that stayed now?"""
    pair = load(run, matrix, moment, what)
    source = pair.before if pair.before is not None else pair.after
    if pair.after is None or source is None:
        return words_only("Without single weights there is no distribution to show.")
    reach = 1.6 * pair.limit
    edges = np.linspace(-reach, reach, BINS + 1)
    stays = np.ones(source.shape, bool) if pair.mask is None else pair.mask != 0
    dense, gone = pair.before is not None, bool((~stays).any())
    bins = {"stays, before": _binned(source[stays], edges) if dense else np.zeros(BINS, np.int64),
            "goes, before": _binned(source[~stays], edges) if dense and gone else np.zeros(BINS, np.int64),
            "after": _binned(pair.after[stays], edges) if pair.after is not None else np.zeros(BINS, np.int64)}
    middle = (edges[:-1] + edges[1:]) / 2
    data: list[Part] = []
    if dense:
        data.append({"type": "bar", "x": middle, "y": bins["stays, before"], "name": "before: stays",
                     "marker": {"color": style.faded(style.ACCENT, 0.4), "line": {"width": 0}}})
    if dense and gone:
        data.append({"type": "bar", "x": middle, "y": bins["goes, before"], "name": "before: goes",
                     "marker": {"color": style.rgba(style.PRUNED), "line": {"width": 0}}})
    if pair.after is not None and pair.measured:
        name = "after: kept weights" if pair.mask is not None else f"now: {WHAT[pair.what]}"
        data.append({"type": "scatter", "mode": "lines", "x": middle, "y": bins["after"], "name": name,
                     "line": {"shape": "hvh", "width": 2.5, "color": style.colour(pair.record.spec.method)}})
    figure = build(data, {
        "barmode": "stack", "bargap": 0, "yaxis": {"title": {"text": "weights in the bin"}, "rangemode": "tozero"},
        "xaxis": {"title": {"text": "weight (tails are in the outermost bins)"}, "range": [-reach, reach]},
    }, 420, legend=True, revision=pair.entry.name)
    table = pd.DataFrame({"from": edges[:-1], "to": edges[1:], **bins})
    claim = _spread(source, stays) if dense and gone else _sizes(pair)
    return View(claim, figure, None, f"Histogram of weights. {claim}", table, "Compare with one-shot "
                "magnitude: there nothing large ever goes unless its group holds larger ones.",
                heading=_small(source, stays) if dense and gone else "")


def _sizes(pair: Pair) -> str:
    """The claim of a histogram without a mask (or without a before): typical sizes, before and now."""
    both = (("the dense weights", pair.before), (WHAT[pair.what], pair.after))
    parts = [(name, a) for name, a in both if a is not None]
    return "Half are smaller in size than: " + "; ".join(
        f"{name} {float(np.median(np.abs(a[a != 0]))) if a.any() else 0:.2g}" for name, a in parts) + " (zeros aside)."


def _binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    inside = np.clip(values, edges[0], edges[-1])
    return np.histogram(inside, edges)[0]


def _small(source: np.ndarray, stays: np.ndarray) -> str:
    """The same with one number."""
    return f"Half of what went was smaller than {float(np.median(np.abs(source[~stays]))):.2g}."


def _spread(source: np.ndarray, stays: np.ndarray) -> str:
    """The claim of a histogram, from the dense sizes of what went and what stayed."""
    size = np.abs(source)
    if not stays.any():
        return f"Everything went: half of it was under {float(np.median(size)):.2g} in size, the largest weight is " \
               f"{float(size.max()):.2g}."
    typical, kept = float(np.median(size[~stays])), float(np.median(size[stays]))
    largest = float(size[~stays].max())
    smaller = float((size[stays] < largest).mean())
    return f"Half of what went was under {typical:.2g} in size, half of what stays is over {kept:.2g}; the largest " \
           f"that went is {largest:.2g}, and {style.percent(smaller, 2)} of what stays is smaller."


@dataclass(frozen=True)
class Knobs:
    """What the sliders of the tile may say."""

    last: tuple[int, int]  # the last row and column at which a tile can start
    step: tuple[int, int]  # half a tile; columns in whole groups
    whole: bool  # the matrix is small enough to be drawn weight by weight


def knobs(run: Run, matrix: str) -> Knobs:
    """The ranges of the position sliders for *matrix*."""
    shape, multiple = run.shape(matrix), parse_pattern(run.record.spec.pattern).multiple
    half = maps.TILE // 2
    return Knobs(maps.tile_reach(shape, multiple), (half, -(-half // multiple) * multiple), maps.drawn_whole(shape))
