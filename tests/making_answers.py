"""Made answers of made runs: which example is answered how is planted, and known to the tests.

The examples stand in an order of difficulty, the same for all runs of a task and seed. A dense model is right on the
easiest. A pruned one mends MENDED of the dense model's mistakes (the least difficult of them), changes CHANGED of them
(the hardest) to another wrong class where there are three, and breaks as many of the easiest as its score asks for.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

MENDED, CHANGED = 6, 4


@dataclass(frozen=True)
class Plan:
    """Indices of examples: those a pruned run mends, breaks, and changes from wrong to wrong."""

    mended: list[int]
    broken: list[int]
    both_wrong: list[int]


def answers_for(task: str, seed: int, classes: int, n: int, dense: float, final: float,
                pruned: bool, salt: str) -> tuple[np.ndarray, np.ndarray, Plan] | None:
    """float32 logits `[n, classes]`, int16 labels `[n]` and what is planted, for an accuracy of *final* after a dense
    one of *dense*. None when no count of right answers gives exactly these accuracies. *salt* moves the margins."""
    right, after = round(dense * n), round(final * n)
    if n < 50 or abs(right / n - dense) > 1e-9 or abs(after / n - final) > 1e-9:
        return None
    rng = np.random.default_rng(zlib.crc32(f"{task}/{seed}/{n}/{classes}".encode()))
    labels = rng.integers(0, classes, n)
    order = rng.permutation(n)
    mended = min(MENDED, n - right) if pruned else 0
    broken = right + mended - after if pruned else 0
    if not 0 <= broken <= right:
        return None
    changed = min(CHANGED, n - right - mended) if pruned and classes > 2 else 0
    plan = Plan(*([int(i) for i in part] for part in
                  (order[right:right + mended], order[:broken], order[n - changed:])))
    said = labels.copy()
    said[order[right:]] = (labels[order[right:]] + 1) % classes
    said[plan.mended] = labels[plan.mended]
    said[plan.broken] = (labels[plan.broken] + 1) % classes
    said[plan.both_wrong] = (labels[plan.both_wrong] + 2) % classes
    own = np.random.default_rng(zlib.crc32(salt.encode()))
    logits = own.normal(0, 0.3, (n, classes))
    logits[np.arange(n), said] = logits.max(axis=1) + own.uniform(0.05, 4.0, n)
    return logits.astype(np.float32), labels.astype(np.int16), plan
