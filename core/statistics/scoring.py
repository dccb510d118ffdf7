"""The main scores of many resamples at once: METRICS from weighted counts, without drawing a single example.

A resample is a row of counts, so a score is a function of weighted sums: of the table of true and said classes, or of
moments and of ranks inside the resample. A measure whose denominator is zero is 0, as everywhere
(`core.tasks.metrics`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.statistics.measures import METRICS

CHUNK = 250  # resamples at once where ranks are needed: `[CHUNK, n]` float64 a few times over
Doubles = NDArray[np.float64]


def weighted_scores(metric: str, logits: NDArray[np.floating], labels: NDArray[np.generic],
                    counts: NDArray[np.generic]) -> Doubles:
    """`[B]`: the score of *logits* `[n, outputs]` against *labels* `[n]` where example i stands *counts* `[B, n]`
    times.

    *metric* is a name of METRICS; of two measures it is their mean. nan throughout where a logit is no finite number: a
    model that diverged has no score. Raises KeyError for another name.
    """
    measures = METRICS[metric].measures
    if not np.isfinite(logits).all():
        return np.full(len(counts), np.nan)
    if METRICS[metric].fits == "numbers":
        found = [_correlations(name, logits.reshape(-1), labels, counts) for name in measures]
    else:
        tables = _tables(logits.argmax(axis=1), labels.astype(np.int64), max(logits.shape[1], 2), counts)
        found = [_of_table(name, tables) for name in measures]
    return np.mean(found, axis=0)


def _tables(said: NDArray[np.int64], labels: NDArray[np.int64], classes: int, counts: NDArray[np.generic]) -> Doubles:
    """`[B, true class, said class]`: weighted counts."""
    cell = np.zeros((len(labels), classes * classes), np.float32)  # whole numbers below 2^24: exact
    cell[np.arange(len(labels)), labels * classes + said] = 1.0
    return (counts.astype(np.float32, copy=False) @ cell).astype(np.float64).reshape(-1, classes, classes)


def _of_table(name: str, tables: Doubles) -> Doubles:
    total = tables.sum(axis=(1, 2))
    right = np.trace(tables, axis1=1, axis2=2)
    true, said = tables.sum(axis=2), tables.sum(axis=1)
    if name == "accuracy":
        return _share(right, total)
    if name == "f1":
        return _share(2 * tables[:, 1, 1], true[:, 1] + said[:, 1])
    # Matthews for any number of classes (Gorodkin 2004)
    spread = (total**2 - (said**2).sum(1)) * (total**2 - (true**2).sum(1))
    return _share(right * total - (true * said).sum(1), np.sqrt(spread))


def _correlations(name: str, values: NDArray[np.floating], labels: NDArray[np.generic],
                  counts: NDArray[np.generic]) -> Doubles:
    out = []
    for start in range(0, len(counts), CHUNK):
        weight = counts[start:start + CHUNK].astype(np.float64)
        sides = [np.broadcast_to(side.astype(np.float64), weight.shape) if name == "pearson" else _ranks(side, weight)
                 for side in (values, labels)]
        out.append(_correlation(sides[0], sides[1], weight))
    return np.concatenate(out)


def _ranks(values: NDArray[np.generic], weight: Doubles) -> Doubles:
    """`[B, n]`: the rank of every example inside its resample; equal values share the mean of theirs."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    size = np.add.reduceat(weight[:, order], first, axis=1)
    rank = np.cumsum(size, axis=1) - size + (size + 1) / 2
    place = np.empty(len(values), np.int64)
    place[order] = np.repeat(np.arange(len(first)), np.diff(np.r_[first, len(values)]))
    return rank[:, place]


def _correlation(x: Doubles, y: Doubles, weight: Doubles) -> Doubles:
    total = weight.sum(axis=1, keepdims=True)
    constant = [np.where(weight > 0, side, -np.inf).max(1) == np.where(weight > 0, side, np.inf).min(1)
                for side in (x, y)]
    x = x - (weight * x).sum(axis=1, keepdims=True) / total
    y = y - (weight * y).sum(axis=1, keepdims=True) / total
    spread = np.sqrt((weight * x * x).sum(1)) * np.sqrt((weight * y * y).sum(1))
    found = _share((weight * x * y).sum(1), spread)
    return np.where(constant[0] | constant[1], 0.0, found)


def _share(part: Doubles, whole: Doubles) -> Doubles:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
