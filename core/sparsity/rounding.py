"""Rounding: the nearest weights on a grid. Here alone scales are found and weights put on levels.

    min over s >= 0 and whole numbers c in -top..top of
        sum_j d_j (v_j - s c_j)^2             over the kept j of one chunk

For given codes c the best scale is s = <v, c> / <c, c> and the error |v|^2 - <v, c>^2 / <c, c> (all
products weighed by d), so the best scale is the one whose codes make <v, c>^2 / <c, c> largest. The
codes change only where some |v_j| / s passes k + 1/2. Short chunks are swept exactly: all such
breakpoints in order, both products as running sums. Long ones are tried at CANDIDATES scales, each
judged by that same best-scale error, and the best is improved by turns (codes for the scale, scale
for the codes), which never makes it worse.

Source: NxMiFormer (arXiv 2206.15014) searches a symmetric scale per chunk in its Z-step; the exact
sweep and the error by which a candidate is judged are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from core.sparsity.grids import Grid
from core.sparsity.unordered import not_finite

# Breakpoints of a chunk, len * top, up to which it is swept: a sort a chunk, 2.5 s for 10.6 M
# weights.
SWEPT = 256
# Tried scales. With 48 the error is 0.02 % above the sweep's at 4 bits and chunks of 64, with 96
# none.
CANDIDATES = 96
# The tried scales' range, in units of largest |v| / top: below, too much is cut off at the top
# level.
LOWEST, HIGHEST = 0.2, 1.12
# Where the range begins from FINE bits on: there cutting off costs more than rounding ever does.
LOWEST_FINE = 0.8
FINE = 6
TURNS = 2  # codes for the scale, scale for the codes
# Weights at a time on a CPU: what is worked on then stays in the second-level cache.
PIECE = 1 << 16


def nearest(grid: Grid, v: Tensor, mask: Tensor | None = None, metric: Tensor | None = None,
            start: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Put *v* `[out, in]` on *grid*: (values `[out, in]`, scales `[out, chunks]`), of v's type.

    *mask*: where it is 0 the value is 0, and the scale does not care for the weight. *metric*:
    positive `[in]`, the d above (default: all 1). *start*: scales to improve by TURNS in place of
    the search, for weights that moved a little (a scale of 0 is searched anew by its largest
    weight). A chunk of zeros gets scale 0. Every value is exactly the product of a whole number and
    its scale, never -0.

    Raises InputError when the rows cannot be cut into chunks, or a weight is not finite.
    """
    grid.fits("weights", tuple(v.shape))
    if not finite(v):
        raise not_finite("weights")
    length = grid.chunk or v.shape[1]
    kept = v if mask is None else v * mask
    flat = kept.reshape(-1, length)
    weigh = None if metric is None else metric.to(v.dtype).reshape(-1, length)
    many = max(1, PIECE // length) if v.device.type == "cpu" else len(flat)
    # Pieces of whole rows, so that the metric repeats.
    if weigh is not None:
        many = max(1, many // len(weigh)) * len(weigh)
    values, scales = torch.empty_like(flat), torch.empty(len(flat), dtype=v.dtype, device=v.device)
    old = None if start is None else start.to(v.dtype).reshape(-1)
    for first in range(0, len(flat), many):
        part = slice(first, first + many)
        piece = flat[part]
        d = None if weigh is None else weigh.repeat(len(piece) // len(weigh), 1)
        size = piece.abs()
        scale = _scales(grid.top, size, d) if old is None else \
            torch.where(old[part] > 0, old[part], size.amax(1) / grid.top)
        scale = _turns(grid.top, size, scale, d)
        scales[part] = scale
        values[part] = codes(grid, piece, scale[:, None]).mul_(scale[:, None])
    return values.view(v.shape), scales.view(v.shape[0], -1)


def finite(values: Tensor) -> bool:
    """Is every one of *values* a number, and none infinite?"""
    # The sum may overflow where no entry is infinite: only then every entry is looked at.
    return bool(values.detach().sum().isfinite()) or bool(values.isfinite().all())


def codes(grid: Grid, v: Tensor, scale: Tensor) -> Tensor:
    """The nearest whole numbers -top..top of v / scale, in v's type; 0 where the scale is 0.

    The shapes of *v* and *scale* broadcast.
    """
    whole = torch.where(scale > 0, v / scale, 0.0).round_().clamp_(-grid.top, grid.top)
    # Adding zero turns -0 into 0, as `nearest` promises.
    return whole.add_(0.0)


def spread(grid: Grid, scale: Tensor, width: int) -> Tensor:
    """The scale of every weight, `[out, width]`, from those of the chunks, `[out, chunks]`."""
    return scale.repeat_interleave(grid.chunk or width, dim=1)


def put(grid: Grid | None, weights: Mapping[str, Tensor], masks: Mapping[str, Tensor],
        ) -> dict[str, Tensor]:
    """The weights of a model under *masks*, and on *grid* where there is one, by matrix."""
    return {name: w * masks[name] if grid is None else nearest(grid, w, masks[name])[0]
            for name, w in weights.items()}


def _scales(top: int, size: Tensor, d: Tensor | None) -> Tensor:
    """The best scale of every chunk of sizes |v| `[chunks, length]`."""
    return _swept(top, size, d) if size.shape[1] * top <= SWEPT else _tried(top, size, d)


def _swept(top: int, size: Tensor, d: Tensor | None) -> Tensor:
    """The best scale of every chunk, exactly: of all sets of codes that any scale gives.

    They are passed from the coarsest on: a breakpoint moves one code from k to k + 1, and so adds
    |v| to <v, c> and 2k + 1 to <c, c>.
    """
    # In float64: running sums over near ties must not drift.
    given, size, chunks = size.dtype, size.double(), len(size)
    k = torch.arange(top, dtype=size.dtype, device=size.device)
    at, order = (size[:, :, None] / (k + 0.5)).reshape(chunks, -1).sort(
        dim=1, descending=True, stable=True)
    gain, cost = size[:, :, None].expand(-1, -1, top), (2 * k + 1).expand(*size.shape, top)
    if d is not None:
        gain, cost = gain * d[:, :, None], cost * d[:, :, None]
    x = gain.reshape(chunks, -1).gather(1, order).cumsum(1)
    y = cost.reshape(chunks, -1).gather(1, order).cumsum(1)
    best = torch.where(at > 0, x * x / y, 0.0).argmax(1, keepdim=True)
    scale = (x.gather(1, best) / y.gather(1, best))[:, 0]
    return torch.where(size.amax(1) > 0, scale, 0.0).to(given)


def _tried(top: int, size: Tensor, d: Tensor | None) -> Tensor:
    """The best of CANDIDATES scales for every chunk, evenly spaced on a log scale.

    Differs from a plain search: a candidate is judged by the error at the best scale for its codes,
    and that scale is returned, so that a coarse spacing costs little.
    """
    unit = size.amax(1) / top
    steps = size / torch.where(unit > 0, unit, 1.0)[:, None]
    low = LOWEST_FINE if top >= 2 ** (FINE - 1) - 1 else LOWEST
    best, scale = torch.zeros_like(unit), torch.zeros_like(unit)
    c, work = torch.empty_like(size), torch.empty_like(size)
    weighed = size if d is None else size * d
    for i in range(CANDIDATES):
        factor = low * (HIGHEST / low) ** (i / (CANDIDATES - 1))
        torch.mul(steps, 1.0 / factor, out=c).round_().clamp_max_(top)
        x = torch.mul(weighed, c, out=work).sum(1)
        y = (torch.mul(c, c, out=work).sum(1) if d is None
             else torch.mul(c, c, out=work).mul_(d).sum(1))
        ratio = x / y.clamp_min_(1e-30)
        gain = x * ratio
        better = gain > best
        best, scale = torch.where(better, gain, best), torch.where(better, ratio, scale)
    return scale


def _turns(top: int, size: Tensor, scale: Tensor, d: Tensor | None) -> Tensor:
    """The *scale* after TURNS turns: codes for the scale, then the scale for the codes.

    Each of the two is the best for the other, so no turn makes it worse.
    """
    c, work = torch.empty_like(size), torch.empty_like(size)
    weighed = size if d is None else size * d
    for _ in range(TURNS):
        torch.div(size, torch.where(scale > 0, scale, 1.0)[:, None], out=c).round_().clamp_max_(top)
        x = torch.mul(weighed, c, out=work).sum(1)
        y = (torch.mul(c, c, out=work).sum(1) if d is None
             else torch.mul(c, c, out=work).mul_(d).sum(1))
        # A chunk whose codes are all 0 keeps its scale, unless all its weights are 0 too.
        scale = torch.where(y > 0, x / torch.where(y > 0, y, 1.0), scale) * (size.amax(1) > 0)
    return scale
