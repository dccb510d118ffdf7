"""Many comparisons at once: how small a p has to be when so many were looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.statistics.interval import Interval, spread_of_normal


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values raised so that the chance of a single false one among them stays below the level (Holm 1979), in
    their order. One that is not known stays nan and counts as a comparison."""
    order = sorted(range(len(p_values)), key=lambda i: (math.isnan(p_values[i]), p_values[i]))
    out, worst = [math.nan] * len(p_values), 0.0
    for rank, i in enumerate(order):
        if not math.isnan(p_values[i]):
            worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[i]))
            out[i] = worst
    return out


def p_from(interval: Interval) -> float:
    """The two-sided p of no difference that agrees with *interval*: it is 0.05 where an end touches zero. The interval
    is taken for a normal one; with few seeds the p is a little too small far out. nan where the interval is not
    known; a width of zero: 1 for no difference, else 0."""
    if not math.isfinite(interval.half):
        return math.nan
    if interval.half == 0:
        return float(interval.value == 0)
    return math.erfc(abs(interval.value) / interval.half * spread_of_normal() / math.sqrt(2))
