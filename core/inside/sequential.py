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
from typing import Any

import torch
from torch import Tensor, nn

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

    The model must hold the dense weights and is left with the solved ones. Raises ValueError for a matrix that no
    block uses.
    """
    training = model.training
    model.eval()
    try:
        calls = _calls(model, blocks, batches)
        keeps = [batch["attention_mask"].reshape(-1).bool() for batch in batches]
        dense = [call[0][0] for call in calls[0]]
        pruned = list(dense)
        left = dict(layers)
        for block, call in zip(blocks, calls, strict=True):
            own = {name: m for name, m in left.items() if any(m is inner for inner in block.modules())}
            inputs, dense = _all_inputs(block, own, call, dense, keeps)
            for group in _groups(inputs):
                gram, cross = _moments(block, own[group[0]], [x[group[0]] for x in inputs], call, pruned, keeps)
                for name in group:
                    stats, target = _problem(own[name].weight.data, gram, cross, sum(int(k.sum()) for k in keeps))
                    own[name].weight.data.copy_(solve(name, target, stats))
                    del left[name]
            pruned = [_output(block(hidden, *args[1:], **kwargs))
                      for hidden, (args, kwargs) in zip(pruned, call, strict=True)]
        if left:
            raise ValueError(f"no encoder layer uses {', '.join(left)}")
    finally:
        model.train(training)


Call = tuple[tuple[Any, ...], dict[str, Any]]


def _calls(model: nn.Module, blocks: Sequence[nn.Module], batches: Sequence[dict[str, Tensor]]) -> list[list[Call]]:
    """What every block is called with, by block and batch: masks and the like, which pruning leaves alone."""
    found: list[list[Call]] = [[] for _ in blocks]

    def note(k: int) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            # Only the first block's hidden states are read later: keeping all would hold the whole pass in memory.
            found[k].append((args if k == 0 else (None, *args[1:]), kwargs))
        return hook

    handles = [block.register_forward_pre_hook(note(k), with_kwargs=True) for k, block in enumerate(blocks)]
    try:
        for batch in batches:
            model(**batch)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _all_inputs(block: nn.Module, own: dict[str, nn.Linear], call: list[Call], hidden: list[Tensor],
                keeps: list[Tensor]) -> tuple[list[dict[str, Tensor]], list[Tensor]]:
    """One pass of a block. By batch: every matrix's input `[tokens, in]` in the order of use; the block's output."""
    seen: dict[str, Tensor] = {}
    same: dict[int, Tensor] = {}
    alive: list[Tensor] = []  # an address names one tensor only while that lives

    def note(name: str, keep: Tensor) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0]
            if id(x) not in same:
                same[id(x)] = x.reshape(-1, x.shape[-1])[keep].float()
                alive.append(x)
            seen[name] = same[id(x)]
        return hook

    inputs, outputs = [], []
    for x, (args, kwargs), keep in zip(hidden, call, keeps, strict=True):
        seen, same, alive = {}, {}, []
        handles = [m.register_forward_pre_hook(note(name, keep)) for name, m in own.items()]
        try:
            outputs.append(_output(block(x, *args[1:], **kwargs)))
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

    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        got.append(inputs[0])
        raise _Reached

    handle = reader.register_forward_pre_hook(hook)
    try:
        for x, h, (args, kwargs), keep in zip(dense, hidden, call, keeps, strict=True):
            with contextlib.suppress(_Reached):
                block(h, *args[1:], **kwargs)
            rows = got.pop().reshape(-1, x.shape[-1])[keep].float()
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


def _output(value: Any) -> Tensor:
    """A block's hidden states: some return them alone, some first of several."""
    return value if isinstance(value, Tensor) else value[0]
