"""What residual modules add to the stream that passes by them: an attention as a whole, each of its heads, an FFN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from core.sparsity.units import Anatomy

TINY = 1e-12  # added to a square before its root, whose slope at 0 is infinite


@dataclass(frozen=True)
class Passed:
    """What one module saw and put out. x: what it read; inside: what its last matrix read, unit after unit; out: what
    is added to the stream, before dropout. `[..., features]` each, with gradients but for x."""

    x: Tensor
    inside: Tensor
    out: Tensor


class Residuals:
    """Looks at the modules of *anatomy* in every forward pass between `start` and `stop`."""

    def __init__(self, layers: Mapping[str, nn.Linear], anatomy: Anatomy) -> None:
        self.layers, self.anatomy = layers, anatomy
        self._handles: list[Any] = []
        self._x: dict[int, Tensor] = {}
        self._ends: dict[int, tuple[Tensor, Tensor]] = {}

    def start(self) -> None:
        """Begin to look; what was seen before is forgotten."""
        self.stop()
        for place, m in enumerate(self.anatomy.modules):
            first, last = self.layers[m.rows[0]], self.layers[m.columns]
            self._handles += [first.register_forward_hook(self._entry(place, first)),
                              last.register_forward_hook(self._exit(place, last))]

    # A copy of the model (a teacher) may carry these hooks: only the module itself counts.
    def _entry(self, place: int, module: nn.Module) -> Any:
        def hook(current: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
            if current is module:
                self._x[place] = args[0].detach()
        return hook

    def _exit(self, place: int, module: nn.Module) -> Any:
        def hook(current: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
            if current is module:
                self._ends[place] = (args[0], out)
        return hook

    def stop(self) -> list[Passed]:
        """Look no longer, and return what the modules did in the last forward pass, in their order; [] without any."""
        for handle in self._handles:
            handle.remove()
        found = [Passed(self._x[i], *self._ends[i]) for i in sorted(self._ends) if i in self._x]
        self._handles, self._x, self._ends = [], {}, {}
        return found


def size(values: Tensor, real: Tensor) -> Tensor:
    """The mean 2-norm of *values* `[batch, tokens, features]` over the *real* tokens `[batch, tokens]`; a scalar."""
    return _mean((values.float().square().sum(-1) + TINY).sqrt(), real)


def head_sizes(inside: Tensor, weight: Tensor, heads: int, real: Tensor) -> Tensor:
    """`size` of what every head adds, `[heads]`. inside `[batch, tokens, features]`: what the output matrix reads;
    weight `[out, features]`: that matrix.

    No head's addition is formed: |O c|^2 = c' (O' O) c, and O' O of a head is as small as the head.
    """
    parts = inside.float().unflatten(-1, (heads, -1))
    own = weight.float().unflatten(-1, (heads, -1)).permute(1, 0, 2)  # [heads, out, features of a head]
    squares = ((parts.transpose(-3, -2) @ (own.transpose(1, 2) @ own)).transpose(-3, -2) * parts).sum(-1)
    return _mean((squares.clamp(min=0) + TINY).sqrt(), real)


def _mean(norms: Tensor, real: Tensor) -> Tensor:
    """Over the real tokens of *norms* `[batch, tokens, ...]`."""
    share = real.to(norms.dtype) / real.sum()
    return (norms.flatten(0, 1) * share.reshape(-1, *[1] * (norms.ndim - 2))).sum(0)
