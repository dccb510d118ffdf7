"""Units turned down while a model runs: every unit has a gate, and what it puts out is multiplied by it.

    with gated(layers, anatomy, gates):
        model(**batch)

A gate of 1 changes nothing, a gate of 0 is what a removed unit is; between them gradients flow to the gates. No weight
is touched, so that many choices can be tried one after the other: masks that are drawn (policy gradient), thresholds
that are learned, importance as a slope.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.sparsity.units import Anatomy

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def gated(layers: Mapping[str, nn.Linear], anatomy: Anatomy, gates: Sequence[Tensor]) -> Iterator[None]:
    """Inside this context every unit of *layers* puts out its gate times what it would; *gates*: by module, `[units]`.

    A module whose gates are all zero puts out nothing, its last bias left out too: it is the identity.
    """
    handles = []
    try:
        for m, gate in zip(anatomy.modules, gates, strict=True):
            before, after = _hooks(gate.repeat_interleave(m.size), bool((gate != 0).any()))
            handles += [layers[m.columns].register_forward_pre_hook(before),
                        layers[m.columns].register_forward_hook(after)]
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hooks(wide: Tensor, there: bool) -> tuple[Any, Any]:
    """What happens to the input `[..., units * size]` of a module's last matrix, and to its output."""
    def before(layer: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0] * wide.to(args[0]), *args[1:])

    def after(layer: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
        return out if there else out * 0.0

    return before, after
