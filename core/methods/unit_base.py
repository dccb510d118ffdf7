"""What a unit method is: the one kind that chooses whole heads, neurons and modules, and no single
weight. See `core.methods.base` for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from core.methods.knobs import Knobs
from core.sparsity.grids import Grid
from core.sparsity.patterns import Pattern
from core.sparsity.units import Kept, Worth


@dataclass(frozen=True)
class UnitContext:
    """What a unit method is told: the dense *model*, which it may change as it likes (its weights
    are put back afterwards), its prunable *layers*, the *pattern*, joined to the model, and the
    calibration text: *batches* ready for the model, *loss* the task's mean loss of batch i with the
    model as it is, with a gradient."""

    model: nn.Module
    layers: dict[str, nn.Linear]
    pattern: Pattern
    batches: Sequence[dict[str, Tensor]]
    loss: Callable[[int], Tensor]
    seed: int
    report: Callable[[int, int, str], None] = lambda done, total, note: None


@dataclass
class UnitResult:
    """The units that are *kept*, what every unit was *worth* to the choice (by module, `[units]`;
    the higher the safer), and one dict a step for the trace."""

    kept: Kept
    worth: Worth
    trace: list[dict[str, float]] = field(default_factory=list)


class UnitMethod:
    """Choose whole units over the whole model: heads, neurons, modules. The weights that stay are
    the dense ones; training on, under the masks of what is kept, is the pipeline's business."""

    def __init__(self, knobs: Knobs, grid: Grid | None = None) -> None:
        self.knobs, self.grid = knobs, grid

    def choose(self, context: UnitContext) -> UnitResult:
        """Return the units that stay under `context.pattern`."""
        raise NotImplementedError

    def told(self) -> dict[str, NDArray[np.generic]]:
        """See `TrainingMethod.told`; asked after the choice. What every unit was worth is kept with
        it, as `worth/<noun>/<layer>`."""
        return {}
