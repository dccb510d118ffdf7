"""The exact check: does a mask keep what its pattern allows? It lists what does not.

Of a pattern it takes the numbers alone: the sides of groups and units, how many may stay, the
supports. It shares no code with the selection, with `Grouping.split` or with `Pattern.counts`: the
allowed numbers are worked out in fractions, groups and units are found from the coordinates of what
is kept, a block under a library becomes one number whose bits are compared. A mistake on one side
cannot hide on the other. numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from core.sparsity.budget import Budget
from core.sparsity.grouping import OPEN
from core.sparsity.pattern import Pattern
from core.sparsity.verdict import ALL, EXAMPLES, Mask, Verdict, Violation
from core.sparsity.verify_units import verify_units

__all__ = ["ALL", "EXAMPLES", "Mask", "Verdict", "Violation", "verify", "verify_all"]


def verify(mask: Mask, pattern: Pattern, name: str) -> Verdict:
    """Check the *mask* `[out, in]` of matrix *name*.

    Non-zero is kept: the weights themselves will do. Single weights: a group that keeps more than
    its number is a violation; where the matrix is the group, it is the only one. Units of several
    weights: one is there when it keeps anything; what is there beyond the number allowed is a
    violation, and the examples are the emptiest of them; one that is there but not whole is short.
    A library: what a block keeps must all lie on one of its supports.

    Raises InputError when the matrix does not fit the pattern or its library is not known yet,
    ValueError for a pattern over several matrices.
    """
    pattern.fits(name, mask.shape)
    grouping, budget = pattern.grouping, pattern.budget
    if grouping.scope == "model":
        raise ValueError(f"{pattern.name} is judged over all matrices: call verify_all")
    if budget.ways is not None:
        return _on_supports(mask, pattern, name)
    if grouping.group == OPEN and grouping.unit == (1, 1):
        most = _allowed(budget, mask.size)
        return _whole(int(np.count_nonzero(mask)), most, pattern.name, name)
    if grouping.unit == (1, 1):
        return _groups(mask, pattern, name)
    return _units(mask, pattern, name)


def verify_all(masks: Mapping[str, Mask], pattern: Pattern) -> dict[str, Verdict]:
    """Check all matrices of a model: a verdict for each, by name.

    For a pattern of scope "model" it is a single one, named ALL; of whole units, the one of
    `core.sparsity.verify_units`. Raises InputError when a matrix does not fit, or when the
    pattern's library, or the model's anatomy, is not known yet.
    """
    if pattern.coupled:
        return {ALL: verify_units(masks, pattern)}
    if pattern.grouping.scope != "model":
        return {name: verify(mask, pattern.of(name), name) for name, mask in masks.items()}
    for name, mask in masks.items():
        pattern.fits(name, mask.shape)
    rows, columns = (side or 1 for side in pattern.grouping.unit)
    kept = sum(len(np.unique(_unit_of(mask, rows, columns))) for mask in masks.values())
    size = sum(mask.size for mask in masks.values()) // (rows * columns)
    return {ALL: _whole(kept, _allowed(pattern.budget, size), pattern.name, ALL)}


def _unit_of(mask: Mask, rows: int, columns: int) -> NDArray[np.int64]:
    """The number of the *rows* x *columns* rectangle in which every kept entry lies, row by row."""
    # No rectangle spans two rows, so they follow each other.
    if rows == 1:
        return np.flatnonzero(mask) // columns
    i, j = np.nonzero(mask)
    return i // rows * (mask.shape[1] // columns) + j // columns


def _allowed(budget: Budget, size: int) -> int:
    """How many of *size* may stay: the number, or (1 - share) * size with a half rounded up."""
    if budget.number is not None:
        return budget.number
    # Differs from `Budget.kept`, which counts in whole numbers, so that one can check the other.
    share = Fraction(0) if budget.share is None else Fraction(repr(float(budget.share)))
    return math.floor((1 - share) * size + Fraction(1, 2))


def _groups(mask: Mask, pattern: Pattern, name: str) -> Verdict:
    """Groups of single weights: none may hold more than its number."""
    rows, columns = (
        side or whole for side, whole in zip(pattern.grouping.group, mask.shape, strict=True))
    across, size = mask.shape[1] // columns, rows * columns
    most = _allowed(pattern.budget, size)
    sums = np.bincount(_unit_of(mask, rows, columns), minlength=mask.size // size)
    over = sums > most
    examples = tuple(
        Violation(name, g // across * rows, g % across * columns, (g % across + 1) * columns,
                  int(sums[g]), most, rows)
        for g in np.flatnonzero(over)[:EXAMPLES].tolist()
    )
    return Verdict(name, pattern.name, sums.size, int(np.count_nonzero(over)),
                   int(np.count_nonzero(sums < most)), examples)


def _whole(kept: int, allowed: int, pattern: str, name: str) -> Verdict:
    """The verdict where there is one group: the whole matrix, or all matrices of a model."""
    broken = kept > allowed
    example = (Violation(name, None, 0, 0, kept, allowed),) if broken else ()
    return Verdict(name, pattern, 1, int(broken), int(kept < allowed), example)


def _units(mask: Mask, pattern: Pattern, name: str) -> Verdict:
    """Units of several weights: one is there when it keeps anything.

    Of every group, those beyond the number allowed are violations, the emptiest first; one that is
    there but not whole is short.
    """
    shape = mask.shape
    high, wide = (
        side or whole for side, whole in zip(pattern.grouping.unit, shape, strict=True))
    rows, columns = (
        side or whole for side, whole in zip(pattern.grouping.group, shape, strict=True))
    across = shape[1] // wide
    kept = np.bincount(_unit_of(mask, high, wide), minlength=shape[0] // high * across)
    unit = np.arange(len(kept))
    group = unit // across * high // rows * (shape[1] // columns) + unit % across * wide // columns
    most = _allowed(pattern.budget, rows // high * (columns // wide))
    there = np.flatnonzero(kept)
    # The emptiest of every group first: they are likeliest to be what should have gone.
    there = there[np.lexsort((there, kept[there], group[there]))]
    held = np.bincount(group[there], minlength=1)
    # Place of each in its group, 0 for the emptiest: as many as are held too many come first.
    place = np.arange(len(there)) - (np.cumsum(held) - held)[group[there]]
    excess = there[place < held[group[there]] - most].tolist()
    examples = tuple(
        Violation(name, u // across * high, u % across * wide, (u % across + 1) * wide,
                  int(kept[u]), 0, high)
        for u in excess[:EXAMPLES]
    )
    short = int(np.count_nonzero((kept > 0) & (kept < high * wide)))
    return Verdict(name, pattern.name, len(kept), len(excess), short, examples)


def _on_supports(mask: Mask, pattern: Pattern, name: str) -> Verdict:
    """Every block as one number, an entry a bit: it may have no bit that some support has not."""
    rows, columns = _block(pattern)
    across = mask.shape[1] // columns
    there = np.asarray(mask) != 0
    code = np.zeros((mask.shape[0] // rows, across), dtype=np.uint64)
    supports = np.zeros(len(pattern.library.supports), dtype=np.uint64)
    for entry in range(rows * columns):
        bit = np.uint64(1 << entry)
        code |= np.where(there[entry // columns::rows, entry % columns::columns], bit, np.uint64(0))
        supports |= np.where(pattern.library.supports[:, entry], bit, np.uint64(0))
    # The same codes occur in many blocks: each is compared with the supports once.
    kinds, where, often = np.unique(code, return_inverse=True, return_counts=True)
    bad = np.ones(len(kinds), dtype=np.bool_)
    for support in supports:
        bad &= (kinds & ~support) != 0
    kept = np.array([kind.bit_count() for kind in kinds.tolist()], dtype=np.int64)
    examples = tuple(
        _off(name, pattern, block // across, block % across, int(code.flat[block]),
             supports.tolist())
        for block in np.flatnonzero(bad[where].reshape(-1))[:EXAMPLES].tolist())
    short = ~bad & (kept < (pattern.budget.number or 0))
    return Verdict(name, pattern.name, code.size, int(often[bad].sum()), int(often[short].sum()),
                   examples)


def _off(name: str, pattern: Pattern, down: int, across: int, code: int, supports: list[int],
         ) -> Violation:
    """The violation of the block in place *down*, *across*, whose kept entries are *code*."""
    rows, columns = _block(pattern)
    outside = min((code & ~support).bit_count() for support in supports)
    return Violation(name, down * rows, across * columns, (across + 1) * columns, code.bit_count(),
                     pattern.budget.number or 0, rows, outside)


def _block(pattern: Pattern) -> tuple[int, int]:
    """Rows and columns of a block under a library: it always has sides."""
    rows, columns = pattern.grouping.group
    return rows or 1, columns or 1
