"""The best answer that never looks at the example: what a score, a loss or a distance is worth nothing at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.statistics.measures import is_correlation
from core.statistics.per_example import log_shares
from core.statistics.scoring import weighted_scores


def best_constant(metric: str, labels: NDArray[np.generic], outputs: int) -> float:
    """The best score of *metric* among the constant answers: one class for every example. The correlation with a
    constant is undefined and counts as 0."""
    if is_correlation(metric) or outputs == 1:
        return 0.0
    whole = np.ones((1, len(labels)), np.float32)
    return max(float(weighted_scores(metric, np.tile(np.eye(outputs)[k], (len(labels), 1)), labels, whole)[0])
               for k in range(outputs))


def constant_loss(labels: NDArray[np.generic], outputs: int) -> float:
    """The least mean loss of a constant answer: the entropy of the classes' shares, in nats; of a regression the
    variance of the labels (the answer is their mean)."""
    if outputs == 1:
        return float(np.var(labels.astype(np.float64)))
    shares = np.bincount(labels.astype(np.int64), minlength=outputs) / len(labels)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def constant_kl(reference: NDArray[np.floating]) -> float:
    """The least mean KL(reference || constant): the constant is the mean of the reference's probabilities, as the
    gradient of the mean cross-entropy says. Of a regression the variance of the reference's answers."""
    if reference.shape[1] == 1:
        return float(np.var(reference.astype(np.float64)))
    p = log_shares(reference)
    return float((np.exp(p) * (p - np.log(np.exp(p).mean(axis=0)))).sum(axis=1).mean())


def constant_agreement(reference: NDArray[np.floating]) -> float:
    """The largest share of examples on which one class agrees with the reference. Raises ValueError for a
    regression."""
    if reference.shape[1] == 1:
        raise ValueError("answers that are numbers are near or far, never the same")
    return float(np.bincount(reference.argmax(axis=1)).max() / len(reference))
