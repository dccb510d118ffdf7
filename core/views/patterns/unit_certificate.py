"""The certificate of a run that pruned heads, neurons or modules: module by module, what is left, and whether all of it
is whole."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.runs.store import Run
from core.sparsity.patterns import Pattern
from core.sparsity.verify_units import parts_of
from core.views.drawing import style
from core.views.drawing.view import View
from core.views.patterns.units_left import left
from core.views.patterns.units_map import figure_of
from core.views.weights.pair import whole

COLUMNS = ["where", "units", "left", "half removed", "from"]


def certificate(run: Run, pattern: Pattern) -> View:
    """Units of every module, those that are left, those that are gone from some of their matrices only.

    Counted from the masks where they were kept, else as the header says; *pattern* is the run's, joined to its model.
    """
    units, modules = run.record.units, pattern.known().modules
    assert units is not None
    masks = {m.name: mask for m in run.record.matrices
             if (mask := whole(run.mask(m.name), m.shape, f"mask/{m.name} of {run.record.id}")) is not None}
    seen = len(masks) == len(run.record.matrices)
    said = {"head": iter(units.heads), "neuron": iter(units.neurons)}
    rows: list[tuple[str, int, int, int, str]] = []
    for m in modules:
        there, half = int(next(said[m.noun], 0)), 0
        if seen:
            counts = np.array([[np.count_nonzero(p) for p in parts_of(m, u, masks)] for u in range(m.units)])
            any_left = counts.any(axis=1)
            there, half = int(any_left.sum()), int((any_left & ~counts.all(axis=1)).sum())
        rows.append((m.title, m.units, there, half, "mask" if seen else "header"))
    table = pd.DataFrame(rows, columns=COLUMNS)
    counted = " and ".join(_left(noun, [row for row, m in zip(rows, modules, strict=True) if m.noun == noun])
                           for noun in ("head", "neuron"))
    broken = sum(row[3] for row in rows)
    figure = figure_of(left(run), revision=run.record.id)
    zeros = f"{style.percent(run.record.sparsity)} of all weights are zero"
    if broken:
        heading = "1 unit is half removed." if broken == 1 else f"{style.count(broken)} units are half removed."
        claim = f"{counted} are left, {style.count(broken)} of them gone from some of their matrices: this run does " \
                f"not hold {pattern.name}."
    elif seen:
        heading = f"All {style.count(sum(row[2] for row in rows))} heads and neurons that are left are whole."
        claim = f"{counted} are left, each whole in all its matrices; {zeros}."
    else:
        heading = f"{counted} are left."
        claim = f"{counted} are left, as the header says; {zeros}. Masks were not kept, so none is looked at here."
    if gone := [row[0] for row in rows if not row[2]]:
        claim += f" Gone as a whole: {', '.join(gone)}."
    by_layer = "; ".join(f"{style.count(row[2])} of {style.count(row[1])} {m.noun}s in layer {m.layer}"
                         for row, m in zip(rows, modules, strict=True))
    return View(claim, figure, None, f"Map of what is left of every layer: {by_layer}. {claim}", table,
                "A head lies in four matrices, a neuron in two or three. Gone from some of them only, it could neither "
                "be used nor be cut out.", heading=heading)


def _left(noun: str, rows: list[tuple[str, int, int, int, str]]) -> str:
    return f"{style.count(sum(row[2] for row in rows))} of {style.count(sum(row[1] for row in rows))} {noun}s"
