"""Layer-wise ADMM: for each layer, the weights that keep its outputs best under the pattern. No
training.

    minimise over W:  |X (W0 - W)^T|^2    W has the pattern
    in rounds, with A = X^T X of scaled columns:
        Z <- P(W + U)                     the largest of every group
        U <- U + W - Z                    what W and Z disagree on, added up
        W <- (W0 A + rho (Z - U)) (A + rho I)^-1

Columns are scaled by sqrt(diag A) of the calibration inputs, with `metric=inverse` by what the
layer loses without a weight (`inverse_scale`); see `core.methods.quadratic`. With `match` the
weights that stay are trained on afterwards, an encoder layer at a time, to put out what that layer
did dense (`core.running.matching`).

Prunes: single weights, by what the layer's outputs would lose; those that stay are solved anew.
Every pattern.
Sources: Boza 2024 (arXiv 2401.02938): the scaling, the damping, 20 rounds at a fixed rho, the mask
chosen anew in the first 15 while the share of zeros rises by a cubic; Meng et al. 2024, ALPS (arXiv
2406.07831): rho that grows with the change of the support, then conjugate gradients on the support
that was found; 3BASiL (arXiv 2603.01376): block matching.
Where we differ: by default rho rises in few stages, each with one Cholesky factorisation (cheaper
than the eigendecomposition of ALPS), and the scaled dual is rescaled at each (U *= rho_old /
rho_new). Boza's form, its 20 rounds and the Z-step after them, is `--knob rise=fixed --knob
rho_end=1 --knob damping=0.1 --knob iterations=21 --knob ramp=15 --knob settle=6 --knob polish=0`:
on the ramp the N largest of every group always stay, and of the others those over one threshold
for the whole matrix. The form of ALPS is `--knob rise=support`, which stops when the support rests.
With a grid (NxMiFormer, arXiv 2206.15014, layer by layer), Z is on its levels in every round. The
last LAST rounds' Z and the rounded end of the conjugate gradients are candidates, row by row the
one with the lowest loss is taken, and coordinate descent over the codes closes
(`core.methods.levels`).
Cost per layer: `stages` factorisations of [in, in] and (iterations + polish) products [out, in] x
[in, in].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from core.inside.statistics import LayerStats
from core.methods.base import LayerMethod, LayerResult, RoundState, check_finite
from core.methods.knob_sets import AdmmLayerKnobs
from core.methods.levels import descend
from core.methods.low_rank import Following, fit
from core.methods.quadratic import Factor, QuadraticSplit, Round
from core.sparsity.grids import Grid
from core.sparsity.patterns import Pattern
from core.sparsity.rounding import codes, nearest, spread

# Called after every round with the columns' scale `[in]`.
Watch = Callable[[QuadraticSplit, Round, Tensor], None]
LOOK = 3  # rounds between two looks at the support (ALPS)
LAST = 6  # rounds whose Z on the grid are candidates: judging one costs as much as the round itself
PASSES = 4  # of the closing step on a grid
# Keeps a column that others can copy almost exactly from counting for nothing: minilm-l6 at 1:4
# loses 0.7 % more without it.
RIDGE = 0.03


class AdmmLayer(LayerMethod):
    """See the module's text."""

    knobs: AdmmLayerKnobs

    @property
    def rounds(self) -> int:
        """As many as the knob says, at most."""
        return self.knobs.iterations

    @property
    def rank(self) -> int:
        """Of the correction beside the pruned matrix; 0: none (`admm-lowrank` has one)."""
        return 0

    def solve_watched(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern,
                      seen: Callable[[RoundState], None]) -> LayerResult:
        """See `LayerMethod.solve_watched`. A layer that rests early stays as it is: its last round
        is shown again until there were as many as there may be."""
        last: list[RoundState] = []

        def watch(split: QuadraticSplit, done: Round, scale: Tensor) -> None:
            number = last.pop().number + 1 if last else 1
            last.append(RoundState(number, split.w / scale, split.u / scale, split.mask, done.rho,
                                   done.primal))
            seen(last[0])

        result = self.solve(weight, stats, pattern, watch)
        for number in range(last[0].number + 1, self.rounds + 1):
            seen(replace(last[0], number=number))
        return result

    def solve(self, weight: Tensor, stats: LayerStats | None, pattern: Pattern,
              watch: Watch | None = None) -> LayerResult:
        """See `LayerMethod.solve`. *stats* must hold the Gram matrix; *watch* sees every round."""
        assert stats is not None and stats.gram is not None
        check_finite(weight, stats)
        k = self.knobs
        scale = torch.where(stats.norms > 0, stats.norms, torch.ones_like(stats.norms))  # [in]
        if not k.scaled:
            scale = torch.full_like(scale, float(scale.square().mean().sqrt()))
        a = stats.gram / scale.outer(scale)  # unit diagonal where the column is ever non-zero
        a.diagonal().add_(k.damping)
        if k.metric == "inverse":
            more = inverse_scale(a)
            scale, a = scale * more, a / more.outer(more)
        # A rho that follows the support changes every few rounds: one eigendecomposition serves all
        # of them, where Cholesky would need a factorisation each time.
        factor: Factor = "spectral" if k.rise == "support" else "cholesky"
        split = QuadraticSplit(a, weight * scale, pattern, factor=factor, grid=self.grid,
                               columns=None if self.grid is None else scale)
        best = None if self.grid is None else _Best(self.grid, split, scale)
        rho, trace = _Rho(k, split), []
        low = Following(split, self.rank) if self.rank else None
        # Rounds that choose a mask. The last of them must choose the final one, so there is one at
        # least, and a ramp ends with them at the latest.
        free = max(k.iterations - k.settle, 1)
        ramp = min(k.ramp, free)
        for i in range(k.iterations):
            wanted = rho.at(i)
            if rho.resting and i > ramp:
                if best is not None:
                    best.offer(split.z, split.scale, split.mask)
                break
            split.set_rho(wanted)
            now = pattern.eased((i + 1) / ramp) if i < ramp else pattern
            done = split.step(now, fixed=i >= free)
            if low is not None:
                low.follow()
            if best is not None and i >= k.iterations - LAST:
                best.offer(split.z, split.scale, split.mask)
            if watch is not None:
                watch(split, done, scale)
            trace.append({"rho": done.rho, "primal": done.primal, "dual": done.dual,
                          "flips": done.flips})
        polished = polish(split.z, split.mask, split.w0, a, k.polish)
        w, z = split.w / scale, split.z / scale
        if best is not None:
            values, grid_scale = best.closed(polished)
            return LayerResult(values, best.mask, w=w, z=z, trace=trace, scale=grid_scale)
        found = LayerResult(polished.div_(scale), split.mask, w=w, z=z, trace=trace)
        if low is not None:
            found.low, squares = fit(weight - found.weight, stats.gram, low.rank)
            found.squares = squares / (((weight @ stats.gram) * weight).sum() or 1.0)
        return found


def inverse_scale(a: Tensor) -> Tensor:
    """What the columns of *a* `[in, in]`, whose diagonal is constant, are scaled by for
    `metric=inverse`: `[in]`.

        s_j = c / sqrt((A + RIDGE I)^-1_jj)     c: the mean of the scaled diagonal stays

    Without a weight w of column j the layer loses w^2 / (A^-1)_jj once all other weights of its row
    have made up for it: the measure of Optimal Brain Surgeon (Hassibi and Stork 1993), by which
    SparseGPT chooses too. The norm of the column counts what it would lose if they stayed.
    """
    shifted = a.clone()
    shifted.diagonal().add_(RIDGE)
    squares = torch.cholesky_inverse(torch.linalg.cholesky(shifted)).diagonal()  # s^-2
    return (squares.mean() / squares).sqrt()


class _Best:
    """The best weights on the grid so far, in scaled columns. Under one mask row by row, as rows do
    not share their loss; between masks as a whole, as a pattern may count over rows."""

    def __init__(self, grid: Grid, split: QuadraticSplit, columns: Tensor) -> None:
        self.grid, self.split, self.columns = grid, split, columns
        self.loss = split.w0.new_full((len(split.w0),), float("inf"))
        self.z, self.mask = torch.zeros_like(split.w0), split.mask
        rows, width = split.w0.shape
        self.scale = split.w0.new_zeros(rows, width // (grid.chunk or width))

    def offer(self, z: Tensor, scale: Tensor | None, mask: Tensor) -> None:
        """Take *z*, or those of its rows, that lose less; their scales and mask with them."""
        assert scale is not None
        loss = self.split.errors(z)
        if torch.equal(mask, self.mask):
            better = (loss < self.loss)[:, None]
            self.loss = torch.minimum(loss, self.loss)
            self.z = torch.where(better, z, self.z)
            self.scale = torch.where(better, scale, self.scale)
        elif loss.sum() < self.loss.sum():
            self.loss, self.z, self.scale, self.mask = loss, z.clone(), scale, mask

    def closed(self, polished: Tensor) -> tuple[Tensor, Tensor]:
        """Values and scales of the answer in the units of the weights, after *polished* (under the
        split's last mask) and plain rounding of W0 under it have been offered too, and the codes
        have been improved."""
        split, grid, columns = self.split, self.grid, self.columns
        for free in (polished, split.w0):
            values, scale = nearest(grid, free / columns, split.mask, metric=columns.square())
            self.offer(values.mul_(columns), scale, split.mask)
        wide = spread(grid, self.scale, len(columns))
        whole = codes(grid, self.z / columns, wide)
        whole, self.scale = descend(
            grid, whole, self.scale, self.mask, split.w0, split.a, columns, PASSES)
        return whole.mul_(spread(grid, self.scale, len(columns))), self.scale


class _Rho:
    """The penalty of every iteration."""

    def __init__(self, knobs: AdmmLayerKnobs, split: QuadraticSplit) -> None:
        self.k, self.split, self.seen = knobs, split, split.mask
        # rise=support: has the mask come to rest, that is, did nothing move between two looks?
        self.resting = False
        parts = min(knobs.stages, knobs.iterations)  # earlier stages take what does not divide
        each, more = divmod(knobs.iterations, parts)
        self.stage = [s for s in range(parts) for _ in range(each + (s < more))]

    def at(self, i: int) -> float:
        """rho of iteration *i*; to be asked once for each, in order."""
        k = self.k
        if k.rise == "fixed":
            return k.rho_end
        if k.rise == "stages":
            share = self.stage[i] / (k.stages - 1) if k.stages > 1 else 1.0
            return k.rho_start * (k.rho_end / k.rho_start) ** share
        if i == 0:
            return k.rho_start
        if i % LOOK:
            return self.split.rho
        # At the first look nothing has been seen before: as if all had moved.
        flips = int((self.split.mask ^ self.seen).count_nonzero())
        moved = flips / self.seen.numel() if i > LOOK else 1.0
        self.resting = moved == 0.0
        self.seen = self.split.mask
        # 1.1 for a support at rest, 1.3 for one in flux. Differs from ALPS, which takes 1.1, 1.2 or
        # 1.3: between the ends this is a line.
        return self.split.rho * (1.1 + 0.2 * min(moved / 0.05, 1.0))


def polish(z: Tensor, mask: Tensor, v0: Tensor, a: Tensor, steps: int) -> Tensor:
    """Minimise tr((V - V0) A (V - V0)^T) over V with support *mask*, from *z*: conjugate gradients,
    every row its own.

    All tensors `[out, in]` but a `[in, in]`. Each row converges to the exact least squares solution
    on its support.
    """
    keep = mask.to(z.dtype)
    v = z * keep
    if not steps:
        return v
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
