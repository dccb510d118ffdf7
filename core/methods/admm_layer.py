"""Layer-wise ADMM: for each layer, the weights that keep its outputs best under the pattern. No training.

    min over W' of |X (W0 - W')^T|^2   subject to   W' has the pattern

Source: Boza 2024 (arXiv 2401.02938): columns scaled by sqrt(diag X^T X), A = scaled X^T X + damping I,
    Z = P(V + U);   U += V - Z;   V = (V0 A + rho (Z - U)) (A + rho I)^-1,      V = W diag(scale);
Meng et al. 2024, ALPS (arXiv 2406.07831): a rising rho, then conjugate gradients on the support that was found.
Where we differ: rho rises in few stages, each with one Cholesky factorisation (cheaper than the eigendecomposition that
ALPS needs), the scaled dual is rescaled at each (U *= rho_old / rho_new), and the support is the best one seen.
Cost per layer: `stages` factorisations of [in, in] and (iterations + polish) products [out, in] x [in, in].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from core.methods.base import Knobs, LayerMethod, LayerResult, LayerStats, knob
from core.sparsity.patterns import Pattern
from core.sparsity.select import select


@dataclass(frozen=True)
class AdmmLayerKnobs(Knobs):
    """Knobs of `admm-layer`."""

    iterations: int = knob(24, "ADMM iterations per layer, over all stages", 1, 300)
    rho_start: float = knob(0.15, "penalty of the first stage, in units of a scaled input column", 1e-4, 1e3)
    rho_end: float = knob(0.6, "penalty of the last stage", 1e-4, 1e3)
    stages: int = knob(3, "how often rho rises, one factorisation each", 1, 12)
    damping: float = knob(0.003, "added to the diagonal of the scaled Gram matrix, as a share of its mean", 1e-6, 1.0)
    polish: int = knob(10, "conjugate-gradient steps on the final support", 0, 100)


class AdmmLayer(LayerMethod):
    """See the module's text."""

    Knobs = AdmmLayerKnobs
    needs = "gram"

    def solve(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern) -> LayerResult:
        """See `LayerMethod.solve`. *stats* must hold the Gram matrix."""
        assert stats is not None and stats.gram is not None
        k = cast(AdmmLayerKnobs, self.knobs)
        scale = torch.where(stats.norms > 0, stats.norms, torch.ones_like(stats.norms))  # [in]
        a = stats.gram / scale.outer(scale)  # unit diagonal where the column is ever non-zero
        a.diagonal().add_(k.damping)
        v0 = weight * scale  # [out, in]
        split = _Split(a, v0, pattern)
        trace = []
        for stage, steps in enumerate(_spread(k.iterations, k.stages)):
            share = stage / (k.stages - 1) if k.stages > 1 else 1.0
            split.factorise(k.rho_start * (k.rho_end / k.rho_start) ** share)
            for _ in range(steps):
                trace.append(split.step())
        polished = polish(split.z, split.mask, v0, a, k.polish)
        return LayerResult(polished.div_(scale), split.mask, w=split.v / scale, z=split.z / scale, trace=trace)


class _Split:
    """V, Z, U of one layer and the factor that a stage's iterations share. Buffers are written in place: a fresh
    `[out, in]` array costs as much as the product that fills it."""

    def __init__(self, a: Tensor, v0: Tensor, pattern: Pattern) -> None:
        self.a, self.pattern, self.rho = a, pattern, 0.0
        self.v0a = v0 @ a
        self.v, self.z, self.u = v0.clone(), v0.clone(), torch.zeros_like(v0)
        self.target, self.size = torch.empty_like(v0), torch.empty_like(v0)
        self.mask = torch.ones_like(v0, dtype=torch.bool)

    def factorise(self, rho: float) -> None:
        """Prepare (A + rho I)^-1 and rescale the dual to the new rho."""
        shifted = self.a.clone()
        shifted.diagonal().add_(rho)
        self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(shifted))
        if self.rho:
            self.u.mul_(self.rho / rho)
        self.rho = rho

    def step(self) -> dict[str, float]:
        """One round: Z and its support, U, V. Returns rho, the primal residual and the share of flips."""
        torch.add(self.v, self.u, out=self.target)
        fresh = select(self.pattern, torch.abs(self.target, out=self.size))
        torch.mul(self.target, fresh, out=self.z)
        torch.sub(self.target, self.z, out=self.u)
        torch.sub(self.z, self.u, out=self.target)
        torch.add(self.v0a, self.target, alpha=self.rho, out=self.size)
        torch.mm(self.size, self.inverse, out=self.v)
        flips = float((fresh ^ self.mask).count_nonzero()) / fresh.numel()
        self.mask = fresh
        gap = torch.sub(self.v, self.z, out=self.size)
        return {"rho": self.rho, "primal": float(gap.norm() / self.v.norm()), "flips": flips}


def polish(z: Tensor, mask: Tensor, v0: Tensor, a: Tensor, steps: int) -> Tensor:
    """Minimise tr((V - V0) A (V - V0)^T) over V with support *mask*, from *z*: conjugate gradients, every row its own.

    All tensors `[out, in]` but a `[in, in]`. Each row converges to the exact least squares solution on its support.
    """
    keep = mask.to(z.dtype)
    v = z * keep
    residual = ((v0 - v) @ a).mul_(keep)
    direction, image, work = residual.clone(), torch.empty_like(v), torch.empty_like(v)
    rr = torch.mul(residual, residual, out=work).sum(1, keepdim=True)
    for _ in range(steps):
        torch.mm(direction, a, out=image).mul_(keep)
        curvature = torch.mul(direction, image, out=work).sum(1, keepdim=True)
        length = torch.where(curvature > 0, rr / curvature.clamp_min(1e-30), torch.zeros_like(rr))
        v.addcmul_(direction, length)
        residual.addcmul_(image, length, value=-1.0)
        fresh = torch.mul(residual, residual, out=work).sum(1, keepdim=True)
        direction.mul_(fresh / rr.clamp_min(1e-30)).add_(residual)
        rr = fresh
    return v


def _spread(total: int, parts: int) -> list[int]:
    """Split *total* iterations over *parts* stages, earlier stages taking the remainder."""
    parts = min(parts, total)
    return [total // parts + (1 if i < total % parts else 0) for i in range(parts)]
