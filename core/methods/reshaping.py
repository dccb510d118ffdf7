"""The activation term: a cost on the norms of a feature map's regions under which whole regions go
quiet.

With a = A_b / s a region in units of s, a length of the map as a whole:

    prox(a)  = argmin_v  |v| + rho_a/2 |a - v|^2  =  a max(0, 1 - 1 / (rho_a |a|))
    cost(a)  = min_v     |v| + rho_a/2 |a - v|^2
             = rho_a/2 |a|^2          while |a| <= 1 / rho_a
             = |a| - 1 / (2 rho_a)    beyond
    gradient = rho_a (a - prox(a))

Where s is the root mean square of the map's own region norms, the cost does not change when the
whole map grows or shrinks: the gradient through s takes away what points along A. What is left
moves norm from the quiet regions to the loud ones. With s fixed, the cheapest way out is to make
the whole map smaller and the next matrix larger, and no region is quieter than the others.

Source: a group norm through its proximal map and the Moreau envelope: Parikh and Boyd 2014,
Proximal Algorithms, sections 3.1, 6.5.1 and 7.1; that a feature map is reshaped until regions go
quiet: Wang 2024 (arXiv 2407.08334), whose text we could not read: the formulas are our formulation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.inside.watching import cut


def shrink(values: Tensor, threshold: float) -> Tensor:
    """prox: every region of *values* `[..., features]` comes nearer to zero by *threshold*, at most
    to zero."""
    parts = cut(values)
    norms = parts.norm(dim=-1, keepdim=True)
    factors = (1.0 - threshold / norms.clamp_min(torch.finfo(values.dtype).tiny)).clamp_min(0.0)
    return (parts * factors).flatten(-2)[..., : values.shape[-1]]


def envelope(squares: Tensor, rho: float) -> Tensor:
    """cost(a) of regions with the squared norms *squares* `|a|^2`, same shape; *rho* is rho_a > 0.

    Both halves meet with the same slope, so clamping gives each region exactly one of them, and
    zero regions a zero gradient where the norm itself has none.
    """
    bound = 1.0 / rho
    near, far = squares.clamp_max(bound**2), squares.clamp_min(bound**2)
    return 0.5 * rho * near + far.sqrt() - bound


def mean_cost(squares: Tensor, real: Tensor, rho: float, unit: float | None = None) -> Tensor:
    """The mean of cost(a) over the regions of the real tokens: a scalar.

    squares `[batch, tokens, regions]` are |A_b|^2, real `[batch, tokens]` is bool; *unit* is s,
    None the root mean square of these region norms, through which the gradient goes.
    """
    keep = real.unsqueeze(-1)
    count = real.sum() * squares.shape[-1]
    square = (squares * keep).sum() / count if unit is None else unit**2
    return (envelope(squares / square, rho) * keep).sum() / count
