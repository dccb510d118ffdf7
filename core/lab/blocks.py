"""Made-up blocks of weights, and the libraries learned from them. Synthetic: the page says so.

A weight of a real layer is large where its output *and* its input matter. So a block is drawn as normal numbers times a
strength for every row and one for every column, both log-normal: some supports, such as two whole columns, then are
much more common than others, which is what a library lives on. (Of plain normal blocks all supports are as common as
each other, and a small library is as good as any other.)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.sparsity.library import Library, learn

SAMPLE = 20_000  # blocks a library is learned from: at 4 x 4 the commonest supports occur some hundred times
SPREAD = 0.8  # standard deviation of the strengths' logarithms


def drawn(count: int, rows: int, columns: int, seed: int) -> NDArray[np.float64]:
    """*count* blocks, `[count, rows * columns]`, the same for the same *seed* >= 0."""
    rng = np.random.default_rng(seed)
    strength = [np.exp(SPREAD * rng.standard_normal(shape)) for shape in ((count, rows, 1), (count, 1, columns))]
    return (rng.standard_normal((count, rows, columns)) * strength[0] * strength[1]).reshape(count, -1)


@lru_cache(maxsize=16)
def learned(rows: int, columns: int, keep: int, count: int) -> Library:
    """The *count* supports that are most often the strongest *keep* of SAMPLE drawn blocks (seed 0).

    Raises InputError when fewer occur.
    """
    return learn(drawn(SAMPLE, rows, columns, 0), rows, columns, keep, count)
