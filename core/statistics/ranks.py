"""Do two lists have the same order? Spearman's rank correlation, and how much of it chance gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's rank correlation: Pearson's of the ranks, equal values sharing their mean rank. None where one side
    has no order."""
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else None


def _ranks(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    below = (array[:, None] > array[None, :]).sum(1)
    equal = (array[:, None] == array[None, :]).sum(1)
    return below + (equal - 1) / 2


def by_chance(runs: int) -> float:
    """How far from 0 the rank correlation of *runs* unrelated pairs easily is: two standard errors, 2 / sqrt(n - 1)."""
    return 2.0 / math.sqrt(runs - 1) if runs > 1 else math.inf
