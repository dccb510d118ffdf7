"""One-shot magnitude: keep the largest weights of every group and change nothing else. It looks at
no data.

    M = the largest |W| of every group
    W' = M o W

Prunes: single weights, by their size; every pattern. Nothing else moves. With a grid the kept
weights go to the nearest level: plain rounding, its scale the best one for the weights alone.
Source: the baseline of every pruning paper, and of every quantisation paper.
Where we differ: nothing; of equal weights the first stays, so that every machine finds the same
mask.
Cost: one selection over the weights. No data, no training.
"""

from __future__ import annotations

from torch import Tensor

from core.inside.statistics import LayerStats
from core.methods.base import LayerMethod, LayerResult, check_finite
from core.sparsity.patterns import Pattern
from core.sparsity.rounding import nearest
from core.sparsity.select import select


class Magnitude(LayerMethod):
    """W' = mask o W with the mask of the largest |W|; with a grid, its nearest level."""

    def solve(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern) -> LayerResult:
        """See `LayerMethod.solve`; *stats* is not read."""
        check_finite(weight, None)
        mask = select(pattern, weight.abs())
        if self.grid is None:
            return LayerResult(weight * mask, mask)
        values, scale = nearest(self.grid, weight, mask)
        return LayerResult(values, mask, scale=scale)
