"""One-shot magnitude: keep the largest |W| of every group, change nothing else.

Source: the baseline of every pruning paper. Cost: one selection over the weights. No knobs, no data.
"""

from __future__ import annotations

from torch import Tensor

from core.methods.base import LayerMethod, LayerResult, LayerStats
from core.sparsity.patterns import Pattern
from core.sparsity.select import select


class Magnitude(LayerMethod):
    """W' = mask o W with the mask of the largest |W|."""

    def solve(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern) -> LayerResult:
        """See `LayerMethod.solve`; *stats* is not read."""
        mask = select(pattern, weight.abs())
        return LayerResult(weight * mask, mask)
