"""SparseGPT: column by column, drop the cheapest weights and let the columns to their right make up
for it.

    H = X^T X + damping * mean(diag X^T X) I
    H^-1 = R^T R                            R upper triangular
    score of w = w^2 / R_ii^2               what the loss would rise by, w as updated so far
    for every column i, from left to right:
        e = (w_i - q_i) / R_ii              q_i: column i, its dropped weights at zero
        w_j <- w_j - e R_ij  for all j > i    the best answer of the columns to come

Prunes: single weights, by what the layer's outputs would lose; those that stay are updated. Every
pattern.
Source: Frantar and Alistarh 2023 (arXiv 2301.00774), algorithm 1: N:M chooses the mask of a group
when its first column is reached, unstructured that of `block` columns at once, at the wanted
sparsity; updates beyond those columns wait until the block is done. An input that is always zero
has its weights set to zero, as in the published code.
Where we differ: the total that `unstructured` keeps is exact, blocks of columns take its rounding
in turn; r x c blocks (not in the paper) are chosen once, from the weights as they come; a library
(not in the paper either) chooses like N:M, when the first column of its blocks is reached. R comes
from one Cholesky factorisation of H with rows and columns reversed and one triangular inverse,
which is the same matrix as that of H^-1. The mean of the damping leaves out inputs that are always
zero.
Cost per layer: one factorisation of [in, in], one triangular inverse, out * in^2 multiplications,
`in` small steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.inside.statistics import LayerStats
from core.methods.base import LayerMethod, LayerResult, check_finite
from core.methods.knob_sets import SparseGptKnobs
from core.sparsity.patterns import Pattern
from core.sparsity.select import highest, select

# Columns that are finished one by one before the rest of the block hears of them, where no group
# says more.
PART = 8


class SparseGpt(LayerMethod):
    """See the module's text."""

    knobs: SparseGptKnobs

    def solve(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern) -> LayerResult:
        """See `LayerMethod.solve`. *stats* must hold the Gram matrix.

        Works in the floating type of *weight*. Raises InputError when the matrix does not fit the
        pattern, torch.linalg.LinAlgError when the damping is too small for the Gram matrix.
        """
        assert stats is not None and stats.gram is not None
        check_finite(weight, stats)
        pattern.fits("the matrix", tuple(weight.shape))
        k = self.knobs
        factor, dead = inverse_factor(stats.gram, k.damping)
        # [in, out]: a column is one stretch of memory, and it is columns that the loop visits.
        columns = weight.T.clone(memory_format=torch.contiguous_format)
        columns[dead] = 0.0
        chooser = _Chooser(pattern, columns, factor.diagonal())
        # Rounded up to whole groups: the columns of a group are chosen at once, so in one block.
        block = -(-k.block // chooser.group) * chooser.group
        for start in range(0, len(columns), block):
            _sweep(columns, factor, chooser, start, min(start + block, len(columns)))
        mask = chooser.mask.T.contiguous()
        return LayerResult(columns.T * mask, mask)


def inverse_factor(gram: Tensor, damping: float) -> tuple[Tensor, Tensor]:
    """R `[in, in]`, upper triangular with R^T R = H^-1, and a bool `[in]`: is an input always zero?

    Raises torch.linalg.LinAlgError when *damping* is too small for *gram* `[in, in]`.
    """
    h = gram.clone()
    diagonal = h.diagonal()
    dead = diagonal <= 0
    mean = diagonal[~dead].mean() if not bool(dead.all()) else diagonal.new_tensor(1.0)
    # Any number does: there is nothing else in these rows and columns.
    diagonal[dead] = mean
    diagonal.add_(damping * mean)
    # Differs from the published code, which inverts H and factorises the inverse: with rows and
    # columns reversed, H = V V^T with V upper triangular, so R = V^-1.
    lower = torch.linalg.cholesky(h.flip(0, 1))
    upper = lower.flip(0, 1)
    one = torch.eye(len(h), dtype=h.dtype, device=h.device)
    return torch.linalg.solve_triangular(upper, one, upper=True), dead


class _Chooser:
    """The mask `[in, out]` of a matrix, chosen piece by piece as the columns are reached."""

    def __init__(self, pattern: Pattern, columns: Tensor, pivots: Tensor) -> None:
        self.pattern, self.columns = pattern, columns
        self.scale = pivots.reciprocal().unsqueeze(1)  # [in, 1]: 1 / R_ii
        grouping = pattern.grouping
        # A group with sides is chosen when its first column is reached; single weights of a whole
        # matrix are chosen for `block` columns at a time.
        self.by_group = grouping.tiled
        self.by_block = not self.by_group and grouping.single
        self.group = pattern.multiple if self.by_group else 1  # columns chosen at once
        self.part = self.group if self.by_group else PART
        if self.by_group or self.by_block:
            self.mask = torch.ones_like(columns, dtype=torch.bool)
        else:
            # Units that reach over columns of several blocks: once, from the weights as they come.
            self.mask = select(pattern, self._sizes(0, len(columns)).square_()).T.contiguous()

    def _sizes(self, start: int, stop: int) -> Tensor:
        """|w| / R_ii `[out, stop - start]` of some columns: the root of what dropping w costs."""
        return (self.columns[start:stop] * self.scale[start:stop]).abs_().T

    def at_block(self, start: int, stop: int) -> None:
        """Choose for the columns of a block before they are visited, where blocks choose."""
        if self.by_block:
            rows, kept = self.columns.shape[1], self.pattern.budget.kept
            # The total is exact: what rounding gave one block it takes from the next.
            count = kept(stop * rows) - kept(start * rows)
            sizes = self._sizes(start, stop)
            self.mask[start:stop] = highest(sizes.reshape(-1), count).view(sizes.shape).T

    def at_part(self, start: int, stop: int) -> None:
        """Choose for the columns of a group before they are visited, where groups choose."""
        if self.by_group:
            self.mask[start:stop] = select(self.pattern, self._sizes(start, stop)).T


def _sweep(columns: Tensor, factor: Tensor, chooser: _Chooser, start: int, stop: int) -> None:
    """Visit the columns *start* up to *stop* and tell all columns to their right.

    Columns of one part are finished one by one; the rest of the block hears of a part, the rest of
    the matrix of a block, by one product each: what every column ends up with is the same.
    """
    errors = torch.empty_like(columns[start:stop])  # [block, out]: e of every column
    chooser.at_block(start, stop)
    for first in range(start, stop, chooser.part):
        last = min(first + chooser.part, stop)
        chooser.at_part(first, last)
        part, lost = columns[first:last], errors[first - start:last - start]
        gone = (~chooser.mask[first:last]).to(columns.dtype).mul_(chooser.scale[first:last])
        for i in range(last - first):
            torch.mul(part[i], gone[i], out=lost[i])
            if first + i + 1 < last:
                part[i + 1:].addr_(factor[first + i, first + i + 1:last], lost[i], alpha=-1.0)
        if last < stop:
            columns[last:stop].addmm_(factor[first:last, last:stop].T, lost, alpha=-1.0)
    if stop < len(columns):
        columns[stop:].addmm_(factor[start:stop, stop:].T, errors, alpha=-1.0)
