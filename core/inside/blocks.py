"""Encoder layers one after the other, each as a whole: shown what reaches it through those already solved.

A method that solves a block sees what goes into it and what should come out of it, and may run it as often as it
likes. What is to come out is what the dense block makes of the same input; or, with *follow* off, what it makes of
the dense model's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.inside.arguments import first_argument
from core.inside.sequential import Call, calls_of, refused

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Block:
    """One encoder layer with the texts that reach it, in batches.

    number: 1 for the first. layers: its matrices, dense when it is handed over. inputs: hidden states
    `[sequences, tokens, features]`, as the solved blocks before it put them out; targets: what it should make of them,
    same shape; real `[sequences, tokens]`: True for what is no padding. norms: by matrix the 2-norms of the columns of
    its input, over all real tokens, `[in]`.
    """

    number: int
    module: nn.Module
    calls: list[Call]
    layers: dict[str, nn.Linear]
    inputs: list[Tensor]
    targets: list[Tensor]
    real: list[Tensor]
    norms: dict[str, Tensor]

    def on(self, batch: int) -> Tensor:
        """What the block makes of its input number *batch*, with the weights that it holds now."""
        return self.calls[batch].on(self.module, self.inputs[batch])


Solve = Callable[[Block], dict[str, Tensor]]  # the solved weights `[out, in]` by matrix


def in_steps(batches: Sequence[Batch], size: int) -> list[Batch]:
    """*batches* cut into batches of at most *size* sequences, without columns in which all of them are padding."""
    out = []
    for batch in batches:
        for start in range(0, len(batch["attention_mask"]), size):
            part = {key: values[start:start + size] for key, values in batch.items()}
            used = int(part["attention_mask"].amax(0).nonzero().max()) + 1
            out.append({key: values[:, :used].contiguous() for key, values in part.items()})
    return out


@torch.no_grad()
def solve_blocks(model: nn.Module, blocks: Sequence[nn.Module], layers: dict[str, nn.Linear],
                 batches: Sequence[Batch], solve: Solve, follow: bool = True) -> None:
    """Call *solve* for every one of *blocks* (the encoder layers, in order) and put what it returns into the model at
    once. *follow*: see the module's text.

    The model must hold the dense weights and is left with the solved ones, in the mode it was in. Raises InputError
    for a model whose layers are not passed through once each, and for a matrix that no block uses.
    """
    training = model.training
    model.eval()
    try:
        real = [batch["attention_mask"].bool() for batch in batches]
        dense, calls = calls_of(model, blocks, batches)
        inputs, left = list(dense), dict(layers)
        for number, (module, call) in enumerate(zip(blocks, calls, strict=True), 1):
            inner = {id(m) for m in module.modules()}
            own = {name: layer for name, layer in left.items() if id(layer) in inner}
            norms = _Norms(own)
            targets = norms.watched(module, call, inputs, real)
            if not follow:
                targets = dense = [each.on(module, hidden) for each, hidden in zip(call, dense, strict=True)]
            solved = solve(Block(number, module, call, own, inputs, targets, real, norms.found()))
            for name, weight in solved.items():
                own[name].weight.data.copy_(weight)
                del left[name]
            inputs = [each.on(module, hidden) for each, hidden in zip(call, inputs, strict=True)]
        if left:
            raise refused(model, f"no encoder layer uses {', '.join(left)}", "Choose another method.")
    finally:
        model.train(training)


class _Norms:
    """The squared norms of the columns of every matrix's input, added up over batches."""

    def __init__(self, layers: dict[str, nn.Linear]) -> None:
        self.layers = layers
        self.squares: dict[str, Tensor] = {}

    def watched(self, module: nn.Module, calls: list[Call], inputs: list[Tensor], real: list[Tensor]) -> list[Tensor]:
        """What *module* makes of *inputs*; what its matrices read on the way is added up."""
        outputs = []
        for call, hidden, keep in zip(calls, inputs, real, strict=True):
            handles = [layer.register_forward_pre_hook(self._note(name, keep.reshape(-1)), with_kwargs=True)
                       for name, layer in self.layers.items()]
            try:
                outputs.append(call.on(module, hidden))
            finally:
                for handle in handles:
                    handle.remove()
        return outputs

    def _note(self, name: str, keep: Tensor) -> Any:
        def hook(layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            x, *_ = first_argument(layer, args, named)
            rows = x.reshape(-1, x.shape[-1])
            # What is no token (relative positions, say) is kept.
            rows = (rows[keep] if len(rows) == len(keep) else rows).float()
            self.squares[name] = self.squares.get(name, 0.0) + rows.square().sum(0)
        return hook

    def found(self) -> dict[str, Tensor]:
        """The norms so far."""
        return {name: squares.sqrt() for name, squares in self.squares.items()}
