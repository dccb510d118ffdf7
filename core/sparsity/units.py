"""Units that span several matrices, and what it means to keep some of them. numpy only.

A residual *module* of a layer, its attention or its FFN, is made of equal units:

| unit | rows (with their biases) | columns |
|---|---|---|
| head h | h * size ... (h + 1) * size - 1 of query, key and value | the same of the output |
| neuron j | row j of the first matrix (and of a gate) | column j of the second |

A unit goes from all its matrices at once and is counted once. A module that has lost all its units
is gone as a whole: the bias of its last matrix goes too, and what is left of it is the identity.
So the units that are kept say everything: `Kept` has, module by module, one truth a unit.

Whether a model is really like that is judged elsewhere: `core.sparsity.verify_units`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Noun = Literal["head", "neuron"]
# By module, in the order of an anatomy: `[units]` each. True: the unit stays.
Kept = tuple[NDArray[np.bool_], ...]
# By module: `[units]`, what every unit is worth as a whole; the higher the safer.
Worth = tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class Module:
    """One residual module of a layer: *units* units of *size* rows and columns each."""

    layer: int  # 1 = first
    noun: Noun  # what a unit of it is called
    rows: tuple[str, ...]  # the matrices `[units * size, inputs]` that lose rows
    columns: str  # the matrix `[outputs, units * size]` that loses columns
    units: int
    size: int
    inputs: int
    outputs: int

    @property
    def title(self) -> str:
        """"attention of layer 2"."""
        return f"{'attention' if self.noun == 'head' else 'FFN'} of layer {self.layer}"

    @property
    def weights(self) -> int:
        """Weights of one unit, over all its matrices; biases are not counted."""
        return self.size * (len(self.rows) * self.inputs + self.outputs)

    def span(self, unit: int) -> slice:
        """The rows and columns of *unit*."""
        return slice(unit * self.size, (unit + 1) * self.size)

    def wide(self, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """`[units]` -> `[units * size]`: every row and column as its unit."""
        return np.repeat(kept, self.size)


@dataclass(frozen=True)
class Anatomy:
    """The modules of a model in the order of its layers, attention before FFN.

    *others*: weights of the layers' matrices that belong to no unit; they always stay.
    """

    modules: tuple[Module, ...]
    others: int = 0

    @cached_property
    def weights(self) -> int:
        """All weights of the layers' matrices."""
        return self.others + sum(m.units * m.weights for m in self.modules)

    def number(self, noun: Noun) -> int:
        """How many units are called *noun*."""
        return sum(m.units for m in self.modules if m.noun == noun)

    def everything(self) -> Kept:
        """Nothing removed."""
        return tuple(np.ones(m.units, dtype=np.bool_) for m in self.modules)

    def left(self, kept: Kept) -> int:
        """Weights that stay: every unit counted once."""
        return self.others + sum(
            m.weights * int(np.count_nonzero(k)) for m, k in zip(self.modules, kept, strict=True))

    def counts(self, kept: Kept, noun: Noun) -> list[int]:
        """How many units called *noun* every layer keeps, in the order of the layers."""
        return [int(np.count_nonzero(k))
                for m, k in zip(self.modules, kept, strict=True) if m.noun == noun]

    def masks(self, kept: Kept) -> dict[str, NDArray[np.bool_]]:
        """By matrix that belongs to units: the mask `[out, in]`."""
        out: dict[str, NDArray[np.bool_]] = {}
        for m, k in zip(self.modules, kept, strict=True):
            wide = m.wide(k)
            for name in m.rows:
                out[name] = np.repeat(wide[:, None], m.inputs, axis=1)
            out[m.columns] = np.repeat(wide[None, :], m.outputs, axis=0)
        return out

    def biases(self, kept: Kept) -> dict[str, NDArray[np.bool_]]:
        """By the same matrices: which entries `[out]` of their biases stay."""
        out: dict[str, NDArray[np.bool_]] = {}
        for m, k in zip(self.modules, kept, strict=True):
            out |= {name: m.wide(k) for name in m.rows}
            out[m.columns] = np.full(m.outputs, bool(k.any()))
        return out

    def kept(self, masks: Mapping[str, NDArray[np.generic]]) -> Kept:
        """The units of which anything is left, from masks or weights `[out, in]` by matrix."""
        found = []
        for m in self.modules:
            there = np.zeros(m.units * m.size, dtype=np.bool_)
            for name in m.rows:
                there |= (np.asarray(masks[name]) != 0).any(axis=1)
            there |= (np.asarray(masks[m.columns]) != 0).any(axis=0)
            found.append(np.asarray(there.reshape(m.units, m.size).any(axis=1)))
        return tuple(found)

    def sums(self, values: Mapping[str, NDArray[np.floating]]) -> Worth:
        """*values* `[out, in]` by matrix, summed over all weights of every unit, in float64."""
        found = []
        for m in self.modules:
            total = np.asarray(values[m.columns]).sum(axis=0, dtype=np.float64)
            for name in m.rows:
                total = total + np.asarray(values[name]).sum(axis=1, dtype=np.float64)
            found.append(total.reshape(m.units, m.size).sum(axis=1))
        return tuple(found)
