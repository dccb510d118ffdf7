"""What of a model's units is left: counted once, and looked at weight by weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.models.prunable import prunable
from core.sparsity.units import Anatomy, Kept, Module

FEW = 5  # problems of a model that are spelled out


@dataclass(frozen=True)
class Count:
    """What is left of the layers of a model. A unit with any weight left is there."""

    heads: list[int]  # by layer
    neurons: list[int]  # by layer
    left: int  # weights of the units that are there, and of what belongs to no unit
    weights: int  # of all of it before
    zeros: int  # among `weights`, counted one by one: at least what is removed, more where units hold zeros

    @property
    def removed(self) -> float:
        """Share of the layers' weights that are gone with their units."""
        return 1.0 - self.left / self.weights


def count(model: Any, anatomy: Anatomy) -> Count:
    """Count *model*, whose units still lie in matrices of their first size."""
    arrays = {name: layer.weight.detach().cpu().numpy() for name, layer in prunable(model).items()}
    kept = anatomy.kept(arrays)
    return Count(anatomy.counts(kept, "head"), anatomy.counts(kept, "neuron"), anatomy.left(kept), anatomy.weights,
                 sum(a.size - int(np.count_nonzero(a)) for a in arrays.values()))


def problems(model: Any, anatomy: Anatomy, kept: Kept) -> list[str]:
    """What of the units that are not *kept* is left in *model*, and which kept ones are half removed, in words.

    Every part of every unit is looked at by itself: its rows with their biases, its columns; and the last bias of a
    module that is gone. [] when all is well; after FEW lines the rest is a number.
    """
    layers, found = prunable(model), []
    for m, stays in zip(anatomy.modules, kept, strict=True):
        for unit in range(m.units):
            parts = _parts(layers, m, unit)
            left = [name for name, (weights, bias) in parts.items() if weights or (bias and not stays[unit])]
            if not stays[unit] and left:
                found.append(f"{m.noun} {unit + 1} of layer {m.layer} is removed, but {', '.join(left)} still hold "
                             "weights or biases of it")
            elif stays[unit] and len(left) < len(parts):
                gone = [name for name in parts if name not in left]
                found.append(f"{m.noun} {unit + 1} of layer {m.layer} is half removed: {', '.join(gone)} hold nothing "
                             "of it")
        bias = layers[m.columns].bias
        if not stays.any() and bias is not None and bool((bias != 0).any()):
            found.append(f"the {m.title} is gone, but {m.columns} still has a bias")
    return found if len(found) <= FEW else [*found[:FEW], f"and {len(found) - FEW} more"]


def _parts(layers: Any, m: Module, unit: int) -> dict[str, tuple[int, int]]:
    """By matrix: how many weights of *unit* are not zero, and how many biases of its rows."""
    at, out = m.span(unit), {}
    for name in m.rows:
        bias = layers[name].bias
        out[name] = (int((layers[name].weight[at] != 0).sum()), 0 if bias is None else int((bias[at] != 0).sum()))
    out[m.columns] = (int((layers[m.columns].weight[:, at] != 0).sum()), 0)
    return out
