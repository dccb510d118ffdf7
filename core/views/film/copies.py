"""The panels that several films share: W beside Z, and how many of its large weights the groups of a matrix hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.runs.filmed import Filmed
from core.views.drawing import style
from core.views.film import panels
from core.views.film.panels import Part
from core.views.film.reel import Reel
from core.views.patterns import groups

TILE = 64  # weights a side that are shown of a matrix too large to be shown whole
Cut = tuple[slice, slice]


def cut_of(shape: tuple[int, int], cell: tuple[int, int] | None, top: int, left: int) -> Cut:
    """The weights of a matrix of *shape* that are shown: all of a small one, else TILE a side from row *top* and column
    *left* on, moved inside, on whole groups of *cell*."""
    rows, cols = shape
    if rows <= TILE * 3 // 2 and cols <= TILE * 3 // 2:
        return slice(0, rows), slice(0, cols)
    high, wide = cell or (1, 1)
    y = max(0, min(top, rows - TILE)) // high * high
    x = max(0, min(left, cols - TILE)) // wide * wide
    return slice(y, min(y + TILE, rows)), slice(x, min(x + TILE, cols))


def whole_matrix(reel: Reel, means: NDArray[np.floating], shape: tuple[int, int], cut: Cut, pick: bool) -> Part:
    """A small still picture of a whole matrix of *shape*, *means* of |w| over blocks, with a box around *cut*. *pick*:
    a click shows another part, see `clicked`."""
    values = np.asarray(means, np.float32)
    down, across = shape[0] / values.shape[0], shape[1] / values.shape[1]
    box = (cut[0].start / down, cut[1].start / across, (cut[0].stop - cut[0].start) / down,
           (cut[1].stop - cut[1].start) / across)
    return panels.pixels(
        f"Of {shape[0]} × {shape[1]}", reel.numbers(values[None]), palette=reel.palette("size", sequential_palette()),
        limit=float(np.percentile(values, 99.5)) or 1.0, scale="sequential", marked=box, key=False, most=6, pick=pick,
        say=("block", "block", "mean |w|"),
        alt=f"The whole matrix of {shape[0]} × {shape[1]} as means of |w|; a box marks what is shown")


def clicked(blocks: tuple[int, ...], shape: tuple[int, int], cell: str) -> tuple[int, int] | None:
    """The first row and column to show once "row,column" of a picture of *blocks* was clicked; None: no such cell."""
    numbers = cell.split(",")
    if len(numbers) != 2 or not all(n.isdecimal() and len(n) < 6 for n in numbers):
        return None
    at = (min(int(n) * length // side, length - 1)
          for n, length, side in zip(numbers, shape, blocks, strict=True))
    top, left = (max(0, place - TILE // 2) for place in at)
    return top, left


def place(row: str | None, column: str | None) -> tuple[int, int]:
    """The first weight to show, as the link names it; 0 for what is no number. `cut_of` moves it inside."""
    top, left = (int(text) if text is not None and text.isdecimal() and len(text) < 8 else 0 for text in (row, column))
    return top, left


def sequential_palette() -> list[style.RGBA]:
    """255 strengths of one hue, 0 transparent; 255 the flat grey."""
    return [*((*style.SEQUENTIAL_HUE, round(255 * (code / 254) ** 0.75)) for code in range(255)), style.PRUNED]


def copies(reel: Reel, found: Filmed, cut: Cut, pattern: str, group: tuple[int, int] | None,
           start: tuple[int, int] = (0, 0)) -> tuple[int, int, int]:
    """W beside Z, the weights of *cut*, in one colour range, as the panels "w" and "z"; returns the arrays of W, of
    W + U and of the mask. *pattern*: what Z obeys, in words; *group*: rows and columns that are ruled off; *start*:
    what the first row and column are called."""
    whole = np.ones(found.frames[0].w.shape, np.uint8)
    weights = np.stack([f.w[cut] for f in found.frames])
    target = np.stack([(f.w if f.u is None else f.w + f.u)[cut] for f in found.frames])
    mask = reel.bits(np.stack([(whole if f.mask is None else f.mask)[cut] for f in found.frames]))
    palette = reel.palette("weights", style.diverging_palette())
    held = reel.numbers(weights), reel.numbers(target)
    for name, title, note, values in (("w", "W", "learns", held[0]), ("z", "Z", f"obeys {pattern}", held[1])):
        reel.add(name, panels.pixels(title, values, palette=palette, limit=found.limit, note=note, lead=True,
                                     link="weights", mask=mask if name == "z" else None, group=group,
                                     say=("output", "input", title), start=start,
                                     alt=f"{title}, single weights, range ±{found.limit:.2g}"))
    return *held, mask


def fullness(reel: Reel, found: Filmed) -> Part:
    """How many groups of the whole matrix hold 0, 1, 2 and so on of its largest weights."""
    held = np.stack([groups.classes(f.occupancy) for f in found.frames])
    total = float(held[0].sum()) or 1.0
    return panels.bars(
        f"Large weights in a {groups.group_words(found.pattern, many=False)}",
        [("groups", reel.counts(held), groups.palette(found.pattern))], top=total, share=total, gap=True,
        alt="How many groups hold 0, 1, 2 and so on of the matrix's largest weights",
        names=groups.class_names(groups.size_of(found.pattern)))
