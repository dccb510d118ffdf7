"""Units masked: zeros in every matrix that they lie in, and in the biases that go with them.

The masked model computes exactly what the shrunk one does. For heads and neurons the weights alone would do: what a
removed head puts out meets zero columns. The bias of a module that is gone as a whole is another matter: it must be
zero for the module to be the identity. So biases follow the masks wherever weights are put into a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.models.prunable import prunable
from core.sparsity.patterns import Pattern
from core.sparsity.units import Anatomy, Kept

if TYPE_CHECKING:
    from torch import Tensor, nn


def mask(model: Any, anatomy: Anatomy, kept: Kept) -> None:
    """Set the weights and biases of every unit that is not *kept* to zero, in place."""
    import torch

    layers, masks, stays = prunable(model), anatomy.masks(kept), anatomy.biases(kept)
    with torch.no_grad():
        for name, which in masks.items():
            layers[name].weight.masked_fill_(~torch.from_numpy(which).to(layers[name].weight.device), 0.0)
            if layers[name].bias is not None:
                layers[name].bias.masked_fill_(~torch.from_numpy(stays[name]).to(layers[name].bias.device), 0.0)


def masks_of(pattern: Pattern, kept: Kept, layers: Mapping[str, nn.Linear]) -> dict[str, Tensor]:
    """The masks `[out, in]` (bool, on their devices) of all *layers* for the units *kept* of a coupled *pattern*; a
    matrix that belongs to no unit stays whole."""
    import torch

    found = pattern.known().masks(kept)
    return {name: torch.from_numpy(found[name]).to(layer.weight.device) if name in found
            else torch.ones_like(layer.weight, dtype=torch.bool) for name, layer in layers.items()}


def biases(pattern: Pattern, layers: Mapping[str, nn.Linear], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By matrix with a bias that loses entries: 1 where an entry `[out]` stays, 0 where it goes with its unit.

    *masks*: masks or weights `[out, in]` of all *layers*. {} for a pattern of single weights: it leaves biases alone.
    """
    import torch

    if not pattern.coupled:
        return {}
    anatomy = pattern.known()
    stays = anatomy.biases(anatomy.kept({name: (m != 0).cpu().numpy() for name, m in masks.items()}))
    return {name: torch.from_numpy(stay).to(layers[name].bias) for name, stay in stays.items()
            if layers[name].bias is not None and not stay.all()}


def quiet(pattern: Pattern, layers: Mapping[str, nn.Linear], masks: Mapping[str, Tensor]) -> None:
    """Set the biases that go with removed units to zero, in place; see `biases`."""
    for name, factor in biases(pattern, layers, masks).items():
        layers[name].bias.data.mul_(factor)


@contextmanager
def quietly(pattern: Pattern, layers: Mapping[str, nn.Linear], masks: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside this context those biases are zero; afterwards, also after an error, what they were."""
    before = {name: layers[name].bias.data for name in biases(pattern, layers, masks)}
    try:
        for name, bias in before.items():
            layers[name].bias.data = bias.clone()
        quiet(pattern, layers, masks)
        yield
    finally:
        for name, bias in before.items():
            layers[name].bias.data = bias
