"""The units of a model, found in the model itself."""

from __future__ import annotations

from typing import Any

from core.models.prunable import head_count, prunable
from core.runs.anatomy import anatomy_of
from core.sparsity.units import Anatomy


def units(model: Any) -> Anatomy:
    """The heads and neurons of *model*, layer by layer.

    Known are the families whose query, key, value, output and FFN are linear layers of their own that tell themselves
    by their names (`core.runs.names`). Raises InputError, with what is missing, for any other model.
    """
    shapes = {name: (layer.weight.shape[0], layer.weight.shape[1]) for name, layer in prunable(model).items()}
    return anatomy_of(shapes, head_count(model), type(model).__name__)
