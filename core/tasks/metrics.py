"""GLUE's metrics: what a task counts, from logits and labels."""

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
    from scipy import stats
    from sklearn import metrics

    if name == "accuracy":
        return float(metrics.accuracy_score(labels, prediction))
    if name == "f1":
        return float(metrics.f1_score(labels, prediction, pos_label=1, average="binary", zero_division=0.0))
    if name == "matthews_correlation":
        return float(metrics.matthews_corrcoef(labels, prediction))  # 0 by definition when either side is constant
    if name in ("pearson", "spearman"):
        if len(labels) < 2 or np.ptp(prediction) == 0 or np.ptp(labels) == 0:
            return 0.0
        correlate = stats.pearsonr if name == "pearson" else stats.spearmanr
        value = float(correlate(prediction, labels.astype(np.float64)).statistic)
        return value if np.isfinite(value) else 0.0  # predictions that differ by less than rounding
    raise ValueError(f"no metric {name!r}")
