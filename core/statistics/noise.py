"""How far apart two scores must be before the difference says anything. One stated rule."""

from __future__ import annotations

import math

from core.statistics.measures import is_correlation

WIDTH = 2.0  # standard errors: about 95 of 100 repeated samples of the evaluation set fall inside


def noise(metric: str, score: float, n_eval: int) -> float:
    """Half the width of the band around *score* in which another score on the same examples counts as equal.

    Accuracy and F1: two binomial standard errors, 2 sqrt(p (1 - p) / n). Matthews, Pearson and Spearman correlation:
    two large-sample standard errors of a correlation coefficient, 2 (1 - r^2) / sqrt(n - 1) (Fisher, 1915; Matthews'
    coefficient is the Pearson correlation of two 0/1 variables). It is about one evaluation set: two runs scored on
    the same examples differ less by chance, so the rule is on the cautious side. It knows nothing of seeds.
    """
    if n_eval < 2 or not math.isfinite(score):
        return math.nan
    if is_correlation(metric):
        r = min(max(score, -1.0), 1.0)
        return WIDTH * (1 - r * r) / math.sqrt(n_eval - 1)
    p = min(max(score, 0.0), 1.0)
    return WIDTH * math.sqrt(p * (1 - p) / n_eval)
