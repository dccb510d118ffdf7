"""The closing step on a grid: coordinate descent over the codes of one layer, on the quadratic that
ADMM worked on.

    min over V of tr((V - V0) A (V - V0)^T)
    V_ij = s_i,chunk(j) n_j c_ij,   c_ij whole,   |c_ij| <= top

Column after column, every row takes the nearest level to the exact minimum along that weight, the
others held: with g = ((V - V0) A)_ij that is c <- round(c - g / (A_jj step)). The loss is a
parabola along it, so the nearest level is the best one and no move makes the loss worse. After the
columns of a chunk its scale takes its own exact minimum for the codes it now has: s <- s - <g, n c>
/ (n c)^T A (n c). Pruned weights stay 0.
Source: coordinate descent for layer-wise quantisation is known from QuantEase (arXiv 2309.01885);
that every chunk's scale moves along, and the mask, are ours. Cost: one product [out, in] x [in, in]
a pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.sparsity.grids import Grid

BLOCK = 64  # columns whose gradient is kept in the cache while they change one after the other


def descend(grid: Grid, codes: Tensor, scale: Tensor, mask: Tensor, v0: Tensor, a: Tensor,
            columns: Tensor, passes: int) -> tuple[Tensor, Tensor]:
    """Improve *codes* `[out, in]` (whole numbers) and *scale* `[out, chunks]`; returns new ones of
    the same shapes.

    *mask*, *v0*: `[out, in]`; *a*: `[in, in]`, *columns*: `[in]`, the n above. Floating type of
    *v0*.
    """
    # Kept as [in, out], so that a column of the layer is one run of memory.
    c, keep = codes.T.to(v0.dtype).contiguous(), mask.T.contiguous()
    s, n, width = scale.T.contiguous(), columns.to(v0.dtype), len(a)
    length = grid.chunk or width
    gap = torch.repeat_interleave(s, length, dim=0).mul_(c).mul_(n[:, None]).sub_(v0.T)
    curve = a.diagonal()
    for _ in range(passes):
        for chunk in range(width // length):
            start, stop = chunk * length, (chunk + 1) * length
            for low in range(start, stop, BLOCK):
                high = min(low + BLOCK, stop)
                g, inner = a[low:high] @ gap, a[low:high, low:high]
                steps = (n[low:high] * curve[low:high]).clamp_min(1e-30)
                for j in range(high - low):
                    row = low + j
                    move = torch.where(s[chunk] > 0, g[j] / (s[chunk] * steps[j]), 0.0)
                    fresh = (c[row] - move).round_().clamp_(-grid.top, grid.top).mul_(keep[row])
                    change = (fresh - c[row]).mul_(s[chunk]).mul_(n[row])
                    c[row] = fresh
                    gap[row] += change
                    # The columns of this block that are still to come hear of the change at once,
                    # later blocks through `gap` when they begin.
                    if j + 1 < high - low:
                        g[j + 1:].addr_(inner[j + 1:, j], change)
            shape = c[start:stop] * n[start:stop, None]  # the direction of the scale, [chunk, out]
            slope = torch.mul(a[start:stop] @ gap, shape).sum(0)
            bend = torch.mul(a[start:stop, start:stop] @ shape, shape).sum(0)
            better = s[chunk] - torch.where(bend > 0, slope / bend.clamp_min(1e-30), 0.0)
            # A scale that is not above 0 would leave no levels: the old one stays.
            better = torch.where(better > 0, better, s[chunk])
            gap[start:stop] += shape * (better - s[chunk])
            s[chunk] = better
    return c.T.contiguous().add_(0.0), s.T.contiguous()
