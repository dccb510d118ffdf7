"""Over seeds and tasks: a mean whose interval holds both sources of noise, other examples and another dense model.

With e(s) the estimate of seed s of S on the same examples, and its resampled values:

    v  variance of the resampled mean over seeds       examples: what all seeds share, and what each has for itself
    o  (mean variance of one seed's draws - v) S / (S - 1)      of one seed, the part that it has for itself
    u  max(variance of e over seeds - o, 0)            the seeds, without the examples' part in it
    half width = sqrt(z^2 v + t^2 u / S),  t with the degrees of freedom of u

The two parts have their own quantile, as few seeds leave the second one nearly unknown (modified large-sample
intervals: Burdick and Graybill 1992). Two seeds have one degree of freedom, and t is 12.7; so u is pooled over
methods that are alike (`seed_noise`), as in an analysis of variance: that they feel another dense model alike is an
assumption. With one seed there is no second part: the interval knows the examples alone. Coverage is simulated in
docs/decisions/0010-intervals.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.statistics.interval import LEVEL, Interval, around, spread_of_normal


@dataclass(frozen=True)
class Draws:
    """What is known of one quantity on one task: *values*, one a seed, and of each its values `[B]` in the same B
    resamples of the examples."""

    values: Sequence[float]
    resampled: Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class SeedNoise:
    """The variance u of a quantity from seed to seed, and the degrees of freedom that it was estimated with."""

    variance: float
    freedom: int


def seed_noise(alike: Iterable[Draws]) -> SeedNoise | None:
    """u, pooled over all of *alike* that have several seeds, each weighing its degrees of freedom. None without any."""
    several = [d for d in alike if len(d.values) > 1]
    freedom = sum(len(d.values) - 1 for d in several)
    if not freedom:
        return None
    total = sum((len(d.values) - 1) * (float(np.var(d.values, ddof=1)) - _own(d)) for d in several)
    return SeedNoise(max(total / freedom, 0.0), freedom)


def over_seeds(draws: Draws, noise: SeedNoise | None = None) -> Interval:
    """The mean over the seeds of *draws*; *noise*: pooled with others, None: estimated from these seeds alone."""
    return over_tasks([draws], [noise])


def over_tasks(tasks: Sequence[Draws], noises: Sequence[SeedNoise | None] | None = None) -> Interval:
    """The mean over *tasks* of the means over their seeds. Tasks share neither examples nor seeds' luck: their
    variances add up. *noises*: one a task, as in `over_seeds`."""
    value = float(np.mean([np.mean(d.values) for d in tasks]))
    given = noises or [None] * len(tasks)
    parts = [_seeds(d, noise) for d, noise in zip(tasks, given, strict=True)]
    examples = sum(_examples(d) for d in tasks) / len(tasks) ** 2
    seeds = sum(a for a, _ in parts) / len(tasks) ** 2
    return around(value, math.sqrt(spread_of_normal() ** 2 * examples + _quantile(parts) ** 2 * seeds))


def _examples(draws: Draws) -> float:
    """v."""
    return float(np.var(np.mean(draws.resampled, axis=0), ddof=1))


def _own(draws: Draws) -> float:
    """o."""
    count = len(draws.values)
    single = float(np.mean([np.var(d, ddof=1) for d in draws.resampled]))
    return max(single - _examples(draws), 0.0) * count / (count - 1)


def _seeds(draws: Draws, noise: SeedNoise | None) -> tuple[float, int]:
    """(u / S, its degrees of freedom); (0, 0) with one seed."""
    if len(draws.values) == 1:
        return 0.0, 0
    found = noise or seed_noise([draws])
    assert found is not None
    return found.variance / len(draws.values), found.freedom


def _quantile(parts: Sequence[tuple[float, int]]) -> float:
    """Student's t for the seeds' part; of several tasks with Satterthwaite's degrees of freedom."""
    left = [(a, freedom) for a, freedom in parts if a > 0]
    if not left:
        return 0.0
    from scipy.special import stdtrit

    freedom = sum(a for a, _ in left) ** 2 / sum(a * a / f for a, f in left)
    return float(stdtrit(freedom, 0.5 + LEVEL / 2))
