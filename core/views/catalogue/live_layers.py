"""The matrices of a model while they are solved one by one: which are sparse already, and what they kept.

A table of words, no figure: it is there at once, also in a browser that has loaded nothing yet, and may change four
times a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.runs import solved
from core.runs.names import layer_of, part_of
from core.runs.solved import Solved
from core.runs.store import Run
from core.views.drawing import maps, style


@dataclass(frozen=True)
class Solving:
    """Layers down, parts across. A cell: None where there is no such matrix, "" while it is dense, else its kept energy
    (share of the squared dense weights). Without cells `claim` says why."""

    claim: str
    alt: str
    parts: list[str]
    layers: list[tuple[str, list[str | None]]]
    legend: tuple[str, str]  # what a cell means that is dense still, and one that is solved
    table: pd.DataFrame
    try_this: str


def state_of(run: Run) -> tuple[list[str], list[Solved]]:
    """All matrices, and those that are solved, in that order. Of a run that has ended its header knows; before the
    first one is begun, its dense parent's."""
    if run.record.matrices:
        done = [Solved(name=m.name, density=m.density, kept_energy=m.kept_energy) for m in run.record.matrices]
        return [m.name for m in done], done
    names, found = solved.read(run.path)
    if not names and run.parent is not None:
        names = [m.name for m in run.parent.record.matrices]
    return names, found


def solving(run: Run) -> Solving:
    """Which matrices obey the pattern by now."""
    names, done = state_of(run)
    rule = style.pattern_words(run.record.spec.pattern, run.record.spec.bits)
    table = pd.DataFrame([{"solved": k, "matrix": style.matrix_words(s.name), "weights that stay":
                           style.percent(s.density), "kept energy": style.percent(s.kept_energy)}
                          for k, s in enumerate(done, 1)])
    claim, alt = _words(names, done, rule)
    layers, parts = maps.places(names)
    cells: dict[int, list[str | None]] = {layer: [None] * len(parts) for layer in layers}
    kept = {s.name: style.percent(s.kept_energy) for s in done}
    for name in names:
        cells[layer_of(name) or 0][parts.index(part_of(name))] = kept.get(name, "")
    return Solving(claim, alt, parts, [(f"layer {n}" if n else "outside", row) for n, row in cells.items()],
                   ("dense still", f"{rule}; the number: kept energy"), table,
                   "Which part of a layer loses most of its squared weights? Look for a column's smallest numbers.")


def _words(names: list[str], done: list[Solved], rule: str) -> tuple[str, str]:
    if not names:
        return "No matrix is solved yet: the model is loaded and calibrated first.", ""
    count = f"All {len(names)}" if len(done) == len(names) else f"{len(done)} of {len(names)}"
    if not done:
        return f"All {len(names)} matrices are dense still: they are solved one by one.", \
            f"A map of {len(names)} matrices, all dense still."
    mean = float(np.mean([s.kept_energy for s in done]))
    low = min(done, key=lambda s: s.kept_energy)
    claim = f"{count} matrices obey {rule}; on average they keep {style.percent(mean)} of their squared weights."
    alt = f"A map of {len(names)} matrices by layer and part. {claim} Least is kept in " \
          f"{style.matrix_words(low.name)}: {style.percent(low.kept_energy)}."
    return claim, alt
