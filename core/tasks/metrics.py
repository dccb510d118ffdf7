"""GLUE's metrics: what a task counts, from logits and labels.

Counts are counted here: loading scikit-learn takes longer than a whole run of `tiny` spends on its scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.tasks import TaskEntry


def score(entry: TaskEntry, logits: NDArray[np.floating], labels: NDArray[np.generic]) -> dict[str, float]:
    """Return every metric of *entry*, and under "score" the main one (their mean), all as fractions.

    *logits* `[n, classes]`, for regression `[n, 1]` or `[n]`; *labels* `[n]`. F1 is that of class 1, as in GLUE.
    A constant prediction scores 0, not NaN, where the metric is a correlation. Raises FloatingPointError when the
    logits are not finite (a model that has diverged has no score), ValueError when the shapes do not fit.
    """
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if len(labels) == 0 or len(logits) != len(labels):
        raise ValueError(f"{len(logits)} predictions for {len(labels)} labels")
    if not np.isfinite(logits).all():
        raise FloatingPointError("the logits hold NaN or infinity")
    if entry.labels:
        if logits.shape != (len(labels), len(entry.labels)):
            raise ValueError(f"logits are {logits.shape}, {entry.name} has {len(entry.labels)} classes")
        prediction = logits.argmax(axis=1)
    else:
        prediction = logits.reshape(len(labels))
    values = {name: _metric(name, prediction, labels) for name in entry.metrics}
    return {**values, "score": float(np.mean([values[name] for name in entry.metrics]))}


def _metric(name: str, prediction: NDArray[np.generic], labels: NDArray[np.generic]) -> float:
    if name == "accuracy":
        return float(np.mean(prediction == labels))
    if name == "f1":
        hit = int(np.sum((prediction == 1) & (labels == 1)))
        said = int(np.sum(prediction == 1)) + int(np.sum(labels == 1))
        return 2 * hit / said if said else 0.0
    if name == "matthews_correlation":
        return _matthews(prediction, labels)
    if name in ("pearson", "spearman"):
        if len(labels) < 2 or np.ptp(prediction) == 0 or np.ptp(labels) == 0:
            return 0.0
        from scipy import stats

        correlate = stats.pearsonr if name == "pearson" else stats.spearmanr
        value = float(correlate(prediction, labels.astype(np.float64)).statistic)
        return value if np.isfinite(value) else 0.0  # predictions that differ by less than rounding
    raise ValueError(f"no metric {name!r}")


def _matthews(prediction: NDArray[np.generic], labels: NDArray[np.generic]) -> float:
    """The correlation of two labellings, for any number of classes (Gorodkin 2004, R_K); 0 by definition when either
    side is constant."""
    classes = np.union1d(prediction, labels)
    told = np.array([np.sum(prediction == c) for c in classes], dtype=np.float64)
    true = np.array([np.sum(labels == c) for c in classes], dtype=np.float64)
    n, right = float(len(labels)), float(np.sum(prediction == labels))
    spread = (n * n - float(told @ told)) * (n * n - float(true @ true))
    return float((right * n - float(true @ told)) / np.sqrt(spread)) if spread else 0.0
