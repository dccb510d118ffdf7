"""MLPruning: how much of every layer stays is learned beside the weights, first in whole heads and
neurons, then, if asked, in blocks of what is left.

    step 1, for every attention and every FFN:
        M = 1 for the ceil(sigmoid(t) n) largest S    of its n heads or neurons
        loss = f(M o W) + lambda R
        R = max(0, B - T)^2                    B: the weights left, T: the pattern's
        lambda = 20000 R / (1 - T)^2           at least 50; 10 once R < 3e-4
        dL/dS = dL/dM,  dL/dt = sum of dL/dM over what stays
    step 2:
        the same for the r x r blocks of what is left
    then:
        W <- M o W                             and training goes on

Every module has scores S and one threshold t; query, key and value share theirs. In the end all t
move by one amount, until the count is exact.

Prunes: whole heads and FFN neurons; with `blocks` above 0 also blocks in those that stay.
Source: Yao et al. 2021 (arXiv 2105.14636), read in the authors' code: masks, straight-through
rules, penalty and adaptive weight. Their loss, 0.9 (soft targets + attention + hidden states), is
the run's to choose: `--distill 0.9 --distill-attention 0.9 --distill-hidden`, 0.9 times the layers
and one more.
Where we differ: their row masks of the attention's and the FFN's output matrix are left out, as a
unit goes from all its matrices at once, and so B has no such factors. Both steps share one budget
(`share`; published: 20 epochs each, at a fixed learning rate), so t starts at 3, not 10, and its
learning rate is what the way to T needs; a run whose thresholds cannot reach T is refused. The
second step goes on with the heads and neurons masked, which computes what the shrunk model does.
Scores and thresholds have an Adam of their own, of thresholds with hardly a memory, and are not
clipped. The end is exact, and refined.
Cost: one product a module and step, and a sort of its scores; with blocks a copy of the weights.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import InputError
from core.methods.base import Context, TrainingMethod
from core.methods.cutting import Cut, cut, least
from core.methods.straight_through import StraightThrough
from core.methods.thresholds import Gate, course, excess, left, meeting, number, weight_of
from core.methods.unit_knobs import MlPruningKnobs
from core.sparsity.coupled import NOUNS, Coupled
from core.surgery.masking import biases

REACH = 3.0  # the learning rates of a step add up to so many times the thresholds' way
LOOKS = 32
# Adam's on scores, as published, and on thresholds. There a memory of a thousand steps, which is
# nothing in 227,000 but all of a short run, would carry them far past T, all alike.
SCORES, THRESHOLDS = (0.9, 0.999), (0.5, 0.5)


class MlPruning(TrainingMethod):
    """See the module's text."""

    knobs: MlPruningKnobs

    @property
    def phase(self) -> str:
        """Name of the phase for the trace."""
        return "refine" if self.masks else "blocks" if self.cuts else "units"

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Open every module's gate wide. Raises InputError for a schedule whose thresholds cannot
        reach their targets."""
        super().prepare(layers, context)
        k, pattern = self.knobs, context.pattern
        # It leaves a head or a neuron at least to every module.
        assert isinstance(pattern, Coupled) and pattern.what != "modules"  # METHODS says so
        self.pattern, self.anatomy = pattern, pattern.known()
        self.modules = [m for m in self.anatomy.modules if m.noun in NOUNS[pattern.what]]
        by_weight = pattern.what == "units"
        self.others = self.anatomy.others if by_weight else 0
        count = self.anatomy.weights if by_weight else sum(m.units for m in self.modules)
        self.target = pattern.allowed_units(count) / count
        self.gates = [Gate(m.units, k.start, layers[m.columns].weight) for m in self.modules]
        self.hard_step = max(1, round(k.share * context.total_steps))
        self.turn = self.hard_step // 2 if k.blocks else self.hard_step
        rates = [context.lr(step) for step in range(self.hard_step)]
        self.rates = self._course(rates[: self.turn], self.target, self._at, pattern.name)
        if k.blocks:
            self.rates += self._course(rates[self.turn:], 1.0 - k.blocks, _sigmoid,
                                       f"blocks = {k.blocks:g}")
        self.cuts: dict[str, Cut] = {}
        self.optimizer = self._adam()
        self.open: dict[int, Tensor] = {}
        self.through = StraightThrough(layers)
        self.hooks = [layers[name].register_forward_hook(partial(self._close, place))
                      for place, m in enumerate(self.modules) for name in m.rows]
        self.looks: list[Tensor] = []
        self._due = {round(self.hard_step * i / LOOKS) for i in range(LOOKS + 1)}
        self._look(0)

    def _course(self, rates: list[float], target: float, share: Any, words: str) -> list[float]:
        """The learning rates of one step. Raises InputError where they do not reach *target*."""
        start, least_left = self.knobs.start, share(-50.0)
        if not rates:
            raise InputError(f"{words} with {self.hard_step} training steps to prune in",
                             "a step or more for the units, and one for the blocks",
                             "Train for longer, or raise the knob share.")
        if least_left > target:
            raise InputError(f"{words} leaves {target:.2%} of the weights",
                             f"{least_left:.2%} or more: every module keeps a head or a neuron",
                             "Remove less.")
        end = meeting(share, target, start)
        way = start - end
        found = course(rates, way, self.knobs.lr, REACH)
        if sum(found) < way:
            raise InputError(
                f"Thresholds that start at {start:g} cannot reach {end:.2f}, where {words} is met, "
                f"in {len(rates)} steps that move them {sum(found):.2f} at most",
                f"learning rates that add up to {way:.2f}",
                "Leave the knob lr at 0, raise it, lower start, or train for longer.")
        return found

    def _at(self, t: float) -> float:
        """The share of weights that is left with all thresholds at *t*."""
        parts = [(m.units * m.weights, max(_sigmoid(t), 1.0 / m.units), 1.0) for m in self.modules]
        return float(left([*parts, (self.others, 1.0, 1.0)]))

    def _adam(self) -> torch.optim.Adam:
        learned = self._learned()
        return torch.optim.Adam([
            {"params": [v for k, v in learned.items() if k.startswith(kind)], "betas": betas}
            for kind, betas in (("scores", SCORES), ("threshold", THRESHOLDS))], lr=1.0)

    def _learned(self) -> dict[str, Tensor]:
        """What is learned beside the weights, by name, in the step that runs."""
        gates = {f"block/{name}": c.gate for name, c in self.cuts.items()} if self.cuts else \
            {f"unit/{place}": gate for place, gate in enumerate(self.gates)}
        return {f"{key}/{name}": getattr(g, key) for name, g in gates.items()
                for key in ("scores", "threshold")}

    def _close(self, place: int, layer: nn.Module, given: Any, out: Tensor) -> Tensor | None:
        """What a matrix of query, key, value or the FFN puts out, without the masked units: its
        rows and biases times M."""
        if place not in self.open:
            return None
        return out * self.open[place].repeat_interleave(self.modules[place].size).to(out.dtype)

    def before_forward(self, step: int) -> None:
        """Show the model what stays; at the turn the heads and neurons are settled."""
        if self.masks:
            return
        if step >= self.turn and not self.cuts:
            self._settle()
        if self.cuts:
            self.through.enter({name: m.weight.data * self.cuts[name].mask()
                                for name, m in self.layers.items() if name in self.cuts})
        else:
            self.open = {place: gate.mask() for place, gate in enumerate(self.gates)}

    def _settle(self) -> None:
        """Fix the heads and neurons, and cut what is left of their matrices into blocks."""
        self._hold(self._unit_masks())
        self.cuts = {name: cut(mask, self.knobs.size, self.knobs.start)
                     for name, mask in self.units.items()}
        self.optimizer = self._adam()

    def _hold(self, units: dict[str, Tensor]) -> None:
        """From now on what is outside *units* is zero."""
        self.units = units
        self._factors = [units[name].to(m.weight.dtype) for name, m in self.layers.items()]
        self._biases = biases(self.pattern, self.layers, units)
        self._still()

    @torch.no_grad()
    def _still(self) -> None:
        torch._foreach_mul_([m.weight.data for m in self.layers.values()], self._factors)
        self._quiet()

    def share_left(self) -> Tensor:
        """B, `[1]`: the share of the weights, or of the blocks, that the thresholds leave."""
        if self.cuts:
            return torch.as_tensor(left((len(c.gate.scores), c.gate.threshold.sigmoid(), 1.0)
                                        for c in self.cuts.values()))
        parts: list[tuple[int, Tensor | float, Tensor | float]] = [(self.others, 1.0, 1.0)]
        for m, gate in zip(self.modules, self.gates, strict=True):
            stays, row = gate.share(), m.units * m.size
            parts += [(row * m.inputs, stays, 1.0) for _ in m.rows]
            parts.append((row * m.outputs, 1.0, stays))
        return torch.as_tensor(left(parts))

    def penalty(self, batch: dict[str, Tensor]) -> Tensor | None:
        """lambda R, of the step that runs; None once pruned."""
        if self.masks:
            return None
        target = 1.0 - self.knobs.blocks if self.cuts else self.target
        penalty = excess(self.share_left(), target).sum()
        return weight_of(float(penalty.detach()), target, self.knobs.strength) * penalty

    def after_backward(self, step: int) -> None:
        """Put W back, give it the gradient of what stays, and take a step of what is learned
        beside it."""
        if self.masks:
            return
        self.through.leave()
        self.open = {}
        for name, c in self.cuts.items():
            layer = self.layers[name]
            assert layer.weight.grad is not None
            c.backward(layer.weight.grad * layer.weight.data)
            layer.weight.grad.mul_(c.seen)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rates[step]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def after_step(self, step: int) -> None:
        """Hold what is pruned at zero; a look where one is due."""
        if self.masks:
            return super().after_step(step)
        if self.cuts:
            self._still()
        if step + 1 in self._due:
            self._look(step + 1)
        return None

    def _unit_masks(self) -> dict[str, Tensor]:
        """The masks of the heads and neurons that the pattern leaves: those with the largest
        margins over their thresholds."""
        mine = dict(zip([m.columns for m in self.modules], self.gates, strict=True))
        # Times the weights: heads and neurons are compared by their worth per weight.
        worth = tuple(mine[m.columns].margins().numpy() * m.weights if m.columns in mine
                      else np.zeros(m.units) for m in self.anatomy.modules)
        found = self.pattern.masks(self.pattern.choose(worth))
        return self._whole({name: torch.from_numpy(mask) for name, mask in found.items()})

    def _whole(self, masks: dict[str, Tensor]) -> dict[str, Tensor]:
        """*masks* of all matrices, on their devices; a matrix without units stays as it is."""
        return {name: masks[name].to(m.weight.device) if name in masks
                else torch.ones_like(m.weight, dtype=torch.bool)
                for name, m in self.layers.items()}

    def choose_masks(self) -> dict[str, Tensor]:
        """The final masks, as they would be now: of blocks those with the largest margins, but one
        at least of every unit in every matrix."""
        if not self.cuts:
            return self._unit_masks()
        columns = {m.columns for m in self.anatomy.modules}
        return least(self.cuts, 1.0 - self.knobs.blocks, columns)

    def served(self) -> dict[str, Tensor] | None:
        """What an evaluation sees: the weights under the learned masks."""
        if self.masks:
            return None
        if self.cuts:
            return {name: m.weight.data * self.cuts[name].mask() if name in self.cuts
                    else m.weight.data for name, m in self.layers.items()}
        with torch.no_grad():
            stays = {m.columns: gate.mask().cpu().numpy() > 0
                     for m, gate in zip(self.modules, self.gates, strict=True)}
        kept = tuple(stays.get(m.columns, np.ones(m.units, dtype=np.bool_))
                     for m in self.anatomy.modules)
        masks = self._whole({n: torch.from_numpy(m) for n, m in self.anatomy.masks(kept).items()})
        return {name: m.weight.data * masks[name] for name, m in self.layers.items()}

    def hard_prune(self, masks: dict[str, Tensor]) -> None:
        """Fix *masks*; nothing listens in the model from here on."""
        super().hard_prune(masks)
        for hook in self.hooks:
            hook.remove()

    def measures(self) -> dict[str, float]:
        """left: the share of weights, or of blocks, that the thresholds leave."""
        return {} if self.masks else {"left": float(self.share_left().detach())}

    @torch.no_grad()
    def _look(self, step: int) -> None:
        """Note the step and all thresholds: of the modules, then of the matrices' blocks."""
        blocks = [c.gate for c in self.cuts.values()]
        row = torch.full((1 + len(self.gates) + len(self.layers),), math.nan, dtype=torch.float64)
        row[0] = step
        for at, gate in enumerate([*self.gates, *blocks], 1):
            row[at] = float(gate.threshold)
        self.looks.append(row)

    def told(self) -> dict[str, NDArray[np.generic]]:
        """By look, those of step 1: steps `[looks]`, threshold/<noun> and left/<noun>
        `[looks, layers]`, the units that its threshold left; target: T. With blocks also
        blocks/steps and blocks/threshold `[looks, matrices]`."""
        table = torch.stack(self.looks).numpy()
        units = table[table[:, 0] <= self.turn]
        out: dict[str, NDArray[np.generic]] = {
            "steps": units[:, 0].astype(np.int32), "target": np.array([self.target], np.float32)}
        for noun in dict.fromkeys(m.noun for m in self.modules):
            places = [i for i, m in enumerate(self.modules) if m.noun == noun]
            found = units[:, [1 + i for i in places]]
            out[f"threshold/{noun}"] = found.astype(np.float32)
            out[f"left/{noun}"] = np.array([[number(torch.tensor([t]), self.modules[i].units)
                                             for t, i in zip(row, places, strict=True)]
                                            for row in found], np.uint32)
        blocks = table[~np.isnan(table[:, -1])]
        if len(blocks):
            out["blocks/steps"] = blocks[:, 0].astype(np.int32)
            out["blocks/threshold"] = blocks[:, 1 + len(self.gates):].astype(np.float32)
        return out

    def state(self) -> dict[str, Tensor]:
        """Masks, the units of step 1, scores and thresholds with their optimiser, and the looks."""
        out = super().state() | {"looks": torch.stack(self.looks)}
        if self.cuts:
            out |= {f"units/{name}": mask.to(torch.uint8) for name, mask in self.units.items()}
            out |= {f"threshold/unit/{i}": g.threshold.detach() for i, g in enumerate(self.gates)}
        for name, value in self._learned().items():
            out[name] = value.detach()
            for key, moment in self.optimizer.state.get(value, {}).items():
                out[f"adam/{key}/{name}"] = moment
        return out

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Undo `state`, after `prepare`."""
        self.looks = list(state["looks"])
        units = {k[6:]: v.bool() for k, v in state.items() if k.startswith("units/")}
        for i, gate in enumerate(self.gates):
            gate.threshold.data.copy_(state[f"threshold/unit/{i}"])
        if units:
            self._hold(self._whole(units))
            self.cuts = {name: cut(mask, self.knobs.size, self.knobs.start)
                         for name, mask in self.units.items()}
            self.optimizer = self._adam()
        for name, value in self._learned().items():
            value.data.copy_(state[name])
            found = {k.split("/")[1]: v for k, v in state.items()
                     if k.startswith("adam/") and k.endswith(f"/{name}")}
            if found:
                self.optimizer.state[value] = {
                    k: v.to(value.device if v.ndim else v.device) for k, v in found.items()}
        super().load_state(state)


def _sigmoid(t: float) -> float:
    return 1.0 / (1.0 + math.exp(-t))
