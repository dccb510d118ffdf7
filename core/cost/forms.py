"""The forms in which a model can be stored, each really written to a file, its size read from the file system, its
content decoded and compared bit for bit with what was written. numpy only.

| form | what is written |
|---|---|
| dense | every weight as float32, zeros too: what a checkpoint takes |
| packed | the weights that stay as float32, and which ones they are |
| quantised | the same, as codes of the grid's bits with their scales |
| shrunk | smaller matrices, as float32: structured pruning, physically removed |
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.cost import container
from core.cost.container import Weights
from core.cost.packing import Floats
from core.cost.records import Form, FormName
from core.errors import InputError
from core.runs.bound import pattern_of
from core.runs.gridded import grid_of, wide
from core.runs.store import Run
from core.sparsity.grids import Grid
from core.sparsity.kinds import Dense
from core.sparsity.pattern import Pattern
from core.sparsity.storage import storage_of
from core.sparsity.units import Anatomy


def written(name: FormName, weights: Weights, pattern: Pattern, grid: Grid | None = None) -> Form:
    """Write *weights* in one form to a file that lives for this moment only, and measure it.

    Raises InputError when they do not obey *pattern*.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        parts = container.write(path, weights, pattern, grid)
        size = path.stat().st_size
        back = container.read(path)
    shapes = [(w.shape[0], w.shape[1]) for w in weights.matrices.values()]
    ranks = [weights.factors[n][0].shape[1] if n in weights.factors else 0 for n in weights.matrices]
    free = pattern.budget.number is None and pattern.budget.share is not None
    kept = [int(np.count_nonzero(weights.kept(n))) if free else w.size for n, w in weights.matrices.items()]
    counted = storage_of(pattern, grid, shapes, kept, sum(v.size for v in weights.other.values()), ranks)
    return Form(name=name, size=size, parts=parts | {"header": size - sum(parts.values())},
                counted=counted.model_bits or 0, same=_equal(weights.matrices, back.matrices) and
                _equal(weights.other, back.other) and _equal(_sides(weights), _sides(back)))


def _sides(weights: Weights) -> dict[str, Floats]:
    return {f"{side} {name}": values for name, pair in weights.factors.items() for side, values in enumerate(pair)}


def merged(weights: Weights) -> Weights:
    """*weights* with every correction added to its matrix: what they are without it, if they have none."""
    if not weights.factors:
        return weights
    beside = {name: left @ right for name, (left, right) in weights.factors.items()}
    return Weights({name: weight + beside[name] if name in beside else weight
                    for name, weight in weights.matrices.items()}, weights.other)


def _equal(before: Mapping[str, Floats], after: Mapping[str, Floats]) -> bool:
    """The same names and the same bits; a zero has no sign."""
    def bits(values: Floats) -> np.ndarray:
        return (np.ascontiguousarray(values, dtype=np.float32) + np.float32(0)).view(np.uint32)

    return set(before) == set(after) and all(
        v.shape == after[k].shape and np.array_equal(bits(v), bits(after[k])) for k, v in before.items())


def forms_of(run: Run, weights: Weights, small: Weights | None = None) -> tuple[list[Form], list[str]]:
    """The forms that the final model of *run* can have, dense first; and in words what could not be written.

    *small*: the model of a run that pruned whole units, with these cut out; without it, its matrices alone are cut.
    """
    spec, dense = run.record.spec, Dense()
    found, why = [written("dense", merged(weights), dense)], list[str]()
    pattern = dense if spec.method == "dense" else pattern_of(run)
    if pattern.coupled:
        # What is left needs no index: a shape says it.
        return [*found, written("shrunk", small or cut(weights, pattern.known()), dense)], why
    if pattern.budget.number is not None or pattern.budget.share is not None:
        found.append(written("packed", weights, pattern))
    grid = grid_of(spec)
    if grid is not None:
        try:
            found.append(written("quantised", weights, pattern, grid))
        except InputError as error:
            why.append(f"The quantised form was not written: {error}")
    return found, why


def cut(weights: Weights, anatomy: Anatomy) -> Weights:
    """The matrices of *weights* without the rows and columns of units of which nothing is left."""
    kept = anatomy.kept({n: weights.kept(n) for n in weights.matrices})
    out = dict(weights.matrices)
    for module, stays in zip(anatomy.modules, kept, strict=True):
        wide = module.wide(stays)
        out |= {name: out[name][wide] for name in module.rows} | {module.columns: out[module.columns][:, wide]}
    return Weights({name: weight for name, weight in out.items() if weight.size}, weights.other)


def with_recorded(run: Run, weights: Weights) -> Weights:
    """*weights* of a checkpoint with what the run folder knows beside them: its masks, and its scales on a grid."""
    names = list(weights.matrices)
    keep = {n: mask != 0 for n in names if (mask := run.mask(n)) is not None}
    scales = {n: scale for n in names if (scale := run.array(f"grid/{n}")) is not None}
    return Weights(weights.matrices, weights.other, keep, scales, weights.factors)


def recorded(run: Run) -> tuple[Weights, bool] | None:
    """The weights that *run* keeps, and whether they are its own (True) or made up under its masks (False).

    Made-up weights are 1, or one step of the grid: they take as many bytes as any. None for a run that keeps neither
    weights nor masks.
    """
    names = [m.name for m in run.record.matrices]
    own = {n: weight for n in names if (weight := run.weight(n)) is not None}
    if names and len(own) == len(names):
        return with_recorded(run, Weights(own, factors=_factors(run))), True
    masks = {n: mask.astype(np.float32) for n in names if (mask := run.mask(n)) is not None}
    if not names or len(masks) < len(names):
        return None
    scales = {n: scale for n in names if (scale := run.array(f"grid/{n}")) is not None}
    made = {n: mask * wide(scales[n], mask.shape[1]).astype(np.float32) if n in scales else mask
            for n, mask in masks.items()}
    return Weights(made, {}, {n: mask != 0 for n, mask in masks.items()}, scales, _factors(run)), False


def _factors(run: Run) -> dict[str, tuple[Floats, Floats]]:
    """The factors that *run* keeps, else made-up ones of their size."""
    found: dict[str, tuple[Floats, Floats]] = {}
    for m in run.record.matrices:
        if m.rank:
            left, right = (run.array(f"correction/{side}/{m.name}") for side in ("left", "right"))
            found[m.name] = (np.zeros((m.shape[0], m.rank), np.float32) if left is None else left,
                             np.zeros((m.rank, m.shape[1]), np.float32) if right is None else right)
    return found
