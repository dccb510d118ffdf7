"""The built-in tasks: balanced, synthetic data from a grammar, by seed, the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from core.tasks import TASKS, Examples
from core.tasks.grammars import agreement, entailment, sentiment

TRAIN, VALIDATION = 4000, 1000  # enough for `tiny` to learn the rule, in about a minute
Sample = tuple[str, str | None, int]  # text, second text, code of the label

GRAMMARS: dict[str, Callable[[random.Random, int], Sample]] = {
    "agreement": agreement.sample,
    "sentiment": sentiment.sample,
    "entailment": entailment.sample,
}


def generate(name: str, train: int = TRAIN, validation: int = VALIDATION, seed: int = 0) -> tuple[Examples, Examples]:
    """Return train and validation of a built-in task.

    The labels take turns, so that both sets are balanced to within one example. No text (or pair) comes twice, so
    nothing of validation is in train. The generator is Python's Mersenne Twister seeded with a text: the same
    sentences on every platform. Raises ValueError for a size that the grammar cannot fill.
    """
    rng = random.Random(f"{name}-{seed}")  # a text seed goes through SHA-512, not through hash()
    classes = len(TASKS[name].labels)
    seen: set[tuple[str, str | None]] = set()
    rows: list[Sample] = []
    for index in range(train + validation):
        for _ in range(1000):
            row = GRAMMARS[name](rng, index % classes)
            if row[:2] not in seen:
                break
        else:
            raise ValueError(f"the grammar of {name} has no {train + validation} different sentences")
        seen.add(row[:2])
        rows.append(row)
    first, second = rows[:train], rows[train:]
    rng.shuffle(first)  # the labels no longer take turns
    rng.shuffle(second)
    return _examples(first), _examples(second)


def _examples(rows: list[Sample]) -> Examples:
    pair = [second or "" for _, second, _ in rows] if rows and rows[0][1] is not None else None
    return Examples([text for text, _, _ in rows], pair, np.array([label for _, _, label in rows], dtype=np.int64))
