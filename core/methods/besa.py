"""BESA: every row of a matrix learns how much of it to prune, so that what the encoder layer puts
out changes least. Which weights go within a row Wanda says; no weight changes.

    rank j of a row's weights by |W_ij| |X_j|    the smallest first
    shares p_d = 1, 0.99 ... 0 to choose from:
        prob = softmax(sigmoid(beta))            beta starts at 0
        alpha = sum_d prob_d p_d                 the learned share
        K_j = 1 - sum_d prob_d [j < p_d n]       n: weights of the row
    at every step, weights W M in the layer:
        M_j = 0 for j < alpha n, else 1          back: as if it were K_j
        loss = |(Y - Y0) / s|^2 / d + 5 ((mean alpha - T) / T)^2
        beta <- beta - step of AdamW

Y is what the layer puts out, Y0 what it put out dense, s the norm of each of its d features in
Y0, T the pattern's share of zeros. Then M is fixed and the next layer gets what this one puts out.

Prunes: single weights, by size times input norm, as many of a row as it has learned to spare. Only
patterns with a share leave something to learn: with `global` every layer of the encoder has the
same share, and its matrices and rows divide it; with `unstructured` every matrix has. A pattern
that fixes a number in every group gets Wanda's masks on the pruned layers' inputs, as in the
published code.
Source: Xu et al. 2024 (arXiv 2402.16880), read in the authors' code: candidates, smoothing, masks,
loss, the 5, the input that comes through pruned layers.
Where we differ: AdamW in place of Prodigy. With smoothing, alpha stays within a quarter of 0.5, so
at another target the candidates lie around that (`candidates=centred`; at 0.5 they are the
published ones). The penalty leaves the number of zeros a little off: rows give or take the weights
nearest to their boundary until it is exact. A step is `sequences` sentences, as ours are short;
padding has no part.
Cost: `passes` times the calibration text forward and backward through every layer. No training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.inside.blocks import Block
from core.inside.statistics import LayerStats
from core.methods.base import BlockMethod, LayerResult, check_finite
from core.methods.knob_sets import BesaKnobs
from core.methods.knobs import Knobs
from core.methods.straight_through import StraightThrough
from core.sparsity.grids import Grid
from core.sparsity.patterns import Pattern
from core.sparsity.select import select

PENALTY = 5.0  # of the published scripts
# Of a weight. A share times a width is cut to a whole number, and must not lose one to rounding:
# probabilities in float32 add up to 1 but for some 1e-6, so that half of 384 may become 191.9998.
SLACK = 1e-3


class Shares:
    """What one matrix has to learn: logits over the candidate shares, `[rows or 1, candidates]`.

    metric `[out, in]`: what weights are ranked by in their row, the smallest first. candidates
    `[candidates]`: shares of zeros, falling, float64 on the CPU.
    """

    def __init__(self, metric: Tensor, candidates: Tensor, rows: bool, smooth: bool) -> None:
        out, self.width = metric.shape
        self.smooth = smooth
        self.candidates = candidates
        self.order = metric.argsort(dim=1, stable=True)
        self.sorted = metric.gather(1, self.order)
        self.rank = torch.empty_like(self.order, dtype=torch.int32)
        self.rank.scatter_(1, self.order, torch.arange(
            self.width, dtype=torch.int32, device=metric.device).expand(out, -1))
        # int(n p_d), `[candidates]`
        self.cut = (candidates * self.width + SLACK).long().to(metric.device)
        self.beta = torch.zeros(out if rows else 1, len(candidates), device=metric.device,
                                requires_grad=True)

    def probabilities(self) -> Tensor:
        """prob `[rows or 1, candidates]`."""
        return (self.beta.sigmoid() if self.smooth else self.beta).softmax(dim=1)

    def alpha(self, probabilities: Tensor) -> Tensor:
        """The learned share of zeros of every row, `[rows or 1]`, in float64, which is why it is on
        the CPU: not every accelerator has it."""
        return probabilities.cpu().double() @ self.candidates

    def counts(self) -> Tensor:
        """How many weights of every row the hard mask prunes now, `[out]`."""
        with torch.no_grad():
            learned = (self.alpha(self.probabilities()) * self.width + SLACK).long()
        return learned.expand(len(self.rank)).to(self.rank.device)

    def mask(self, counts: Tensor) -> Tensor:
        """The bool mask `[out, in]` that prunes the *counts* `[out]` lowest of every row."""
        return self.rank >= counts.to(torch.int32).unsqueeze(1)

    def slope(self, of_mask: Tensor) -> Tensor:
        """d loss / d prob `[rows or 1, candidates]`, from d loss / d mask `[out, in]`.

        The mask passes its slope on to K, in which prob_d stands before the ranks below n p_d, with
        a minus: so it is the sum over those, and all sums of a row are one running sum.
        """
        by_rank = of_mask.gather(1, self.order)
        if len(self.beta) == 1:
            by_rank = by_rank.sum(0, keepdim=True)
        running = torch.nn.functional.pad(by_rank.cumsum(dim=1), (1, 0))
        return running[:, self.cut].neg_()


def exact(sorted_metrics: list[Tensor], counts: list[Tensor], target: int) -> list[Tensor]:
    """The *counts* `[out]` of pruned weights, by matrix, changed so that they add up to *target*.

    *sorted_metrics*: by matrix the metric `[out, in]`, every row rising. What is pruned or given
    back beyond a row's count are the weights nearest to its boundary, as a ratio of the metric, so
    that matrices of different scale compare.
    """
    missing = target - sum(int(c.sum()) for c in counts)
    if not missing:
        return counts
    tiny = torch.finfo(torch.float32).tiny
    far: list[Tensor] = []
    for values, count in zip(sorted_metrics, counts, strict=True):
        width = values.shape[1]
        place = torch.arange(width, device=values.device)
        beyond = place >= count.unsqueeze(1)  # what is kept
        at = (count if missing > 0 else count - 1).clamp(0, width - 1).unsqueeze(1)
        edge = values.gather(1, at).clamp_min(tiny)
        ratio = values.clamp_min(tiny) / edge
        wanted = beyond if missing > 0 else ~beyond
        far.append(torch.where(wanted, ratio if missing > 0 else ratio.reciprocal(), torch.inf))
    flat = torch.cat([f.reshape(-1) for f in far])
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    chosen[flat.argsort(stable=True)[:abs(missing)]] = True
    parts = chosen.split([f.numel() for f in far])
    sign = 1 if missing > 0 else -1
    return [c + sign * part.view(f.shape).sum(1)
            for c, part, f in zip(counts, parts, far, strict=True)]


@dataclass
class _Course:
    """How a block came to its shares: by step the error of the step's text, that with the uniform
    share, and alpha of every matrix (mean over its rows); by batch the error in the end."""

    uniform: list[float]
    error: list[float]
    alpha: list[list[float]]
    start: list[float]
    end: list[float]


class Besa(BlockMethod):
    """See the module's text."""

    knobs: BesaKnobs

    def __init__(self, knobs: Knobs, grid: Grid | None = None) -> None:
        super().__init__(knobs, grid)
        self.follow = self.knobs.inputs == "pruned"
        self.sequences = self.knobs.sequences
        self.seen = 0  # weights of the blocks so far
        self.courses: list[_Course] = []
        self.zeros: dict[str, Tensor] = {}  # of every row, by matrix

    def solve_block(self, block: Block, pattern: Pattern) -> dict[str, LayerResult]:
        """See `BlockMethod.solve_block`."""
        metrics = {name: self._metric(layer.weight.data, block.norms[name])
                   for name, layer in block.layers.items()}
        if pattern.budget.share is None or not pattern.grouping.single:
            masks = {name: select(pattern.of(name), metric) for name, metric in metrics.items()}
        else:
            masks = self._learned(block, pattern, metrics)
        return {name: LayerResult(layer.weight.data * masks[name], masks[name])
                for name, layer in block.layers.items()}

    def _metric(self, weight: Tensor, norms: Tensor) -> Tensor:
        check_finite(weight, LayerStats(norms=norms, tokens=0))
        return weight.abs() * norms if self.knobs.metric == "wanda" else weight.abs()

    def _learned(self, block: Block, pattern: Pattern, metrics: dict[str, Tensor],
                 ) -> dict[str, Tensor]:
        """The masks that the block has learned, exact in number."""
        k, target = self.knobs, pattern.sparsity
        together = pattern.scope == "model"
        k.fit_pattern(pattern)
        candidates = torch.tensor(k.shares(target), dtype=torch.float64)
        shares = {name: Shares(metric, candidates, k.granularity == "row", k.smooth)
                  for name, metric in metrics.items()}
        course = self._learn(block, shares, target, together)
        names, counts = list(shares), [s.counts() for s in shares.values()]
        if together:
            size = sum(m.numel() for m in metrics.values())
            kept = pattern.budget.kept
            # The total over blocks is exact: what rounding gave one it takes from the next.
            gone = size - kept(self.seen + size) + kept(self.seen)
            self.seen += size
            counts = exact([s.sorted for s in shares.values()], counts, gone)
        else:
            counts = [exact([s.sorted], [c], s.sorted.numel()
                            - pattern.budget.kept(s.sorted.numel()))[0]
                      for s, c in zip(shares.values(), counts, strict=True)]
        masks = {name: shares[name].mask(c) for name, c in zip(names, counts, strict=True)}
        self.zeros |= dict(zip(names, counts, strict=True))
        course.end = self._errors(block, masks)
        self.courses.append(course)
        return masks

    def _learn(self, block: Block, shares: dict[str, Shares], target: float, together: bool,
               ) -> _Course:
        """Step by step, over the calibration text in an order of its own for every pass."""
        k = self.knobs
        optimizer = torch.optim.AdamW([s.beta for s in shares.values()], lr=k.lr, weight_decay=0.0)
        start = {name: s.mask(s.counts()) for name, s in shares.items()}
        course = _Course([], [], [], self._errors(block, start), [])
        through = StraightThrough(block.layers)
        dense = {name: layer.weight.data for name, layer in block.layers.items()}
        sizes = torch.tensor([float(w.numel()) for w in dense.values()], dtype=torch.float64)
        order = np.random.default_rng(block.number)
        for batch in (int(i) for _ in range(k.passes) for i in order.permutation(len(block.real))):
            masks = {name: s.mask(s.counts()) for name, s in shares.items()}
            through.enter({name: w * masks[name] for name, w in dense.items()})
            with torch.enable_grad():
                error = gap(block.on(batch), block.targets[batch], block.real[batch])
                slopes = torch.autograd.grad(error, [m.weight for m in block.layers.values()])
                through.leave()
                # d loss / d mask = W times what came back to W M; onwards to beta by autograd.
                probabilities = [s.probabilities() for s in shares.values()]
                alphas = [s.alpha(p) for s, p in zip(shares.values(), probabilities, strict=True)]
                means = torch.stack([alpha.mean() for alpha in alphas])
                off = (means @ sizes / sizes.sum()).unsqueeze(0) if together else means
                penalty = PENALTY * ((off - target) / target).square().sum()
                surrogate = sum((p * s.slope(g * w)).sum() for p, s, g, w in zip(
                    probabilities, shares.values(), slopes, dense.values(), strict=True))
                optimizer.zero_grad()
                (surrogate + penalty).backward()
            optimizer.step()
            course.uniform.append(course.start[batch])
            course.error.append(float(error.detach()))
            course.alpha.append(means.detach().tolist())
        return course

    def _errors(self, block: Block, masks: dict[str, Tensor]) -> list[float]:
        """`gap` of every batch's text under *masks*."""
        through = StraightThrough(block.layers)
        through.enter({name: layer.weight.data * masks[name]
                       for name, layer in block.layers.items()})
        with torch.no_grad():
            found = [float(gap(block.on(i), block.targets[i], real))
                     for i, real in enumerate(block.real)]
        through.leave()
        return found

    def told(self) -> dict[str, NDArray[np.generic]]:
        """rows/<matrix>: zeros of every row, `[out]`. By block, of every step: error/<block>, and
        uniform/<block>, that of the same text with the uniform share, `[steps]`; alpha/<block>
        `[steps, matrices]`. whole `[blocks, 2]`: the error over all the text with the uniform share
        and with the learned ones. Empty where nothing was learned."""
        if not self.courses:
            return {}
        out: dict[str, NDArray[np.generic]] = {
            f"rows/{name}": zeros.cpu().numpy().astype(np.min_scalar_type(int(zeros.max())))
            for name, zeros in self.zeros.items()}
        for number, course in enumerate(self.courses, 1):
            for key in ("error", "uniform", "alpha"):
                out[f"{key}/{number}"] = np.array(getattr(course, key), dtype=np.float32)
        out["whole"] = np.array([(np.mean(course.start), np.mean(course.end))
                                 for course in self.courses], dtype=np.float32)
        return out


def gap(values: Tensor, target: Tensor, real: Tensor) -> Tensor:
    """|(Y - Y0) / s|^2 / d: the mean over the d features of the squared error of *values* against
    *target*, `[sequences, tokens, d]`, in units of the feature's own size, over *real* tokens."""
    y, y0 = values[real], target[real]
    squares = y0.square().sum(0).clamp_min(torch.finfo(y0.dtype).tiny)
    return ((y - y0).square().sum(0) / squares).mean()
