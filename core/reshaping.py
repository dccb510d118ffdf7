"""The activation term: a cost on the norms of a feature map's regions under which whole regions go quiet.

With a = A_b / m a region in units of the dense model's median region norm m (same map, same layer):

    prox(a)  = argmin_v  lambda |v| + rho_a/2 |a - v|^2  =  a max(0, 1 - (lambda/rho_a) / |a|)
    cost(a)  = min_v     lambda |v| + rho_a/2 |a - v|^2
             = rho_a/2 |a|^2                       while |a| <= lambda/rho_a
             = lambda |a| - lambda^2 / (2 rho_a)   beyond
    gradient = rho_a (a - prox(a))

Source: a group norm through its proximal map and the Moreau envelope: Parikh and Boyd 2014, Proximal Algorithms,
sections 3.1, 6.5.1 and 7.1; that a feature map is reshaped until regions go quiet: Wang 2024 (arXiv 2407.08334), whose
text we could not read: the formulas are our formulation.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.regions import REGION


def region_squares(values: Tensor) -> Tensor:
    """Squared norms of the regions of *values* `[..., features]`: `[..., ceil(features / REGION)]`, float32."""
    return _cut(values.float()).square().sum(-1)


def shrink(values: Tensor, threshold: float) -> Tensor:
    """prox: every region of *values* `[..., features]` comes nearer to zero by *threshold*, at most to zero."""
    parts = _cut(values)
    norms = parts.norm(dim=-1, keepdim=True)
    factors = (1.0 - threshold / norms.clamp_min(torch.finfo(values.dtype).tiny)).clamp_min(0.0)
    return (parts * factors).flatten(-2)[..., : values.shape[-1]]


def envelope(squares: Tensor, strength: float, rho: float) -> Tensor:
    """cost(a) of regions with the squared norms *squares*, same shape; *strength* is lambda > 0, *rho* is rho_a > 0.

    Both halves meet with the same slope, so clamping gives each region exactly one of them, and zero regions a zero
    gradient where the norm itself has none.
    """
    bound = (strength / rho) ** 2
    near, far = squares.clamp_max(bound), squares.clamp_min(bound)
    return 0.5 * rho * near + strength * (far.sqrt() - strength / rho)


def _cut(values: Tensor) -> Tensor:
    """`[..., features]` as `[..., regions, REGION]`; the last region is filled with zeros, which no norm sees."""
    lacking = -values.shape[-1] % REGION
    whole = functional.pad(values, (0, lacking)) if lacking else values
    return whole.unflatten(-1, (-1, REGION))
