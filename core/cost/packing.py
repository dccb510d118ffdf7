"""One pruned matrix as a few short arrays, and back: which units stay, and the weights in them. numpy only.

| array | holds |
|---|---|
| `index` | which units of every group stay, as `Budget.index_bits` counts them; none where all stay |
| `values` | float32: the weights that stay, group by group, unit by unit |
| `codes`, in place of `values` | the same on a grid: level + top, in as many bits as the grid has |
| `scales` | float32 `[out, chunks]`: a level times its scale is the weight |

Groups and units come in the order of `Grouping.split`. Bits are packed highest first, without a gap; only the end of an
array is filled up to a whole byte. Where every group keeps a number, so many places are written, whatever stands in
them: N positions of ceil(log2 M) bits, or a bitmap of M bits where that is shorter. A block of a library names its
support.

The sign of a zero is not kept: -0.0 comes back as 0.0, which no computation of ours can tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.gridded import wide
from core.sparsity.budget import Budget, width_of
from core.sparsity.grids import Grid
from core.sparsity.pattern import Pattern

Arrays = dict[str, NDArray[np.generic]]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Shape = tuple[int, int]


def to_bits(numbers: NDArray[Any], width: int) -> NDArray[np.uint8]:
    """*numbers* (0 .. 2^width - 1), *width* bits each, highest first, as bytes; the last byte is filled with zeros."""
    if width == 1:
        return np.packbits(numbers != 0)
    shifts = np.arange(width - 1, -1, -1)
    return np.packbits(((numbers.reshape(-1, 1).astype(np.int64) >> shifts) & 1).astype(np.uint8))


def from_bits(packed: NDArray[np.uint8], width: int, count: int) -> NDArray[np.int64]:
    """Undo `to_bits` for *count* numbers. Raises ValueError when *packed* has not as many bytes as they take."""
    if packed.dtype != np.uint8 or packed.shape != (-(-width * count // 8),):
        raise ValueError(f"{packed.dtype} {list(packed.shape)} do not hold {count} numbers of {width} bits")
    bits = np.unpackbits(packed, count=width * count).reshape(count, width)
    return bits @ (1 << np.arange(width - 1, -1, -1, dtype=np.int64))


def supports_of(pattern: Pattern, name: str) -> Bools | None:
    """The library `[K, units]` that blocks of matrix *name* choose from; None where the choice is free."""
    return None if pattern.budget.ways is None else pattern.of(name).library.supports


def pack(weight: Floats, keep: Bools, pattern: Pattern, supports: Bools | None = None, grid: Grid | None = None,
         scale: Floats | None = None) -> Arrays:
    """The arrays of one matrix `[out, in]` of which the weights in *keep* stay (all others must be zero).

    *supports*: of a pattern with a library; *scale* `[out, chunks]`: of a matrix on a *grid*. Raises InputError when
    *keep* does not obey the pattern, or the matrix does not fit it.
    """
    pattern.fits("weights", weight.shape)
    places = _places(pattern, weight.shape)
    numbers, width, units = _index(pattern.budget, np.any(keep.reshape(-1)[places], axis=2), supports)
    out: Arrays = {"index": to_bits(numbers, width)} if width else {}
    where = places[units].reshape(-1)
    if grid is None or scale is None:
        return out | {"values": weight.reshape(-1)[where] + np.float32(0)}  # + 0: a zero has no sign
    step = wide(scale, weight.shape[1])
    level = np.rint(np.divide(weight, step, out=np.zeros_like(weight), where=step > 0))
    return out | {"codes": to_bits(level.reshape(-1)[where].astype(np.int64) + grid.top, grid.bits),
                  "scales": scale.astype(np.float32)}


def unpack(arrays: Mapping[str, NDArray[np.generic]], shape: Shape, pattern: Pattern, supports: Bools | None = None,
           grid: Grid | None = None) -> Floats:
    """Undo `pack`: float32 `[out, in]`. Raises ValueError for arrays that do not belong to such a matrix, KeyError for
    one that is missing."""
    places = _places(pattern, shape)
    groups, size = len(places), places.shape[1]
    where = places[_units(arrays, groups, size, pattern.budget, supports)].reshape(-1)
    full = np.zeros(math.prod(shape), dtype=np.float32)
    if grid is None:
        values = arrays["values"]
        if values.dtype != np.float32 or values.shape != where.shape:
            raise ValueError(f"{values.dtype} {list(values.shape)} are not {len(where)} float32 weights")
        full[where] = values
        return full.reshape(shape)
    full[where] = from_bits(arrays["codes"].astype(np.uint8, casting="no"), grid.bits, len(where)) - grid.top
    return full.reshape(shape) * wide(arrays["scales"].astype(np.float32, casting="no"), shape[1])


def _places(pattern: Pattern, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """`[groups, units, weights of a unit]`: where each weight lies in the matrix, counted row by row."""
    return pattern.grouping.split(np.arange(math.prod(shape), dtype=np.int64).reshape(shape))


def _index(budget: Budget, units: Bools, supports: Bools | None) -> tuple[NDArray[Any], int, Bools]:
    """Numbers that say which *units* `[groups, units]` stay, their bits, and the units that are written."""
    size = units.shape[1]
    if budget.ways is not None and supports is not None:
        # A support covers a block where no kept unit lies outside of it.
        covered = units.astype(np.float32) @ (~supports).T.astype(np.float32) == 0
        choice = covered.argmax(axis=1)
        _obey(int((~covered.any(axis=1)).sum()), "are on none of the library's supports")
        return choice, width_of(budget.ways), supports[choice]
    if budget.number is not None:
        _obey(int((units.sum(axis=1) > budget.number).sum()), f"keep more than {budget.number}")
        units = _filled(units, budget.number)
        width = width_of(size)
        if budget.number == size:
            return units, 0, units
        by_position = budget.number * width <= size
        return (np.nonzero(units)[1], width, units) if by_position else (units, 1, units)
    return (np.ones_like(units), 0, np.ones_like(units)) if budget.share is None else (units, 1, units)


def _units(arrays: Mapping[str, NDArray[np.generic]], groups: int, size: int, budget: Budget,
           supports: Bools | None) -> Bools:
    """Undo `_index`: which units `[groups, units]` are written."""
    if budget.index_bits(size) == 0 and budget.ways is None:
        return np.ones((groups, size), dtype=np.bool_)
    if budget.ways is not None and supports is not None:
        width = width_of(budget.ways)
        choice = from_bits(_bytes(arrays), width, groups) if width else np.zeros(groups, dtype=np.int64)
        return supports[choice]
    width = width_of(size)
    if budget.number is not None and budget.number * width <= size:
        units = np.zeros((groups, size), dtype=np.bool_)
        places = from_bits(_bytes(arrays), width, groups * budget.number).reshape(groups, budget.number)
        np.put_along_axis(units, places, True, axis=1)
        return units
    return from_bits(_bytes(arrays), 1, groups * size).reshape(groups, size) != 0


def _bytes(arrays: Mapping[str, NDArray[np.generic]]) -> NDArray[np.uint8]:
    return arrays["index"].astype(np.uint8, casting="no")


def _filled(units: Bools, number: int) -> Bools:
    """*units* with the first others of every group that keeps fewer than *number*: a place is written, empty or not."""
    order = np.argsort(~units, axis=1, kind="stable")[:, :number]
    full = np.zeros_like(units)
    np.put_along_axis(full, order, True, axis=1)
    return full


def _obey(broken: int, what: str) -> None:
    if broken:
        raise InputError(f"{broken} groups {what}", "weights that obey their pattern",
                         "See `python -m core check`: such a run has failed.")
