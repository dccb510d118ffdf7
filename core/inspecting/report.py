"""What an inspection finds: one entry a matrix, what else there is, and the verdict in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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
class Named:
    """What is known of a matrix `[out, in]` before and after it was looked into."""

    name: str
    place: str  # layers, embeddings or head
    dtype: str
    shape: tuple[int, int]


@dataclass(frozen=True)
class Matrix(Named):
    """One matrix of the checkpoint."""

    zeros: int
    found: Finding
    grid: tuple[int, int] | None  # (bits, chunk; 0 = a whole row)
    not_finite: int
    stored: int  # bytes in the file
    compact: int  # bytes, if written as storage.py counts it, values as wide as they are stored
    asked: Asked | None = None
    forms: tuple[str, ...] = ()  # how it is stored, where it is not simply there: "weight x mask", "input x output"
    faint: int = 0  # values that are nearly zero, and not zero
    thirds: tuple[str, ...] = ()  # patterns of query, key and value, where they lie in one matrix and differ

    @property
    def sparsity(self) -> float:
        """Share of zeros, 0..1."""
        return self.zeros / max(math.prod(self.shape), 1)


@dataclass(frozen=True)
class Rest:
    """The tensors of one kind that are not looked into one by one."""

    kind: str  # embeddings; norms, biases and other; masks; scales; low-rank updates; or what is packed
    tensors: int
    weights: int  # parameters that they stand for, as far as that is known: masks and scales stand for none
    zeros: int | None  # None: not understood, or no floats
    stored: int  # bytes
    unread: int = 0  # matrices that could not be judged
    layers: bool = False  # they are matrices of the layers

    def and_more(self, other: Rest) -> Rest:
        """Both together, of one kind."""
        known = [z for z in (self.zeros, other.zeros) if z is not None]
        return replace(self, tensors=self.tensors + other.tensors, weights=self.weights + other.weights,
                       zeros=sum(known) if known else None, stored=self.stored + other.stored,
                       unread=self.unread + other.unread)


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
    parameters: int | None = None  # of the checkpoint; None: of something packed nobody knows how many

    @property
    def judged(self) -> tuple[Matrix, ...]:
        """The matrices that the verdict is about: those of the layers; where there are none, all of them."""
        return tuple(m for m in self.matrices if m.place == "layers") or self.matrices

    @property
    def blind(self) -> tuple[Rest, ...]:
        """What belongs to the matrices that the verdict is about, and could not be judged."""
        of_layers = any(m.place == "layers" for m in self.matrices) or any(r.layers for r in self.rest)
        return tuple(r for r in self.rest if r.unread and (r.layers or not of_layers))

    @property
    def ok(self) -> bool:
        """No pattern was asked for; or it holds in every matrix it was asked of, and all could be read."""
        asked = [m.asked for m in self.matrices if m.asked is not None]
        return not self.pattern or (bool(asked) and not self.blind and not any(a.violations for a in asked))
