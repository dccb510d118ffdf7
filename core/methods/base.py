"""What a method is: the four kinds, and the records they exchange.

A `LayerMethod` solves one matrix at a time, without training; a `BlockMethod` one encoder layer. A
`UnitMethod` chooses heads, neurons or modules over the whole model, without training its weights. A
`TrainingMethod` fills the hooks of the one training loop. All are built from their knobs and a
grid, and are otherwise free of configuration. Which class of knobs a method has, whether it can put
weights on a grid, and whether it prunes single weights or whole units, says its line in METHODS:
that is asked where torch must not be loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.inside.blocks import Block
from core.inside.statistics import LayerStats
from core.methods.knobs import Knobs
from core.methods.low_rank import LowRank
from core.methods.unit_base import UnitMethod
from core.sparsity.grids import Grid
from core.sparsity.patterns import Pattern
from core.sparsity.rounding import finite
from core.sparsity.unordered import not_finite
from core.surgery.masking import biases


@dataclass
class LayerResult:
    """One layer, solved. weight `[out, in]` obeys mask; w is the last dense iterate W and z the
    last feasible Z before any polishing (None for methods without them); trace holds one dict per
    iteration. scale `[out, chunks]`: of the grid that weight is on, for a method that was given
    one: every weight is a whole number times it, bit for bit. low: a correction of low rank that
    the layer is to be used with, beside weight; squares: what weight alone leaves of the layer's
    outputs, direction by direction, falling, as shares of their size; low takes the first of them.
    """

    weight: Tensor
    mask: Tensor
    w: Tensor | None = None
    z: Tensor | None = None
    trace: list[dict[str, float]] = field(default_factory=list)
    scale: Tensor | None = None
    low: LowRank | None = None
    squares: Tensor | None = None

    def served(self, weight: Tensor | None = None) -> Tensor:
        """What the layer's outputs are made with, `[out, in]`: *weight*, or the result's own, and
        the correction where there is one."""
        weight = self.weight if weight is None else weight
        return weight if self.low is None else self.low.beside(weight)


@dataclass(frozen=True)
class RoundState:
    """Where one layer is after one round of a method that goes in rounds. w, u and mask are
    `[out, in]`, in the unit of the weights; primal is |W - Z| / |W| of this layer alone."""

    number: int  # from 1
    w: Tensor
    u: Tensor
    mask: Tensor
    rho: float
    primal: float


def check_finite(weight: Tensor, stats: LayerStats | None) -> None:
    """Raise InputError when *weight*, or what *stats* say of the layer's input, is not finite: a
    choice among such numbers would mean nothing."""
    known = {"weight": weight} if stats is None else {
        "weight": weight, "norms": stats.norms, "Gram matrix": stats.gram}
    for name, values in known.items():
        if values is not None and not finite(values):
            raise not_finite(name)


class LayerMethod:
    """One-shot: solve one layer from its weight and what calibration said of its input."""

    def __init__(self, knobs: Knobs, grid: Grid | None = None) -> None:
        self.knobs, self.grid = knobs, grid

    @property
    def rounds(self) -> int:
        """How many rounds a layer takes; 0 for a method that does not go in rounds."""
        return 0

    def solve(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern) -> LayerResult:
        """Return the layer under *pattern* (scope "matrix"). weight float32 `[out, in]`.

        Raises InputError for what is not finite (`check_finite`) or does not fit the pattern.
        """
        raise NotImplementedError

    def solve_watched(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern,
                      seen: Callable[[RoundState], None]) -> LayerResult:
        """What `solve` returns, and *seen* is called after every round. The tensors that it gets
        are written over by the next one."""
        return self.solve(weight, stats, pattern)


@dataclass(frozen=True)
class Context:
    """What the loop tells a training method once, before the first step."""

    pattern: Pattern
    total_steps: int
    dense: dict[str, Tensor]  # the dense parent's weights, for "moved" and start points
    stats: dict[str, LayerStats]
    solution: dict[str, LayerResult]  # of the method's `start`; empty when start is None
    lr: Callable[[int], float]
    # By matrix the optimiser's mean of squared gradients `[out, in]`, corrected for its start at 0,
    # in a tensor of its own. None before the first step.
    second_moment: Callable[[str], Tensor | None] = lambda name: None
    # For methods that watch more than the pruned layers: the whole model, and the calibration text
    # ready for it.
    model: nn.Module | None = None
    batches: Sequence[dict[str, Tensor]] = ()


class BlockMethod:
    """One-shot too, but an encoder layer at a time, as a whole: from what goes into it and what
    should come out. What it solves for reaches it through the blocks already solved."""

    # May the block follow those before it: is its target what it makes of the input that it gets?
    # Otherwise it is what the dense model has at that place.
    follow = True
    sequences = 1  # of the calibration text that go through a block at a time

    def __init__(self, knobs: Knobs, grid: Grid | None = None) -> None:
        self.knobs, self.grid = knobs, grid

    def solve_block(self, block: Block, pattern: Pattern) -> dict[str, LayerResult]:
        """The matrices of *block* under *pattern*, in the order of `block.layers`. Blocks come in
        order, each once; a pattern of scope "model" is the method's to share out among them.

        Raises InputError for what is not finite, or for knobs that do not fit the pattern.
        """
        raise NotImplementedError

    def told(self) -> dict[str, NDArray[np.generic]]:
        """See `TrainingMethod.told`; asked after the last block."""
        return {}


class TrainingMethod:
    """Fills the hooks of the training loop.

    The loop calls prepare once, then per step: `before_forward` (swap weights in), task forward,
    `penalty` (a term added to the loss), backward, `after_backward` (swap back, edit gradients),
    clip and optimiser step, `after_step` (edit weights). Before step number `hard_step` it
    evaluates W, Z and W under the final mask, then calls `hard_prune`. After the last step it calls
    `finish`. All state that must survive a kill is in `state()`.
    """

    # May a batch be split among processes? Only where all that a step takes from it is the gradient
    # of the trained weights, which is then averaged: not where a term or an update looks at it.
    splits = False

    def __init__(self, knobs: Knobs, grid: Grid | None = None) -> None:
        self.knobs, self.grid = knobs, grid
        self.layers: dict[str, nn.Linear] = {}
        self.masks: dict[str, Tensor] = {}  # bool; set once the hard prune has happened
        self.scales: dict[str, Tensor] = {}  # `[out, chunks]`, of the served weights' grid
        self.hard_step = 0

    @property
    def start(self) -> str | None:
        """The LayerMethod whose solution training starts from; None: it starts from the dense
        weights."""
        return None

    @property
    def phase(self) -> str:
        """Name of the phase for the trace."""
        return "refine" if self.masks else "admm"

    @property
    def radius(self) -> float:
        """How far up its gradient the next step stands when it takes the gradient that counts: in
        the norm of all trained weights, 0 for a plain step. Otherwise the step's hooks around the
        pass are called twice."""
        return 0.0

    @property
    def lr_factor(self) -> float:
        """What the next step's learning rate is multiplied by."""
        return 1.0

    def calibrated(self, model: nn.Module, layers: dict[str, nn.Linear],
                   batches: Sequence[dict[str, Tensor]], stats: dict[str, LayerStats],
                   ) -> dict[str, LayerStats]:
        """What the start solution and `prepare` are told of the calibration text: its *stats*, or a
        view of them. Called with the dense weights in *model*."""
        return stats

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Take hold of the layers and set the starting point."""
        self.layers, self.context = layers, context

    def trains(self, name: str) -> bool:
        """Whether parameter *name* (of the model's state dict) is trained, where the spec would
        train it."""
        return True

    def before_forward(self, step: int) -> None:
        """Swap other weights in, for the forward and backward pass alone."""

    def penalty(self, batch: dict[str, Tensor]) -> Tensor | None:
        """A scalar added to the loss of the *batch* that has just gone through the model; None adds
        nothing."""
        return None

    def after_backward(self, step: int) -> None:
        """Edit gradients, before clipping."""

    def after_step(self, step: int) -> None:
        """Edit weights, after the optimiser."""
        if self.masks:
            torch._foreach_mul_([m.weight.data for m in self.layers.values()], self._factors)
            self._quiet()

    def end_epoch(self, epoch: int) -> None:
        """Called after the last step of every epoch (epochs count from 1)."""

    def feasible(self) -> dict[str, Tensor] | None:
        """Z: the feasible copy, `[out, in]` by matrix; None for methods without one."""
        return None

    def served(self) -> dict[str, Tensor] | None:
        """The weights the model would be used with now, `[out, in]` by matrix, where the trained
        ones stand for others; None: the trained ones themselves."""
        return None

    def finish(self) -> None:
        """Called after the last step: leave in the model the weights it is to be used with."""
        weights = self.served()
        if weights is not None:
            for name, layer in self.layers.items():
                layer.weight.data.copy_(weights[name])

    def choose_masks(self) -> dict[str, Tensor]:
        """The final masks, as they would be now."""
        raise NotImplementedError

    def pruned(self, masks: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights the model would be used with right after `hard_prune(masks)`: the stage
        "hard-pruned"."""
        return {name: layer.weight.detach() * masks[name] for name, layer in self.layers.items()}

    def hard_prune(self, masks: dict[str, Tensor]) -> None:
        """Fix *masks* for the rest of the run."""
        self.masks = masks
        self._factors = [masks[name].to(layer.weight.dtype) for name, layer in self.layers.items()]
        torch._foreach_mul_([m.weight.data for m in self.layers.values()], self._factors)
        # With whole units their biases go too; a pattern of single weights leaves biases alone.
        self._biases = biases(self.context.pattern, self.layers, masks)
        self._quiet()

    def _quiet(self) -> None:
        if self._biases:
            torch._foreach_mul_([self.layers[name].bias.data for name in self._biases],
                                list(self._biases.values()))

    def told(self) -> dict[str, NDArray[np.generic]]:
        """What no other method has to tell of the run, for a picture of its own.

        Arrays by key, finite and of numpy's own number types; they are kept at every record level
        as `method/<key>`, so let them stay small: looks at evenly spaced steps, counts in bins, not
        a tensor a step. Shapes and units belong into the docstring of the method's own `told`.
        Asked once, when the run ends; what it needs until then must survive a kill (`state`). {}
        where there is nothing to tell: then the method has no picture.
        """
        return {}

    def samples(self) -> list[dict[str, Tensor]]:
        """Masks for whose scores the method asks right before the hard prune: whole sets, by
        matrix, bool `[out, in]`, each under the pattern; the answers come to `sampled`.

        Every set is scored as `pruned` would serve it, on the run's evaluation examples: the scores
        are there to be told, and may not choose the masks. Each costs an evaluation. To ask may not
        move the training on: draw from a generator of the method's own. Most methods have one mask
        only, and ask for none.
        """
        return []

    def sampled(self, scores: list[float]) -> None:
        """The *scores* of `samples`, in their order: the task's main metric, the higher the better.
        Called with [] where none were asked for."""

    def measures(self) -> dict[str, float]:
        """rho, primal, dual, flips, moved: what the trace should know of this moment."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """All tensors that must survive a kill (masks included, as uint8)."""
        return {f"mask/{name}": mask.to(torch.uint8) for name, mask in self.masks.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state` after `prepare`."""
        masks = {k[5:]: v.bool() for k, v in state.items() if k.startswith("mask/")}
        if masks:
            self.hard_prune(masks)


Method = LayerMethod | BlockMethod | UnitMethod | TrainingMethod
