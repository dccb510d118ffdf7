"""Checks of what a method tells of itself (`method/<key>`): where it can be counted again, it is."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.runs.arrays import METHOD
from core.runs.records import Matrix

ROWS = f"{METHOD}/rows/"  # + matrix: zeros of every row, `[out]`


def check(matrices: list[Matrix], held: Mapping[str, NDArray[np.generic]]) -> tuple[list[str], list[str]]:
    """(verified, problems): the zeros of the rows add up to those of the header."""
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
