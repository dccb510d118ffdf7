"""What a model's answer to one example is worth: distance to another model's answer, surprise at the label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def log_shares(logits: NDArray[np.floating]) -> Doubles:
    """Logarithms of the probabilities, `[n, classes]`: stable for logits of any size."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def kl(reference: NDArray[np.floating], logits: NDArray[np.floating], temperature: float = 1.0) -> Doubles:
    """`[n]`: KL(reference || answer), in nats, at *temperature*, both logits `[n, classes]`; of a regression (one
    output) the squared distance of the two answers, in the label's unit squared."""
    if logits.shape[1] == 1:
        return np.square(reference[:, 0].astype(np.float64) - logits[:, 0])
    p, q = log_shares(reference / temperature), log_shares(logits / temperature)
    return (np.exp(p) * (p - q)).sum(axis=1)


def loss(logits: NDArray[np.floating], labels: NDArray[np.generic]) -> Doubles:
    """`[n]`: cross-entropy to the label, in nats; of a regression the squared error."""
    if logits.shape[1] == 1:
        return np.square(logits[:, 0].astype(np.float64) - labels.astype(np.float64))
    return -log_shares(logits)[np.arange(len(labels)), labels.astype(np.int64)]


def agreement(reference: NDArray[np.floating], logits: NDArray[np.floating]) -> Doubles:
    """`[n]`, 0 or 1 (nan without an answer): is it the same class as the reference's? Raises ValueError for a
    regression: numbers are near or far, never the same."""
    if logits.shape[1] == 1:
        raise ValueError("answers that are numbers are near or far, never the same")
    same = (reference.argmax(axis=1) == logits.argmax(axis=1)).astype(np.float64)
    return np.where(np.isnan(reference).any(axis=1) | np.isnan(logits).any(axis=1), np.nan, same)
