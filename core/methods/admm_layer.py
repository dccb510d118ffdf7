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
    rho_start: float = knob(0.1, "penalty of the first stage, in units of a scaled input column", 1e-4, 1e3)
    rho_end: float = knob(2.0, "penalty of the last stage", 1e-4, 1e3)
    stages: int = knob(3, "how often rho rises, one factorisation each", 1, 12)
    damping: float = knob(0.02, "added to the diagonal of the scaled Gram matrix, as a share of its mean", 1e-6, 1.0)
    polish: int = knob(8, "conjugate-gradient steps on the final support", 0, 100)


class AdmmLayer(LayerMethod):
    """See the module's text."""

    Knobs = AdmmLayerKnobs
    needs = "gram"

    def solve(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern) -> LayerResult:
        """See `LayerMethod.solve`. *stats* must hold the Gram matrix."""
        assert stats is not None and stats.gram is not None
        k = cast(AdmmLayerKnobs, self.knobs)
        scale = torch.where(stats.norms > 0, stats.norms, torch.ones_like(stats.norms))  # [in]
        scaled = stats.gram / scale.outer(scale)  # unit diagonal where the column is ever non-zero
        a = scaled.clone()
        a.diagonal().add_(k.damping)
        v0 = weight * scale  # [out, in]
        v0a = v0 @ a
        solver = _Iteration(a, v0a, pattern)
        v, u, mask, trace = v0, torch.zeros_like(v0), None, []
        z = v0
        for stage, steps in enumerate(_spread(k.iterations, k.stages)):
            share = stage / (k.stages - 1) if k.stages > 1 else 1.0
            u = solver.factorise(k.rho_start * (k.rho_end / k.rho_start) ** share, u)
            for _ in range(steps):
                z, fresh, u, v = solver.step(v, u)
                flips = 0.0 if mask is None else float((fresh != mask).float().mean())
                mask = fresh
                trace.append({"rho": solver.rho, "primal": float((v - z).norm() / v.norm()), "flips": flips})
        assert mask is not None
        polished = polish(z, mask, v0, a, k.polish)
        return LayerResult(polished / scale, mask, w=v / scale, z=z / scale, trace=trace)


class _Iteration:
    """One factorisation, used for all iterations of a stage."""

    def __init__(self, a: Tensor, v0a: Tensor, pattern: Pattern) -> None:
        self.a, self.v0a, self.pattern, self.rho = a, v0a, pattern, 0.0

    def factorise(self, rho: float, u: Tensor) -> Tensor:
        """Prepare (A + rho I)^-1 and return the scaled dual at the new rho."""
        shifted = self.a.clone()
        shifted.diagonal().add_(rho)
        self.inverse = torch.cholesky_inverse(torch.linalg.cholesky(shifted))
        old, self.rho = self.rho, rho
        return u * (old / rho) if old else u

    def step(self, v: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Z, its support, U, V after one round of the three updates."""
        target = v + u
        mask = select(self.pattern, target.abs())
        z = target * mask
        u = target - z
        v = (self.v0a + self.rho * (z - u)) @ self.inverse
        return z, mask, u, v


def polish(z: Tensor, mask: Tensor, v0: Tensor, a: Tensor, steps: int) -> Tensor:
    """Minimise tr((V - V0) A (V - V0)^T) over V with support *mask*, from *z*: conjugate gradients, every row its own.

    All tensors `[out, in]` but a `[in, in]`. Each row converges to the exact least squares solution on its support.
    """
    keep = mask.to(z.dtype)
    v = z * keep
    residual = ((v0 - v) @ a) * keep
    direction = residual
    rr = residual.square().sum(1, keepdim=True)
    for _ in range(steps):
        image = (direction @ a) * keep
        curvature = (direction * image).sum(1, keepdim=True)
        length = torch.where(curvature > 0, rr / curvature.clamp_min(1e-30), torch.zeros_like(rr))
        v = v + length * direction
        residual = residual - length * image
        fresh = residual.square().sum(1, keepdim=True)
        direction = residual + (fresh / rr.clamp_min(1e-30)) * direction
        rr = fresh
    return v


def _spread(total: int, parts: int) -> list[int]:
    """Split *total* iterations over *parts* stages, earlier stages taking the remainder."""
    parts = min(parts, total)
    return [total // parts + (1 if i < total % parts else 0) for i in range(parts)]
