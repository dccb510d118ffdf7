"""Policy gradient: every head and neuron has a probability of staying, which learns from the losses
of random masks; no gradient ever goes back through the model.

    s = sigmoid(z) + keep - mean          z: the unit's Wanda score in its layer's deviations
    at every step:
        m_k ~ Bernoulli(s)                a mask for every unit, K times, one forward pass each
        d <- (1 - 1/window) d + mean L_k / window
        r_u = (m_k - s) / (s (1 - s))^0.5
        g = sum_k (L_k - d) r_u / (K - 1)
        s <- s - lr g                     lr falls by a cosine to zero
        s <- max(0, min(1, s - v))        v: the least that brings mean s under the share kept
    keep the units of the highest s

The baseline d is a running mean of the losses: a mask that did better than that is made likelier.
Divided by the root of s (1 - s) instead of s (1 - s), the step is the true gradient of the expected
loss times that root, which calms units that are nearly decided.

Prunes: whole heads, FFN neurons and modules, each kind to the share of the pattern.
Source: Gao et al., ACL 2025 (arXiv 2406.10576), and their code: start, two masks a step, baseline
with a window of 5 updated before its use, the step, the projection by bisection, the threshold at
the end.
Where we differ: the masks meet batches of the calibration text (published: 120 000 texts, 15 000
steps), so the learning rate is larger; what the start is computed from comes through the dense
model (published: through the layers already pruned); the loss is the task's; ties at the end go to
the earlier unit, so that the count is exact.
Cost: two forward passes a step, and the memory of inference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import InputError
from core.methods.unit_base import UnitContext, UnitMethod, UnitResult
from core.methods.unit_knobs import PolicyGradientKnobs
from core.surgery import gated

Floats = NDArray[np.float64]
TINY = 1e-7  # keeps the root of s (1 - s) from zero
MASKS = 2  # a step; K
BINS = 20  # of the histograms of s
LOOKS = 32


class PolicyGradient(UnitMethod):
    """See the module's text."""

    knobs: PolicyGradientKnobs

    def choose(self, context: UnitContext) -> UnitResult:
        """See `UnitMethod.choose`. Raises InputError when no mask has a finite loss any more."""
        k, policy = self.knobs, Policy(context)
        rng = np.random.default_rng([context.seed, 7])
        looks = sorted({round(k.steps * i / LOOKS) for i in range(LOOKS + 1)})
        self._begin(policy)
        baseline, trace = math.nan, []
        with torch.no_grad():
            for step in range(k.steps):
                batch = step % len(context.batches)
                drawn = [rng.random(len(policy.s)) < policy.s for _ in range(MASKS)]
                losses = []
                for one in drawn:
                    with policy.masked(one):
                        losses.append(float(context.loss(batch)))
                fine = [i for i, loss in enumerate(losses) if math.isfinite(loss)]
                if not fine:
                    raise InputError(f"Every mask of step {step + 1} has a loss that is no number",
                                     "losses of masked models to be numbers",
                                     "Look for NaN in the weights, or remove less.")
                mean = sum(losses[i] for i in fine) / len(fine)
                baseline = mean if math.isnan(baseline) else \
                    (1 - 1 / k.window) * baseline + mean / k.window
                g = estimate(
                    policy.s, [drawn[i] for i in fine], [losses[i] for i in fine], baseline)
                rate = k.lr * 0.5 * (1 + math.cos(math.pi * step / k.steps))
                policy.move(rate * (g + k.push * (np.log(1 - policy.s + TINY)
                                                  - np.log(policy.s + TINY))))
                self._rewards.append((baseline, *losses))
                if step + 1 in looks:
                    self._look(step + 1, policy)
                    trace.append({"step": step + 1.0, "loss": mean, "baseline": baseline,
                                  "decided": decided(policy.s)})
                context.report(
                    step + 1, k.steps, f"loss {mean:.3f}, {decided(policy.s):.0%} decided")
        worth = policy.worth()
        return UnitResult(context.pattern.choose(worth), worth, trace)

    def _begin(self, policy: Policy) -> None:
        self._steps: list[int] = []
        self._histograms: list[NDArray[np.uint32]] = []
        self._rewards: list[tuple[float, ...]] = []
        self._look(0, policy)

    def _look(self, step: int, policy: Policy) -> None:
        counts = [np.histogram(policy.s[places], bins=BINS, range=(0.0, 1.0))[0]
                  for places in policy.kinds.values()]
        self._steps.append(step)
        self._histograms.append(np.array(counts, np.uint32))
        self._names = list(policy.kinds)

    def told(self) -> dict[str, NDArray[np.generic]]:
        """steps `[looks]`; chances/<heads|neurons|modules> `[looks, BINS]`: how many units have
        each probability of staying; rewards `[steps, 1 + K]`: the baseline and every mask's loss.
        """
        out: dict[str, NDArray[np.generic]] = {
            "steps": np.array(self._steps, np.int32),
            "rewards": np.array(self._rewards, np.float32)}
        every = np.stack(self._histograms)
        return out | {f"chances/{name}": every[:, i] for i, name in enumerate(self._names)}


def estimate(s: Floats, masks: Sequence[NDArray[np.bool_]], losses: Sequence[float],
             baseline: float) -> Floats:
    """The direction in which the expected loss rises, `[units]`, from the *losses* of *masks*."""
    root = np.sqrt((s + TINY) * (1 - s + TINY))
    total = np.zeros_like(s)
    for mask, loss in zip(masks, losses, strict=True):
        total += (loss - baseline) * (mask - s) / root
    return total / max(1, len(masks) - 1)


def project(s: Floats, share: float) -> Floats:
    """*s* clamped to 0..1, all of it lowered by the least v that brings its mean to *share*."""
    clamped = np.clip(s, 0.0, 1.0)
    budget = share * len(s)
    if clamped.sum() <= budget:
        return clamped
    low, high = 0.0, float(s.max())
    for _ in range(60):
        v = (low + high) / 2
        low, high = (v, high) if np.clip(s - v, 0.0, 1.0).sum() > budget else (low, v)
    return np.clip(s - high, 0.0, 1.0)


def decided(s: Floats) -> float:
    """The share of units whose probability is within 0.05 of 0 or 1."""
    return float(np.mean((s < 0.05) | (s > 0.95)))


class Policy:
    """The probabilities s of all units that the pattern is about, kind by kind in one array."""

    def __init__(self, context: UnitContext) -> None:
        self.anatomy, self.context = context.pattern.known(), context
        what = context.pattern.name.partition(":")[0]
        self.whole = what == "modules"
        wanted = {"heads": ("head",), "neurons": ("neuron",)}.get(what, ("head", "neuron"))
        kinds = (("modules", wanted),) if self.whole else tuple(
            ({"head": "heads", "neuron": "neurons"}[noun], (noun,)) for noun in wanted)
        self.spans: list[tuple[int, slice]] = []  # (module, its places in s)
        self.kinds: dict[str, slice] = {}
        at = 0
        for name, nouns in kinds:
            first = at
            for i, m in enumerate(self.anatomy.modules):
                if m.noun in nouns:
                    size = 1 if self.whole else m.units
                    self.spans.append((i, slice(at, at + size)))
                    at += size
            self.kinds[name] = slice(first, at)
        # The share of a kind that stays: what the pattern keeps where nothing is worth more.
        kept = context.pattern.choose(tuple(np.zeros(m.units) for m in self.anatomy.modules))
        if what == "units":
            self.share = self.anatomy.left(kept) / self.anatomy.weights
        else:
            self.share = float(np.concatenate([kept[i] for i, _ in self.spans]).mean())
        self.s = self._start(at)

    def _start(self, size: int) -> Floats:
        norms = input_norms(self.context, [m.columns for m in self.anatomy.modules])
        scores = np.zeros(size)
        for i, span in self.spans:
            m = self.anatomy.modules[i]
            weight = self.context.layers[m.columns].weight.detach().abs().double().cpu().numpy()
            found = (weight * norms[m.columns]).mean(axis=0).reshape(m.units, m.size).sum(axis=1)
            scores[span] = found.mean() if self.whole else found
        out = np.zeros(size)
        # A module is compared with all others, a unit with those of its layer.
        for span in self.kinds.values() if self.whole else (span for _, span in self.spans):
            z = (scores[span] - scores[span].mean()) / (scores[span].std() + 1e-8)
            chance = 1 / (1 + np.exp(-z))
            out[span] = np.clip(chance + self.share - chance.mean(), 0.0, 1.0)
        return out

    def move(self, step: Floats) -> None:
        """s - *step*, put under the budget, kind by kind."""
        for span in self.kinds.values():
            self.s[span] = project(self.s[span] - step[span], self.share)

    def units(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """*values* `[all]` by module of the anatomy, `[units]` each; ones for the others."""
        out = [np.ones(m.units, values.dtype) for m in self.anatomy.modules]
        for i, span in self.spans:
            out[i] = np.broadcast_to(values[span], out[i].shape)
        return out

    def worth(self) -> tuple[Floats, ...]:
        """s by module. Times the weights: a choice over heads and neurons is by worth a weight."""
        return tuple(m.weights * s for m, s in
                     zip(self.anatomy.modules, self.units(self.s), strict=True))

    def masked(self, kept: NDArray[np.bool_]) -> AbstractContextManager[None]:
        """Inside this context the model computes what is left with the units *kept*, `[all]`."""
        gates = [torch.from_numpy(k.astype(np.float32)) for k in self.units(kept)]
        return gated(self.context.layers, self.anatomy, gates)


@torch.no_grad()
def input_norms(context: UnitContext, names: Sequence[str]) -> dict[str, Floats]:
    """The norms `[in]` of the inputs of the matrices *names* over the calibration text, padding
    left out."""
    sums: dict[str, Tensor] = {}
    real = torch.ones(0)

    def watch(name: str) -> Any:
        def seen(layer: nn.Module, given: tuple[Any, ...]) -> None:
            x = given[0].reshape(-1, given[0].shape[-1]).double()[real]
            sums[name] = sums.get(name, 0.0) + x.square().sum(dim=0)

        return seen

    handles = [context.layers[name].register_forward_pre_hook(watch(name)) for name in names]
    try:
        for i, batch in enumerate(context.batches):
            real = batch["attention_mask"].reshape(-1).bool()
            context.loss(i)
    finally:
        for handle in handles:
            handle.remove()
    return {name: total.sqrt().cpu().numpy() for name, total in sums.items()}
