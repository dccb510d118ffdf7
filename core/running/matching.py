"""Block matching: after every matrix was solved by itself, an encoder layer is trained as a whole to put out what it
did dense, its masks fixed.

    minimise over the weights that stay:  |block(X) - dense block(X)|^2     X: what reaches it through matched blocks
    Adam, step RATE, falling by a cosine over the passes to a fifth of it

Source: 3BASiL's transformer matching (arXiv 2603.01376), read in the authors' code: loss, Adam, RATE, its course, a
step for every SEQUENCES sentences; it works after any pruner (published: 20 passes, the first without a step).
Where we differ: only the pruned matrices move, not biases and norms; every pass has an order of its own; padding has no
part. On a grid the block is seen with its weights on their nearest levels, and the gradient goes straight through.
Cost: the calibration text forward and backward through every layer, a pass each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.inside.blocks import Block, in_steps, solve_blocks
from core.methods.base import LayerResult
from core.methods.straight_through import StraightThrough
from core.sparsity.grids import Grid
from core.sparsity.rounding import nearest
from core.sparsity.select import numbers

RATE, LAST, SEQUENCES = 2e-5, 0.2, 8  # LAST: share of the rate that the cosine ends at


def match(model: nn.Module, blocks: Sequence[nn.Module], layers: dict[str, nn.Linear],
          batches: Sequence[dict[str, Tensor]], solution: dict[str, LayerResult], passes: int,
          grid: Grid | None) -> dict[str, LayerResult]:
    """*solution* with matched weights, *passes* times over the text of *batches*; its masks stay. With a *grid* they
    are on it.

    *model* must hold the dense weights and is left with the matched ones. Raises InputError for a model whose *blocks*
    (the encoder layers) are not passed through once each, in order.
    """
    found: dict[str, LayerResult] = {}

    def one(block: Block) -> dict[str, Tensor]:
        own = {name: solution[name] for name in block.layers}
        found.update(_matched(block, own, passes, grid))
        return {name: found[name].weight for name in own}

    try:
        solve_blocks(model, blocks, layers, in_steps(batches, SEQUENCES), one)
    except InputError as error:
        raise InputError(error.given, error.expected, "Leave match out.") from error
    return {name: found[name] for name in solution}


def _matched(block: Block, own: dict[str, LayerResult], passes: int, grid: Grid | None) -> dict[str, LayerResult]:
    """The matrices of *block*, matched."""
    scales = {name: result.scale for name, result in own.items()}

    def on_grid(name: str) -> Tensor:
        assert grid is not None
        values, scales[name] = nearest(grid, block.layers[name].weight.data, own[name].mask,
                                       block.norms[name].square(), scales[name])
        return values

    for name, result in own.items():
        block.layers[name].weight.data.copy_(result.weight)
    weights = [layer.weight for layer in block.layers.values()]
    masks = [numbers(own[name].mask) for name in block.layers]
    through = StraightThrough(block.layers)
    optimizer = torch.optim.Adam(weights, lr=RATE, fused=True)
    order = np.random.default_rng(block.number)
    for number in range(passes):
        optimizer.param_groups[0]["lr"] = RATE * (LAST + (1 - LAST) * (1 + math.cos(math.pi * number / passes)) / 2)
        for batch in (int(i) for i in order.permutation(len(block.real))):
            through.enter({name: on_grid(name) for name in own} if grid else {})
            with torch.enable_grad():
                real = block.real[batch]
                loss = (block.on(batch)[real] - block.targets[batch][real]).square().sum()
                slopes = torch.autograd.grad(loss, weights)
            through.leave()
            for weight, slope, mask in zip(weights, slopes, masks, strict=True):
                weight.grad = slope.mul_(mask)
            optimizer.step()
    for weight in weights:
        weight.grad = None
    return {name: replace(own[name], weight=on_grid(name) if grid else layer.weight.data.clone(), scale=scales[name])
            for name, layer in block.layers.items()}
