"""Identity prior: pull every residual module towards the identity while its matrices are held small
in spectral norm, and remove the modules whose function has become least.

    F(x)                         what a module adds: a head, an attention, an FFN
    N = mean of |F(x)| / sqrt(d)     over the tokens; as a running mean, factor `memory`
    before the hard prune, every step:
        loss + lambda sum_m w_m N_m      w: its weights over their mean; lambda rises
        W <- W min(1, c / sigma(W))      c: `spectral` times the dense sigma of the matrix
        from half way on: F of the lowest N / weights <- 0      a cubic ramp to the budget
    then:
        the masks stay; both terms end; the rest is trained on

What is removed is the pattern's: single heads, whole attentions and FFNs (`modules`), or heads and
whole FFNs by their weights (`units`). No layer loses all of it unless `skip` says so. sigma comes
from one power iteration a step, that of the start from a hundred. lambda reaches `strength` where
the removing begins.

Prunes: heads, attentions and FFNs, whole: what is left of one is the identity.
Source: the abstract of arXiv 2010.01791, Findings of EMNLP 2020: an identity prior on residual
modules, those of a small function norm are discarded, spectral normalisation steadies it.
Our formulation after the abstract: all else. The norm and its mean, the weights and the schedule of
the penalty, where and how hard sigma is held, the ramp, the budget: none of it is the authors'.
Cost: a norm of every module a step and its gradient, two products with a vector a matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core import surgery
from core.errors import InputError
from core.inside.residual import Passed, Residuals, head_sizes, size
from core.methods.base import Context, TrainingMethod
from core.methods.unit_knobs import IdentityPriorKnobs
from core.sparsity.coupled import Coupled
from core.sparsity.units import Kept

LOOKS = 32
START = 100  # power iterations for the dense model's sigma
KINDS = ("head", "attention", "FFN")


@dataclass(frozen=True)
class Part:
    """What can become the identity: *unit* of the module in *place*, or all of it (None). cost:
    what it counts in the pattern's budget."""

    place: int
    unit: int | None
    layer: int
    kind: str  # of KINDS
    weights: int
    cost: int


def parts_of(pattern: Coupled) -> list[Part]:
    """What *pattern* lets go, in the order of the model."""
    # A neuron is no residual module.
    assert pattern.what != "neurons"  # METHODS says so
    found = []
    for place, m in enumerate(pattern.known().modules):
        whole = m.units * m.weights
        if m.noun == "head" and pattern.what != "modules":
            found += [Part(place, unit, m.layer, "head", m.weights,
                           1 if pattern.what == "heads" else m.weights) for unit in range(m.units)]
        elif pattern.what != "heads":
            found.append(Part(place, None, m.layer, "attention" if m.noun == "head" else "FFN",
                              whole, 1 if pattern.what == "modules" else whole))
    return found


def budget(pattern: Coupled, parts: list[Part]) -> int:
    """The most that *parts* may cost together."""
    if pattern.what != "units":
        return pattern.allowed_units(sum(p.cost for p in parts))
    return pattern.allowed_units(pattern.known().weights) - pattern.known().others


def removed(parts: list[Part], worth: NDArray[np.float64], there: NDArray[np.bool_], most: int,
            least: int, skip: bool, last: bool) -> NDArray[np.bool_]:
    """Which of *parts* stay when those that are *there* may cost *most*, the lowest *worth* leaving
    first. *least*: the budget at the end, which nothing may leave more than a part below; *last*:
    this is the end. Without *skip* no layer loses its last part, now or later."""
    stay, costs = there.copy(), np.array([p.cost for p in parts])
    layers = [np.array([p.layer == k for p in parts]) for k in sorted({p.layer for p in parts})]
    order = [i for i in np.argsort(worth, kind="stable").tolist() if there[i]]

    def blocked(i: int) -> bool:
        # Without part i, could the layers still come down to one part each within the budget?
        cheapest = sum(float(np.where(stay & mine, costs, np.inf)[np.arange(len(costs)) != i].min())
                       for mine in layers)
        return not skip and cheapest > least

    def go(floor: int, until: int) -> None:
        for i in order:
            now = int(costs[stay].sum())
            if stay[i] and now > until and now - costs[i] > floor and not blocked(i):
                stay[i] = False

    go(least - int(costs.min()), most)
    if last:
        go(-1, least)  # below the budget, where parts are too large to meet it
        for i in reversed(order):
            stay[i] |= costs[stay].sum() + costs[i] <= least
    return stay


def power(weight: Tensor, u: Tensor, steps: int = 1) -> tuple[Tensor, Tensor]:
    """sigma, the largest singular value of *weight* `[out, in]`, by power iterations from *u*
    `[out]`; and the last u. From below; exact where u is the singular vector."""
    sigma = weight.new_zeros(())
    for _ in range(steps):
        v = weight.T @ u
        v = v / v.norm().clamp(min=1e-12)
        w = weight @ v
        sigma = w.norm()
        u = torch.where(sigma > 0, w / sigma.clamp(min=1e-12), u)
    return sigma, u


class IdentityPrior(TrainingMethod):
    """See the module's text."""

    knobs: IdentityPriorKnobs

    @property
    def phase(self) -> str:
        """Name of the phase for the trace: "prior", then "refine"."""
        return "refine" if self.masks else "prior"

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Note the dense sigmas. Raises InputError for a budget that leaves a layer nothing."""
        super().prepare(layers, context)
        self.pattern = cast(Coupled, context.pattern)
        self.hard_step = max(2, round(self.knobs.share * context.total_steps))
        self.hard_step = min(self.hard_step, context.total_steps)
        self.half = max(1, self.hard_step // 2)
        self.parts = parts_of(self.pattern)
        self.most = budget(self.pattern, self.parts)
        self._check_room()
        some = next(iter(layers.values())).weight
        weights = torch.tensor([float(p.weights) for p in self.parts], device=some.device)
        self.heavy, self.weights = weights / weights.mean(), weights.cpu().double().numpy()
        self.there = np.ones(len(self.parts), dtype=np.bool_)
        self.gone = torch.full((len(self.parts),), -1, dtype=torch.int32)
        self.means = torch.zeros(2, len(self.parts), device=some.device)  # N, and relative to |x|
        self.step, self.seen, self.factors = 0, 0, dict[str, Tensor]()
        self.watch = Residuals(layers, self.pattern.known())
        self._due = {round(context.total_steps * i / LOOKS) for i in range(LOOKS + 1)}
        self.steps: list[int] = []
        self.looks: list[Tensor] = []
        self._note_sigmas()

    def _check_room(self) -> None:
        layers = {p.layer for p in self.parts}
        needed = sum(min(p.cost for p in self.parts if p.layer == k) for k in layers)
        if needed > self.most and not (self.knobs.skip and self.pattern.what != "heads"):
            raise InputError(
                f"Pattern {self.pattern.name!r} leaves some of {len(layers)} layers without a "
                "module", "a module or more in every layer",
                "Remove fewer, or allow it with --knob skip=true.")

    def _note_sigmas(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self.u: dict[str, Tensor] = {}
        start = []
        for name, layer in self.layers.items():
            u = torch.randn(layer.out_features, generator=draw).to(layer.weight)
            sigma, self.u[name] = power(layer.weight.detach(), u / u.norm(), START)
            start.append(sigma)
        self.sigmas = torch.stack([torch.stack(start)] * 2)  # at the start, and at the hard prune

    def before_forward(self, step: int) -> None:
        """Begin to look at the modules, where their norms are asked for."""
        self.step = step
        if not self.masks or step in self._due:
            self.watch.start()

    def penalty(self, batch: dict[str, Tensor]) -> Tensor | None:
        """lambda sum w N over the modules that are left; None once pruned."""
        passed = self.watch.stop()
        if not passed:
            return None
        norms, relative = self.norms(passed, batch["attention_mask"].bool())
        now = torch.stack([norms.detach(), relative.detach()])
        if not self.masks:
            memory = self.knobs.memory if self.seen else 0.0
            self.means = memory * self.means + (1.0 - memory) * now
            self.seen += 1
        if self.step in self._due:
            there = torch.from_numpy(self.there).to(now)
            self.steps.append(self.step)
            self.looks.append(((now if self.masks else self.means) * there).cpu())
        if self.masks:
            return None
        rate = self.knobs.strength * min(1.0, self.step / self.half)
        return rate * (self.heavy * torch.from_numpy(self.there).to(norms) * norms).sum()

    def norms(self, passed: list[Passed], real: Tensor) -> tuple[Tensor, Tensor]:
        """N of every part, and mean |F(x)| / mean |x|: `[parts]` each. *real* `[batch, tokens]`."""
        sizes, xs = [], []
        for place, (m, p) in enumerate(zip(self.pattern.known().modules, passed, strict=True)):
            mine = [part for part in self.parts if part.place == place]
            if not mine:
                continue
            if mine[0].kind == "head":
                found = head_sizes(p.inside, self.layers[m.columns].weight, m.units, real)
            else:
                found = size(p.out, real)[None]
            sizes.append(found / m.outputs**0.5)
            xs.append((size(p.x, real) / m.outputs**0.5).expand(len(found)))
        return torch.cat(sizes), torch.cat(sizes) / torch.cat(xs)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Hold sigma; let go of what is due."""
        if self.masks:
            return super().after_step(step)
        self._silence()
        if self.knobs.spectral > 0:
            limits = self.knobs.spectral * self.sigmas[0]
            for (name, layer), limit in zip(self.layers.items(), limits, strict=True):
                sigma, self.u[name] = power(layer.weight, self.u[name])
                layer.weight.mul_((limit / sigma.clamp(min=1e-12)).clamp(max=1.0))
        done = (step + 1 - self.half) / max(1, self.hard_step - self.half)
        if 0 < done < 1:
            share = self.pattern.share * (1.0 - (1.0 - done) ** 3)
            most = budget(replace(self.pattern, share=share), self.parts)
            stay = self._chosen(most, last=False)
            if (stay != self.there).any():
                self._let_go(stay, step + 1)
                self._silence()
        return None

    def _chosen(self, most: int, last: bool) -> NDArray[np.bool_]:
        worth = self.means[0].double().cpu().numpy() / self.weights
        skip = self.knobs.skip and self.pattern.what != "heads"
        return removed(self.parts, worth, self.there, most, self.most, skip, last)

    def _let_go(self, stay: NDArray[np.bool_], step: int) -> None:
        self.gone[torch.from_numpy(self.there & ~stay)] = step
        self.there = stay
        self._set_factors()

    def _set_factors(self) -> None:
        masks = self._masks(self.there)
        layers = self.layers
        self.factors = {n: m.to(layers[n].weight) for n, m in masks.items() if not bool(m.all())}
        self.quiet_biases = surgery.biases(self.pattern, layers, masks)

    def _silence(self) -> None:
        for name, factor in self.factors.items():
            self.layers[name].weight.data.mul_(factor)
            if name in self.quiet_biases:
                self.layers[name].bias.data.mul_(self.quiet_biases[name])

    def kept(self, stay: NDArray[np.bool_]) -> Kept:
        """The units of all modules when the parts that *stay* do."""
        out = self.pattern.known().everything()
        for part, there in zip(self.parts, stay, strict=True):
            if not there:
                out[part.place][slice(None) if part.unit is None else part.unit] = False
        return out

    def _masks(self, stay: NDArray[np.bool_]) -> dict[str, Tensor]:
        found = self.pattern.masks(self.kept(stay))
        return {name: torch.from_numpy(found[name]).to(layer.weight.device) if name in found
                else torch.ones_like(layer.weight, dtype=torch.bool)
                for name, layer in self.layers.items()}

    def choose_masks(self) -> dict[str, Tensor]:
        """The final masks, as they would be now: the budget is met."""
        return self._masks(self._chosen(self.most, last=True))

    def hard_prune(self, masks: dict[str, Tensor]) -> None:
        """Fix *masks*, and note sigma as it was right before."""
        self.sigmas[1] = self._sigmas()
        kept = self.pattern.known().kept({n: m.cpu().numpy() for n, m in masks.items()})
        stay = [bool(kept[p.place].any() if p.unit is None else kept[p.place][p.unit])
                for p in self.parts]
        self._let_go(self.there & np.array(stay), self.hard_step)
        super().hard_prune(masks)

    @torch.no_grad()
    def _sigmas(self) -> Tensor:
        return torch.stack([power(layer.weight, self.u[name], START)[0]
                            for name, layer in self.layers.items()])

    def measures(self) -> dict[str, float]:
        """left: the share of the weights that is still there."""
        anatomy = self.pattern.known()
        return {"left": round(anatomy.left(self.kept(self.there)) / anatomy.weights, 6)}

    def told(self) -> dict[str, NDArray[np.generic]]:
        """parts `[parts, 3]`: layer, place in KINDS, head (0: the whole module); gone `[parts]`:
        the step in which one went, -1 for what stays; steps `[looks]`; norm and relative `[looks,
        parts]`: N, and mean |F(x)| over mean |x|; sigma `[3, matrices]`: of the dense model, right
        before the hard prune, in the end."""
        rows = [(p.layer, KINDS.index(p.kind), 0 if p.unit is None else p.unit + 1)
                for p in self.parts]
        looks = torch.stack(self.looks).numpy()
        sigma = torch.cat([self.sigmas, self._sigmas()[None]]).cpu().numpy()
        return {"parts": np.array(rows, np.int32), "gone": self.gone.numpy(),
                "steps": np.array(self.steps, np.int32), "norm": looks[:, 0],
                "relative": looks[:, 1], "sigma": sigma}

    def state(self) -> dict[str, Tensor]:
        """Masks, the running means, vectors of the power iterations, what is gone, the looks."""
        looks = torch.stack(self.looks) if self.looks else torch.zeros(0, 2, len(self.parts))
        return super().state() | {f"u/{name}": u for name, u in self.u.items()} | {
            "means": self.means, "seen": torch.tensor(self.seen), "gone": self.gone,
            "sigmas": self.sigmas, "steps": torch.tensor(self.steps), "looks": looks}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state`, after `prepare`."""
        super().load_state(state)
        device = self.means.device
        self.u = {name: state[f"u/{name}"].to(device) for name in self.u}
        self.means, self.sigmas = state["means"].to(device), state["sigmas"].to(device)
        self.seen, self.gone = int(state["seen"]), state["gone"].clone()
        self.steps, self.looks = state["steps"].int().tolist(), list(state["looks"])
        self.there = (self.gone < 0).numpy()
        self._set_factors()
