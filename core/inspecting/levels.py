"""Do the values of a matrix lie on a grid of few bits: whole numbers times one step a row, or a chunk of a row?

Nobody says the step, so it is looked for: the smallest gap between two of a row's magnitudes (or a whole fraction of
it) is tried, set right by the largest magnitude, and all values must be whole numbers of it, as closely as their type
can write. Some rows are tried first; a matrix of free values is given up there. What a run of ours records of its grid
is checked bit for bit elsewhere (`core.runs.gridded`): there the step is known.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from core.inspecting.numbers import Rows, rows
from core.sparsity.grids import FEWEST, MOST

CHUNKS = (0, 128, 64, 32)  # 0: a whole row
SAMPLE = 8  # rows tried first
FRACTIONS = 8  # the smallest gap may be this many steps
TOP = 2 ** (MOST - 1) - 1
LEAST = 4  # values beside zero that say something: fewer lie on some grid by chance
LOOSE = 0.1  # of a step: where a type is coarser than this, nothing can be told


def grid_of(read: Rows, shape: tuple[int, int], eps: float) -> tuple[int, int] | None:
    """(bits, chunk) of the coarsest grid on which every value of a matrix `[out, in]` lies; None when there is none.

    *eps*: relative distance of two neighbouring values of the type they are stored in.
    """
    out, width = shape
    picked = np.unique(np.linspace(0, out - 1, min(SAMPLE, out)).astype(int)).tolist() if width else []
    sample = np.concatenate([read(row, 1) for row in picked]) if picked else np.zeros((0, 0))
    for chunk in CHUNKS:
        if (chunk and (width % chunk or chunk == width)) or highest_code(sample, chunk, eps) is None:
            continue
        most = 0
        for _, part in rows(read, shape):
            code = highest_code(part, chunk, eps)
            if code is None:
                break
            most = max(most, code)
        else:
            if most:
                return max(most.bit_length() + 1, FEWEST), chunk
    return None


def highest_code(part: NDArray[np.floating], chunk: int, eps: float) -> int | None:
    """The largest whole number that *part* `[rows, in]` needs, with one step a chunk; None when it is on no grid.

    *eps*: relative distance of two neighbouring values of the type they were stored in.
    """
    if not part.size or not np.isfinite(part).all():
        return None
    lines = np.sort(np.abs(part).reshape(-1, chunk or part.shape[1]), axis=1)
    lines = lines[lines[:, -1] > 0].astype(np.float64)
    if not len(lines):
        return 0
    if np.count_nonzero(lines) < LEAST * len(lines):
        return None
    # By powers of two, which rounds nothing: at the ends of float64 the products below would overflow.
    lines = np.ldexp(lines, -np.frexp(lines[:, -1:])[1])
    top = lines[:, -1:]
    gaps = np.diff(lines, axis=1, prepend=0.0)
    gap = np.where(gaps > 4 * eps * top, gaps, np.inf).min(axis=1, keepdims=True)  # smaller ones are rounding
    needed = np.full(len(lines), -1)
    for fraction, shift in itertools.product(range(1, FRACTIONS + 1), (0, -1, 1)):  # a gap is itself rounded: shifts
        left = np.flatnonzero(needed < 0)
        if not len(left):
            break
        highest = np.rint(top[left] * fraction / gap[left]) + shift
        slack = highest * eps + 1e-4  # the largest code times what its type rounds away
        with np.errstate(invalid="ignore"):
            code = lines[left] * (highest / top[left])
            on = (np.abs(code - np.rint(code)) <= slack).all(axis=1)
        fine = on & (highest[:, 0] >= 1) & (highest[:, 0] <= TOP) & (slack[:, 0] <= LOOSE)
        needed[left[fine]] = highest[fine, 0].astype(int)
    return None if (needed < 0).any() else int(needed.max())
