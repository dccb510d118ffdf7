"""An estimate with its interval: the one thing that everything said of a difference rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEVEL = 0.95  # of all intervals of the project: it covers the truth in so many of repeated evaluations


@dataclass(frozen=True)
class Interval:
    """*value* with the ends of its interval at LEVEL. nan where an end is not known."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Is zero outside? False where an end is not known."""
        return self.low > 0 or self.high < 0

    @property
    def half(self) -> float:
        """Half the width."""
        return (self.high - self.low) / 2


def around(value: float, half: float) -> Interval:
    """*value* plus and minus *half*; a *half* that is no number leaves the ends unknown."""
    half = float(half) if math.isfinite(half) else math.nan
    return Interval(float(value), float(value) - half, float(value) + half)


def spread_of_normal() -> float:
    """How many standard errors an interval at LEVEL is wide to either side: 1.96."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + LEVEL / 2)
