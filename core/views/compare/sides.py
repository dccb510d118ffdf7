"""One matrix in every run of a comparison: what each kept of it, and whether the shapes fit. The first: the reference.

`core.views.weights.pair` reads; here a dense run is a run whose mask keeps everything, and nothing that a run lacks
stops the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, lcm

import numpy as np

from core.errors import InputError
from core.runs.store import Run
from core.sparsity.patterns import parse_pattern
from core.views.compare.choice import titles
from core.views.drawing import maps
from core.views.weights.pair import load

TOGETHER = 60_000  # cells of all panels of a row: with 8 bytes a cell on the wire they stay under 0.5 MB


@dataclass(frozen=True)
class Side:
    """What one run kept of the matrix. Arrays are `[out, in]`; a picture of block means is spread over its blocks."""

    title: str
    before: maps.Floats | None = None  # the dense parent's weights (a dense run's own)
    weights: maps.Floats | None = None  # this run's own
    masked: maps.Floats | None = None  # the dense weights under this run's mask, where its own were not kept
    mask: maps.Bits | None = None
    means: maps.Floats | None = None  # of abs(w) over the kept picture's blocks
    block: tuple[int, int] = (1, 1)  # rows and columns of one of those
    multiple: int = 1  # of the pattern along the input
    why: str = ""  # why there is nothing at all

    @property
    def shown(self) -> maps.Floats | None:
        """The weights that stand for this run: its own, else the dense ones under its mask."""
        return self.weights if self.weights is not None else self.masked

    @property
    def empty(self) -> bool:
        """Did the run keep nothing of it?"""
        return self.shown is None and self.mask is None and self.means is None

    @property
    def zeros(self) -> float | None:
        """The share of its mask that goes."""
        return None if self.mask is None else 1.0 - float(self.mask.mean())

    @property
    def energy(self) -> float | None:
        """Sum of w^2 over what stays, over the sum of all w^2, on the dense weights of the run's own parent."""
        if self.before is None or self.mask is None:
            return None
        total = float(np.square(self.before).sum())
        return float(np.square(self.before * self.mask).sum()) / total if total else 1.0


def matrices(runs: Sequence[Run]) -> list[str]:
    """The matrices of the reference; of the first run that has some where it has none."""
    return next(([m.name for m in r.record.matrices] for r in runs if r.record.matrices), [])


def sides(runs: Sequence[Run], matrix: str) -> list[Side]:
    """What each run kept of *matrix*. A run without it, of another shape, or with damaged arrays says so in `why`."""
    shape = next((m.shape for r in runs for m in r.record.matrices if m.name == matrix), None)
    return [_side(run, title, matrix, shape) for run, title in
            zip(runs, titles([r.record for r in runs]), strict=True)]


def _side(run: Run, title: str, matrix: str, shape: tuple[int, int] | None) -> Side:
    entry = next((m for m in run.record.matrices if m.name == matrix), None)
    if entry is None:
        return Side(title, why="This run lists no matrices." if not run.record.matrices else
                    "This run has no matrix of that name.")
    if entry.shape != shape:
        return Side(title, why=f"Here it has {entry.shape[0]} × {entry.shape[1]} weights: another model.")
    try:
        pair = load(run, matrix)
        dense = run.record.spec.method == "dense"
        multiple = parse_pattern(run.record.spec.pattern).multiple
        own = pair.after if pair.measured else None
        thumbnail = run.array(f"thumbnail/{matrix}") if pair.after is None else None
        means, block = _spread(thumbnail, entry.shape, multiple)
    except (InputError, ValueError) as error:
        return Side(title, why=f"It cannot be read: {str(error)[:160]}")
    free = dense or run.record.spec.pattern == "dense"
    return Side(title, own if dense else pair.before, own, pair.after if not pair.measured else None,
                np.ones(entry.shape, np.uint8) if free else pair.mask, means, block, multiple)


def _spread(picture: np.ndarray | None, shape: tuple[int, int], multiple: int) -> tuple[
        maps.Floats | None, tuple[int, int]]:
    """A kept picture of block means, every mean repeated over its block: `[out, in]`; and the block.

    None for a picture whose blocks cannot be told.
    """
    if picture is None or picture.ndim != 2 or not all(picture.shape):
        return None, (1, 1)
    block = ceil(shape[0] / picture.shape[0]), ceil(ceil(shape[1] / picture.shape[1]) / multiple) * multiple
    full = picture.astype(np.float32).repeat(block[0], axis=0).repeat(block[1], axis=1)[:shape[0], :shape[1]]
    return (full, block) if full.shape == tuple(shape) else (None, (1, 1))


def limit(found: Sequence[Side]) -> float:
    """The one colour range: the 99.5th percentile of abs(w) of the reference's dense weights; where those were not
    kept, of the first weights that were, else of the first means."""
    known = [a for side in found for a in (side.before, side.shown) if a is not None]
    known += [side.means for side in found if side.means is not None]
    return maps.limit_of(known[0]) if known else 1.0


def whole(shape: tuple[int, int], many: int) -> bool:
    """Can a browser paint every weight of *many* matrices of this *shape* side by side?"""
    return maps.drawn_whole(shape) and shape[0] * shape[1] * many <= TOGETHER


@dataclass(frozen=True)
class Frame:
    """Which part of the matrix is drawn, and how coarsely: single weights, or blocks of `step`."""

    near: bool
    cut: tuple[slice, slice]
    step: tuple[int, int]

    @property
    def axes(self) -> maps.Axes:
        """What the axes count."""
        start = (self.cut[0].start, self.cut[1].start) if self.near else (0, 0)
        return maps.Axes("input", "output", start, self.step)


def frame(found: Sequence[Side], shape: tuple[int, int], zoom: bool, row: int, column: int) -> Frame:
    """Every weight where that can be painted; else a window of single weights at (*row*, *column*) with *zoom*, or
    blocks over the whole matrix, their columns a multiple of every pattern's M."""
    multiple = lcm(*(side.multiple for side in found))
    multiple = multiple if multiple <= maps.WINDOW else 1
    if whole(shape, len(found)):
        return Frame(True, (slice(0, shape[0]), slice(0, shape[1])), (1, 1))
    if zoom:
        height, width = min(maps.WINDOW, shape[0]), min(maps.WINDOW // multiple, shape[1] // multiple) * multiple
        width = width or min(maps.WINDOW, shape[1])
        top, left = maps.snap(row, height, shape[0]), maps.snap(column, width, shape[1], multiple)
        return Frame(True, (slice(top, top + height), slice(left, left + width)), (1, 1))
    return Frame(False, (slice(0, shape[0]), slice(0, shape[1])), maps.block_size(shape, multiple))


@dataclass(frozen=True)
class Reach:
    """What the knobs of the window may say."""

    whole: bool  # every weight is drawn: there is no window
    last: tuple[int, int]  # the last row and column at which a window can start


def reach(runs: Sequence[Run], matrix: str) -> Reach:
    """The range of the window's knobs for *matrix*."""
    shape = next(m.shape for r in runs for m in r.record.matrices if m.name == matrix)
    return Reach(whole(shape, len(runs)), (max(shape[0] - maps.WINDOW, 0), max(shape[1] - maps.WINDOW, 0)))
