"""Training onto a grid of few bits. After the hard prune the forward pass sees every weight on its
nearest level, and the gradient goes straight through to the latent weights, which the mask alone
binds (straight-through quantisation- aware training, as NxMiFormer refines: arXiv 2206.15014). What
is served, and what the run ends with, is on the grid.

The scales follow the weights: each step starts from those of the step before (`rounding.nearest`,
start), so a few passes over the weights are enough. They are state, and survive a kill.
"""

from __future__ import annotations

from torch import Tensor, nn

from core.methods.base import Context, TrainingMethod
from core.methods.straight_through import StraightThrough
from core.sparsity.rounding import nearest


class Gridded(TrainingMethod):
    """The hooks of a training method that may have a grid; without one they do nothing. `scales`
    are those of the weights last put on the grid, beginning with the solution's."""

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Take the layers, and the solution's scales where it has some."""
        super().prepare(layers, context)
        self.through = StraightThrough(layers)
        self.scales = {name: r.scale for name, r in context.solution.items() if r.scale is not None}

    def importance(self, name: str) -> Tensor | None:
        """The metric `[in]` in which matrix *name* is rounded; None: every input counts alike."""
        return None

    def rounded(self, name: str, v: Tensor, mask: Tensor) -> Tensor:
        """*v* `[out, in]` of matrix *name* under *mask*, on the grid; notes its scales."""
        assert self.grid is not None
        # Starting from the last scales, a few passes are enough: weights move little in a step.
        values, self.scales[name] = nearest(
            self.grid, v, mask, self.importance(name), self.scales.get(name))
        return values

    def served(self) -> dict[str, Tensor] | None:
        """Once pruned: the weights on the grid."""
        if self.grid is None or not self.masks:
            return super().served()
        return {name: self.rounded(name, layer.weight.data, self.masks[name])
                for name, layer in self.layers.items()}

    def before_forward(self, step: int) -> None:
        """Once pruned: swap the weights on the grid in."""
        if self.grid is not None and self.masks:
            self.through.enter(self.served() or {})

    def after_backward(self, step: int) -> None:
        """Swap the latent weights back."""
        if self.grid is not None:
            self.through.leave()

    def pruned(self, masks: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights the model would be used with right after `hard_prune(masks)`: under *masks*,
        and with a grid on it."""
        if self.grid is None:
            return super().pruned(masks)
        return {name: nearest(self.grid, layer.weight.data, masks[name], self.importance(name),
                              self.scales.get(name))[0] for name, layer in self.layers.items()}

    def state(self) -> dict[str, Tensor]:
        """The scales, beside what every method keeps."""
        return super().state() | {f"scale/{name}": scale for name, scale in self.scales.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state`: the scales, then what every method keeps."""
        for name, layer in self.layers.items():
            if f"scale/{name}" in state:
                self.scales[name] = state[f"scale/{name}"].to(layer.weight.device)
        super().load_state(state)
