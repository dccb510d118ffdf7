"""Scores counted again from kept answers, by their definitions in numpy.

Written apart from `core.tasks.metrics`, which made the recorded scores: a check by the same code could not find a fault
in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def values_of(logits: NDArray[np.float32], labels: NDArray[np.generic]) -> dict[str, float]:
    """Every measure that answers with *logits* `[n, outputs]` have against *labels* `[n]`, as fractions.

    F1 is that of class 1. A measure whose denominator is zero (one side is constant) is 0, as in GLUE's own scores.
    """
    truth = labels.astype(np.float64)
    if logits.shape[1] == 1:
        value = logits[:, 0].astype(np.float64)
        return {"pearson": _correlation(value, truth), "spearman": _correlation(_ranks(value), _ranks(truth))}
    said, size = logits.argmax(axis=1), logits.shape[1]
    table = np.zeros((size, size))  # table[true class, said class]: how many
    np.add.at(table, (labels.astype(np.int64), said), 1.0)
    hit = table[1, 1]
    return {"accuracy": float(np.trace(table) / table.sum()),
            "f1": _share(2 * hit, table[1].sum() + table[:, 1].sum()),
            "matthews_correlation": _matthews(table)}


def _matthews(table: NDArray[np.float64]) -> float:
    """Gorodkin (2004), for any number of classes: covariance of truth and answer over both deviations."""
    n, true, said = table.sum(), table.sum(axis=1), table.sum(axis=0)
    spread = (n**2 - (said**2).sum()) * (n**2 - (true**2).sum())
    return _share(float(np.trace(table) * n - (true * said).sum()), float(np.sqrt(spread)))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:  # their mean may miss them by a rounding
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    return _share(float((a * b).sum()), float(np.sqrt((a**2).sum()) * np.sqrt((b**2).sum())))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1 up; equal values share the mean of theirs."""
    _, where, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return ((2 * last - count + 1) / 2.0)[where]


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0
