"""Occupancy: for every group of a matrix, how many of its entries matter. numpy only; the pages draw this.

The groups are the pattern's own: M consecutive inputs of a row for N:M, r x c for blocks and libraries. Unstructured
patterns and `dense` have none, so strips of *strip* consecutive inputs stand in; the last one of a row may be shorter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.sparsity.library import tiles
from core.sparsity.patterns import (
    NM,
    Blocks,
    Dense,
    GlobalUnstructured,
    LibraryPattern,
    Pattern,
    Unstructured,
    kept_number,
)

Matrix = NDArray[np.generic]
STRIP = 8  # long enough for a histogram, short enough for a map


@dataclass(frozen=True)
class Occupancy:
    """Counts of a matrix `[out, in]` cut into groups of r x c entries."""

    map: NDArray[np.integer]  # [out / r, ceil(in / c)]: how many entries of each group matter; int8 up to 127
    histogram: NDArray[np.int64]  # [r * c + 1]: how many groups hold 0, 1, ..., r * c
    allowed: int  # the most a group may hold: N, what a library keeps, or r * c where the pattern bounds none

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.map.size)

    @property
    def over(self) -> int:
        """Groups that hold more than allowed."""
        return int(self.histogram[self.allowed + 1:].sum())

    @property
    def exact(self) -> float:
        """Share of groups that hold exactly what is allowed, 0..1."""
        return float(self.histogram[self.allowed]) / max(self.groups, 1)


@dataclass(frozen=True)
class Distance:
    """How far weights are from a pattern, in energy (sum of squares)."""

    share: float  # of the matrix's energy that must go, 0..1; 0 = the pattern already holds
    map: NDArray[np.float32]  # the same for each group, of the group's own energy; 0 where a group is all zero


def groups_of(pattern: Pattern, strip: int = STRIP) -> tuple[int, int]:
    """Rows and columns of the groups in which *pattern* is counted."""
    return pattern.group or (1, strip)


def most_of(pattern: Pattern) -> int | None:
    """How many entries a group of *pattern* may hold; None where no group has a number of its own."""
    match pattern:
        case NM():
            return pattern.n
        case LibraryPattern():
            return pattern.keep
    return None


def occupancy(mask: Matrix, pattern: Pattern, strip: int = STRIP) -> Occupancy:
    """Count the non-zero entries of every group of a mask, or of weights, `[out, in]`.

    Raises InputError when the matrix does not fit the pattern.
    """
    pattern.fits("mask", mask.shape)
    rows, columns = groups_of(pattern, strip)
    size = rows * columns
    counts = _sums(np.asarray(mask) != 0, rows, columns, np.dtype(np.int32))
    counts = counts.astype(next(kind for kind in (np.int8, np.int16, np.int32) if size <= np.iinfo(kind).max))
    histogram = np.bincount(counts.ravel(), minlength=size + 1).astype(np.int64)
    return Occupancy(counts, histogram, most_of(pattern) or size)


def above(weight: Matrix, threshold: float, pattern: Pattern, strip: int = STRIP) -> Occupancy:
    """Count the entries of every group whose magnitude lies above *threshold* (in the weights' own unit)."""
    return occupancy(np.abs(weight) > threshold, pattern, strip)


def free_mask(weight: Matrix, density: float) -> NDArray[np.bool_]:
    """The largest |w| anywhere in the matrix `[out, in]`, a share *density* of it (a half entry rounded down).

    Its occupancy is what the groups would hold with no pattern at all. Ties go to the lower index.
    """
    if not 0.0 <= density <= 1.0:
        raise InputError(f"Density {density:g} is out of range", "a share from 0 to 1", "Write 50 % as 0.5.")
    return _largest(np.abs(weight), weight.size - kept_number(density, weight.size))


def distance(weight: Matrix, pattern: Pattern, strip: int = STRIP) -> Distance:
    """Share of the energy of *weight* `[out, in]` that must go so that *pattern* holds: the least possible.

    Raises InputError when the matrix does not fit, when the pattern chooses over several matrices, or when its library
    is not known yet.
    """
    pattern.fits("weight", weight.shape)
    if isinstance(pattern, GlobalUnstructured):
        raise InputError(f"Pattern {pattern.name!r} chooses over all matrices at once", "one matrix at a time",
                         "Ask for the distance of all matrices together.")
    squares = np.square(weight, dtype=np.float32)
    rows, columns = groups_of(pattern, strip)
    energy = _sums(squares, rows, columns, np.dtype(np.float64))
    match pattern:
        case NM(n, m):
            ordered = np.sort(squares.reshape(weight.shape[0], -1, m), axis=2)
            gone = ordered[:, :, :m - n].sum(axis=2, dtype=np.float64)
        case LibraryPattern():
            gone = _least_off(squares, pattern).reshape(energy.shape)
        case Blocks():
            gone = np.where(_largest(energy, kept_number(pattern.share, energy.size)), 0.0, energy)
        case Unstructured():
            kept = _largest(squares, kept_number(pattern.share, squares.size))
            gone = _sums(np.where(kept, np.float32(0), squares), rows, columns, np.dtype(np.float64))
        case Dense():
            gone = np.zeros_like(energy)
        case _:
            raise TypeError(f"no distance is written for {type(pattern).__name__}")
    return _distance(gone, energy)


def distance_all(weights: Mapping[str, Matrix], pattern: Pattern, strip: int = STRIP) -> dict[str, Distance]:
    """`distance` of every matrix of a model; for a pattern of scope "model" the choice is made over all of them."""
    if not isinstance(pattern, GlobalUnstructured):
        return {name: distance(weight, pattern.of(name), strip) for name, weight in weights.items()}
    for name, weight in weights.items():
        pattern.fits(name, weight.shape)
    squares = {name: np.square(weight, dtype=np.float32) for name, weight in weights.items()}
    flat = np.concatenate([np.zeros(0, np.float32), *(square.ravel() for square in squares.values())])
    kept = _largest(flat, kept_number(pattern.share, flat.size))
    first = 0
    found: dict[str, Distance] = {}
    for name, square in squares.items():
        part = kept[first:first + square.size].reshape(square.shape)
        gone = _sums(np.where(part, np.float32(0), square), 1, strip, np.dtype(np.float64))
        found[name] = _distance(gone, _sums(square, 1, strip, np.dtype(np.float64)))
        first += square.size
    return found


def downsample(values: Matrix, target: int = 256) -> NDArray[np.float32]:
    """Mean over cells of a map `[rows, columns]`, so that no side has more than *target* of them.

    A cell is ceil(side / target) long; the last one of a side may be shorter and is the mean of what it holds.
    """
    reduced = values.astype(np.float64)
    for axis, side in enumerate(values.shape):
        starts = np.arange(0, side, max(-(-side // target), 1))
        lengths = np.diff(np.append(starts, side))
        reduced = np.add.reduceat(reduced, starts, axis=axis) / (lengths[:, None] if axis == 0 else lengths)
    return reduced.astype(np.float32)


def _largest(values: Matrix, count: int) -> NDArray[np.bool_]:
    """Mask of the *count* largest *values*, ties to the lower index."""
    if count in (0, values.size):
        return np.full(values.shape, bool(count))
    flat = values.ravel()
    edge = np.partition(flat, values.size - count)[values.size - count]
    mask = flat > edge
    mask[np.flatnonzero(flat == edge)[:count - np.count_nonzero(mask)]] = True
    return mask.reshape(values.shape)


def _sums(values: Matrix, rows: int, columns: int, dtype: np.dtype) -> NDArray:
    """Sum of every *rows* x *columns* group; the last of a row may be narrower."""
    if rows > 1:
        values = np.add.reduceat(values, np.arange(0, values.shape[0], rows), axis=0, dtype=dtype)
    # One addition a position: a reduction over a short last axis is many times slower.
    total = np.zeros((values.shape[0], -(-values.shape[1] // columns)), dtype=dtype)
    for j in range(columns):
        part = values[:, j::columns]
        total[:, :part.shape[1]] += part
    return total


def _least_off(squares: NDArray[np.float32], pattern: LibraryPattern) -> NDArray[np.float64]:
    """What lies off the best support of every block, `[B]`: added up by itself, so that it is 0 where nothing does."""
    blocks, off = tiles(squares, pattern.rows, pattern.columns), (~pattern.library.supports.T).astype(np.float64)
    parts = np.array_split(blocks, max(len(blocks) * off.shape[1] >> 20, 1))
    return np.concatenate([(part @ off).min(axis=1) for part in parts])


def _distance(gone: NDArray[np.float64], energy: NDArray[np.float64]) -> Distance:
    total = float(energy.sum())
    shares = np.divide(gone, energy, out=np.zeros_like(energy), where=energy > 0)
    return Distance(float(gone.sum()) / total if total > 0 else 0.0, shares.astype(np.float32))
