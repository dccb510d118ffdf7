"""Checks of what a method tells of itself (`method/<key>`): where it can be counted again, it is."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.runs.arrays import METHOD
from core.runs.records import Matrix
from core.sparsity.patterns import Pattern

ROWS = f"{METHOD}/rows/"  # + matrix: zeros of every row, `[out]`
HEAPS = f"{METHOD}/heaps"  # `[looks, sizes]`: how many groups have each size


def check(pattern: Pattern, matrices: list[Matrix], held: Mapping[str, NDArray[np.generic]],
          ) -> tuple[list[str], list[str]]:
    """(verified, problems): the zeros of the rows add up to those of the header, the sizes of groups to their number.
    """
    rows, heaps = _rows(matrices, held), _heaps(pattern, matrices, held)
    return rows[0] + heaps[0], rows[1] + heaps[1]


def _heaps(pattern: Pattern, matrices: list[Matrix], held: Mapping[str, NDArray[np.generic]],
           ) -> tuple[list[str], list[str]]:
    counts = held.get(HEAPS)
    if counts is None:
        return [], []
    groups = sum(math.prod(m.shape) // pattern.grouping.weights_in((m.shape[0], m.shape[1])) for m in matrices)
    if counts.ndim != 2 or counts.dtype.kind != "u" or set(counts.sum(axis=1, dtype=np.int64)) != {groups}:
        return [], [f"the looks at the groups' sizes are {counts.dtype} {list(counts.shape)}, or do not count "
                    f"{groups} groups each"]
    return [f"each of {len(counts)} looks at the groups' sizes counts all {groups}"], []


def _rows(matrices: list[Matrix], held: Mapping[str, NDArray[np.generic]]) -> tuple[list[str], list[str]]:
    problems, counted = [], 0
    for m in matrices:
        rows = held.get(f"{ROWS}{m.name}")
        if rows is None:
            continue
        counted += 1
        zeros = math.prod(m.shape) - round(m.density * math.prod(m.shape))
        if rows.shape != m.shape[:1] or rows.dtype.kind != "u" or int(rows.max(initial=0)) > m.shape[1]:
            problems.append(f"{m.name}: the zeros of its rows are {rows.dtype} {list(rows.shape)}, or more than a row")
        elif (found := int(rows.sum(dtype=np.int64))) != zeros:
            problems.append(f"{m.name}: its rows count {found} zeros, the header {zeros}")
    words = [f"the zeros of every row, in {counted} matrices, add up to the header's"]
    return words if counted and not problems else [], problems
