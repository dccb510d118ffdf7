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
    rows, counted = [], []
    for entry in run.record.matrices:
        source, held, bad = _source(run, entry, pattern)
        counted.append(held)
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
    if pattern.grouping.cell is None and not bad:
        heading = f"{style.percent(run.record.sparsity)} of all weights are zero; the pattern has no groups."
    else:
        known = [held for held in counted if held is not None]
        heading = f"Certificate: {_verdict(known if len(known) == len(rows) else [], total, bad, pattern)}."
    return words_only(claim, table, heading if rows else "")


def _verdict(held: list[Counts], total: int, bad: int, pattern: Pattern) -> str:
    """One clause on all *total* groups of a run: *bad* of them break its pattern; else what they hold, as far as *held*
    (of every matrix, how many groups hold 0, 1, ... entries; [] where it is not known) says it."""
    noun = groups.group_words(pattern).partition(" of ")[0]
    whole = f"{noun} of the model"
    if bad:
        return f"{style.count(bad)} of {style.count(total)} {whole} break{'s' * (bad == 1)} {pattern.name}"
    if held:
        return groups.verdict(np.sum(held, axis=0), pattern).replace(noun, whole, 1)
    return f"all {style.count(total)} {whole} hold {pattern.name}, as its header says"


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


def listed(run: Run, most: int = 20) -> list[str]:
    """The first groups of the whole run that break its pattern, in words, at most *most*: which matrix, then as in
    `violations`. Of matrices whose masks were not kept none can be named."""
    pattern, lines = pattern_of(run), list[str]()
    for entry in run.record.matrices:
        if len(lines) < most and _source(run, entry, pattern)[2]:
            found = violations(run, entry.name, most - len(lines))
            lines += [f"{style.matrix_words(entry.name)}, {line}" for line in found]
    return lines


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
