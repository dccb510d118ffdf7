"""NxMTransformer: ADMM inside fine-tuning, with the penalty's gradient going through Adam.

Source: Holmes et al., NeurIPS 2021 (arXiv 2110.15766). Per optimiser step: task gradient + rho (W - Z + U), the sum
clipped at global norm 1, AdamW. Z = mask(|W+U|) o (W+U) and U = W + U - Z once before training and at the end of every
epoch. The final model is plain magnitude of W (U = 0); no masked refinement. Start: the dense fine-tuned checkpoint.
Where we differ: the trained parameters are those of the run's spec, the same for every method of a comparison, and the
run's budget and schedule are the comparison's (published: batch 16, 10 epochs).
Cost: one fused multiply-add per step, one selection per epoch; two more copies of the pruned weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from core.methods.base import Context, Knobs, knob
from core.methods.splitting import Splitting
from core.sparsity.select import select_all


@dataclass(frozen=True)
class NxmAdmmKnobs(Knobs):
    """Knobs of `nxm-admm`; the paper's grid is rho in {1e-3, 4e-3, 1e-2}."""

    rho: float = knob(4e-3, "penalty on |W - Z + U|^2 / 2, added to the loss", 1e-6, 1e3)


class NxmAdmm(Splitting):
    """See the module's text."""

    Knobs = NxmAdmmKnobs

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Start from the dense weights; one Z- and one U-step before training; prune after the last step."""
        super().prepare(layers, context)
        self.rho = cast(NxmAdmmKnobs, self.knobs).rho
        self.hard_step = context.total_steps
        self.update_split()

    def after_backward(self, step: int) -> None:
        """grad += rho (W - Z + U): the penalty's gradient, before clipping and Adam."""
        grads = [cast(Tensor, layer.weight.grad) for layer in self.layers.values()]
        torch._foreach_add_(grads, self.w, alpha=self.rho)
        torch._foreach_add_(grads, self.z, alpha=-self.rho)
        torch._foreach_add_(grads, self.u, alpha=self.rho)

    def end_epoch(self, epoch: int) -> None:
        """The Z- and U-step."""
        if not self.masks:
            self.update_split()

    def choose_masks(self) -> dict[str, Tensor]:
        """Plain magnitude of W: the published evaluation projects with U = 0."""
        return select_all(self.context.pattern, {n: layer.weight.data.abs() for n, layer in self.layers.items()})
