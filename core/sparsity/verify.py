"""The exact check: does a mask keep what its pattern allows? It lists what does not.

It shares no code with the selection or with `Pattern.counts`: the allowed numbers are worked out in fractions, N:M
groups are differences of one running count, blocks are found from the coordinates of what is kept, a block under a
library becomes one number whose bits are compared. A mistake on one side cannot hide on the other. numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from core.sparsity.patterns import NM, Blocks, Dense, GlobalUnstructured, LibraryPattern, Pattern, Unstructured

Mask = NDArray[np.generic]
EXAMPLES = 20  # violations that are spelled out
ALL = "all matrices"  # the name under which a pattern of scope "model" is judged


@dataclass(frozen=True)
class Violation:
    """One group that keeps more than it may, or what no support of its library holds: `rows` rows from *row*, inputs
    *start* up to (not with) *stop*."""

    matrix: str
    row: int | None  # None: the group is the whole matrix
    start: int
    stop: int
    kept: int
    allowed: int
    rows: int = 1
    outside: int = 0  # kept weights that the nearest support of its library leaves out

    def __str__(self) -> str:
        if self.row is None:
            return f"{self.matrix}: keeps {self.kept}, allowed {self.allowed}"
        where = f"row {self.row}" if self.rows == 1 else f"rows {self.row}..{self.row + self.rows - 1}"
        span = f"inputs {self.start}..{self.stop - 1} keep" if self.stop - self.start > 1 else \
            f"input {self.start} keeps"
        lost = f"; the nearest support leaves out {self.outside}" if self.outside else ""
        return f"{self.matrix}: {where}, {span} {self.kept}, allowed {self.allowed}{lost}"


@dataclass(frozen=True)
class Verdict:
    """What the check of one matrix found.

    A group that keeps *fewer* than it may breaks nothing that hardware needs: it is counted in *short* apart.
    """

    matrix: str
    pattern: str
    groups: int
    violations: int  # groups that keep more than they may, or what no support of the library holds
    short: int  # groups that keep fewer than they may
    examples: tuple[Violation, ...] = ()  # the first EXAMPLES of them

    @property
    def ok(self) -> bool:
        """No group keeps what it may not."""
        return self.violations == 0


def verify(mask: Mask, pattern: Pattern, name: str) -> Verdict:
    """Check the mask `[out, in]` (non-zero = kept; the weights themselves will do) of matrix *name*.

    N:M: a group is M consecutive inputs of a row and may keep N. Unstructured: one group, the matrix. Blocks: a block
    is there when it keeps anything; what is there beyond the allowed number of blocks is a violation, and the examples
    are the emptiest of them; a block that is there but not whole is short. A library: what a block keeps must all lie
    on one of its supports. Dense: nothing can be violated.

    Raises InputError when the matrix does not fit the pattern or its library is not known yet, ValueError for a pattern
    over several matrices.
    """
    pattern.fits(name, mask.shape)
    match pattern:
        case NM(n, m):
            return _groups(mask, n, m, pattern.name, name)
        case GlobalUnstructured():
            raise ValueError(f"{pattern.name} is judged over all matrices: call verify_all")
        case Unstructured(share):
            return _whole(int(np.count_nonzero(mask)), _allowed(share, mask.size), pattern.name, name)
        case Blocks(rows, columns, share):
            return _blocks(mask, rows, columns, share, pattern.name, name)
        case LibraryPattern():
            return _on_supports(mask, pattern, name)
        case Dense():
            return _whole(int(np.count_nonzero(mask)), mask.size, pattern.name, name)
    raise TypeError(f"no check is written for {type(pattern).__name__}")


def verify_all(masks: Mapping[str, Mask], pattern: Pattern) -> dict[str, Verdict]:
    """Check all matrices of a model: a verdict for each, or a single one named ALL for a pattern of scope "model"."""
    if not isinstance(pattern, GlobalUnstructured):
        return {name: verify(mask, pattern.of(name), name) for name, mask in masks.items()}
    for name, mask in masks.items():
        pattern.fits(name, mask.shape)
    kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
    size = sum(mask.size for mask in masks.values())
    return {ALL: _whole(kept, _allowed(pattern.share, size), pattern.name, ALL)}


def _allowed(share: float, size: int) -> int:
    """(1 - share) * size with a half rounded up, in exact fractions of the share as it is written."""
    return math.floor((1 - Fraction(repr(float(share)))) * size + Fraction(1, 2))


def _groups(mask: Mask, n: int, m: int, pattern: str, name: str) -> Verdict:
    running = np.cumsum(np.asarray(mask) != 0, dtype=np.int64)  # over rows in order: no group spans two
    sums = np.diff(running[m - 1::m], prepend=0)
    across = mask.shape[1] // m
    over = sums > n
    violations = int(np.count_nonzero(over))
    examples = tuple(
        Violation(name, g // across, g % across * m, (g % across + 1) * m, int(sums[g]), n)
        for g in np.flatnonzero(over)[:EXAMPLES].tolist()
    )
    return Verdict(name, pattern, sums.size, violations, int(np.count_nonzero(sums < n)), examples)


def _whole(kept: int, allowed: int, pattern: str, name: str) -> Verdict:
    broken = kept > allowed
    example = (Violation(name, None, 0, 0, kept, allowed),) if broken else ()
    return Verdict(name, pattern, 1, int(broken), int(kept < allowed), example)


def _blocks(mask: Mask, rows: int, columns: int, share: float, pattern: str, name: str) -> Verdict:
    across = mask.shape[1] // columns
    groups = mask.shape[0] // rows * across
    i, j = np.nonzero(mask)
    kept = np.bincount(i // rows * across + j // columns, minlength=groups)
    there = np.flatnonzero(kept)
    kept = kept[there]
    excess = max(len(there) - _allowed(share, groups), 0)
    short = int(np.count_nonzero(kept < rows * columns))
    emptiest = np.argsort(kept, kind="stable")[:min(excess, EXAMPLES)]
    examples = tuple(
        Violation(name, b // across * rows, b % across * columns, (b % across + 1) * columns, count, 0, rows)
        for b, count in ((int(there[e]), int(kept[e])) for e in emptiest)
    )
    return Verdict(name, pattern, groups, excess, short, examples)


def _on_supports(mask: Mask, pattern: LibraryPattern, name: str) -> Verdict:
    """Every block as one number, an entry a bit: it may have no bit that some support has not."""
    rows, columns, across = pattern.rows, pattern.columns, mask.shape[1] // pattern.columns
    there = np.asarray(mask) != 0
    code = np.zeros((mask.shape[0] // rows, across), dtype=np.uint64)
    supports = np.zeros(len(pattern.library.supports), dtype=np.uint64)
    for entry in range(rows * columns):
        bit = np.uint64(1 << entry)
        code |= np.where(there[entry // columns::rows, entry % columns::columns], bit, np.uint64(0))
        supports |= np.where(pattern.library.supports[:, entry], bit, np.uint64(0))
    kinds, where, often = np.unique(code, return_inverse=True, return_counts=True)
    bad = np.ones(len(kinds), dtype=np.bool_)
    for support in supports:
        bad &= (kinds & ~support) != 0
    kept = np.array([kind.bit_count() for kind in kinds.tolist()], dtype=np.int64)
    examples = tuple(_off(name, pattern, block // across, block % across, int(code.flat[block]), supports.tolist())
                     for block in np.flatnonzero(bad[where].reshape(-1))[:EXAMPLES].tolist())
    return Verdict(name, pattern.name, code.size, int(often[bad].sum()), int(often[~bad & (kept < pattern.keep)].sum()),
                   examples)


def _off(name: str, pattern: LibraryPattern, down: int, across: int, code: int, supports: list[int]) -> Violation:
    rows, columns = pattern.rows, pattern.columns
    outside = min((code & ~support).bit_count() for support in supports)
    return Violation(name, down * rows, across * columns, (across + 1) * columns, code.bit_count(), pattern.keep, rows,
                     outside)
