"""What the page of one group draws: W, U, V = W + U and Z of every round, and how good each choice is. numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
MOST = 12_870  # choices tried one by one: all of 8:16
SAME = 1e-9  # errors closer than this are the same choice as far as anybody could tell


@dataclass(frozen=True, eq=False)
class Supports:
    """All ways to keep N of M, with the error of each when its kept weights are refitted: see `core.lab.group`."""

    supports: Bools  # [C, M], lexicographic: the first keeps entries 0..N-1
    errors: Floats  # [C], 0..1: the share of the output that is lost

    @property
    def best(self) -> int:
        """The choice with the smallest error; among equals the first."""
        return int(self.errors.argmin())

    def rank(self, error: float) -> int:
        """How many choices are better than one with this *error*, plus one."""
        return int((self.errors < error - SAME).sum()) + 1


@dataclass(frozen=True, eq=False)
class GroupPath:
    """One group over the rounds of ADMM. Row k of an array `[K + 1, M]` is what round k works with; round 0 has U = 0,
    so its Z is the plain projection of the weights. Arrays are read-only and shared."""

    n: int  # how many stay
    weights: Floats  # [M]: the dense weights, and W of round 0
    coupling: float  # correlation of neighbouring inputs, 0..0.9
    rho: float
    w: Floats  # [K + 1, M] before the round
    u: Floats  # [K + 1, M] before the round
    v: Floats  # [K + 1, M]: W + U
    z: Floats  # [K + 1, M]: V where it is among the N largest of |V|, else 0
    mask: Bools  # [K + 1, M]
    error: Floats  # [K + 1]: of the round's choice, refitted, 0..1
    choices: Supports | None  # None: more choices than are worth trying one by one
    ways: int  # C(M, N)

    @property
    def m(self) -> int:
        """Weights in the group."""
        return len(self.weights)

    @property
    def last(self) -> int:
        """The last round, K."""
        return len(self.v) - 1

    @property
    def blank(self) -> bool:
        """Are all weights zero?"""
        return not self.weights.any()

    @property
    def carried(self) -> Floats:
        """The next U, V - Z `[K + 1, M]`: what was cut, carried into the next round."""
        return self.v - self.z

    @cached_property
    def lowest(self) -> Floats:
        """|V| of the smallest that stays, `[K + 1]`."""
        return np.where(self.mask, np.abs(self.v), np.inf).min(axis=1)

    @cached_property
    def highest(self) -> Floats:
        """|V| of the largest that goes, `[K + 1]`; 0 where nothing goes."""
        return np.where(self.mask, 0.0, np.abs(self.v)).max(axis=1)

    @property
    def line(self) -> Floats:
        """What separates kept from lost, `[K + 1]`: halfway between the smallest that stays and the largest that goes;
        0 where everything stays."""
        return np.zeros(len(self.v)) if self.n == self.m else (self.lowest + self.highest) / 2

    @cached_property
    def tied(self) -> Bools:
        """Entries `[K + 1, M]` whose |V| is exactly that of another on the other side of the line."""
        on = (self.lowest == self.highest) & (self.n < self.m)
        return on[:, None] & (np.abs(self.v) == self.lowest[:, None])

    @cached_property
    def kept_energy(self) -> Floats:
        """Share of the squared dense weights under the mask of every round, `[K + 1]`; NaN when all are zero."""
        if self.blank:
            return np.full(len(self.v), np.nan)
        squares = (self.weights / np.abs(self.weights).max()) ** 2
        return (self.mask * squares).sum(axis=1) / squares.sum()

    @cached_property
    def turns(self) -> list[int]:
        """The rounds whose choice differs from that of the round before."""
        return [int(k) + 1 for k in np.flatnonzero((self.mask[1:] != self.mask[:-1]).any(axis=1))]
