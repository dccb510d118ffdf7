"""The main scores of many resamples at once: METRICS from weighted counts, without drawing a single example.

A resample is a row of counts, so a score is a function of weighted sums: of the table of true and said classes, or of
moments and of ranks inside the resample. A measure whose denominator is zero is 0, as everywhere
(`core.tasks.metrics`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.statistics.measures import METRICS

CHUNK = 50  # resamples at once where ranks are needed: `[CHUNK, n]` float64 a few times over stay near the processor
AT_ONCE = 64  # models at once where classes are counted: `[n, AT_ONCE x classes^2]` float32
Doubles = NDArray[np.float64]


def weighted_scores(metric: str, logits: NDArray[np.floating], labels: NDArray[np.generic],
                    counts: NDArray[np.generic]) -> Doubles:
    """`[B]`: the score of *logits* `[n, outputs]` against *labels* `[n]` where example i stands *counts* `[B, n]`
    times.

    *metric* is a name of METRICS; of two measures it is their mean. nan throughout where a logit is no finite number: a
    model that diverged has no score. Raises KeyError for another name.
    """
    return weighted_scores_of_all(metric, [logits], labels, counts)[0]


def weighted_scores_of_all(metric: str, models: Sequence[NDArray[np.floating]], labels: NDArray[np.generic],
                           counts: NDArray[np.generic]) -> list[Doubles]:
    """`weighted_scores` of every one of *models* (their logits), to the last bit, in a fraction of the time: what they
    share, *labels* and *counts*, is gone through once."""
    measures = METRICS[metric].measures
    out = [np.full(len(counts), np.nan) for _ in models]
    sound = [k for k, logits in enumerate(models) if np.isfinite(logits).all()]
    if METRICS[metric].fits == "numbers":
        found = [_correlations(name, [models[k].reshape(-1) for k in sound], labels, counts) for name in measures]
        return _put(out, sound, found)
    for classes in {max(models[k].shape[1], 2) for k in sound}:
        alike = [k for k in sound if max(models[k].shape[1], 2) == classes]
        for some in (alike[i:i + AT_ONCE] for i in range(0, len(alike), AT_ONCE)):
            said = np.stack([models[k].argmax(axis=1) for k in some])
            tables = _tables(said, labels.astype(np.int64), classes, counts)
            _put(out, some, [_of_table(name, tables) for name in measures])
    return out


def _put(out: list[Doubles], places: Sequence[int], found: Sequence[Doubles]) -> list[Doubles]:
    """Put the means over *found* (a measure each, `[models, B]`) at their *places* of *out*."""
    for place, scores in zip(places, np.mean(found, axis=0), strict=True):
        out[place] = scores
    return out


def _tables(said: NDArray[np.int64], labels: NDArray[np.int64], classes: int, counts: NDArray[np.generic]) -> Doubles:
    """`[models, B, true class, said class]`: weighted counts, of *said* `[models, n]`."""
    models, n = said.shape
    cell = np.zeros((n, models, classes * classes), np.float32)  # whole numbers below 2^24: exact
    cell[np.arange(n), np.arange(models)[:, None], labels * classes + said] = 1.0
    found = counts.astype(np.float32, copy=False) @ cell.reshape(n, -1)
    return found.astype(np.float64).reshape(-1, models, classes, classes).swapaxes(0, 1)


def _of_table(name: str, tables: Doubles) -> Doubles:
    """`[models, B]`."""
    total = tables.sum(axis=(-2, -1))
    right = np.trace(tables, axis1=-2, axis2=-1)
    true, said = tables.sum(axis=-1), tables.sum(axis=-2)
    if name == "accuracy":
        return _share(right, total)
    if name == "f1":
        return _share(2 * tables[..., 1, 1], true[..., 1] + said[..., 1])
    # Matthews for any number of classes (Gorodkin 2004)
    spread = (total**2 - (said**2).sum(-1)) * (total**2 - (true**2).sum(-1))
    return _share(right * total - (true * said).sum(-1), np.sqrt(spread))


def _correlations(name: str, models: Sequence[NDArray[np.floating]], labels: NDArray[np.generic],
                  counts: NDArray[np.generic]) -> Doubles:
    """`[models, B]`."""
    out = np.empty((len(models), len(counts)))
    sides = [_Plain(values) if name == "pearson" else _Ranks(values) for values in (labels, *models)]
    for start in range(0, len(counts), CHUNK):
        weight = counts[start:start + CHUNK].astype(np.float64)
        total = weight.sum(axis=1, keepdims=True)
        truth = _centred(sides[0].inside(weight), weight, total)
        for row, side in zip(out, sides[1:], strict=True):
            row[start:start + CHUNK] = _correlation(_centred(side.inside(weight), weight, total), truth, weight)
    return out


class _Plain:
    """Values as they are."""

    def __init__(self, values: NDArray[np.generic]) -> None:
        self._values = values.astype(np.float64)

    def inside(self, weight: Doubles) -> Doubles:
        """`[B, n]`: the same in every resample."""
        return np.broadcast_to(self._values, weight.shape)


class _Ranks:
    """Values by their ranks: in order once, counted in every resample."""

    def __init__(self, values: NDArray[np.generic]) -> None:
        self._order = np.argsort(values, kind="stable")
        ordered = values[self._order]
        self._first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self._place = np.empty(len(values), np.int64)
        self._place[self._order] = np.repeat(np.arange(len(self._first)), np.diff(np.r_[self._first, len(values)]))

    def inside(self, weight: Doubles) -> Doubles:
        """`[B, n]`: the rank of every example inside its resample; equal values share the mean of theirs."""
        size = np.add.reduceat(weight[:, self._order], self._first, axis=1)
        return (np.cumsum(size, axis=1) - size + (size + 1) / 2)[:, self._place]


@dataclass(frozen=True)
class Centred:
    """One side of a correlation, `[B, n]`, less its weighted mean; the weighted sum of its squares `[B]`; and which
    resamples hold one value alone."""

    side: Doubles
    squares: Doubles
    constant: NDArray[np.bool_]


def _centred(whole: Doubles, weight: Doubles, total: Doubles) -> Centred:
    side = whole - (weight * whole).sum(axis=1, keepdims=True) / total
    squares = (weight * side * side).sum(1)
    # The squares of one value alone are rounding, far below this: only such resamples are looked at.
    constant = squares <= 1e-20 * weight.shape[1] * np.abs(whole).max(axis=1) ** 2
    for row in np.flatnonzero(constant):
        drawn = whole[row][weight[row] > 0]
        constant[row] = drawn.max() == drawn.min()
    return Centred(side, squares, constant)


def _correlation(x: Centred, y: Centred, weight: Doubles) -> Doubles:
    found = _share((weight * x.side * y.side).sum(1), np.sqrt(x.squares) * np.sqrt(y.squares))
    return np.where(x.constant | y.constant, 0.0, found)


def _share(part: Doubles, whole: Doubles) -> Doubles:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
