"""A matrix of low rank beside a pruned one: the best one in the layer's metric, and one that
follows a split round by round.

    minimise over L of rank r:  tr((D - L) A (D - L)^T)      D: what the pruned matrix leaves
    L = Q (Q^T D)                                            Q: top r eigenvectors of D A D^T

D A^(1/2) has the left singular vectors Q, and its truncation (Eckart and Young 1936) times A^(-1/2)
is Q Q^T D: no root of A is inverted, so A may be singular.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.methods.quadratic import QuadraticSplit


@dataclass(frozen=True)
class LowRank:
    """left `[out, r]` times right `[r, in]`."""

    left: Tensor
    right: Tensor

    @property
    def rank(self) -> int:
        """How many directions it has."""
        return self.left.shape[1]

    def beside(self, weight: Tensor) -> Tensor:
        """*weight* `[out, in]` plus this matrix."""
        return torch.addmm(weight, self.left, self.right)


def directions(gap: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """The eigenvectors of gap a gap^T that can matter, `[out, min(out, in)]`, the largest first,
    and their eigenvalues: the squared singular values of *gap* `[out, in]` in the metric *a*
    `[in, in]`, which add up to tr(gap a gap^T).

    Two products and an eigendecomposition of the shorter side.
    """
    rows, width = gap.shape
    if rows <= width:
        values, vectors = torch.linalg.eigh(gap @ a @ gap.T)
        return vectors.flip(1), values.flip(0).clamp_min_(0)
    # The other way round: of [in, in], through a root of A.
    squares, axes = torch.linalg.eigh(a)
    vectors, singular, _ = torch.linalg.svd(
        gap @ (axes * squares.clamp_min(0).sqrt()), full_matrices=False)
    return vectors, singular.square()


def fit(gap: Tensor, a: Tensor, rank: int) -> tuple[LowRank, Tensor]:
    """The best matrix of *rank* for *gap* in the metric *a*, and all squared singular values of
    *gap* in it, falling: what it leaves are those after the first *rank*."""
    vectors, squares = directions(gap, a)
    left = vectors[:, :rank].contiguous()
    return LowRank(left, left.T @ gap), squares


class Following:
    """The low rank that stands beside W of *split* while its rounds go on. One step of subspace
    iteration a round, from where the round before it ended: W moves little in a round, so this is
    the best fit but for little, at 5 r / in of the cost of the round itself."""

    def __init__(self, split: QuadraticSplit, rank: int) -> None:
        self.split, self.rank = split, min(rank, *split.w0.shape)
        self.left: Tensor | None = None

    def follow(self) -> None:
        """Refit to what W leaves of the first W0, and tell the split."""
        split = self.split
        gap = split.whole - split.w
        if self.left is None:
            self.left = directions(gap, split.a)[0][:, : self.rank]
        else:
            self.left = torch.linalg.qr(gap @ (split.a @ (gap.T @ self.left)))[0]
        split.correct(self.left, self.left.T @ gap)
