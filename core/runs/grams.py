"""The Gram matrices of a run: which of them stay when it is kept for good, and whether those it holds are in order.

Matrices that share an input share one Gram matrix. It lies under the name of the first of them, and every matrix of the
header says under which name: `Matrix.gram`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from core.runs.names import layer_of
from core.runs import arrays as enc
from core.runs.records import Matrix

WIDEST = 512  # inputs; a wider Gram matrix would make recorded runs too large (1536 inputs: 4.7 MB)
SLACK = 1e-3  # of float32 sums over thousands of tokens, relative


def worth_keeping(matrices: Sequence[Matrix]) -> set[str]:
    """Names under which a Gram matrix stays in a recorded run: at most WIDEST inputs; first, middle and last layer.

    A matrix whose name speaks of no layer counts as one of the first layer.
    """
    owners = {m.gram for m in matrices}
    own = [m for m in matrices if m.name in owners]
    layers = {m.name: layer_of(m.name) or 1 for m in matrices}
    numbers = sorted(set(layers.values()))
    chosen = {numbers[0], numbers[len(numbers) // 2], numbers[-1]} if numbers else set()
    return {m.name for m in own if m.shape[1] <= WIDEST and layers[m.name] in chosen}


def check(matrices: Iterable[Matrix], held: Mapping[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """What was verified, and what is wrong, in words; *held* are the run's arrays by key."""
    entries = {m.name: m for m in matrices}
    named = [m for m in entries.values() if m.gram is not None]
    if not named:
        return ["no Gram matrices: the header names none"], []
    wrong = [f"{m.name}: {text}" for m in named if (text := _wrong(m, entries, held))]
    said = f"Gram matrices of {len({m.gram for m in named})} inputs, read by {len(named)} matrices: whole, no entry " \
           "larger than its diagonal allows"
    return ([] if wrong else [said]), wrong


def _wrong(m: Matrix, entries: Mapping[str, Matrix], held: Mapping[str, np.ndarray]) -> str | None:
    if m.gram != m.name:
        other = entries.get(m.gram or "")
        if other is None or other.gram != other.name:
            return f"its Gram matrix should lie under {m.gram!r}, which has none of its own"
        return None if other.shape[1] == m.shape[1] else \
            f"it has {m.shape[1]} inputs, and shares the Gram matrix of {other.name}, which has {other.shape[1]}"
    kept, width = held.get(f"gram/{m.name}"), m.shape[1]
    if kept is None:
        return "the Gram matrix is missing"
    size = width * (width + 1) // 2
    if kept.dtype != np.float32 or kept.shape != (size,):
        return f"the Gram matrix is {kept.dtype} {list(kept.shape)}, not the float32 [{size}] of a triangle"
    gram = enc.symmetric(kept, width)
    diagonal = gram.diagonal().astype(np.float64)
    if not (diagonal >= 0).all():
        return "the Gram matrix has a negative square on its diagonal"
    root = np.sqrt(diagonal)
    bound = root[:, None] * root * (1 + SLACK) + SLACK * float(diagonal.mean())
    if not (np.abs(gram) <= bound).all():  # Cauchy-Schwarz: |x.y| <= |x| |y|
        i, j = np.argwhere(~(np.abs(gram) <= bound))[0]
        return f"the Gram matrix's entry ({i}, {j}) is larger than the norms of inputs {i} and {j} allow"
    return None
