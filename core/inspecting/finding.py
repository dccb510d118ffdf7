"""Which pattern do the zeros of one matrix follow? Judged by the pattern classes and the exact check.

A pattern is *found* when it explains the zeros: for N:M, groups of M that are alive hold N weights or close to it, not
some smaller number that stays under N by chance; for rows, columns, heads and blocks, what is wholly zero holds nearly
all zeros of the matrix. What holds in all but one group in a hundred is found too, and the others are its violations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.sparsity.patterns import NM, Blocks, Pattern
from core.sparsity.verify import Verdict, verify

Mask = NDArray[np.bool_]
WIDTHS = (2, 4, 8, 16)  # M of N:M
SIDES = (32, 16, 4)  # of a square block
NEARLY = 0.99  # share of the groups, or of the zeros, that a pattern must explain to be named
FULL = 0.9  # share of N that the groups alive must hold on average
SOME = 0.01  # share of zeros below which a matrix is dense, not pruned
EXAMPLES = 20


@dataclass(frozen=True)
class Finding:
    """What the zeros of a matrix `[out, in]` look like."""

    pattern: str  # "2:4", "4x4 blocks", "rows", "columns", "heads", "unstructured", "dense", "all zero"
    rule: Pattern | None = None  # the pattern as the check and the count of storage take it
    groups: int = 0
    violations: int = 0
    examples: tuple[str, ...] = ()
    along_output: str = ""  # the N:M that holds along the other dimension
    tightest: dict[str, int] = field(default_factory=dict)  # M -> the smallest N that holds exactly
    rows: int = 0  # whole rows that are zero
    columns: int = 0
    heads: tuple[int, int] | None = None  # attention heads that are zero, of how many
    blocks: dict[str, float] = field(default_factory=dict)  # "4x4" -> share of blocks that are wholly zero


def find(mask: Mask, name: str, heads: tuple[int, int] | None = None) -> Finding:
    """Name the pattern of *mask* `[out, in]` (True = not zero).

    *heads* is (how many, dimension they lie along: 0 = rows, 1 = columns), None for what is no attention matrix.
    """
    zeros = mask.size - int(np.count_nonzero(mask))
    out, width = mask.shape
    if not zeros:
        return Finding("dense", tightest={str(m): m for m in WIDTHS if width % m == 0},
                       heads=None if heads is None else (0, heads[0]))
    live_rows: Mask = np.any(mask, axis=1)
    live_columns: Mask = np.any(mask, axis=0)
    dead_rows, dead_columns = out - int(live_rows.sum()), width - int(live_columns.sum())
    alive = (live_rows, live_columns)[heads[1]].reshape(heads[0], -1).any(axis=1) if heads else np.ones(0, np.bool_)
    shares = {f"{s}x{s}": float((Blocks(s, s, 0.5).counts(mask) == 0).mean())
              for s in SIDES if out % s == 0 and width % s == 0}
    tightest, best = _nm(mask, live_rows, live_columns, zeros)
    across = _nm(np.ascontiguousarray(mask.T), live_columns, live_rows, zeros)[1]
    seen = {"tightest": tightest, "along_output": across.name if across else "", "rows": dead_rows,
            "columns": dead_columns, "heads": (int((~alive).sum()), heads[0]) if heads else None, "blocks": shares}
    if zeros == mask.size:
        return Finding("all zero", **seen)
    head_zeros = mask.size * int((~alive).sum()) / heads[0] if heads else 0.0
    for word, gone in (("heads", head_zeros), ("rows", dead_rows * width), ("columns", dead_columns * out)):
        if gone >= NEARLY * zeros:
            return Finding(word, **seen)
    if best is not None:
        return _judged(best.name, best, verify(mask, best, name), seen)
    for text, share in shares.items():
        if share and share * mask.size >= NEARLY * zeros:
            side = int(text.partition("x")[0])
            return _blocks(mask, side, name, seen)
    return Finding("unstructured" if zeros >= SOME * mask.size else "dense", **seen)


def _judged(text: str, rule: Pattern, verdict: Verdict, seen: dict) -> Finding:
    return Finding(text, rule, verdict.groups, verdict.violations, tuple(map(str, verdict.examples[:EXAMPLES])), **seen)


def _nm(mask: Mask, live_rows: Mask, live_columns: Mask, zeros: int) -> tuple[dict[str, int], NM | None]:
    """The smallest N that holds exactly for every M, and the N:M that explains the zeros, the sparsest of them."""
    width = mask.shape[1]
    found: list[NM] = []
    tightest: dict[str, int] = {}
    for m in WIDTHS:
        if width % m or zeros * WIDTHS[-1] < NEARLY * mask.size:  # too few zeros to give every group one
            continue
        often = np.bincount(NM(m, m).counts(mask).ravel(), minlength=m + 1)
        below = np.cumsum(often)
        tightest[str(m)] = int(np.flatnonzero(often)[-1])
        n = max(int(np.searchsorted(below, NEARLY * below[-1])), 1)
        kept = int(often @ np.arange(m + 1))
        alive = int(live_rows.sum()) * int(live_columns.reshape(-1, m).any(axis=1).sum())
        if n < m and kept >= FULL * n * alive:
            found.append(NM(n, m))
    return tightest, min(found, key=lambda p: (p.n / p.m, p.m), default=None)


def _blocks(mask: Mask, side: int, name: str, seen: dict) -> Finding:
    """Blocks that are mostly zero and yet hold something are the violations: the check names the emptiest."""
    kept = Blocks(side, side, 0.5).counts(mask)
    meant = int((kept <= side * side // 2).sum())
    rule = Blocks(side, side, min(meant / kept.size, 1 - 1 / kept.size))
    return _judged(f"{side}x{side} blocks", rule, verify(mask, rule, name), seen)


def judge(mask: Mask, pattern: Pattern, name: str) -> tuple[int, int, tuple[str, ...]]:
    """(groups, violations, the first of them in words) of *mask* against a *pattern* that a person asks for.

    A matrix that cannot be cut into the pattern's groups breaks it. Raises InputError for a pattern that a matrix
    alone cannot be judged by.
    """
    if pattern.scope == "model":
        raise InputError(f"Pattern {pattern.name!r} chooses over all matrices at once", "one that every matrix obeys",
                         f"Ask for {pattern.name.replace('global', 'unstructured')!r}.")
    if pattern.learns:
        raise InputError(f"Pattern {pattern.name!r} learns its supports from the dense model",
                         "a pattern that says all", "Write its supports down, as in 'given:1x4:c,a,9'.")
    try:
        pattern.fits(name, mask.shape)
    except InputError as error:
        return 1, 1, (str(error),)
    verdict = verify(mask, pattern, name)
    return verdict.groups, verdict.violations, tuple(map(str, verdict.examples))
