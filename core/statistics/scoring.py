"""The main scores of many resamples at once: METRICS from weighted counts, without drawing a single example.

A resample is a row of counts, so a score is a function of weighted sums: of the table of true and said classes, or of
moments and of ranks inside the resample. A measure whose denominator is zero is 0, as everywhere
(`core.tasks.metrics`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.statistics.measures import METRICS

CHUNK = 50  # resamples at once where ranks are needed: `[CHUNK, n]` float64 a few times over stay near the processor
BLOCK = 32  # rows that are added up side by side
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
    ordered = [_Ordered(values) for values in (labels, *models)] if name == "spearman" else []
    for start in range(0, len(counts), CHUNK):
        weight = counts[start:start + CHUNK].astype(np.float64)
        found = _spearman(ordered, weight) if ordered else _pearson([labels, *models], weight)
        for row, part in zip(out, found, strict=True):
            row[start:start + CHUNK] = part
    return out


def _spearman(sides: Sequence[_Ordered], weight: Doubles) -> Iterator[Doubles]:
    """`[B]`, model by model, of the labels and the models (*sides*, in this order) under *weight* `[B, n]`.

    A resample is a column here: what is put into order, or added up along it, is then a row of many resamples, which
    is three times as fast. Ranks are halves of whole numbers and their sum is known: up to 10^5 examples nothing is
    rounded before the division.
    """
    weight = np.ascontiguousarray(weight.T)
    total, cubes = weight.sum(axis=0), (weight**3).sum(axis=0)
    level = total * ((total + 1) / 2) ** 2  # what the squared ranks come to if all are the mean rank
    room = _Room(weight)
    labels = sides[0]
    truth = np.empty_like(weight)
    truth[labels.order] = weight[labels.order] * (room.doubled(labels) + 1) / 2
    whole = truth.sum(axis=0)
    squares = (total**3 - cubes + room.ties(labels)) / 12
    for side in sides[1:]:
        doubled = room.doubled(side)
        own = (total**3 - cubes + room.ties(side)) / 12
        both = (np.einsum("ij,ij->j", room.ordered(truth, side), doubled) + whole) / 2 - level
        yield _share(both, np.sqrt(own) * np.sqrt(squares))


class _Ordered:
    """Values in order, once: their ranks are then counted in every resample."""

    def __init__(self, values: NDArray[np.generic]) -> None:
        self.order = np.argsort(values, kind="stable")
        ordered = values[self.order]
        first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        alike = np.diff(np.r_[first, len(values)])
        self.heads, sizes = first[alike > 1], alike[alike > 1]  # of the runs of equal values
        self.tails = self.heads + sizes - 1
        self.run = np.repeat(np.arange(len(sizes)), sizes)  # of every tied place, the run that it is in
        self.tied = np.repeat(self.heads, sizes) + np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)


class _Room:
    """The ranks in every resample of *weight* `[n, B]` (how often each example stands in it), one model after the other
    in the same arrays: new ones would take as long as the work."""

    def __init__(self, weight: Doubles) -> None:
        n, width = weight.shape
        self._weight = weight
        self._blocks = np.zeros((-(-n // BLOCK), BLOCK, width))
        self._rows = self._blocks.reshape(-1, width)[:n]
        self._doubled = np.empty((n, width))

    def ordered(self, values: Doubles, side: _Ordered) -> Doubles:
        """*values* `[n, B]` in the order of *side*."""
        return np.take(values, side.order, axis=0, out=self._rows, mode="clip")

    def doubled(self, side: _Ordered) -> Doubles:
        """In the order of *side*, twice the rank less one: how many stand before an example in its resample, and before
        or with it; equal values share the mean of theirs."""
        upto, blocks = self.ordered(self._weight, side), self._blocks
        # numpy's own running sum goes down one column after the other; here blocks of rows are summed side by side.
        for row in range(1, BLOCK):
            blocks[:, row] += blocks[:, row - 1]
        blocks[1:] += np.cumsum(blocks[:-1, -1], axis=0)[:, None]
        self._doubled[0] = upto[0]
        np.add(upto[1:], upto[:-1], out=self._doubled[1:])
        before = upto[side.heads] - self._weight[side.order[side.heads]]
        self._doubled[side.tied] = (before + upto[side.tails])[side.run]
        return self._doubled

    def ties(self, side: _Ordered) -> Doubles:
        """`[B]`: the cubes of the counts, less those of the counts of equal values together. Of N examples the squared
        ranks vary by (N^3 - the sum of these cubes) / 12 (Kendall 1948)."""
        tied = self._weight[side.order[side.tied]]
        together = np.add.reduceat(tied, np.searchsorted(side.run, np.arange(len(side.heads)))) if len(tied) else tied
        return (tied**3).sum(axis=0) - (together**3).sum(axis=0)


def _pearson(sides: Sequence[NDArray[np.generic]], weight: Doubles) -> Iterator[Doubles]:
    """`[B]`, model by model, of the labels and the models (*sides*, in this order) under *weight* `[B, n]`."""
    total = weight.sum(axis=1)
    truth, *models = (values.astype(np.float64) for values in sides)
    right = _centred(truth, weight, total)
    for values in models:
        side = _centred(values, weight, total)
        found = _share(np.einsum("bi,bi->b", side.weighted, right.side), np.sqrt(side.squares) * np.sqrt(right.squares))
        yield np.where(side.constant | right.constant, 0.0, found)


@dataclass(frozen=True)
class Centred:
    """One side of a correlation less its weighted mean, `[B, n]`, and the same times the weights; the weighted sum of
    its squares `[B]`; and which resamples hold one value alone."""

    side: Doubles
    weighted: Doubles
    squares: Doubles
    constant: NDArray[np.bool_]


def _centred(values: Doubles, weight: Doubles, total: Doubles) -> Centred:
    side = values - (np.einsum("bi,i->b", weight, values) / total)[:, None]
    weighted = weight * side
    squares = np.einsum("bi,bi->b", weighted, side)
    # The squares of one value alone are rounding, far below this: only such resamples are looked at.
    constant = squares <= 1e-20 * weight.shape[1] * np.abs(values).max() ** 2
    for row in np.flatnonzero(constant):
        drawn = values[weight[row] > 0]
        constant[row] = drawn.max() == drawn.min()
    return Centred(side, weighted, squares, constant)


def _share(part: Doubles, whole: Doubles) -> Doubles:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
