"""Solving the layers one after the other: every layer is shown what reaches it through the layers already solved.

One pass of the dense model tells each layer what it would read if nothing before it were pruned. In truth it reads
what the pruned layers before it put out. Here a matrix is solved for the inputs X^ it will really get, and for the
outputs X W0^T that the dense model had:

    min over W of |X W0^T - X^ W^T|^2  =  |X^ (W1 - W)^T|^2 + what no W can change
    W1 = (W0 C + d W0) (G + d I)^-1        G = X^^T X^,  C = X^T X^,  d = DAMPING times the mean of G's diagonal

so a layer method solves it as it is: with W1 for the dense weight and G for the Gram matrix. Solving on inputs that
went through the pruned layers: SparseGPT (arXiv 2301.00774, section 4); taking the dense outputs as the target, so that
later layers make up for earlier ones: ours.
Cost: beside the solving, one pass of the calibration text for every kind of input in a layer (four in BERT) and one
of the dense model, and one factorisation a matrix.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.inside.arguments import first_argument
from core.inside.statistics import LayerStats

DAMPING = 1e-2
Solve = Callable[[str, Tensor, LayerStats], Tensor]  # (matrix, W1, statistics of X^) -> solved weight `[out, in]`


class _Reached(Exception):
    """The pass has come as far as it is needed."""


@torch.no_grad()
def solve_in_order(model: nn.Module, blocks: Sequence[nn.Module], layers: dict[str, nn.Linear],
                   batches: Sequence[dict[str, Tensor]], solve: Solve) -> None:
    """Call *solve* for every matrix of *layers* in the order in which the model uses them, and put what it returns into
    the model at once. *blocks* are the encoder layers, in order; *batches* as for `core.inside.calibration.calibrate`.

    The model must hold the dense weights and is left with the solved ones. Raises InputError for a model whose layers
    are not passed through once each, one after the other, and for a matrix that no block uses.
    """
    training = model.training
    model.eval()
    try:
        keeps = [batch["attention_mask"].reshape(-1).bool() for batch in batches]
        dense, calls = calls_of(model, blocks, batches)
        pruned = list(dense)
        left = dict(layers)
        for block, call in zip(blocks, calls, strict=True):
            own = {name: m for name, m in left.items() if any(m is inner for inner in block.modules())}
            inputs, dense = _all_inputs(block, own, call, dense, keeps)
            for group in _groups(inputs):
                seen = [x[group[0]] for x in inputs]
                gram, cross = _moments(block, own[group[0]], seen, call, pruned, keeps)
                for name in group:
                    stats, target = _problem(own[name].weight.data, gram, cross, sum(len(x) for x in seen))
                    own[name].weight.data.copy_(solve(name, target, stats))
                    del left[name]
            pruned = [again.on(block, hidden) for hidden, again in zip(pruned, call, strict=True)]
        if left:
            raise refused(model, f"no encoder layer uses {', '.join(left)}")
    finally:
        model.train(training)


def refused(model: nn.Module, why: str, remedy: str = "Add --knob inputs=dense.") -> InputError:
    """What to say of a *model* whose layers cannot be solved in order, and *why*."""
    return InputError(f"The layers of {type(model).__name__} cannot be solved one after the other: {why}",
                      "an encoder whose layers are passed through once each, in their order, as in BERT",
                      remedy)


@dataclass(frozen=True)
class Call:
    """What a block is given beside its hidden states: masks and the like, which pruning leaves alone."""

    rest: tuple[Any, ...]
    named: dict[str, Any]

    def on(self, block: nn.Module, hidden: Tensor) -> Tensor:
        """The hidden states that *block* makes of *hidden*. Some blocks return them alone, some first of several."""
        value = block(hidden, *self.rest, **self.named)
        return value if isinstance(value, Tensor) else value[0]


def calls_of(model: nn.Module, blocks: Sequence[nn.Module],
           batches: Sequence[dict[str, Tensor]]) -> tuple[list[Tensor], list[list[Call]]]:
    """By batch the hidden states that the first block is given, and by block and batch how each is called."""
    first: list[Tensor] = []
    found: list[list[Call]] = [[] for _ in blocks]

    def note(k: int) -> Any:
        def hook(block: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            hidden, rest, others = first_argument(block, args, named)
            found[k].append(Call(rest, others))
            if k == 0:  # keeping those of all blocks would hold the whole pass in memory
                first.append(hidden)
        return hook

    handles = [block.register_forward_pre_hook(note(k), with_kwargs=True) for k, block in enumerate(blocks)]
    try:
        for batch in batches:
            model(**batch)
    finally:
        for handle in handles:
            handle.remove()
    if any(len(calls) != len(batches) for calls in found):
        counts = ", ".join(f"{len(calls) / len(batches):g}" for calls in found)
        raise refused(model, f"in one pass they are used {counts} times")
    return first, found


def _rows(x: Tensor, keep: Tensor) -> Tensor:
    """`[batch, tokens, in]` as `[rows, in]` without padding. What is no token (relative positions, say) is kept."""
    rows = x.reshape(-1, x.shape[-1])
    return (rows[keep] if len(rows) == len(keep) else rows).float()


def _all_inputs(block: nn.Module, own: dict[str, nn.Linear], call: list[Call], hidden: list[Tensor],
                keeps: list[Tensor]) -> tuple[list[dict[str, Tensor]], list[Tensor]]:
    """One pass of a block. By batch: every matrix's input `[tokens, in]` in the order of use; the block's output."""
    seen: dict[str, Tensor] = {}
    same: dict[int, Tensor] = {}
    alive: list[Tensor] = []  # an address names one tensor only while that lives

    def note(name: str, keep: Tensor) -> Any:
        def hook(layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            x, *_ = first_argument(layer, args, named)
            if id(x) not in same:
                same[id(x)] = _rows(x, keep)
                alive.append(x)
            seen[name] = same[id(x)]
        return hook

    inputs, outputs = [], []
    for x, again, keep in zip(hidden, call, keeps, strict=True):
        seen, same, alive = {}, {}, []
        handles = [m.register_forward_pre_hook(note(name, keep), with_kwargs=True) for name, m in own.items()]
        try:
            outputs.append(again.on(block, x))
        finally:
            for handle in handles:
                handle.remove()
        inputs.append(seen)
    return inputs, outputs


def _groups(inputs: list[dict[str, Tensor]]) -> list[list[str]]:
    """Matrices that read the same tensor, in the order of use."""
    groups: dict[int, list[str]] = {}
    for name, x in inputs[0].items():
        groups.setdefault(id(x), []).append(name)
    return list(groups.values())


def _moments(block: nn.Module, reader: nn.Linear, dense: list[Tensor], call: list[Call], hidden: list[Tensor],
             keeps: list[Tensor]) -> tuple[Tensor, Tensor]:
    """G = X^^T X^ and C = X^T X^, `[in, in]`, of what *reader* gets when the block is given the pruned *hidden*."""
    gram = cross = torch.zeros(())
    got: list[Tensor] = []

    def hook(layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        got.append(first_argument(layer, args, named)[0])
        raise _Reached

    handle = reader.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        for x, h, again, keep in zip(dense, hidden, call, keeps, strict=True):
            with contextlib.suppress(_Reached):
                again.on(block, h)
            rows = _rows(got.pop(), keep)
            gram, cross = gram + rows.T @ rows, cross + x.T @ rows
    finally:
        handle.remove()
    return gram, cross


def _problem(weight: Tensor, gram: Tensor, cross: Tensor, tokens: int) -> tuple[LayerStats, Tensor]:
    """The statistics of X^ and the target W1."""
    shift = DAMPING * float(gram.diagonal().mean())
    damped = gram.clone()
    damped.diagonal().add_(shift)
    right = weight @ cross + shift * weight
    target = torch.cholesky_solve(right.T, torch.linalg.cholesky(damped)).T.contiguous()
    return LayerStats(norms=gram.diagonal().clamp_min(0).sqrt(), tokens=tokens, gram=gram), target
