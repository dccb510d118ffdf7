"""Straight-through: the forward and backward pass see projected weights, the optimiser moves the
latent ones.

    W~ = P(W)
    loss = f(W~)
    grad W := d loss / d W~    the projection counts as the identity on the way back

Source: Bengio et al. 2013 (arXiv 1308.3432); for masks SR-STE (arXiv 2102.04010), for grids
NxMiFormer (arXiv 2206.15014). Nothing is copied: the parameter points at the projected tensor for
the length of a pass and back at the latent one afterwards, so that optimiser, checkpoints and
`state` only ever see the latent weights. What is projected is the caller's business: it follows
from the latent weights (and a fixed mask or scale), so it needs no state of its own.

In a `TrainingMethod`:

    before_forward    self.through.enter({name: mask o W or nearest level of W, ...})
    after_backward    self.through.leave(), then edit the gradients
    served            the same projection: what an evaluation sees, and what `finish` leaves in
                      the model
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


class StraightThrough:
    """Swaps the weights of *layers* (by matrix) for others, and back. Costs two pointer moves a
    matrix."""

    def __init__(self, layers: Mapping[str, nn.Linear]) -> None:
        self.layers = layers
        self.latent: dict[str, Tensor] = {}  # the trained weights, while others are in the model

    def enter(self, projected: Mapping[str, Tensor]) -> None:
        """Put *projected* `[out, in]` in by matrix; matrices it does not name stay. The tensors are
        used, not copied.

        Raises ValueError when other weights are in already, or when a shape or type differs.
        """
        if self.latent:
            raise ValueError("enter without leave: other weights are in the model already")
        for name, values in projected.items():
            now = self.layers[name].weight
            if values.shape != now.shape or values.dtype != now.dtype:
                raise ValueError(f"{name} is {tuple(now.shape)} {now.dtype}, not "
                                 f"{tuple(values.shape)} {values.dtype}")
        for name, values in projected.items():
            parameter = self.layers[name].weight
            self.latent[name] = parameter.data
            parameter.data = values

    def leave(self) -> None:
        """Put the latent weights back; without an `enter` before it, nothing happens. Gradients
        stay where they are."""
        for name, values in self.latent.items():
            self.layers[name].weight.data = values
        self.latent = {}


@contextmanager
def holding(layers: Mapping[str, nn.Linear],
            weights: Mapping[str, Tensor] | None) -> Iterator[None]:
    """Inside this context the model holds *weights* (None: its own); afterwards, also after an
    error, its own again."""
    through = StraightThrough(layers)
    through.enter(weights or {})
    try:
        yield
    finally:
        through.leave()
