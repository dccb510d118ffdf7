"""Does every group hold exactly N? The certificate of a run: groups and violations, matrix by matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.bound import pattern_of
from core.runs.records import Matrix
from core.runs.store import Run
from core.sparsity.occupancy import occupancy
from core.sparsity.patterns import Pattern
from core.sparsity.verify import Violation, verify
from core.views.drawing import style
from core.views.drawing.build import words_only
from core.views.drawing.view import View
from core.views.patterns import groups, unit_certificate
from core.views.weights.pair import whole

Counts = NDArray[np.int64]


def certificate(run: Run) -> View:
    """Every matrix of the run against its pattern: groups, violations. Counted from the masks, where they were kept;
    else from the kept counts; else as the header says. The table says which."""
    pattern = pattern_of(run)
    if pattern.coupled and run.record.units is not None:
        return unit_certificate.certificate(run, pattern)
    rows = []
    for entry in run.record.matrices:
        source, held, bad = _source(run, entry, pattern)
        number = (entry.shape[0] * entry.shape[1]) // groups.size_of(pattern) if held is None else int(held.sum())
        rows.append({"matrix": entry.name, "where": style.matrix_words(entry.name), "groups": number, "violations": bad,
                     "sparsity": 1 - entry.density, "from": source})
    table = pd.DataFrame(rows, columns=["matrix", "where", "groups", "violations", "sparsity", "from"])
    total, bad = int(table["groups"].sum()), int(table["violations"].sum())
    kind = groups.group_words(pattern)
    faults = f"{style.count(bad)} violation{'s' * (bad != 1)}"
    claim = f"{style.count(len(rows))} matrices, {style.count(total)} {kind}, {faults}: "
    if not rows:
        claim = "This run lists no matrices: there is nothing to certify."
    elif bad:
        worst = table.sort_values("violations", ascending=False).iloc[0]
        most = style.count(int(worst["violations"]))
        claim += f"this run does not hold {pattern.name}. Most are in {worst['where']}: {most}."
    elif pattern.budget.ways is not None:
        own = " of its matrix" if pattern.each else ""
        claim += f"no {pattern.grouping.noun} holds more than {pattern.allowed}, " + (
            f"and all it holds lies on one of {pattern.budget.ways} supports{own}."
            if set(table["from"]) == {"mask"} else
            "but masks were not kept: on which support it lies is not known.")
    elif pattern.allowed is not None:
        claim += f"no group of {pattern.multiple} consecutive inputs holds more than {pattern.allowed}."
    elif pattern.whole:
        claim += "every block is whole or gone."
    else:
        claim += f"the pattern asks for no groups; {style.percent(run.record.sparsity)} of all weights are zero."
    noun = kind.partition(" of ")[0]
    heading = f"{faults} in {style.count(total)} {noun}." if pattern.grouping.cell is not None or bad else \
        f"{style.percent(run.record.sparsity)} of all weights are zero; the pattern has no groups."
    return words_only(claim, table, heading if rows else "")


def _source(run: Run, entry: Matrix, pattern: Pattern) -> tuple[str, Counts | None, int]:
    """What is known of a matrix and from where: how many groups hold 0, 1, ... entries, how many break the pattern."""
    mask = whole(run.mask(entry.name), entry.shape, f"mask/{entry.name} of {run.record.id}")
    if mask is not None:
        held = occupancy(mask, pattern).histogram
        if pattern.budget.ways is not None:  # counts do not tell on which support the entries lie
            return "mask", held, verify(mask, pattern.of(entry.name), entry.name).violations
        return "mask", held, groups.broken(held, pattern)
    kept = run.array(f"occupancy/{entry.name}")
    return ("header", None, entry.violations) if kept is None else ("counts", kept, groups.broken(kept, pattern))


def violations(run: Run, matrix: str, most: int = 20) -> list[str]:
    """The first groups of *matrix* that break a pattern with a number for each, in words: which outputs, which inputs,
    how many."""
    if (pattern := pattern_of(run)).allowed is None:
        return []
    mask = whole(run.mask(matrix), run.shape(matrix), f"mask/{matrix} of {run.record.id}")
    found = () if mask is None else verify(mask, pattern.of(matrix), matrix).examples[:most]
    return [f"{_outputs(v)}, inputs {v.start}–{v.stop - 1}: {v.kept} kept, {v.allowed} allowed{_off(v)}" for v in found]


def _outputs(v: Violation) -> str:
    return f"output {v.row}" if v.rows == 1 or v.row is None else f"outputs {v.row}–{v.row + v.rows - 1}"


def _off(v: Violation) -> str:
    return f"; the nearest support leaves out {v.outside}" if v.outside else ""


# -- the map of groups -------------------------------------------------------------------------------------------
