"""Which shapes may a block take, and which does it take? The map of the blocks, and the library as its legend.

Supports are numbered as the library holds them: the one that is most often the strongest comes first. The first eight
have a tone of their own, all others share a quiet one; or a single one is shown and the rest steps back.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.store import Run
from core.views.drawing import style
from core.views.drawing.build import PAGE_TEXT, Part, build, legend_below, map_axis, swatch
from core.views.drawing.view import View
from core.views.patterns.library_source import MODEL, RUN, Found, load
from core.views.patterns.occupancy_map import stride

# Told apart by hue and by lightness, on a light and on a dark page; no red beside green.
TONES = ("#2f6fd0", "#e08a2e", "#16938f", "#8f63c9", "#6aa8e8", "#b5547f", "#9aa13c", "#c9a06b")
REST = style.rgba((128, 134, 142), 0.42)
FAINT = style.rgba((128, 134, 142), 0.16)
BROKEN = style.rgba(style.NEGATIVE)


def tones(count: int, shown: int = 0, rest: str = FAINT) -> list[str]:
    """The colour of each of *count* supports; *shown* (1 = first): that one in the accent, the others in *rest*."""
    if shown:
        return [style.ACCENT if k + 1 == shown else rest for k in range(count)]
    return [TONES[k] if k < len(TONES) else REST for k in range(count)]


def steps(colours: list[str]) -> list[tuple[float, str]]:
    """A colour scale of flat steps, one a colour."""
    return [(edge, tone) for k, tone in enumerate(colours) for edge in (k / len(colours), (k + 1) / len(colours))]


def block_map(run: Run, matrix: str, block: str, learned: str, count: int, shown: int = 0,
              chosen: tuple[int, int] | None = None) -> View:
    """Every block in the colour of the support it takes; *shown*: one support alone (1 = first, 0: all of them).

    *chosen*: block row and block column of the block to ring. Large maps: every k-th row of blocks.
    """
    found = load(run, matrix, block, learned, count)
    (down, across), shape, where = found.grid, found.shape, style.matrix_words(matrix)
    places = found.taken.reshape(down, across)
    every = stride(found.grid)
    drawn = places[::every[0], ::every[1]] + 1  # 0: none of the library
    colours = [BROKEN, *tones(found.count, shown)]
    data: list[Part] = [{
        "type": "heatmap", "z": drawn.astype(np.int8 if found.count < 127 else np.int16), "zmin": -0.5,
        "zmax": found.count + 0.5, "colorscale": steps(colours), "showscale": False,
        "x0": (shape.columns - 1) / 2, "dx": shape.columns * every[1], "y0": (shape.rows - 1) / 2,
        "dy": shape.rows * every[0],
        "hovertemplate": "output %{y:.0f}, input %{x:.0f}<br>support %{z}<extra></extra>"}]
    if chosen is not None:
        data.append({"type": "scatter", "mode": "markers", "x": [(chosen[1] + 0.5) * shape.columns - 0.5],
                     "y": [(chosen[0] + 0.5) * shape.rows - 0.5], "hoverinfo": "skip", "name": "the block up close",
                     "marker": {"symbol": "circle-open", "size": 17, "color": PAGE_TEXT, "line": {"width": 3}}})
    data += _legend(found, shown)
    figure = build(data, {
        "margin": {"t": 8, "b": 92, "r": 12}, "legend": legend_below(),
        "xaxis": map_axis(title={"text": "input", "standoff": 4}, nticks=4,
                          range=[-0.5, across * shape.columns - 0.5]),
        "yaxis": map_axis(title={"text": "output", "standoff": 4}, nticks=4, range=[down * shape.rows - 0.5, -0.5]),
    }, 560, legend=True, revision=f"{run.record.id}/{matrix}/{block}")
    claim = _alone(found, places, shown, where) if shown else _order(found, places, where)
    table = pd.DataFrame({
        "support": np.arange(1, found.count + 1), "keeps entries": entries(found.library.supports),
        "share of the blocks": found.shares, "blocks": np.round(found.shares * len(found.taken)).astype(int)})
    thin = "" if every == (1, 1) else f" One of {every[0] * every[1]} blocks is drawn; the numbers count all."
    alt = f"A map of {down} × {across} blocks of {shape.rows} × {shape.columns} weights, coloured by the support " \
          f"each takes. {claim} Shares: {', '.join(_said(found, 4))}."
    hint = "Slide through the supports one by one: has any of them a home, or do they lie like salt and pepper?"
    head = style.lead(claim).removeprefix(f"In {where}, ")
    return View(claim, figure, None, alt, table, hint + thin, heading=head[0].upper() + head[1:])


def entries(supports: NDArray[np.bool_]) -> list[str]:
    """What each support keeps, as entry numbers from 1, row by row."""
    return [" ".join(str(i + 1) for i in np.flatnonzero(s)) for s in supports]


def _said(found: Found, most: int) -> list[str]:
    """The first supports with their shares."""
    return [f"support {k + 1} {style.percent(float(s))}" for k, s in enumerate(found.shares[:most])]


def _legend(found: Found, shown: int) -> list[Part]:
    """What the library beside the map does not say: it is the legend of the coloured supports."""
    out = [swatch(f"support {shown}", style.ACCENT), swatch("all others", FAINT)] if shown else \
        [swatch(f"supports {len(TONES) + 1} to {found.count}", REST)] if found.count > len(TONES) else []
    return out + ([swatch("none of the library", BROKEN)] if (found.taken < 0).any() else [])


def _order(found: Found, places: NDArray[np.intp], where: str) -> str:
    """The claim of the whole map: do neighbours agree more often than by chance?"""
    total = style.count(len(found.taken))
    broken = int((found.taken < 0).sum())
    if broken:
        return f"{style.count(broken)} of the {total} blocks of {where} take a support that is not in the library."
    if found.learned == RUN and found.best is not None:
        share = float((found.taken == found.best).mean())
        return f"In {where}, the run gave {style.percent(share)} of the {total} blocks the support that keeps most " \
               f"of their dense weights{'' if share == 1 else '; the others take another'}."
    if found.count == 1:
        return f"With a library of one support all {total} blocks of {where} keep the same entries."
    axis = 0 if places.shape[0] > 1 else 1
    first, second = (places[:-1], places[1:]) if axis == 0 else (places[:, :-1], places[:, 1:])
    if first.size == 0:
        return f"One block, one support: {where} takes support {int(found.taken[0]) + 1}."
    same, chance = float((first == second).mean()), float((found.shares**2).sum())
    beside = "below" if axis == 0 else "beside"
    return f"In {where}, {style.percent(same)} of the blocks take the same support as the one {beside} them; were " \
           f"they scattered at random, {style.percent(chance)} would."


def _alone(found: Found, places: NDArray[np.intp], shown: int, where: str) -> str:
    """The claim of one support: how often, and in how many rows and columns of blocks."""
    here = places == shown - 1
    rows, columns = int(here.any(axis=1).sum()), int(here.any(axis=0).sum())
    return f"Support {shown} sits in {style.count(int(here.sum()))} of the {style.count(here.size)} blocks of " \
           f"{where} ({style.percent(float(here.mean()))}): in {rows} of {here.shape[0]} rows of blocks, in " \
           f"{columns} of {here.shape[1]} columns."


# -- the library as a legend -------------------------------------------------------------------------------------

def sheet(supports: NDArray[np.bool_], rows: int, columns: int, colours: list[str], words: list[str], across: int,
          framed: int | None = None, pixels: int = 96) -> tuple[list[Part], Part, int]:
    """Small pictures of *supports*, *across* in a line, each in its colour with its words above.

    Returns traces, layout and height. *framed*: the place of the one to frame. *pixels*: height of a 4-row picture.
    """
    count = len(supports)
    wide, high = columns + 1, rows + 2
    lines = -(-count // across)
    grid = np.full((lines * high, across * wide), np.nan)
    corners = [(k // across * high + 2, k % across * wide) for k in range(count)]
    for k, ((top, left), support) in enumerate(zip(corners, supports, strict=True)):
        grid[top:top + rows, left:left + columns] = np.where(support.reshape(rows, columns), k + 1, 0)
    data: list[Part] = [
        {"type": "heatmap", "z": grid, "zmin": -0.5, "zmax": count + 0.5, "xgap": 1, "ygap": 1, "showscale": False,
         "hoverinfo": "skip", "colorscale": steps([style.WASH, *colours])},
        {"type": "scatter", "mode": "text", "x": [left + (columns - 1) / 2 for _, left in corners],
         "y": [top - 1.05 for top, _ in corners], "text": words, "hoverinfo": "skip", "showlegend": False,
         "textfont": {"size": 13, "color": PAGE_TEXT}}]
    shapes = [] if framed is None else [
        {"type": "rect", "x0": left - 0.75, "x1": left + columns - 0.25, "y0": top - 1.75, "y1": top + rows - 0.25,
         "line": {"width": 3, "color": style.ACCENT}} for top, left in [corners[framed]]]
    layout: Part = {
        "xaxis": map_axis(visible=False, range=[-1, across * wide - 0.25]),
        "yaxis": map_axis(visible=False, range=[lines * high - 0.1, -0.2]), "shapes": shapes,
        "margin": {"l": 4, "r": 4, "t": 4, "b": 8}}
    return data, layout, 24 + lines * round(pixels * high / 6)


def across_of(count: int, columns: int) -> int:
    """How many small pictures stand in a line: fewer when they are wide, more when there are many."""
    wide = {8: 3, 4: 4}.get(columns, max(1, 20 // (columns + 1)))
    return min(count, wide if count <= 4 * wide else 2 * wide)


def legend(run: Run, matrix: str, block: str, learned: str, count: int, shown: int = 0) -> View:
    """The library: every support as a small picture in the colours of the map, with the share of blocks it takes."""
    found = load(run, matrix, block, learned, count)
    shape, wide = found.shape, across_of(found.count, found.shape.columns)
    few = found.count <= 4 * wide
    words = [f"{k + 1}: {style.percent(float(s), 2)}" if few else style.percent(float(s), 2)
             for k, s in enumerate(found.shares)]
    data, layout, height = sheet(found.library.supports, shape.rows, shape.columns, tones(found.count, shown, REST),
                                 words, wide, None if not shown else shown - 1, 104 if few else 62)
    figure = build(data, layout, height, revision=f"{block}/{found.count}")
    often, even = float(found.shares.max()), 1 / found.count
    top = int(found.shares.argmax()) + 1
    whence = {RUN: "as this run recorded it", MODEL: "learned from the whole model"}.get(
        learned, "learned from this matrix")
    claim = f"A library of {found.count}, {whence}: support {top} takes most, {style.percent(often)} of the blocks; " \
            f"an even share is {style.percent(even)}." if found.count > 1 else \
        f"A library of one support, {whence}: every block has to take it."
    table = pd.DataFrame({"support": np.arange(1, found.count + 1), "keeps entries": entries(found.library.supports),
                          "share of the blocks": found.shares})
    alt = f"{found.count} small pictures of {shape.rows} × {shape.columns} cells, what stays in colour. {claim} " \
          f"{', '.join(_said(found, 8))}."
    return View(claim, figure, None, alt, table, "Learn from the whole model instead: do the same supports come back?"
                if learned != MODEL else "Learn from this matrix instead: do the same supports come back?",
                heading=f"Support {top} of {found.count} is taken most." if found.count > 1 else "")
