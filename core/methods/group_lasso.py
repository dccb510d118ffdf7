"""Reweighted group lasso: a penalty on the norms of whole groups drives the weak ones to zero; they
are cut, and the rest is trained on.

    before the hard prune:
        R_g = 1 / (|W_g| + 0.001)               at the last refresh
        loss + strength sum_g R_g |W_g|         form=penalty
        W_g <- max(0, 1 - t R_g / |W_g|) W_g    form=proximal, after every optimiser step
    then:
        M = the groups of the largest |W_g|     as many as the pattern keeps
        W <- M o W                              what was cut never comes back

A group is the pattern's unit: `block:1xw` is a piece of a row, `block:hx1` a piece of a column,
`block:rxc` a block; for other patterns it is a single weight. Right after a refresh every group
costs the same whatever its size, so that the small ones feel the pull most: with R fixed at its
start that is a lasso of normalised groups, with many refreshes the log-sum penalty, which counts
groups that are not zero. The exact step of `form=proximal` makes true zeros: groups die on the way.

Prunes: whole groups, by their norm when the penalty ends; every pattern.
Source: Li et al., Findings of EMNLP 2020 (arXiv 2009.08065), and the code of one of its authors:
the penalty with the norm, not its square, in R; strength 1e-4; R from the dense weights; hard prune
by a percentile of every matrix, then training under the fixed mask.
Where we differ: both stages share the comparison's budget and schedule (`share`; published: 3 to 4
epochs each, learning rates of their own); R is refreshed `refreshes` times, evenly (published:
every 4 epochs, which in runs of 3 to 4 is never); embeddings, pooler and classifier are left
alone; the count is exact, where a percentile lets ties stay. The proximal form is ours, its t too:
in units of what brings a group at the dense model's threshold to zero by the hard prune.
Cost: one norm of every group a step, and its gradient.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.methods.base import Context, TrainingMethod
from core.methods.heaps import Heaps
from core.methods.knob_sets import GroupLassoKnobs
from core.sparsity.select import select_all

# Keeps R finite at a group of zeros, where it is 1000.
SMALLEST = 1e-3


class GroupLasso(TrainingMethod):
    """See the module's text."""

    splits = True
    knobs: GroupLassoKnobs

    @property
    def phase(self) -> str:
        """Name of the phase for the trace: "penalty", then "refine"."""
        return "refine" if self.masks else "penalty"

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Note R and the threshold of every matrix in the dense model."""
        super().prepare(layers, context)
        k = self.knobs
        self.hard_step = max(1, round(k.share * context.total_steps))
        self.split = context.pattern.grouping.split
        self.join = context.pattern.grouping.join
        self.weighing: dict[str, Tensor] = {}
        self._refresh()
        norms = {name: self.norms(w) for name, w in context.dense.items()}
        self.heaps = Heaps(norms, context.pattern, self.hard_step)
        self.heaps.look(0, norms)
        # The steps' shares of the whole pull: a proximal step is as long as the optimiser's.
        rates = np.array([context.lr(step) for step in range(self.hard_step)])
        self.shares = rates / rates.sum()

    def norms(self, weight: Tensor) -> Tensor:
        """|W_g| of every group of a matrix, `[groups of the pattern, units]`."""
        return torch.linalg.vector_norm(self.split(weight), dim=2)

    @torch.no_grad()
    def _refresh(self) -> None:
        """R from the weights as they are."""
        self.weighing = {name: 1.0 / (self.norms(layer.weight) + SMALLEST)
                         for name, layer in self.layers.items()}

    def penalty(self, batch: dict[str, Tensor]) -> Tensor | None:
        """strength sum R |W_g|, over all matrices; None with form=proximal, or once pruned."""
        if self.masks or self.knobs.form == "proximal":
            return None
        parts = [(self.weighing[name] * self.norms(layer.weight)).sum()
                 for name, layer in self.layers.items()]
        return self.knobs.strength * torch.stack(parts).sum()

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """The proximal step, where that is the form; a refresh and a look where one is due."""
        if self.masks:
            return super().after_step(step)
        if self.knobs.form == "proximal":
            for name, layer in self.layers.items():
                self._shrink(name, layer.weight, float(self.shares[step]))
        done = step + 1
        every = self.hard_step / self.knobs.refreshes
        if done < self.hard_step and int(done / every) > int(step / every):
            self._refresh()
        if self.heaps.due(done):
            self.heaps.look(done, {n: self.norms(m.weight) for n, m in self.layers.items()})
        return None

    def _shrink(self, name: str, weight: Tensor, share: float) -> None:
        threshold = self.heaps.thresholds[name]
        pull = self.knobs.dose * threshold * (threshold + SMALLEST) * share
        norms = self.norms(weight)
        left = (1.0 - pull * self.weighing[name] / norms).nan_to_num(0.0).clamp_(min=0.0)
        weight.mul_(self.join(left, (weight.shape[0], weight.shape[1])))

    def choose_masks(self) -> dict[str, Tensor]:
        """The final masks, as they would be now: the groups of the largest norm."""
        # A library asks for magnitudes and squares them itself; of other units the scores are
        # added up, which of squares gives the norm's order.
        power = 1 if self.context.pattern.budget.ways is not None else 2
        return select_all(self.context.pattern, {
            name: layer.weight.data.abs().pow(power) for name, layer in self.layers.items()})

    def measures(self) -> dict[str, float]:
        """quiet: the share of groups whose norm is under a tenth of the threshold."""
        return {} if self.masks else {"quiet": self.heaps.quiet}

    def told(self) -> dict[str, NDArray[np.generic]]:
        """How the norms were spread at every look: see `core.methods.heaps`."""
        return self.heaps.told()

    def state(self) -> dict[str, Tensor]:
        """Masks, R and the looks taken so far."""
        kept = {f"weighing/{name}": values for name, values in self.weighing.items()}
        return super().state() | ({} if self.masks else kept) | self.heaps.state()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state`, after `prepare`."""
        for name, layer in self.layers.items():
            if f"weighing/{name}" in state:
                self.weighing[name] = state[f"weighing/{name}"].to(layer.weight.device)
        self.heaps.load_state(state)
        super().load_state(state)
