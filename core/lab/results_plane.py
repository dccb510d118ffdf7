"""What the page of two weights is asked and what it gets: the choices, and the path of W, Z and U. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Verdict = Literal["start", "settled-best", "settled-worse", "moving", "apart", "flipping"]


@dataclass(frozen=True)
class PlaneChoices:
    """All that a picture of two weights depends on, but for the iteration shown. As the link holds it."""

    rho: float = 2.0
    tilt: int = -20  # degrees from the axis of w1 to the valley of the loss
    curvature: int = 10  # the larger eigenvalue of A; the smaller is 1
    m1: int = 18  # minimum of the loss, in tenths
    m2: int = 14
    s1: int = 18  # start of W, in tenths
    s2: int = 14
    iterations: int = 30
    wstep: str = "exact"  # or "gradient": one step of gradient descent

    @property
    def minimum(self) -> Floats:
        """`[2]`: where the loss is 0."""
        return np.array([self.m1, self.m2]) / 10

    @property
    def start(self) -> Floats:
        """`[2]`: where W begins."""
        return np.array([self.s1, self.s2]) / 10


@dataclass(frozen=True)
class Spot:
    """A point of the plane and its loss; *kept* is 0 where w1 stays, 1 where w2 does."""

    point: Floats  # [2]
    loss: float
    kept: int


@dataclass(frozen=True)
class PlanePath:
    """Every iterate of one solve: row 0 is the start, row k what round k left. K rounds.

    Z, the residuals and *kept* do not exist before the first round: NaN, and -1.
    """

    choices: PlaneChoices
    a: Floats  # [2, 2], the loss is 1/2 (w - m) A (w - m)^T
    w: Floats  # [K + 1, 2]
    z: Floats  # [K + 1, 2]
    u: Floats  # [K + 1, 2]
    kept: NDArray[np.int64]  # [K + 1], which weight Z keeps: 0 or 1
    primal: Floats  # [K + 1], |W - Z| / |W|
    dual: Floats  # [K + 1], rho |Z - Z before| / |W|
    arms: tuple[Spot, Spot]  # the best point that keeps w1, the best that keeps w2
    once: Spot  # the minimum, projected once: what plain magnitude keeps
    verdicts: tuple[Verdict, ...]  # [K + 1], after every round

    @property
    def last(self) -> int:
        """K, the number of rounds."""
        return len(self.w) - 1

    @property
    def best(self) -> Spot:
        """The best point on the cross; w1's when both arms cost the same."""
        return min(self.arms, key=lambda spot: spot.loss)

    @property
    def even(self) -> bool:
        """Do both arms cost the same?"""
        return abs(self.arms[0].loss - self.arms[1].loss) <= 1e-9 * (1 + self.best.loss)

    def losses(self, points: Floats) -> Floats:
        """Loss of *points* `[n, 2]`: `[n]`."""
        gap = points - self.choices.minimum
        return 0.5 * ((gap @ self.a) * gap).sum(1)

    def slope(self, k: int) -> Floats:
        """Gradient of the loss at W after round *k*: `[2]`."""
        return (self.w[k] - self.choices.minimum) @ self.a
