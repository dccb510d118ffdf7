"""What a method may ask of the gradients and of the optimiser: a gradient from up the loss, and what Adam has seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn


@contextmanager
def uphill(parameters: Sequence[nn.Parameter], radius: float) -> Iterator[None]:
    """Inside this context *parameters* are W + radius g/|g|, g their gradients, which are dropped (those without one
    stay); then W again, bit for bit."""
    moved = [p for p in parameters if p.grad is not None]
    before, gradients = [p.data for p in moved], [cast(Tensor, p.grad) for p in moved]
    length = torch.nn.utils.get_total_norm(gradients, foreach=True)
    torch._foreach_mul_(gradients, radius / (length + 1e-12))
    for p, up in zip(moved, torch._foreach_add(before, gradients), strict=True):
        p.data, p.grad = up, None
    try:
        yield
    finally:
        for p, own in zip(moved, before, strict=True):
            p.data = own


def second_moment(optimizer: torch.optim.AdamW, weight: Tensor) -> Tensor | None:
    """The mean of squared gradients of *weight*, corrected for its start at 0, in a tensor of its own; None before the
    first step."""
    state = optimizer.state.get(weight)
    if not state:
        return None
    mean: Tensor = state["exp_avg_sq"] / (1.0 - optimizer.defaults["betas"][1] ** float(state["step"]))
    return mean
