"""PIP: look at the model with and without noise on its embeddings, and remove, round by round, the
heads and neurons whose gradients cannot tell the two views apart.

    g, g' = d loss / d W              embeddings e as they are, and e + eps std(e) z, z normal
    I_u = mean over batches of |sum of w (g - g')| / sqrt(|u|)    over all |u| weights w of u
    for r = 1 ... rounds:
        I_u <- I_u / mean of I        of the heads, or the neurons, left in its layer
        remove the lowest I_u         until r / rounds of the pattern's share is gone

A batch has its own z, the same in every round. In every layer one head and a share of the neurons
stay (`least`). With eps to 0 all scores go to 0 in proportion and their order to a fixed one.

Prunes: whole heads and FFN neurons, by how their gradient changes under noise.
Source: the abstract of arXiv 2501.15278: two views, perturbed and not; from the difference of their
gradients, iteratively prune what struggles to tell them apart.
Our formulation after the abstract: all else. What is perturbed and how, the product with the
weights, its size, five rounds of equal shares, what stays in a layer: none of it is the authors'.
Cost: rounds times two forward and backward passes over the calibration text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import surgery
from core.errors import InputError
from core.inside.perturbing import perturbed
from core.methods.unit_base import UnitContext, UnitMethod, UnitResult
from core.methods.unit_knobs import PipKnobs
from core.sparsity.coupled import Coupled
from core.sparsity.units import Anatomy, Kept, Worth


class Pip(UnitMethod):
    """See the module's text."""

    knobs: PipKnobs

    def choose(self, context: UnitContext) -> UnitResult:
        """See `UnitMethod.choose`.

        Raises InputError for a share that what must stay of a layer rules out.
        """
        pattern, rounds = cast(Coupled, context.pattern), self.knobs.rounds
        anatomy = pattern.known()
        stay = self._must_stay(pattern)
        self.places = [f"{m.noun}/{m.layer}" for m in anatomy.modules]
        kept, worth = anatomy.everything(), tuple(np.zeros(m.units) for m in anatomy.modules)
        self.relative: list[Worth] = []
        self.gone = [np.zeros(m.units, np.uint8) for m in anatomy.modules]
        trace = []
        for number in range(1, rounds + 1):
            scores, plain = two_views(context, anatomy, self.knobs.eps)
            context.report(number, rounds, "rounds of two views")
            worth = tuple(np.where(k, s, w) for k, s, w in zip(kept, scores, worth, strict=True))
            relative = in_relation(scores, kept)
            self.relative.append(relative)
            if number == 1:
                self.plain = in_relation(plain, kept)
            part = replace(pattern, share=pattern.share * (number / rounds))
            before, kept = kept, left(part, relative, kept, stay)
            for gone, old, new in zip(self.gone, before, kept, strict=True):
                gone[old & ~new] = number
            surgery.mask(context.model, anatomy, kept)
            trace.append({"step": float(number), "left": anatomy.left(kept) / anatomy.weights})
        return UnitResult(kept, worth, trace)

    def _must_stay(self, pattern: Coupled) -> list[int]:
        """By module: how many of its units stay at least."""
        anatomy, what = pattern.known(), pattern.what
        # A layer keeps some of each.
        assert what != "modules"  # METHODS says so
        stay = [1 if m.noun == "head" else max(1, int(np.ceil(self.knobs.least * m.units)))
                for m in anatomy.modules]
        judged = [(m, n) for m, n in zip(anatomy.modules, stay, strict=True)
                  if what in ("units", f"{m.noun}s")]
        size = {m.noun: m.weights if what == "units" else 1 for m, _ in judged}
        least = sum(n * size[m.noun] for m, n in judged)
        whole = sum(m.units * size[m.noun] for m, _ in judged)
        if what == "units":
            least, whole = least + anatomy.others, anatomy.weights
        if least > pattern.allowed_units(whole):
            raise InputError(
                f"pip with the pattern {pattern.name} and least = {self.knobs.least:g}",
                f"a share of at most {(whole - least) / whole:.4g}: a layer keeps one head and "
                f"{self.knobs.least:.0%} of its neurons", "Remove fewer, or lower least.")
        return stay

    def told(self) -> dict[str, NDArray[np.generic]]:
        """By kind of unit and layer: score, relative to the layer's mean, `[rounds, units]`, 0 once
        it is gone; plain `[units]`, the same of |sum of w g| in the first round; gone `[units]`,
        the round in which it went, 0 for what stays."""
        out: dict[str, NDArray[np.generic]] = {}
        for i, place in enumerate(self.places):
            out[f"score/{place}"] = np.stack([r[i] for r in self.relative]).astype(np.float16)
            out[f"plain/{place}"] = self.plain[i].astype(np.float16)
            out[f"gone/{place}"] = self.gone[i]
        return out


def left(pattern: Coupled, relative: Worth, kept: Kept, stay: list[int]) -> Kept:
    """What of *kept* is left under *pattern*: the highest of *relative*, and the *stay* best of
    every module before all others."""
    above = 1.0 + max(float(r.max()) for r in relative)
    values = []
    for m, r, k, least in zip(pattern.known().modules, relative, kept, stay, strict=True):
        # What is gone comes last.
        value = np.where(k, r, -1.0)
        value[np.argsort(-value, kind="stable")[:least]] += above
        # Times the weights: patterns that compare heads with neurons do so by worth per weight.
        values.append(value * m.weights)
    return tuple(k & c for k, c in zip(kept, pattern.choose(tuple(values)), strict=True))


def two_views(context: UnitContext, anatomy: Anatomy, eps: float) -> tuple[Worth, Worth]:
    """I_u of every unit in the model as it is, and beside it |sum of w g| / sqrt(|u|), means over
    the batches."""
    totals = [[np.zeros(m.units) for m in anatomy.modules] for _ in range(2)]
    for i in range(len(context.batches)):
        calm = _gradients(context, i)
        with perturbed(context.model, _noise(eps, context, i)):
            shaken = _gradients(context, i)
        weights = {name: layer.weight.detach() for name, layer in context.layers.items()}
        both = ({n: w * (calm[n] - shaken[n]) for n, w in weights.items()},
                {n: w * calm[n] for n, w in weights.items()})
        for total, products in zip(totals, both, strict=True):
            found = anatomy.sums({n: p.cpu().numpy() for n, p in products.items()})
            for sums, values, m in zip(total, found, anatomy.modules, strict=True):
                sums += np.abs(values) / (np.sqrt(m.weights) * len(context.batches))
    return tuple(totals[0]), tuple(totals[1])


def _gradients(context: UnitContext, i: int) -> dict[str, Tensor]:
    layers = context.layers
    found = torch.autograd.grad(context.loss(i), [layer.weight for layer in layers.values()],
                                materialize_grads=True)
    return dict(zip(layers, found, strict=True))


def _noise(eps: float, context: UnitContext, i: int) -> Callable[[Tensor], Tensor]:
    def change(embedded: Tensor) -> Tensor:
        # Drawn on the CPU: the same on every device.
        draw = torch.Generator().manual_seed(1_000_003 * context.seed + i)
        z = torch.randn(embedded.shape, generator=draw).to(embedded)
        return embedded + eps * embedded.detach().std() * z
    return change


def in_relation(scores: Worth, kept: Kept) -> Worth:
    """*scores* divided by their module's mean over what is *kept*; 0 for the rest."""
    return tuple(np.where(k, s, 0.0) / ((s[k].mean() if k.any() else 0.0) or 1.0)
                 for s, k in zip(scores, kept, strict=True))
