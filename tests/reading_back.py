"""What the inspector makes of a checkpoint that a test wrote: every matrix whole, beside what was planted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.inspecting.folder import open_checkpoint
from core.inspecting.looking import inspect
from core.inspecting.recognising import recognise
from tests.checkpoints import nm

MODULE = "model.layers.0.mlp.up_proj"
CHANCE = np.random.default_rng(3)  # shared: what is planted need not be the same in every test


def codes_24(out: int = 64, width: int = 64, top: int = 7) -> np.ndarray:
    """2:4 with whole numbers from -top to top, none of the kept ones zero."""
    kept = CHANCE.integers(1, top + 1, (out, width)) * CHANCE.choice([-1, 1], (out, width))
    return np.where(nm(2, 4, out, width) != 0, kept, 0)


def matrices_of(folder: Path) -> dict[str, np.ndarray]:
    """Every matrix that is recognised, whole."""
    checkpoint = open_checkpoint(folder)
    found = recognise(checkpoint.tensors, checkpoint.config)
    assert not [b for b in found.beside if b.unread]
    return {s.name: np.concatenate([s.open()(row, 1) for row in range(s.shape[0])]) for s in found.sources}


def in_module(parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors by the names of a module of the first layer."""
    return {f"{MODULE}.{name}": array for name, array in parts.items()}


def only(folder: Path, planted: np.ndarray) -> Any:
    """The report on a folder whose one matrix must be *planted*, weight by weight."""
    found = matrices_of(folder)
    assert list(found) == [MODULE]
    np.testing.assert_array_equal(found[MODULE], planted)
    report = inspect(folder)
    (matrix,) = report.matrices
    assert (matrix.shape, matrix.zeros) == (planted.shape, int((planted == 0).sum()))
    assert report.parameters == planted.size and "(all parameters)" in report.verdict[0]
    return report
