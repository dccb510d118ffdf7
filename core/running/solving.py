"""Solving, without training: every matrix by a layer method, or whole units by a unit method."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from core.inside.blocks import Block, in_steps, solve_blocks
from core.inside.sequential import solve_in_order
from core.inside.statistics import LayerStats
from core.methods.base import BlockMethod, LayerMethod, LayerResult
from core.methods.knobs import Knobs
from core.methods.unit_base import UnitContext, UnitMethod
from core.models.prunable import repeated_layers
from core.running.calibrating import Calibration
from core.running.journal import Journal
from core.running.matching import match
from core.running.preparing import Prepared
from core.running.progress import Progress
from core.running.recording import kept_energy
from core.running.training import task_loss
from core.runs import solved
from core.sparsity.patterns import Unstructured
from core.surgery import masks_of

Solution = dict[str, LayerResult]  # by matrix


def solve(ready: Prepared, method: LayerMethod, knobs: Knobs, calibration: Calibration, magnitude: dict[str, Tensor],
          journal: Journal) -> Solution:
    """Solve every layer, on the inputs it has in the dense model or, with *knobs.inputs* "pruned", on those it will
    get; then match the encoder layers, if *knobs.match* says so. The model is left with the dense weights.

    For a pattern over the whole model each layer gets the share that the masks of *magnitude* give it.
    """
    solution: Solution = {}

    def one(name: str, weight: Tensor, stats: LayerStats | None) -> Tensor:
        pattern = ready.pattern.of(name)
        if pattern.scope == "model":
            pattern = Unstructured(1.0 - float(magnitude[name].float().mean()))
        seen = journal.snapshots.watching(name, method.rounds)
        found = solution[name] = method.solve(weight, stats, pattern) if seen is None else \
            method.solve_watched(weight, stats, pattern, seen)
        solved.add(journal.folder, name, float(found.mask.float().mean()), kept_energy(ready.dense[name], found.mask))
        journal.report(Progress("solve", len(solution), len(ready.dense), name))
        return found.served()

    with journal.phase("solve"):
        solved.begin(journal.folder, ready.dense)
        if knobs.inputs == "pruned":
            solve_in_order(ready.model, list(repeated_layers(ready.model)[1]), ready.layers, calibration.batches, one)
            ready.put(ready.dense)
        else:
            for name, weight in ready.dense.items():
                one(name, weight, calibration.shown.get(name))
        journal.snapshots.solved()
        if knobs.match:
            journal.report(Progress("solve", len(solution), len(solution), "matching the encoder layers"))
            solution = match(ready.model, list(repeated_layers(ready.model)[1]), ready.layers, calibration.batches,
                             solution, knobs.match, ready.grid)
            ready.put(ready.dense)
    return {name: solution[name] for name in ready.dense}  # solved in the order of use, handed on in the model's


def solve_by_block(ready: Prepared, method: BlockMethod, calibration: Calibration, journal: Journal) -> Solution:
    """Solve every encoder layer as a whole, in order. The model is left with the dense weights."""
    solution: Solution = {}

    def one(block: Block) -> dict[str, Tensor]:
        found = method.solve_block(block, ready.pattern)
        for name, result in found.items():
            solution[name] = result
            solved.add(journal.folder, name, float(result.mask.float().mean()),
                       kept_energy(ready.dense[name], result.mask))
            journal.report(Progress("solve", len(solution), len(ready.dense), name))
        return {name: result.weight for name, result in found.items()}

    with journal.phase("solve"):
        solved.begin(journal.folder, ready.dense)
        solve_blocks(ready.model, list(repeated_layers(ready.model)[1]), ready.layers,
                     in_steps(calibration.batches, method.sequences), one, method.follow)
        ready.put(ready.dense)
    return {name: solution[name] for name in ready.dense}
def choose(ready: Prepared, method: UnitMethod, calibration: Calibration, journal: Journal) -> Solution:
    """Choose units with *method*: the dense weights under the masks of what is kept.

    The model is left with the dense weights and biases.
    """
    before = {name: value.detach().clone() for name, value in ready.model.state_dict().items()}

    def loss(i: int) -> Tensor:
        out = ready.model(**calibration.batches[i])
        return task_loss(out.logits.float(), calibration.labels[i], None, 0.0)

    with journal.phase("solve"):
        solved.begin(journal.folder, ready.dense)
        ready.model.eval()
        found = method.choose(UnitContext(
            ready.model, ready.layers, ready.pattern, calibration.batches, loss, ready.spec.seed,
            lambda done, total, note: journal.report(Progress("solve", done, total, note))))
        ready.model.load_state_dict(before)
        ready.model.zero_grad(set_to_none=True)
        masks = masks_of(ready.pattern, found.kept, ready.layers)
        for name, mask in masks.items():
            solved.add(journal.folder, name, float(mask.float().mean()), kept_energy(ready.dense[name], mask))
    journal.worth = {f"worth/{m.noun}/{m.layer}": worth.astype(np.float32)
                     for m, worth in zip(ready.pattern.known().modules, found.worth, strict=True)}
    if found.trace:
        journal.trace.replace({**row, "phase": "choosing"} for row in found.trace)
    return {name: LayerResult(w * masks[name], masks[name]) for name, w in ready.dense.items()}


def own_scores(ready: Prepared, solution: Solution) -> dict[str, float]:
    """The scores of the method's own W and Z, where it has them."""
    scores = {}
    for key, part in (("admm_w", "w"), ("admm_z", "z")):
        weights = {name: getattr(result, part) for name, result in solution.items()}
        if all(w is not None for w in weights.values()):
            scores[key] = ready.score_with({name: result.served(weights[name]) for name, result in solution.items()})
    return scores


def squares_of(solution: Solution) -> dict[str, np.ndarray]:
    """By `squares/<matrix>`: what a pruned matrix leaves for its correction, direction by direction (`LayerResult`)."""
    return {f"squares/{name}": result.squares.cpu().numpy() for name, result in solution.items()
            if result.squares is not None}


def trace_rows(ready: Prepared, solution: Solution) -> list[dict[str, Any]]:
    """One trace row an iteration: the layers' mean residual and rho, their flips summed. A layer that rested before
    the others stays as it was."""
    sizes = [w.numel() for w in ready.dense.values()]
    traces = [r.trace for r in solution.values()]
    longest = max(map(len, traces), default=0)
    whole = [trace + [row | {"flips": 0.0} for row in trace[-1:]] * (longest - len(trace)) for trace in traces]
    return [{"step": step, "phase": "layer-wise", "rho": parts[0]["rho"],
             "primal": sum(p["primal"] for p in parts) / len(parts),
             "flips": sum(p["flips"] * n for p, n in zip(parts, sizes, strict=True))}
            for step, parts in enumerate(zip(*whole, strict=True), 1)]
