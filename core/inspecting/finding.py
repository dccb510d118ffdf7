"""Which pattern do the zeros of one matrix follow? Judged by the pattern classes and the exact check.

A pattern is *found* when it explains the zeros: for N:M, groups of M that are alive hold N weights or close to it, not
some smaller number that stays under N by chance; for rows, columns, heads and blocks, what is wholly zero holds nearly
all zeros of the matrix. What holds in all but one group in a hundred is found too, and the others are its violations.
Groups of every width that a pattern may have are tried. Where quantisation made further zeros, N:M is found by what
chance could not do: it holds everywhere, and zeros scattered as densely would break it often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.sparsity.cells import cell_sums
from core.sparsity.grouping import WIDEST
from core.sparsity.patterns import NM, Blocks, Pattern
from core.sparsity.verify import Verdict, verify

Mask = NDArray[np.bool_]
SAID = (2, 4, 8, 16, 32)  # M that hardware and papers know: of these the tightest N is told
SQUARES = (64, 32, 16, 8, 4, 2)
TOLD = (32, 16, 4)  # sides of squares of which is told how many are wholly zero; others when they are all the zeros
LONG = (32, 16, 8, 4, 2)  # the longer side of a block that is one row or one column
SIDES = tuple((s, s) for s in SQUARES) + tuple(b for s in LONG for b in ((1, s), (s, 1)))
NEARLY = 0.99  # share of the groups, or of the zeros, that a pattern must explain to be named
FULL = 0.9  # share of N that the groups alive must hold on average
EXACTLY = 0.5  # share of the groups alive that must hold N itself
# N:M of a width that hardware knows is found beside further zeros, too, where it holds in every group and chance would
# break this share of the groups, and so many of them: that none is broken is then less likely than 1 in 100 000.
BY_CHANCE, MANY = 0.05, 12
FEW = 8  # groups alive: fewer are no evidence of anything
TORN = 0.1  # torn blocks beside one that stays, at most
SOME = 0.01  # share of zeros below which a matrix is dense, not pruned
EXAMPLES = 20


@dataclass(frozen=True)
class Finding:
    """What the zeros of a matrix `[out, in]` look like."""

    pattern: str  # "2:4", "4x4 blocks", "1x8 blocks", "rows", "columns", "heads", "unstructured", "dense", "all zero"
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


def find(mask: Mask, name: str, heads: tuple[int, int] | None = None, some: float = SOME) -> Finding:
    """Name the pattern of *mask* `[out, in]` (True = not zero); with fewer zeros than *some* it is dense.

    *heads* is (how many, dimension they lie along: 0 = rows, 1 = columns), None for what is no attention matrix.
    """
    zeros = mask.size - int(np.count_nonzero(mask))
    out, width = mask.shape
    if not zeros:
        return Finding("dense", tightest={str(m): m for m in SAID if width % m == 0},
                       heads=None if heads is None else (0, heads[0]))
    live_rows: Mask = np.any(mask, axis=1)
    live_columns: Mask = np.any(mask, axis=0)
    dead_rows, dead_columns = out - int(live_rows.sum()), width - int(live_columns.sum())
    alive = (live_rows, live_columns)[heads[1]].reshape(heads[0], -1).any(axis=1) if heads else np.ones(0, np.bool_)
    gone = {"rows": dead_rows, "columns": dead_columns,
            "heads": (int((~alive).sum()), heads[0]) if heads else None}
    if zeros == mask.size:  # obeys every pattern, and none is worth a name
        return Finding("all zero", **gone)
    tightest, best = _nm(mask, live_rows, live_columns, zeros)
    across = _nm(np.ascontiguousarray(mask.T), live_columns, live_rows, zeros)[1]
    shares = _block_shares(mask) if zeros >= some * mask.size else {}
    seen = gone | {"tightest": tightest, "along_output": across.name if across else "",
                   "blocks": {_sides(b): share for b, share in shares.items() if b[0] == b[1] and (
                       b[0] in TOLD or share * mask.size >= NEARLY * zeros)}}
    head_zeros = mask.size * int((~alive).sum()) / heads[0] if heads else 0.0
    for word, lost in (("heads", head_zeros), ("rows", dead_rows * width), ("columns", dead_columns * out)):
        if lost >= NEARLY * zeros:
            return Finding(word, **seen)
    if best is not None:
        return _judged(best.name, best, verify(mask, best, name), seen)
    gone_whole = [block for block, share in shares.items() if share and share * mask.size >= NEARLY * zeros]
    for block in sorted(gone_whole, key=math.prod, reverse=True):
        if (found := _blocks(mask, block, name, seen)) is not None:
            return found
    return Finding("unstructured" if zeros >= some * mask.size else "dense", **seen)


def _judged(text: str, rule: Pattern, verdict: Verdict, seen: dict) -> Finding:
    return Finding(text, rule, verdict.groups, verdict.violations, tuple(map(str, verdict.examples[:EXAMPLES])), **seen)


def _nm(mask: Mask, live_rows: Mask, live_columns: Mask, zeros: int) -> tuple[dict[str, int], NM | None]:
    """The smallest N that holds exactly for some M, and the N:M that explains the zeros, the sparsest of them."""
    width, rows = mask.shape[1], int(live_rows.sum())
    found: list[NM] = []
    tightest: dict[str, int] = {}
    counted: dict[int, NDArray[np.integer]] = {1: mask.view(np.int8)}
    for m in (m for m in range(2, WIDEST + 1) if width % m == 0):
        if zeros * m < NEARLY * mask.size:  # too few zeros to give every group one: some group holds M
            often = np.zeros(m + 1, np.int64)
            often[m] = 1
        else:
            part = max(k for k in counted if m % k == 0)  # a group of 12 is two of 6, counted already
            counted[m] = cell_sums(counted[part], 1, m // part, np.int8)
            often = np.bincount(counted[m].ravel(), minlength=m + 1)
            alive = rows * int(live_columns.reshape(-1, m).any(axis=1).sum())
            n = max(int(np.searchsorted(np.cumsum(often), NEARLY * often.sum())), 1)
            if n < m and alive >= FEW and _explains(often, n, alive):
                found.append(NM(n, m))
        if m in SAID:
            tightest[str(m)] = int(np.flatnonzero(often)[-1])
    return tightest, min(found, key=lambda p: (p.n / p.m, p.m), default=None)


def _explains(often: NDArray[np.integer], n: int, alive: int) -> bool:
    """Do groups hold *n* because they must? *often*[k] groups hold k; *alive* of them hold, or could hold, anything."""
    m = len(often) - 1
    kept = int(often @ np.arange(m + 1))
    if kept >= FULL * n * alive and often[n] >= EXACTLY * alive:
        return True
    if often[n + 1:].any() or m not in SAID:
        return False
    density = kept / (m * alive)
    broken = sum(math.comb(m, k) * density**k * (1 - density)**(m - k) for k in range(n + 1, m + 1))
    return broken >= BY_CHANCE and broken * alive >= MANY


def _sides(block: tuple[int, int]) -> str:
    return f"{block[0]}x{block[1]}"


def _block_shares(mask: Mask) -> dict[tuple[int, int], float]:
    """Block sides -> share of the blocks that are wholly zero, for all sides that fit."""
    return {(r, c): float((cell_sums(mask, r, c, np.int32) == 0).mean())
            for r, c in SIDES if mask.shape[0] % r == 0 and mask.shape[1] % c == 0}


def _blocks(mask: Mask, block: tuple[int, int], name: str, seen: dict) -> Finding | None:
    """Blocks that are mostly zero and yet hold something are the violations: the check names the emptiest.

    None when such torn blocks are no exception beside those that stay: then weights are few, not blocks.
    """
    kept = cell_sums(mask, *block, np.int32)
    meant = int((kept <= math.prod(block) // 2).sum())
    if np.count_nonzero(kept) - (kept.size - meant) > TORN * (kept.size - meant):
        return None
    rule = Blocks(*block, min(meant / kept.size, 1 - 1 / kept.size))
    return _judged(f"{_sides(block)} blocks", rule, verify(mask, rule, name), seen)


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
