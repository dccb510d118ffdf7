"""Pruning: everything between the dense model and the final one, in its order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core import methods
from core.inside.statistics import LayerStats
from core.methods.base import BlockMethod, LayerMethod, Method, TrainingMethod
from core.methods.low_rank import LowRank
from core.methods.masked import Masked
from core.methods.unit_base import UnitMethod
from core.models.corrected import attach
from core.running.calibrating import Calibration, calibrated
from core.running.fitting import fit
from core.running.journal import Journal
from core.running.preparing import Prepared
from core.running.solving import Solution, choose, own_scores, solve, solve_by_block, squares_of, trace_rows
from core.sparsity.rounding import put
from core.sparsity.select import select_all


@dataclass(frozen=True)
class Pruned:
    """What pruning hands on, beside the final weights in the model. By matrix: the masks, plain magnitude's masks, the
    scales of the grid (none without a grid), what calibration saw. `steps`: of training; `told`: what the method has to
    tell of itself, by key."""

    masks: dict[str, Tensor]
    magnitude: dict[str, Tensor]
    scales: dict[str, Tensor]
    stats: dict[str, LayerStats]
    steps: int
    told: dict[str, NDArray[np.generic]]
    low: dict[str, LowRank]  # by matrix: what stands beside its weight


def prune(ready: Prepared, journal: Journal) -> Pruned:
    """Calibrate, solve, score what comes before training, and train if the spec says so."""
    method = methods.build(ready.spec.method, ready.spec.knobs, ready.grid)
    journal.snapshots.begin(ready.spec, ready.dense, ready.pattern)
    magnitude = select_all(ready.pattern, {name: w.abs() for name, w in ready.dense.items()})
    calibration = calibrated(ready, method, journal)
    solution = _solution(ready, method, calibration, magnitude, journal)
    if not journal.resuming:
        with journal.phase("evaluate"):
            journal.scores["dense"] = ready.score()
            journal.scores["one_shot"] = ready.score_with(put(ready.grid, ready.dense, magnitude))
            if isinstance(method, LayerMethod):
                journal.scores.update(own_scores(ready, solution))
    training = method if isinstance(method, TrainingMethod) else None
    if training is None and ready.spec.epochs > 0:
        training = Masked(method.knobs, ready.grid)
    if training is not None:
        steps = fit(ready, training, calibration, solution, journal)
        return Pruned(training.masks, magnitude, training.scales, calibration.stats, steps,
                      _told(method, solution, journal), {})
    if rows := trace_rows(ready, solution):
        journal.trace.replace(rows)
    ready.put({name: result.weight for name, result in solution.items()})
    scales = {name: result.scale for name, result in solution.items() if result.scale is not None}
    low = {name: result.low for name, result in solution.items() if result.low is not None}
    attach(ready.layers, {name: (found.left, found.right) for name, found in low.items()})
    return Pruned({name: r.mask for name, r in solution.items()}, magnitude, scales, calibration.stats, 0,
                  _told(method, solution, journal), low)


def _told(method: Method, solution: Solution, journal: Journal) -> dict[str, NDArray[np.generic]]:
    """What the method tells of itself; a layer method does so in what it returns of every layer."""
    if isinstance(method, LayerMethod):
        return squares_of(solution)
    return journal.worth | method.told()


def _solution(ready: Prepared, method: Method, calibration: Calibration, magnitude: dict[str, Tensor],
              journal: Journal) -> Solution:
    """The matrices solved, by the method itself or by the one that its training starts from; empty without any."""
    if isinstance(method, BlockMethod):
        return solve_by_block(ready, method, calibration, journal)
    if isinstance(method, UnitMethod):
        return choose(ready, method, calibration, journal)
    solver: LayerMethod
    if isinstance(method, LayerMethod):
        solver = method
    elif method.start is None:
        return {}
    else:
        solver = methods.build(method.start, grid=ready.grid if methods.entry_of(method.start).grids else None)
    return solve(ready, solver, method.knobs, calibration, magnitude, journal)
