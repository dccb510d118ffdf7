"""What an inspection finds: one entry a matrix, what else there is, and the verdict in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from core.inspecting.finding import Finding


@dataclass(frozen=True)
class Asked:
    """What the check says of a matrix and the pattern that a person asked for."""

    pattern: str
    groups: int
    violations: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """One matrix `[out, in]` of the checkpoint."""

    name: str
    place: str  # layers, embeddings or head
    dtype: str
    shape: tuple[int, int]
    zeros: int
    found: Finding
    grid: tuple[int, int] | None  # (bits, chunk; 0 = a whole row)
    not_finite: int
    stored: int  # bytes in the file
    compact: int  # bytes, if written as storage.py counts it, values as wide as they are stored
    asked: Asked | None = None

    @property
    def sparsity(self) -> float:
        """Share of zeros, 0..1."""
        return self.zeros / max(math.prod(self.shape), 1)


@dataclass(frozen=True)
class Rest:
    """The tensors of one kind that are not looked into one by one."""

    kind: str  # embeddings; norms, biases and other; too large; or types that are not understood
    tensors: int
    weights: int
    zeros: int | None  # None: the type is not understood
    stored: int  # bytes


@dataclass(frozen=True)
class Report:
    """What a checkpoint holds."""

    path: Path
    files: int
    size: int  # bytes of all tensors
    matrices: tuple[Matrix, ...]
    rest: tuple[Rest, ...]
    remarks: tuple[str, ...]
    pattern: str = ""  # the one that was asked for
    verdict: tuple[str, ...] = ()  # the answer in sentences, the most important first

    @property
    def judged(self) -> tuple[Matrix, ...]:
        """The matrices that the verdict is about: those of the layers; where there are none, all of them."""
        return tuple(m for m in self.matrices if m.place == "layers") or self.matrices

    @property
    def ok(self) -> bool:
        """The pattern asked for holds in every judged matrix (or none was asked for)."""
        return all(m.asked is None or not m.asked.violations for m in self.matrices)
