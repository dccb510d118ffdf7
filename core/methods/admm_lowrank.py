"""Sparse plus low rank: each layer becomes a matrix under the pattern and a correction of rank r,
solved together so that its outputs stay. No training.

    minimise over S, L:  |X (W0 - S - L)^T|^2    S has the pattern, L = B C the rank r
    in the rounds of admm-layer, with W0 - L in place of W0:
        S, W, U:  one round                      see `admm-layer`
        L <- best rank r for W0 - W              in the metric A = X^T X of scaled columns
    in the end, on the support that was found:
        S <- conjugate gradients                 then L <- best rank r for W0 - S

The layer computes S x + B (C x). Only S is sparse: the share of zeros is that of S, the bits of B
and C are counted with it.

Prunes: single weights, by what the layer's outputs would lose beside the correction; every pattern.
Source: 3BASiL (arXiv 2603.01376): three-block ADMM, the low rank refreshed in every iteration in
the metric of the Gram matrix; rank 0 is layer-wise ADMM.
Where we differ: the solver is that of `admm-layer`, with its stages of rho, its metric and its
conjugate gradients (published: rho follows the support, up to 2000 iterations, no such end), so
that rank=0 is `admm-layer` bit for bit. L follows by one step of subspace iteration a round
(published: a randomised SVD); the last fit is exact, and in the metric without damping. No
transformer matching follows, and no training.
Cost per layer: that of `admm-layer`, about 5 r / in of it more a round, and in the end one
eigendecomposition of the shorter side. What it buys, on minilm-l6 and sentences of CoLA that it has
not seen: 1:4 with rank 64 (16.5 bits a weight) is off by 2.4 % of the outputs, `admm-layer` at 2:4
(17 bits) by 2.7 %; 2:4 with rank 64 (25 bits) by 0.43 %, 3:4 (25 bits) by 0.56 %. A small rank buys
less than more weights do: 1:4 with rank 16 (10.5 bits) 6.2 %, 5:16 (11 bits) 4.9 %.
"""

from __future__ import annotations

from core.methods.admm_layer import AdmmLayer
from core.methods.knob_sets import AdmmLowRankKnobs
from core.methods.knobs import Knobs
from core.sparsity.grids import Grid


class AdmmLowRank(AdmmLayer):
    """See the module's text; the code is that of `AdmmLayer`, which has rank 0."""

    knobs: AdmmLowRankKnobs

    def __init__(self, knobs: Knobs, grid: Grid | None = None) -> None:
        # METHODS says that it takes no grid, and a spec with one is refused.
        super().__init__(knobs)

    @property
    def rank(self) -> int:
        """As the knob says; a layer has at most that of its shorter side."""
        return self.knobs.rank
