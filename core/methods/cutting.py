"""Blocks of what is left of a matrix once whole rows and columns have gone: every one with a score,
all of a matrix with one threshold (`core.methods.thresholds`).

The rows and columns that stay are put side by side and cut into squares, numbered row by row; the
last ones of a row or column of blocks may be smaller. That is the matrix as the shrunk model has
it, only that nothing is moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from core.methods.thresholds import Gate
from core.sparsity.budget import kept_number


@dataclass
class Cut:
    """The blocks of one matrix `[out, in]`: down x across of them, none for a matrix that is gone.

    rows `[out]`, columns `[in]`: which row and column of blocks a weight's row and column lie in;
    `down` and `across` where they are gone. seen: the mask that was made last.
    """

    gate: Gate
    rows: Tensor
    columns: Tensor
    down: int
    across: int
    seen: Tensor

    def wide(self, blocks: Tensor) -> Tensor:
        """`[down * across]` -> `[out, in]`: every weight as its block, what is gone 0."""
        full = blocks.new_zeros(self.down + 1, self.across + 1)
        full[: self.down, : self.across] = blocks.view(self.down, self.across)
        return full[self.rows[:, None], self.columns[None, :]]

    @torch.no_grad()
    def mask(self) -> Tensor:
        """The mask of the blocks that stay now, `[out, in]`, in float32."""
        self.seen = self.wide(self.gate.mask())
        return self.seen

    @torch.no_grad()
    def backward(self, products: Tensor) -> None:
        """Add to the gradients of scores and threshold what *products*, dL/dW~ o W `[out, in]`,
        make of them."""
        # Sums over rows and columns of blocks as two products: the same whoever adds them up.
        down = torch.zeros(self.down + 1, len(self.rows), device=products.device)
        down[self.rows, torch.arange(len(self.rows), device=products.device)] = 1.0
        across = torch.zeros(len(self.columns), self.across + 1, device=products.device)
        across[torch.arange(len(self.columns), device=products.device), self.columns] = 1.0
        of_mask = (down @ products.float() @ across)[: self.down, : self.across].reshape(-1)
        stays = self.gate.mask()
        for value, slope in ((self.gate.scores, of_mask),
                             (self.gate.threshold, (of_mask * stays).sum().reshape(1))):
            value.grad = slope if value.grad is None else value.grad + slope


def cut(mask: Tensor, size: int, start: float) -> Cut:
    """Cut what *mask* `[out, in]` leaves of a matrix into blocks of *size* x *size*."""
    rows, down = _numbered(mask.any(1), size)
    columns, across = _numbered(mask.any(0), size)
    return Cut(Gate(down * across, start, mask), rows, columns, down, across, mask.float())


def _numbered(stays: Tensor, size: int) -> tuple[Tensor, int]:
    """By row: the number of its row of blocks, that of them all where it does not stay; and that
    one."""
    count = -(-int(stays.sum()) // size)
    place = (stays.cumsum(0) - 1) // size
    return torch.where(stays, place, count), count


def least(cuts: Mapping[str, Cut], share: float, columns: set[str]) -> dict[str, Tensor]:
    """The bool masks of all matrices with a *share* of all their blocks, those with the largest
    margins; but every row of blocks keeps its best one, and of the matrices in *columns* every
    column, so that no head and no neuron is half gone."""
    margins, first = [], []
    for name, c in cuts.items():
        found = c.gate.margins().view(c.down, c.across)
        best = torch.zeros_like(found, dtype=torch.bool)
        if found.numel():
            along = 0 if name in columns else 1
            best.scatter_(along, found.argmax(along, keepdim=True), True)
        margins.append(found.reshape(-1))
        first.append(best.reshape(-1))
    flat = torch.cat(margins).masked_fill(torch.cat(first), torch.inf)
    count = max(kept_number(1.0 - share, len(flat)), int(torch.cat(first).sum()))
    stays = torch.zeros(len(flat))
    stays[flat.sort(descending=True, stable=True).indices[:count]] = 1.0
    parts = stays.split([len(m) for m in margins])
    return {name: c.wide(part.to(c.rows.device)).bool()
            for part, (name, c) in zip(parts, cuts.items(), strict=True)}
