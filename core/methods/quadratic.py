"""The split behind every ADMM of this project that knows its loss exactly: W, Z and U of a
quadratic under a pattern.

    min over W of  1/2 tr((W - W0) A (W - W0)^T)    W has the pattern (and lies on the grid)

One round (scaled dual; Boyd et al. 2011, section 3.1.1; in layers: Boza 2024, arXiv 2401.02938):

    Z = P(W + U)                               keep the largest of every group, zero the rest;
                                               then, with a grid, the nearest level (NxMiFormer,
                                               arXiv 2206.15014)
    U = U + W - Z                              what W and Z still disagree on, added up
    W = (W0 A + rho (Z - U)) (A + rho I)^-1    exact; or some gradient steps towards it

`admm-layer` runs it on the layers of a model, the pages under "Touch" on two weights, on one group
and on one layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from core.sparsity.grids import Grid
from core.sparsity.patterns import Pattern
from core.sparsity.rounding import nearest
from core.sparsity.select import select

Factor = Literal["cholesky", "spectral"]


@dataclass(frozen=True)
class Round:
    """What one round did. Norms are Frobenius; *dual* is rho |Z - Z before| / |W|, *flips* the
    share of the mask."""

    rho: float
    primal: float  # |W - Z| / |W|
    dual: float
    flips: float


class QuadraticSplit:
    """W, Z, U `[out, in]`, their mask, and the factor that the rounds of one rho share.

    *a* `[in, in]` is symmetric and positive (semi)definite, *w0* `[out, in]` the minimum of the
    loss, *start* (default: *w0*) where W begins. U begins at 0. Works in the floating type of its
    inputs. Buffers are written in place: a fresh `[out, in]` array costs as much as the product
    that fills it, so copy what you want to keep.

    *factor*: "cholesky" pays one factorisation of `[in, in]` for every new rho; "spectral" pays an
    eigendecomposition once and one product for every new rho (Meng et al. 2024, arXiv 2406.07831).

    *grid*: the levels of Z / *columns* (`[in]`, default 1: what the columns were scaled by),
    nearest in the metric of the scaled columns. `scale` `[out, chunks]` holds Z's, searched in the
    first round and improved from there.

    `correct` lets a matrix of low rank stand beside Z: *w0* is then what it leaves, and the loss of
    Z that of both together.
    """

    def __init__(self, a: Tensor, w0: Tensor, pattern: Pattern, start: Tensor | None = None,
                 factor: Factor = "cholesky", grid: Grid | None = None,
                 columns: Tensor | None = None) -> None:
        self.a, self.w0, self.pattern, self.rho = a, w0, pattern, 0.0
        self.w0a = w0 @ a
        self.whole, self.whole_a = w0, self.w0a  # W0 without a correction, and that times A
        self.w = (w0 if start is None else start).clone()
        self.z, self.u = self.w.clone(), torch.zeros_like(w0)
        self.target, self.size = torch.empty_like(w0), torch.empty_like(w0)
        self.spare = torch.empty_like(w0)
        self.mask = torch.ones_like(w0, dtype=torch.bool)
        self.spectrum = torch.linalg.eigh(a) if factor == "spectral" else None
        self.grid, self.columns = grid, columns
        self.scale: Tensor | None = None  # of Z's grid, in units of W / columns

    def set_rho(self, rho: float) -> None:
        """Prepare (A + rho I)^-1 and rescale U, which stands for the force rho U: U <- U rho_old /
        rho_new.

        Raises ValueError for a rho that is not above 0, torch.linalg.LinAlgError when A + rho I is
        not positive definite.
        """
        if not rho > 0:
            raise ValueError(f"rho = {rho!r} is not above 0")
        if rho == self.rho:
            return
        if self.spectrum is None:
            shifted = self.a.clone()
            shifted.diagonal().add_(rho)
            self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(shifted))
        else:
            values, vectors = self.spectrum
            self.inverse = (vectors / (values.clamp_min(0) + rho)) @ vectors.T
        if self.rho:
            self.u.mul_(self.rho / rho)
        self.rho = rho

    def correct(self, left: Tensor, right: Tensor) -> None:
        """From now on *left* `[out, r]` times *right* `[r, in]` stands beside Z: W0 <- W0 - left
        right, of the first W0."""
        self.w0 = torch.addmm(self.whole, left, right, alpha=-1.0)
        self.w0a = torch.addmm(self.whole_a, left, right @ self.a, alpha=-1.0)

    def step(self, pattern: Pattern | None = None, fixed: bool = False,
             gradient: tuple[int, float] | None = None) -> Round:
        """One round: Z and its mask, U, W.

        *pattern*: another one for this round (a schedule). *fixed*: keep the mask as it is.
        *gradient*: (steps, rate) of plain gradient descent on the augmented Lagrangian in place of
        the exact W-step.
        """
        torch.add(self.w, self.u, out=self.target)
        before = self.mask
        if not fixed:
            self.mask = select(pattern or self.pattern, torch.abs(self.target, out=self.size))
        torch.mul(self.target, self.mask, out=self.spare)
        if self.grid is not None:
            self._round(self.grid, self.spare)
        self.z, self.spare = self.spare, self.z  # spare: the Z before
        torch.sub(self.target, self.z, out=self.u)
        dual = float(torch.sub(self.z, self.spare, out=self.size).norm())
        torch.sub(self.z, self.u, out=self.target)
        if gradient is None:
            torch.add(self.w0a, self.target, alpha=self.rho, out=self.size)
            torch.mm(self.size, self.inverse, out=self.w)
        else:
            self._descend(*gradient)
        flips = float((self.mask ^ before).count_nonzero()) / self.mask.numel()
        length = float(self.w.norm()) or 1.0
        primal = float(torch.sub(self.w, self.z, out=self.size).norm())
        return Round(
            rho=self.rho, primal=primal / length, dual=self.rho * dual / length, flips=flips)

    def _round(self, grid: Grid, z: Tensor) -> None:
        """Put *z* on the grid, in place."""
        if self.columns is None:
            values, self.scale = nearest(grid, z, start=self.scale)
        else:
            # The levels are those of the weights, so the scaling is undone first; errors still
            # count as they do in scaled columns.
            values, self.scale = nearest(
                grid, z / self.columns, metric=self.columns.square(), start=self.scale)
            values *= self.columns
        z.copy_(values)

    def _descend(self, steps: int, rate: float) -> None:
        """W <- W - rate ((W - W0) A + rho (W - Z + U)), *steps* times; `target` holds Z - U."""
        for _ in range(steps):
            slope = self.w @ self.a - self.w0a
            slope.add_(self.w, alpha=self.rho).sub_(self.target, alpha=self.rho)
            self.w.sub_(slope, alpha=rate)

    def errors(self, weight: Tensor) -> Tensor:
        """(w - w0) A (w - w0)^T of every row of *weight*, `[out]`: twice the loss of that row."""
        gap = weight - self.w0
        return ((gap @ self.a) * gap).sum(1)
