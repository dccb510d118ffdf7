"""A median with its interval, and the quartiles: for times, which are skewed and have outliers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.interval import LEVEL, Interval


def rank_of(n: int, level: float = LEVEL) -> int | None:
    """How many of *n* sorted values lie outside the interval of their median, on each side; None for too few values.

    Of n independent values, the number below the true median is binomial(n, 1/2) whatever their distribution. So the
    span from the (k + 1)th smallest to the (k + 1)th largest covers it with 1 - 2 P(at most k below), and k is the
    largest number for which that is at least *level*.
    """
    # In whole numbers, as 2^n is no float for a thousand values.
    outside, below = round(1000 * (1 - level)), 0
    for k in range(n // 2 + 1):
        below += math.comb(n, k)
        if 2 * below * 1000 > outside * 2**n:
            return k - 1 if k else None
    return None


def median(values: ArrayLike) -> Interval:
    """The median of *values* with the interval of `rank_of`; its ends are nan for fewer than six values.

    Values that follow each other closely are not quite independent: the interval is then a little too narrow.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered):
        return Interval(math.nan, math.nan, math.nan)
    rank = rank_of(len(ordered))
    ends = (math.nan, math.nan) if rank is None else (float(ordered[rank]), float(ordered[-1 - rank]))
    return Interval(float(np.median(ordered)), *ends)


def quartiles(values: ArrayLike) -> Interval:
    """The median of *values* between the quartiles: half of all values lie within. A spread, not an interval."""
    low, middle, high = np.percentile(np.asarray(values, dtype=np.float64), [25, 50, 75]).tolist()
    return Interval(middle, low, high)
