"""Occupancy: for every group of a matrix, how many of its entries matter.

numpy only: the pages draw this, and recorded pages open without torch.

The groups are the cells of the pattern: M consecutive inputs of a row for N:M, r x c for blocks and
libraries. Where a pattern has none, strips of *strip* consecutive inputs stand in; the last one of
a row may be shorter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.sparsity.cells import cell_sums
from core.sparsity.patterns import Pattern, kept_number
from core.sparsity.unordered import no_numbers

Matrix = NDArray[np.generic]
STRIP = 8  # long enough for a histogram, short enough for a map


@dataclass(frozen=True)
class Occupancy:
    """Counts of a matrix `[out, in]` cut into groups of r x c entries."""

    # [out / r, ceil(in / c)]: how many entries of each group matter. int8 while a group has at most
    # 127 entries, as a map has a number for every group.
    map: NDArray[np.integer]
    # [r * c + 1]: how many groups hold 0, 1, ..., r * c.
    histogram: NDArray[np.int64]
    # The most a group may hold: N, what a library keeps, or r * c where the pattern bounds none.
    allowed: int

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

    # Of the matrix's energy that must go, 0..1; 0: the pattern already holds.
    share: float
    # Share of each group's own energy that must go, 0..1; 0 where a group is all zero.
    map: NDArray[np.float32]


def groups_of(pattern: Pattern, strip: int = STRIP) -> tuple[int, int]:
    """Rows and columns of the groups in which *pattern* is counted."""
    return pattern.grouping.cell or (1, strip)


def occupancy(mask: Matrix, pattern: Pattern, strip: int = STRIP) -> Occupancy:
    """Count the non-zero entries of every group of a mask, or of weights, `[out, in]`.

    Raises InputError when the matrix does not fit the pattern.
    """
    pattern.fits("mask", mask.shape)
    rows, columns = groups_of(pattern, strip)
    size = rows * columns
    counts = cell_sums(np.asarray(mask) != 0, rows, columns, np.int32)
    counts = counts.astype(next(
        kind for kind in (np.int8, np.int16, np.int32) if size <= np.iinfo(kind).max))
    histogram = np.bincount(counts.ravel(), minlength=size + 1).astype(np.int64)
    return Occupancy(counts, histogram, size if pattern.allowed is None else pattern.allowed)


def above(weight: Matrix, threshold: float, pattern: Pattern, strip: int = STRIP) -> Occupancy:
    """Count the entries of every group whose magnitude lies above *threshold*.

    *threshold* is in the unit of the weights. Raises InputError when the matrix does not fit the
    pattern, or holds NaN.
    """
    _check_order("weight", weight)
    return occupancy(np.abs(weight) > threshold, pattern, strip)


def free_mask(weight: Matrix, density: float) -> NDArray[np.bool_]:
    """Mask of the largest |w| anywhere in the matrix `[out, in]`, a share *density* of it.

    Half an entry is rounded down. Its occupancy is what the groups would hold with no pattern at
    all. Ties go to the lower index. Raises InputError for a density that is no share, and when a
    weight is NaN.
    """
    if not 0.0 <= density <= 1.0:
        raise InputError(f"Density {density:g} is out of range", "a share from 0 to 1",
                         "Write 50 % as 0.5.")
    _check_order("weight", weight)
    return _largest(np.abs(weight), weight.size - kept_number(density, weight.size))


def distance(weight: Matrix, pattern: Pattern, strip: int = STRIP) -> Distance:
    """The least share of the energy of *weight* `[out, in]` that must go so that *pattern* holds.

    Raises InputError when the matrix does not fit or holds NaN, when the pattern chooses over
    several matrices, or when its library is not known yet.
    """
    if pattern.scope == "model":
        raise InputError(f"Pattern {pattern.name!r} chooses over all matrices at once",
                         "one matrix at a time",
                         "Ask for the distance of all matrices together.")
    return distance_all({"weight": weight}, pattern, strip)["weight"]


def distance_all(weights: Mapping[str, Matrix], pattern: Pattern, strip: int = STRIP,
                 ) -> dict[str, Distance]:
    """The least energy that must go from every matrix of a model so that *pattern* holds.

    For a pattern of scope "model" the choice is made over all matrices. Raises InputError when one
    does not fit or holds NaN, or when the pattern's library is not known yet.
    """
    for name, weight in weights.items():
        pattern.fits(name, weight.shape)
        _check_order(name, weight)
    squares = {name: np.square(weight, dtype=np.float32) for name, weight in weights.items()}
    if pattern.scope != "model":
        return {name: _nearest(square, pattern.of(name), strip) for name, square in squares.items()}
    if pattern.coupled:
        # The units of most energy per weight: what `select_all` keeps of squares.
        anatomy = pattern.known()
        masks = anatomy.masks(pattern.choose(anatomy.sums(squares)))
        return {name: _distance(
            _off(square, masks.get(name, np.ones(square.shape, dtype=np.bool_)), pattern, strip),
            _energies(square, pattern, strip)) for name, square in squares.items()}
    units = {name: _unit_energies(square, pattern) for name, square in squares.items()}
    flat = np.concatenate([np.zeros(0, np.float32), *(unit.ravel() for unit in units.values())])
    kept = _largest(flat, pattern.budget.kept(flat.size))
    first, found = 0, {}
    for name, square in squares.items():
        part = kept[first:first + units[name].size]
        first += part.size
        found[name] = _distance(
            _off(square, pattern.grouping.join(part, square.shape), pattern, strip),
            _energies(square, pattern, strip))
    return found


def _nearest(squares: NDArray[np.float32], pattern: Pattern, strip: int) -> Distance:
    """The distance of one matrix with the squared weights *squares* `[out, in]`."""
    energy, units = _energies(squares, pattern, strip), _unit_energies(squares, pattern)
    keep = pattern.budget.kept(units.shape[1])
    if pattern.budget.ways is not None:
        gone = _least_off(units, pattern.library.supports).reshape(energy.shape)
    elif pattern.grouping.tiled:
        # How much the smallest of every group hold is asked, not which they are, so no mask is
        # needed; and a cell of the map is a group.
        gone = np.sort(units, axis=1)[:, :units.shape[1] - keep].sum(
            axis=1, dtype=np.float64).reshape(energy.shape)
    else:
        kept = pattern.grouping.join(_largest(units, keep), squares.shape)
        gone = _off(squares, kept, pattern, strip)
    return _distance(gone, energy)


def downsample(values: Matrix, target: int = 256) -> NDArray[np.float32]:
    """Mean over cells of a map `[rows, columns]`, so that no side has more than *target* of them.

    A cell is ceil(side / target) long; the last one of a side may be shorter and is the mean of
    what it holds.
    """
    reduced = values.astype(np.float64)
    for axis, side in enumerate(values.shape):
        starts = np.arange(0, side, max(-(-side // target), 1))
        lengths = np.diff(np.append(starts, side))
        reduced = np.add.reduceat(reduced, starts, axis=axis) / (
            lengths[:, None] if axis == 0 else lengths)
    return reduced.astype(np.float32)


def _check_order(name: str, weight: Matrix) -> None:
    """Raise InputError, naming matrix *name*, when an entry of *weight* is NaN."""
    if weight.dtype.kind == "f" and np.isnan(weight).any():
        raise no_numbers(name)


def _largest(values: Matrix, count: int) -> NDArray[np.bool_]:
    """Mask of the *count* largest *values*, ties to the lower index."""
    if count in (0, values.size):
        return np.full(values.shape, bool(count))
    flat = values.ravel()
    # The lowest value that stays, then the first of what equals it: a partition alone leaves open
    # which of equal values it takes.
    edge = np.partition(flat, values.size - count)[values.size - count]
    mask = flat > edge
    mask[np.flatnonzero(flat == edge)[:count - np.count_nonzero(mask)]] = True
    return mask.reshape(values.shape)


def _unit_energies(squares: NDArray[np.float32], pattern: Pattern) -> NDArray[np.floating]:
    """The energy of every unit, `[groups, units]`: a square, or the sum of a block's in float64."""
    split = pattern.grouping.split(squares)
    return split[:, :, 0] if pattern.grouping.single else split.sum(axis=2, dtype=np.float64)


def _energies(squares: NDArray[np.float32], pattern: Pattern, strip: int) -> NDArray[np.float64]:
    """The energy of every cell of the map, summed in float64."""
    return cell_sums(squares, *groups_of(pattern, strip), np.float64)


def _off(squares: NDArray[np.float32], kept: NDArray[np.bool_], pattern: Pattern, strip: int,
         ) -> NDArray[np.float64]:
    """The energy of what is not *kept* `[out, in]`, of every cell of the map."""
    return _energies(np.where(kept, np.float32(0), squares), pattern, strip)


def _least_off(groups: NDArray[np.floating], supports: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The energy `[B]` that lies off the best support of every one of *groups* `[B, units]`."""
    # Added up by itself, not as the whole less what stays: it is then 0 where nothing lies off.
    off = (~supports.T).astype(np.float64)
    # In parts of about a million energies: all those of a large matrix would take much memory.
    parts = np.array_split(groups, max(len(groups) * off.shape[1] >> 20, 1))
    return np.concatenate([(part @ off).min(axis=1) for part in parts])


def _distance(gone: NDArray[np.float64], energy: NDArray[np.float64]) -> Distance:
    total = float(energy.sum())
    shares = np.divide(gone, energy, out=np.zeros_like(energy), where=energy > 0)
    return Distance(float(gone.sum()) / total if total > 0 else 0.0, shares.astype(np.float32))
