"""Resamples of the evaluation examples (bootstrap; Efron 1979): the same ones for every run of a task, so that a
difference of two runs is taken inside each resample and is paired example by example."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

COUNT = 2000  # resamples: the ends of an interval then move by about 2 % of its width from one set to another


@lru_cache(maxsize=12)
def resamples(n: int, count: int = COUNT, seed: int = 0) -> NDArray[np.float32]:
    """`[count, n]`: how often each of *n* examples stands in each resample of n; whole numbers, as float32 for fast
    sums. Never written to: it is shared."""
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=count).astype(np.float32)
    drawn.setflags(write=False)
    return drawn


def means(values: NDArray[np.floating], counts: NDArray[np.floating]) -> NDArray[np.float64]:
    """`[B]`: the mean of *values* `[n]` in every resample."""
    return counts.astype(np.float64) @ values.astype(np.float64) / counts.sum(axis=1, dtype=np.float64)
