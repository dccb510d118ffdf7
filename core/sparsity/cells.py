"""Sums over the cells of a matrix: the small rectangles in which patterns are counted.

numpy only, as recorded pages count too and open without torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def cell_sums(values: NDArray[Any], rows: int, columns: int, dtype: Any) -> NDArray[Any]:
    """Sum of every *rows* x *columns* cell of *values* `[out, in]`: `[out / rows, in / columns]`.

    Both sides are rounded up: the last cell of a row or column may be smaller.
    """
    if rows > 1:
        values = np.add.reduceat(values, np.arange(0, values.shape[0], rows), axis=0, dtype=dtype)
    # One addition a position: a reduction over a short last axis is many times slower.
    total = np.zeros((values.shape[0], -(-values.shape[1] // columns)), dtype=dtype)
    for j in range(columns):
        part = values[:, j::columns]
        total[:, :part.shape[1]] += part
    return total
