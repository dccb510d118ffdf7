"""Training under a mask that is fixed from the first step: what ASP does after magnitude, and what
`admm-layer` does when epochs are given. With a grid the solution lies on it, and training stays on
it, straight through. Not a method of its own: the mask comes from a layer method's solution."""

from __future__ import annotations

from torch import Tensor, nn

from core.methods.base import Context
from core.methods.gridded import Gridded


class Masked(Gridded):
    """Start from a layer method's solution, keep its masks, train the rest."""

    splits = True

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Put the solved weights into the model; the hard prune comes before step 0."""
        super().prepare(layers, context)
        self.hard_step = 0
        for name, layer in layers.items():
            layer.weight.data.copy_(context.solution[name].weight)

    @property
    def phase(self) -> str:
        """Name of the phase for the trace: "refine" from the first step on."""
        return "refine"

    def choose_masks(self) -> dict[str, Tensor]:
        """The final masks: those of the layer method's solution."""
        return {name: result.mask for name, result in self.context.solution.items()}
