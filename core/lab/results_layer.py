"""What the layer lab gets: one real layer, and the path that one method takes through it. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.sparsity.grids import Grid

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Bits = NDArray[np.uint8]
Codes = NDArray[np.int8]


@dataclass(frozen=True)
class Layer:
    """One prunable matrix and what calibration said of its input."""

    name: str
    weight: Floats  # [out, in]
    gram: Floats  # [in, in], X^T X
    tokens: int  # rows of X; 0 where a run did not say


@dataclass(frozen=True)
class Stop:
    """W, Z and U after one round, in two arrays of half precision and a mask: Z = mask o V and U = V - Z. On a grid Z
    is codes times scales instead, and U = V - Z still."""

    round: int  # rounds done, from 1; one more for the answer
    w: Halves  # [out, in]
    v: Halves  # [out, in]: Z + U, the point that was projected
    bits: Bits  # the mask, packed along the inputs
    rows: Floats  # [out]: |X (W0 - Z)^T|^2 of every output, with the correction that stands beside Z, if any
    codes: Codes | None = None  # [out, in], on a grid
    scale: Floats | None = None  # [out, chunks], on a grid


@dataclass(frozen=True)
class LayerPath:
    """One method on one layer, from its first feasible Z to its answer.

    A method without rounds has one stop. One with rounds has several, the last being its answer: W = Z, U = 0. Arrays
    over the rounds have one entry for every round, whether it is a stop or not.
    """

    matrix: str
    method: str
    title: str  # method and setting, as written on a page
    pattern: str
    weight: Floats  # [out, in], W0
    energy: Floats  # [out]: |X W0^T|^2 of every output
    stops: tuple[Stop, ...]
    rho: Floats  # [rounds]
    primal: Floats  # [rounds]: |W - Z| / |W|
    dual: Floats  # [rounds]: rho |Z - Z before| / |W|
    flips: Floats  # [rounds]: share of the mask that changed
    grid: Grid | None = None  # that Z is on

    @property
    def last(self) -> int:
        """The number of the last stop, from 0."""
        return len(self.stops) - 1

    @property
    def rounds(self) -> int:
        """How many rounds there were; 0 for a method without."""
        return len(self.rho)

    def w(self, k: int) -> Floats:
        """W at stop *k*, `[out, in]`."""
        return self.stops[k].w.astype(np.float32)

    def mask(self, k: int) -> Bits:
        """0/1 at stop *k*, `[out, in]`."""
        return np.unpackbits(self.stops[k].bits, axis=-1, count=self.weight.shape[1])

    def z(self, k: int) -> Floats:
        """Z at stop *k*, `[out, in]`."""
        codes = self.stops[k].codes
        if codes is not None:
            return codes.astype(np.float32) * self.steps(k)
        return self.stops[k].v.astype(np.float32) * self.mask(k)

    def u(self, k: int) -> Floats:
        """U, the scaled dual, at stop *k*, `[out, in]`."""
        if self.grid is not None:
            return self.stops[k].v.astype(np.float32) - self.z(k)
        return self.stops[k].v.astype(np.float32) * (1 - self.mask(k))

    def steps(self, k: int) -> Floats:
        """The distance between two levels for every weight at stop *k*, `[out, in]`. Raises ValueError off a grid."""
        scale = self.stops[k].scale
        if scale is None:
            raise ValueError("this path is on no grid")
        return np.repeat(scale, self.weight.shape[1] // scale.shape[1], axis=1)

    def lost(self, k: int) -> Floats:
        """Share of its own output that every output loses at stop *k*, `[out]`; 0 for one that never says anything."""
        return np.divide(self.stops[k].rows, self.energy, out=np.zeros_like(self.energy), where=self.energy > 0)

    @cached_property
    def errors(self) -> NDArray[np.float64]:
        """|X (W0 - Z)^T|^2 / |X W0^T|^2 at every stop, `[stops]`."""
        total = float(self.energy.sum(dtype=np.float64)) or 1.0
        return np.array([float(stop.rows.sum(dtype=np.float64)) / total for stop in self.stops])

    def words(self, k: int) -> str:
        """Stop *k* as the scrubber names it."""
        stop = self.stops[k]
        return "the answer" if stop.round > self.rounds else f"round {stop.round} of {self.rounds}"
