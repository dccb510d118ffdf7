"""SR-STE: train the dense weights, let the model see only the largest of every group, and choose
those at every step.

    at every forward pass:
        M = the largest |W| of every group
        loss = f(M o W)
    after every backward pass:
        g <- g + decay (1 - M) o W       g straight through, to all of W
    at the end:
        W <- M o W

A weight that is cut still learns and may come back; the decay pulls what is cut to zero, so that
the mask can come to rest.

Prunes: single weights, by their size at that moment; every pattern.
Source: Zhou et al., ICLR 2021 (arXiv 2102.04010): both equations, decay = 2e-4, and SAD, the number
of mask entries that changed between two looks (`flips`; `flipped` is its share). They train with
SGD, where it does not matter whether the decay joins the gradient or is taken from W beside it.
With Adam it does, whose second moment the cut weights spoil (STEP, arXiv 2302.01172).
`form=gradient` puts it on the gradient, before clipping and Adam, as later work does (arXiv
2404.01847); `form=weights` keeps it out of Adam: W <- W - lr decay (1 - M) o W, of the W before the
step.
Where we differ: it starts from the dense fine-tuned checkpoint, as every method of a comparison
does (published: from scratch); optimiser, clipping, weight decay and schedule are the comparison's.
Cost: one selection over the pruned weights and three passes over them a step (1.1 times a dense
step on minilm-l6, 32 x 12 tokens, one thread); one more copy of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from core.methods.base import Context, TrainingMethod
from core.methods.knob_sets import SrSteKnobs
from core.methods.straight_through import StraightThrough
from core.sparsity.patterns import Pattern
from core.sparsity.select import numbers, select_all

# Matrix, its weights, where to write -> what its weights are chosen by.
Sizes = Callable[[str, Tensor, Tensor], Tensor]
# Matrix, M o W, M -> what the model sees in its place: M o W on a grid.
Put = Callable[[str, Tensor, Tensor], Tensor]


def magnitude(name: str, weight: Tensor, out: Tensor) -> Tensor:
    """The size |W| of every weight of a matrix, written to *out*."""
    return torch.abs(weight, out=out)


class MovingMask:
    """A mask chosen anew from the latent weights at every forward pass; *decay* pulls what it cuts
    to zero.

    *reference*: the masks that `moved` counts against; *sizes*: what the weights are chosen by;
    *put*: a last step of the projection.
    """

    def __init__(self, layers: dict[str, nn.Linear], pattern: Pattern, decay: float, form: str,
                 reference: dict[str, Tensor], sizes: Sizes = magnitude, put: Put | None = None,
                 ) -> None:
        self.layers, self.pattern, self.sizes = layers, pattern, sizes
        self.decay, self.form = decay, form
        self.put, self.masks = put, dict[str, Tensor]()
        self.through, self.reference = StraightThrough(layers), reference
        # One buffer for both halves: M o W in the forward pass, (1 - M) o W after the backward one.
        self.part = {name: torch.empty_like(m.weight.data) for name, m in layers.items()}
        self.count = sum(w.numel() for w in self.part.values())
        # The mask at the last look, and that nothing has moved since.
        self.seen, self.rested = self.choose(), True
        self.found = {"flips": 0.0, "flipped": 0.0, "moved": self._moved()}

    def choose(self) -> dict[str, Tensor]:
        """The mask of the latent weights as they are now, bool `[out, in]` by matrix."""
        return select_all(self.pattern, {name: self.sizes(name, m.weight.data, self.part[name])
                                         for name, m in self.layers.items()})

    def served(self) -> dict[str, Tensor]:
        """M o W of this moment, in new tensors; its masks are in `masks`."""
        self.masks = self.choose()
        out = {name: self.layers[name].weight.data * mask for name, mask in self.masks.items()}
        if self.put is None:
            return out
        return {name: self.put(name, w, self.masks[name]) for name, w in out.items()}

    def enter(self) -> None:
        """Before the forward pass: choose, and show the model M o W."""
        self.masks = self.choose()
        for name, mask in self.masks.items():
            torch.mul(self.layers[name].weight.data, numbers(mask), out=self.part[name])
            if self.put is not None:
                self.part[name] = self.put(name, self.part[name], mask)
        self.through.enter(self.part)

    def leave(self) -> None:
        """After the backward pass: the latent weights again, the decay on their gradients."""
        self.through.leave()
        for name, module in self.layers.items():
            torch.mul(module.weight.data, numbers(~self.masks[name]), out=self.part[name])
            if self.form == "gradient":
                cast(Tensor, module.weight.grad).add_(self.part[name], alpha=self.decay)

    def step(self, lr: float) -> None:
        """After the optimiser's step at the rate *lr*."""
        self.rested = False
        if self.form == "weights":
            # `part` was filled before the optimiser's step: the decay is that of the W before it.
            torch._foreach_sub_([m.weight.data for m in self.layers.values()],
                                list(self.part.values()), alpha=lr * self.decay)

    def _moved(self) -> float:
        gap = sum(int((self.seen[n] ^ self.reference[n]).count_nonzero()) for n in self.layers)
        return gap / self.count

    def measures(self) -> dict[str, float]:
        """flips and flipped: SAD since the last look, absolute and as a share; moved."""
        if not self.rested:
            now = self.choose()
            flips = sum(int((now[n] ^ self.seen[n]).count_nonzero()) for n in self.layers)
            self.seen, self.rested = now, True
            self.found = {"flips": float(flips), "flipped": flips / self.count,
                          "moved": self._moved()}
        return dict(self.found)

    def state(self) -> dict[str, Tensor]:
        """What the next look compares with; the rest follows from the weights."""
        out = {f"seen/{name}": mask.to(torch.uint8) for name, mask in self.seen.items()}
        # float64, so that a run that goes on writes the same digits as one that was never stopped.
        out |= {f"found/{key}": torch.tensor(value, dtype=torch.float64)
                for key, value in self.found.items()}
        return out | {"rested": torch.tensor(self.rested)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state`, on the device of the weights."""
        self.seen = {n: state[f"seen/{n}"].bool().to(self.part[n].device) for n in self.layers}
        self.found = {key: float(state[f"found/{key}"]) for key in self.found}
        self.rested = bool(state["rested"])


class SrSte(TrainingMethod):
    """See the module's text."""

    splits = True
    knobs: SrSteKnobs

    @property
    def phase(self) -> str:
        """Name of the phase for the trace: the mask moves to the end."""
        return "moving"

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Start from the dense weights; the mask is fixed after the last step."""
        super().prepare(layers, context)
        k = self.knobs
        self.hard_step = context.total_steps
        reference = select_all(context.pattern, {n: w.abs() for n, w in context.dense.items()})
        self.moving = MovingMask(layers, context.pattern, k.decay, k.form, reference)

    def before_forward(self, step: int) -> None:
        """Choose the mask and show the model the weights under it."""
        self.moving.enter()

    def after_backward(self, step: int) -> None:
        """Put the latent W back: the gradient of M o W counts as its own, and the decay joins."""
        self.moving.leave()

    def after_step(self, step: int) -> None:
        """With form=weights: take the decay from W, beside Adam."""
        self.moving.step(self.context.lr(step))

    def served(self) -> dict[str, Tensor] | None:
        """The weights an evaluation sees, M o W; after the last step W is that itself."""
        return None if self.masks else self.moving.served()

    def choose_masks(self) -> dict[str, Tensor]:
        """The mask of the weights as they are now."""
        return self.moving.choose()

    def measures(self) -> dict[str, float]:
        """flips and flipped (SAD since the last look), moved: see `MovingMask.measures`."""
        return self.moving.measures()

    def state(self) -> dict[str, Tensor]:
        """Masks, and what the next look at the mask compares with."""
        return super().state() | {f"moving/{k}": v for k, v in self.moving.state().items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state`, after `prepare`."""
        self.moving.load_state({k[7:]: v for k, v in state.items() if k.startswith("moving/")})
        super().load_state(state)
