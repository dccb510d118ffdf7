"""Wanda: keep the weights with the largest size times what their input usually carries. What stays
is not changed.

    score of W_ij = |W_ij| * |X_j|_2    X_j: column j of the layer's calibration inputs
    W' = M o W                          M: the largest scores of every group

Prunes: single weights, by size times input norm; every pattern. Nothing else moves.
Source: Sun et al. 2023 (arXiv 2306.11695), eq. 1 and section 3: no weight is updated. For N:M the
scores are compared inside every group, as published.
Where we differ: the paper compares unstructured scores inside every output row, so that each row
loses the same share; our pattern `unstructured` counts over the whole matrix, and so do the scores.
A block's score is the sum of its scores (the paper has no blocks).
Cost: one calibration pass for the norms, one product per weight, one selection. No training.
"""

from __future__ import annotations

from torch import Tensor

from core.inside.statistics import LayerStats
from core.methods.base import LayerMethod, LayerResult, check_finite
from core.sparsity.patterns import Pattern
from core.sparsity.select import select


class Wanda(LayerMethod):
    """W' = mask o W with the mask of the largest |W_ij| |X_j|."""

    def solve(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern) -> LayerResult:
        """See `LayerMethod.solve`. *stats* must hold the norms."""
        assert stats is not None
        check_finite(weight, stats)
        mask = select(pattern, weight.abs() * stats.norms)
        return LayerResult(weight * mask, mask)
