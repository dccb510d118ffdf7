"""Learnable top-k thresholds: how many of a group of units stay is a number that training moves,
and which of them, so are their scores.

    k = ceil(sigmoid(t) n);  M: 1 for the k largest scores S
    back:  dL/dS = dL/dM,  dL/dt = sum of dL/dM over the units that stay

And what holds them to a budget: a penalty that acts only above it, with a weight that falls as the
budget comes near.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

NEAR = 3e-4  # of the penalty: below it the weight is LEAST, above it LOW at least
LOW, LEAST = 50.0, 10.0
# What the first of a group's units has over its threshold: no group loses its best one.
FIRST = 1e3


class TopK(torch.autograd.Function):
    """scores `[n]` and threshold `[1]` -> the mask `[n]`, 0 or 1, in the scores' type. Ties go to
    the lower index."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, threshold: Tensor) -> Tensor:
        """See the class's text."""
        mask = torch.zeros_like(scores)
        mask[ranked(scores)[: number(threshold, len(scores))]] = 1.0
        ctx.save_for_backward(mask)
        return mask

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        """Straight through to the scores; to the threshold what it would gain from staying."""
        mask, = ctx.saved_tensors
        return grads[0], (grads[0] * mask).sum().reshape(1)


class Gate:
    """The scores `[n]` and the threshold `[1]` of one group of *units*, on the device of *like*."""

    def __init__(self, units: int, start: float, like: Tensor) -> None:
        self.scores = torch.zeros(units, device=like.device, requires_grad=True)
        self.threshold = torch.full((1,), start, device=like.device, requires_grad=True)

    def mask(self) -> Tensor:
        """Which units stay now, with a gradient."""
        return TopK.apply(self.scores, self.threshold)

    @property
    def kept(self) -> int:
        """How many units stay now."""
        return number(self.threshold, len(self.scores))

    def share(self) -> Tensor:
        """The share that stays, `[1]`, with a gradient: sigmoid(t), but no less than one unit."""
        return self.threshold.sigmoid().clamp(min=1.0 / len(self.scores))

    @torch.no_grad()
    def margins(self) -> Tensor:
        """By unit `[n]`, float64: how far the threshold could fall before the unit goes. Moving all
        thresholds by the same amount moves all margins by it."""
        n = len(self.scores)
        place = torch.empty(n, dtype=torch.float64)
        place[ranked(self.scores).cpu()] = torch.arange(n, dtype=torch.float64) / n
        out = float(self.threshold) - place.logit()
        out[place == 0] = FIRST
        return out


def ranked(scores: Tensor) -> Tensor:
    """The places of *scores* `[n]`, the highest first, equal ones in their order."""
    return scores.detach().sort(descending=True, stable=True).indices


def number(threshold: Tensor, units: int) -> int:
    """How many of *units* a threshold `[1]` keeps: ceil(sigmoid(t) n)."""
    return math.ceil(float(threshold.detach().double().sigmoid()) * units)


def left(matrices: Iterable[tuple[int, Tensor | float, Tensor | float]]) -> Tensor | float:
    """The share of weights that is left of *matrices*: (weights, share of rows, share of columns),
    each share a number or `[1]`."""
    whole, stays = 0, None
    for size, rows, columns in matrices:
        whole += size
        part = size * rows * columns
        stays = part if stays is None else stays + part
    return 1.0 if stays is None else stays / whole


def excess(share: Tensor, target: float) -> Tensor:
    """R = (B - T)^2 where the *share* that is left exceeds the *target*, else 0."""
    return (share - target).clamp(min=0.0).square()


def weight_of(penalty: float, target: float, strength: float) -> float:
    """lambda of a *penalty* R: strength R / (1 - T)^2, no less than LOW; under NEAR it is LEAST."""
    if penalty < NEAR:
        return LEAST
    return max(strength * penalty / (1.0 - target) ** 2, LOW)


def meeting(share: Callable[[float], float], target: float, start: float) -> float:
    """The threshold t <= *start* at which share(t), which rises with t, is *target*."""
    low, high = -50.0, start
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if share(middle) > target else (middle, high)
    return high


def course(rates: Sequence[float], way: float, lr: float, reach: float) -> list[float]:
    """The learning rate of every step, in the proportions of *rates*: at most *lr*, or, with lr 0,
    such that they add up to *reach* times the *way*."""
    most, whole = max(rates), sum(rates)
    return [r * lr / most if lr else r * reach * way / whole for r in rates]
