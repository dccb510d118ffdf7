"""Two models on the same examples: the difference of their scores with its interval, and McNemar's exact test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.statistics.interval import Interval, around, spread_of_normal
from core.statistics.resampling import means, resamples
from core.statistics.scoring import weighted_scores


def score_difference(metric: str, logits: NDArray[np.floating], other: NDArray[np.floating],
                     labels: NDArray[np.generic]) -> Interval:
    """The score of *logits* minus that of *other*, both `[n, outputs]`, resampled together: what is easy or hard for
    both cancels. The interval is the value plus and minus 1.96 bootstrap standard errors."""
    counts, whole = resamples(len(labels)), np.ones((1, len(labels)), np.float32)
    value, draws = ((weighted_scores(metric, logits, labels, c) - weighted_scores(metric, other, labels, c))
                    for c in (whole, counts))
    return of_draws(float(value[0]), draws)


def mean_difference(values: NDArray[np.floating], others: NDArray[np.floating]) -> Interval:
    """The mean of *values* minus *others*, `[n]` each, of the same examples."""
    apart = values.astype(np.float64) - others
    return of_draws(float(apart.mean()), means(apart, resamples(len(apart))))


def of_draws(value: float, draws: NDArray[np.float64]) -> Interval:
    """*value* with the interval that its resampled values *draws* `[B]` give."""
    return around(value, spread_of_normal() * float(np.std(draws, ddof=1)))


def mcnemar(right: NDArray[np.bool_], other_right: NDArray[np.bool_]) -> float:
    """The exact two-sided p of McNemar's test (1947): of the examples that only one of the two got right, is the share
    of either one half? 1 where there is no such example."""
    first, second = int((right & ~other_right).sum()), int((~right & other_right).sum())
    if first + second == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(first, first + second, 0.5).pvalue)
