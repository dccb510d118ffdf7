"""QUANTITIES: what the answers of a pruned model are judged by: a mean over the evaluation examples, or a score.

| quantity | of classes | of numbers (a regression) |
|---|---|---|
| `score` | the task's main metric | the same |
| `agreement` | share of examples answered as the dense model answers | not defined |
| `kl` | KL(dense ‖ pruned), nats per example | mean squared distance to the dense answer |
| `loss` | cross-entropy to the label, nats per example | mean squared error |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.runs.answers import Answers
from core.statistics import constant, per_example
from core.statistics.resampling import means
from core.statistics.scoring import weighted_scores

SCORE, AGREEMENT, KL, LOSS = "score", "agreement", "kl", "loss"


@dataclass(frozen=True)
class Quantity:
    """One way to judge answers, and its words."""

    name: str
    title: str  # on a box and an axis
    numbers: str  # its title for a regression; "" where it is not defined there
    more: bool  # is more better?
    points: bool  # is it a share or a correlation, whose differences are said in points (hundredths)?
    reading: str  # one sentence: how to read it

    @property
    def scale(self) -> float:
        """What a difference is multiplied by before it is written or drawn: 100 where it is said in points."""
        return 100.0 if self.points else 1.0


QUANTITIES: dict[str, Quantity] = {q.name: q for q in (
    Quantity(SCORE, "Score", "Score", True, True, "The task's own metric, GLUE's."),
    Quantity(AGREEMENT, "Agreement with dense", "", True, True,
             "How many examples get the answer that the dense model gives, right or wrong."),
    Quantity(KL, "KL to dense", "Squared distance to dense", False, False,
             "How far the probabilities moved from the dense model's. Near the line of the constant answer it ranks "
             "little: flat answers look near."),
    Quantity(LOSS, "Loss", "Squared error", False, False, "How surprised the model is by the label."),
)}


def suits(quantity: str, answers: Answers) -> bool:
    """Is *quantity* defined for such answers?"""
    return bool(QUANTITIES[quantity].numbers) or not answers.regression


def title_of(quantity: str, regression: bool) -> str:
    """The title of *quantity* for a task with classes, or for a *regression*."""
    entry = QUANTITIES[quantity]
    return entry.numbers if regression else entry.title


def per_example_of(quantity: str, dense: Answers, answers: Answers) -> NDArray[np.float64]:
    """`[n]`, whose mean is the quantity. Not for the score, which is no mean over examples for every metric."""
    if quantity == LOSS:
        return per_example.loss(answers.logits, answers.labels)
    if quantity == KL:
        return per_example.kl(dense.logits, answers.logits)
    return per_example.agreement(dense.logits, answers.logits)


def value_of(quantity: str, metric: str, dense: Answers, answers: Answers) -> float:
    """The quantity itself, over all examples."""
    if quantity == SCORE:
        whole = np.ones((1, len(answers)), np.int32)
        return float(weighted_scores(metric, answers.logits, answers.labels, whole)[0])
    return float(per_example_of(quantity, dense, answers).mean())


def drawn_of(quantity: str, dense: Answers, answers: Answers, counts: NDArray[np.float32]) -> NDArray[np.float64]:
    """`[B]`: the quantity in every resample; *counts* `[B, n]` says how often each stands in it. Not for the score."""
    return means(per_example_of(quantity, dense, answers), counts)


def constant_of(quantity: str, metric: str, dense: Answers) -> float:
    """What the best answer reaches that never looks at the example (`core.statistics.constant`)."""
    outputs = dense.logits.shape[1]
    if quantity == SCORE:
        return constant.best_constant(metric, dense.labels, outputs)
    if quantity == LOSS:
        return constant.constant_loss(dense.labels, outputs)
    return constant.constant_kl(dense.logits) if quantity == KL else constant.constant_agreement(dense.logits)
