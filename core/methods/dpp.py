"""DPP: masks are drawn by chance, k of every n, and training learns which draws pay. Every weight
has a logit D beside it; whatever the draw, exactly k of a group stay.

    at every step, in every group of n weights:
        G = -log(-log U), U uniform              Gumbel noise
        h_1 .. h_k = the k largest of D + g G    the drawn mask: h = h_1 + .. + h_k
        q_i = softmax((D + log(1 - c_i + 1e-20) + g G) / tau)
        c_i: the sum of the h before h_i         what is taken already
        loss = f(h o W) + mu H(D)                back: h_i counts as q_i
    tau falls from 5 to 0.5
    at the end:
        W <- M o W                               M: the k largest D of a group

Prunes: single weights, by what drawing them did to the loss. With N:M a group is a tile of M
weights and k is N: every draw is exactly N:M. Other patterns draw over their own groups.
Source: Gonzalez-Carabarin et al. 2021 (arXiv 2105.12686), read in the authors' code: the noise, its
scale g, the soft draws without what is taken, tau's ends, an entropy of every row. Training draws a
mask a step.
Where we differ: it starts from the fine-tuned weights and from logits that prefer the large ones
(`warm` times |W|, standardised in its group), not from noise. tau falls over the real training,
step by step; in the code it falls per batch and turns negative. Draws are made in falling order of
D + g G, as sampling without replacement goes; `order=index` is the code's, by place. The published
entropy, of softmax(D), knows one winner: of k = 2 it makes one certain and leaves the other open
(`certainty=softmax`); by default H adds up the entropies of staying or going, weight by weight. The
final mask is the likeliest one, and training goes on under it; the code draws at test time too, so
scores of drawn masks are kept beside it. Patterns without tiles have groups too large for a soft
draw each: there h counts as sigmoid((D + g G - edge) / tau), edge the least that stays. The authors
quantise jointly; this does not.
Cost: one selection, k softmaxes and a step of Adam for every logit; three more copies of the
weights.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.methods.base import Context, TrainingMethod
from core.methods.knob_sets import DppKnobs
from core.methods.straight_through import StraightThrough
from core.sparsity.patterns import Pattern
from core.sparsity.select import highest, select_all

TAKEN = 1e-20  # the weight of what earlier draws took, as published: not 0, its logarithm is needed
WATCHED = 3  # tiles of every matrix whose logits are kept at every look
DRAWS = 64  # masks that say how often a weight of a watched tile is kept
PAIRS = 8  # masks whose differences are the diversity
TILES = 512  # at most: groups of every matrix that the diversity is measured on
Logits = dict[str, Tensor]


def tile_of(pattern: Pattern) -> int | None:
    """M where every group is a run of M inputs of which a fixed number stays, freely chosen."""
    grouping, budget = pattern.grouping, pattern.budget
    if grouping.single and grouping.tiled and budget.number is not None and budget.ways is None:
        rows, columns = grouping.group
        return columns if rows == 1 else None
    return None


def gumbel(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Standard Gumbel noise in the shape of *like*: -log(-log U)."""
    # A third of the time of -log of an exponential, on a CPU. U = 0 would be an infinity.
    uniform = torch.rand(like.shape, dtype=like.dtype, device=like.device, generator=generator)
    return uniform.clamp_min_(2.0**-25).log_().neg_().log_().neg_()


def soft_slope(scores: Tensor, mask: Tensor, of_mask: Tensor, tau: float, by_value: bool) -> Tensor:
    """d loss / d D of tiles, from d loss / d h: all `[tiles, M]`; *mask* bool, the drawn h.

    Draw after draw, d q_i / d D = (diag(q_i) - q_i q_i^T) / tau.
    """
    # [M, tiles] from here on: sums over M are then sums of long rows.
    logits, slope = scores.T.contiguous(), of_mask.T.contiguous()
    left = mask.T.contiguous()
    lowest = torch.finfo(scores.dtype).min
    ahead = logits.masked_fill(~left, lowest)
    weight = ((logits - logits.amax(0)) / tau).exp_()
    # Divided by tau like the rest: at a high tau what is taken keeps a trace of weight.
    trace = TAKEN ** (1.0 / tau)
    out = torch.zeros_like(logits)
    draws = int(mask[0].sum()) if len(mask) else 0
    for draw in range(draws):
        q = weight / weight.sum(0)
        of_q = q * slope
        out.add_(of_q).sub_(q.mul_(of_q.sum(0)))
        if draw + 1 == draws:
            break
        # In order of value: of equals the first, or two would be taken at once.
        next_ones = (ahead == ahead.amax(0)) & left if by_value else left
        taken = next_ones & (next_ones.cumsum(0, dtype=torch.int8) == 1)
        left = left & ~taken
        ahead.masked_fill_(taken, lowest)
        weight = torch.where(taken, weight * trace, weight)
    # Laid out as D is: fused Adam goes through memory, not through places.
    return out.div_(tau).T.contiguous()


def entropy_slope(logits: Tensor) -> Tensor:
    """d H(softmax(row)) / d row for every row of *logits*: -p (log p + H)."""
    log_p = logits.log_softmax(1)
    p = log_p.exp()
    entropy = -(p * log_p).sum(1, keepdim=True)
    return -p * (log_p + entropy)


def choice_slope(rows: Tensor, kept: int, noise: float) -> Tensor:
    """d / d *rows* `[groups, n]` of the entropies of staying, s = sigmoid((D - edge) / *noise*),
    added up over a group; edge is halfway between the *kept*-th and the next logit, and fixed.

        d H(s) / d D = -(D - edge) / noise^2  s (1 - s)
    """
    if kept == rows.shape[1]:
        return torch.zeros_like(rows)
    largest = rows.topk(kept + 1, dim=1).values
    away = (rows - largest[:, kept - 1:].mean(1, keepdim=True)) / noise
    stays = away.sigmoid()
    return -away * stays * (1.0 - stays) / noise


def diversity(masks: Tensor) -> float:
    """Mean Hamming distance of two of the drawn *masks* `[draws, groups, n]` (bool), as a share of
    the largest there is, 2 k: 0 when all are the same."""
    draws = len(masks)
    on = masks.sum(0, dtype=torch.float32)  # `[groups, n]`: how many of them keep an entry
    # Of all pairs of draws those differ in an entry of which one keeps it and one does not.
    pairs = (on * (draws - on)).sum(1) / (draws * (draws - 1) / 2)
    kept = masks[0].sum(1)
    return float((pairs / (2 * kept)).mean())


class Dpp(TrainingMethod):
    """See the module's text."""

    knobs: DppKnobs

    @property
    def phase(self) -> str:
        """Name of the phase for the trace: masks are drawn until one is fixed."""
        return "refine" if self.masks else "drawing"

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Start from the dense weights, and from logits that prefer the large ones."""
        super().prepare(layers, context)
        k, self.pattern = self.knobs, context.pattern
        self.hard_step = max(1, round(k.share * context.total_steps))
        self.tile = tile_of(self.pattern)
        self.through = StraightThrough(layers)
        self.logits: Logits = {name: self._start(m.weight.data) for name, m in layers.items()}
        self.optimizer = torch.optim.Adam(list(self.logits.values()), lr=k.lr, fused=True)
        self.scores: Logits = {}
        self.drawn: dict[str, Tensor] = {}
        self.reference = select_all(
            self.pattern, {name: w.abs() for name, w in context.dense.items()})
        self.count = sum(d.numel() for d in self.logits.values())
        self.seen = self.choose_masks()
        self.looks: list[dict[str, Tensor]] = []
        self.spread: list[float] = []
        self.step, self.rested, self.found = 0, False, dict[str, float]()

    def _rows(self, values: Tensor) -> Tensor:
        """*values* `[out, in]` as groups `[groups, n]`: tiles, else rows."""
        return values.reshape(-1, self.tile or values.shape[1])

    def _kept(self, width: int) -> int:
        """How many of a group of *width* weights stay; of a row that is none, as many as on
        average."""
        return max(round(self.pattern.density * width), 1)

    def _start(self, weight: Tensor) -> Tensor:
        sizes = self._rows(weight.abs())
        middle, spread = sizes.mean(1, keepdim=True), sizes.std(1, keepdim=True)
        return ((sizes - middle) / spread.clamp_min(1e-12)).mul_(self.knobs.warm).view_as(weight)

    def tau(self, step: int) -> float:
        """The temperature of a step: on a line from its start to its end."""
        progress = step / max(self.hard_step - 1, 1)
        return self.knobs.tau_start + (self.knobs.tau_end - self.knobs.tau_start) * progress

    def before_forward(self, step: int) -> None:
        """Draw a mask and show the model the weights under it."""
        if self.masks:
            return
        for name, logits in self.logits.items():
            self.scores[name] = gumbel(logits).mul_(self.knobs.noise).add_(logits)
        self.drawn = select_all(self.pattern, self.scores)
        self.through.enter({name: m.weight.data * self.drawn[name]
                            for name, m in self.layers.items()})

    def after_backward(self, step: int) -> None:
        """Put W back, give it the gradient of what was drawn, and take a step of the logits."""
        if self.masks:
            return
        self.through.leave()
        tau, k = self.tau(step), self.knobs
        for name, module in self.layers.items():
            grad, mask = cast(Tensor, module.weight.grad), self.drawn[name]
            slope = self._slope(self.scores.pop(name), mask, grad * module.weight.data, tau)
            if k.entropy:
                rows = self._rows(self.logits[name])
                more = entropy_slope(rows) if k.certainty == "softmax" else \
                    choice_slope(rows, self._kept(rows.shape[1]), k.noise or 1.0)
                slope += more.view_as(slope).mul_(k.entropy / len(mask))
            self.logits[name].grad = slope
            grad.mul_(mask)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step, self.rested = step + 1, False

    def _slope(self, scores: Tensor, mask: Tensor, of_mask: Tensor, tau: float) -> Tensor:
        """d loss / d D `[out, in]` of the task's loss."""
        if self.tile is not None:
            slope = soft_slope(self._rows(scores), self._rows(mask), self._rows(of_mask), tau,
                               self.knobs.order == "value")
            return slope.view_as(scores)
        kept = int(mask.sum())
        # The least that stays by its own score: of whole blocks some of it may go, and others stay.
        inside = highest(scores.reshape(-1), kept).view_as(mask)
        edge = scores[inside].amin() if kept else scores.amax()
        soft = ((scores - edge) / tau).sigmoid_()
        return of_mask * soft * (1.0 - soft) / tau

    def choose_masks(self) -> dict[str, Tensor]:
        """The likeliest masks."""
        return select_all(self.pattern, self.logits)

    def served(self) -> dict[str, Tensor] | None:
        """What an evaluation sees: the weights under the likeliest masks."""
        if self.masks:
            return None
        masks = self.choose_masks()
        return {name: m.weight.data * masks[name] for name, m in self.layers.items()}

    def samples(self) -> list[dict[str, Tensor]]:
        """Masks drawn as in training, for the scores that they give; the same whoever asks."""
        generator = self._generator(1)
        return [select_all(self.pattern, {
            name: d + self.knobs.noise * gumbel(d, generator) for name, d in self.logits.items()})
            for _ in range(self.knobs.samples)]

    def sampled(self, scores: list[float]) -> None:
        """Take note of what the masks of `samples` scored."""
        self.spread = scores

    def _generator(self, seed: int) -> torch.Generator:
        # One of its own: whoever only looks must not move the training's noise on.
        return torch.Generator(device=next(iter(self.logits.values())).device).manual_seed(seed)

    def measures(self) -> dict[str, float]:
        """flips and flipped since the last look, moved, of the likeliest mask; confidence:
        1 - H(softmax(D)) / log n, mean over groups; of tiles the diversity of drawn masks."""
        if self.masks:
            return {}
        if not self.rested:
            now = self.choose_masks()
            flips = sum(int((now[n] ^ self.seen[n]).count_nonzero()) for n in now)
            moved = sum(int((now[n] ^ self.reference[n]).count_nonzero()) for n in now)
            self.seen, self.rested = now, True
            self.found = {"flips": float(flips), "flipped": flips / self.count,
                          "moved": moved / self.count, **self._look()}
        return dict(self.found)

    def _look(self) -> dict[str, float]:
        """confidence and diversity now. Of watched tiles the logits are kept, and how many of DRAWS
        masks keep a weight."""
        generator = self._generator(0)
        apart, sure, look = [], [], dict[str, Tensor]()
        for name, logits in self.logits.items():
            rows = self._rows(logits)
            some = rows[evenly(len(rows), TILES)]
            log_p = some.log_softmax(1)
            entropy = -(log_p.exp() * log_p).sum(1).mean()
            sure.append(1.0 - float(entropy) / math.log(rows.shape[1]))
            if self.tile is not None:
                apart.append(diversity(self._draw(some, PAIRS, generator)))
                watched = rows[evenly(len(rows), WATCHED)]
                look[f"logits/{name}"] = watched.half().cpu()
                look[f"kept/{name}"] = self._draw(watched, DRAWS, generator).sum(
                    0, dtype=torch.uint8).cpu()
        if look:
            look["steps"] = torch.tensor(self.step, dtype=torch.int32)
            self.looks.append(look)
        means = {"confidence": sure, "diversity": apart}
        return {key: float(np.mean(values)) for key, values in means.items() if values}

    def _draw(self, rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """*count* masks of tiles *rows* `[tiles, M]`, drawn as in training: bool `[count, tiles,
        M]`."""
        many = rows.expand(count, -1, -1)
        noisy = gumbel(many.contiguous(), generator).mul_(self.knobs.noise).add_(many)
        kept = self._kept(rows.shape[1])
        order = noisy.argsort(dim=2, descending=True)[:, :, :kept]
        return torch.zeros_like(noisy, dtype=torch.bool).scatter_(2, order, True)

    def told(self) -> dict[str, NDArray[np.generic]]:
        """Of tiles only, by look: steps `[looks]`; logits/<matrix> and kept/<matrix>, how many of
        DRAWS masks keep a weight, `[looks, tiles, M]`. scores: of `samples`."""
        keys = self.looks[0] if self.looks else {}
        out: dict[str, NDArray[np.generic]] = {
            key: torch.stack([look[key] for look in self.looks]).numpy() for key in keys}
        return out | ({"scores": np.array(self.spread, dtype=np.float32)} if self.spread else {})

    def state(self) -> dict[str, Tensor]:
        """Masks, logits with their optimiser, and what was looked at."""
        out = super().state() | {f"seen/{name}": m.to(torch.uint8) for name, m in self.seen.items()}
        for name, logits in self.logits.items():
            out[f"logits/{name}"] = logits
            for key, value in self.optimizer.state.get(logits, {}).items():
                out[f"{key}/{name}"] = value
        for i, look in enumerate(self.looks):
            out |= {f"look/{i}/{key}": value for key, value in look.items()}
        # float64, so that a run that goes on writes the same digits as one never stopped.
        out |= {f"found/{key}": torch.tensor(value, dtype=torch.float64)
                for key, value in self.found.items()}
        return out | {"step": torch.tensor(self.step), "rested": torch.tensor(self.rested),
                      "spread": torch.tensor(self.spread, dtype=torch.float64)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state`, after `prepare`."""
        for name, logits in self.logits.items():
            logits.copy_(state[f"logits/{name}"])
            self.seen[name] = state[f"seen/{name}"].bool().to(logits.device)
            if f"step/{name}" in state:
                self.optimizer.state[logits] = {
                    key: state[f"{key}/{name}"].to(logits.device)
                    for key in ("step", "exp_avg", "exp_avg_sq")}
        looks: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith("look/"):
                _, number, key = name.split("/", 2)
                looks.setdefault(int(number), {})[key] = value
        self.looks = [looks[i] for i in sorted(looks)]
        self.found = {name[6:]: float(v) for name, v in state.items() if name.startswith("found/")}
        self.step, self.rested = int(state["step"]), bool(state["rested"])
        self.spread = state["spread"].tolist()
        super().load_state(state)


def evenly(size: int, most: int) -> Tensor:
    """At most *most* places of *size*, evenly spaced, both ends among them."""
    return torch.linspace(0, size - 1, min(size, most)).round().long()
