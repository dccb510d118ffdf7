"""NxMTransformer: ADMM inside fine-tuning, with the penalty's gradient going through Adam.

    after every backward pass:
        g <- g + rho (W - Z + U)       then clipped at norm 1, AdamW
    before training, and after every epoch:
        Z <- P(W + U)                  the largest of every group
        U <- W + U - Z
    at every evaluation, and at the end:
        W <- P(W)                      U = 0: plain magnitude of W

Prunes: single weights, by the size of W + U, at the end by that of W; every pattern.
Source: Holmes et al., NeurIPS 2021 (arXiv 2110.15766): the sum of both gradients is clipped; it
starts from the dense fine-tuned checkpoint; Z and U move once before training and once an epoch;
what is evaluated is the projection; no refinement follows. With a grid the projection goes on to
the nearest level (NxMiFormer, arXiv 2206.15014).
Where we differ: by default the trained parameters are those of the run's spec, the same for every
method of a comparison; `trains=linears` is the published form, weights and biases of the pruned
linears alone. The run's budget and schedule are the comparison's (published: batch 16, 10 epochs).
Cost: one fused multiply-add per step, one selection per epoch; two more copies of the pruned
weights.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from core.methods.base import Context
from core.methods.knob_sets import NxmAdmmKnobs
from core.methods.splitting import Splitting
from core.sparsity.select import select_all


class NxmAdmm(Splitting):
    """See the module's text."""

    knobs: NxmAdmmKnobs

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Start from the dense weights; one Z- and one U-step before training; prune after the last
        step."""
        super().prepare(layers, context)
        self.rho = self.knobs.rho
        self.hard_step = context.total_steps
        self.update_split()

    def trains(self, name: str) -> bool:
        """With trains=linears: whether *name* belongs to a pruned linear."""
        return self.knobs.trains == "spec" or name.rpartition(".")[0] in self.layers

    def after_backward(self, step: int) -> None:
        """grad += rho (W - Z + U): the penalty's gradient, before clipping and Adam."""
        grads = [cast(Tensor, layer.weight.grad) for layer in self.layers.values()]
        torch._foreach_add_(grads, self.w, alpha=self.rho)
        torch._foreach_add_(grads, self.z, alpha=-self.rho)
        torch._foreach_add_(grads, self.u, alpha=self.rho)

    def end_epoch(self, epoch: int) -> None:
        """Move Z and U, once an epoch, until the hard prune."""
        if not self.masks:
            self.update_split()

    def served(self) -> dict[str, Tensor] | None:
        """The weights an evaluation sees: W projected with U = 0, also on the way."""
        return super().served() if self.masks else self.pruned(self.choose_masks())

    def choose_masks(self) -> dict[str, Tensor]:
        """Plain magnitude of W: the published evaluation projects with U = 0."""
        sizes = {name: layer.weight.data.abs() for name, layer in self.layers.items()}
        return select_all(self.context.pattern, sizes)
