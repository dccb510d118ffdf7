"""Reading one layer out of a run: its dense weights from the run's dense parent, its Gram matrix from the run itself.

The parent keeps weights as 8-bit codes, one scale a row: what comes out is rounded to within half a step of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from core.errors import InputError
from core.lab.results_layer import Layer
from core.runs import arrays as enc
from core.runs.records import RunRecord
from core.runs.store import ARRAYS, HEADER, Run, file_times

COMMAND = "python -m core run --task agreement --model tiny --method admm-layer --pattern 2:4 --epochs 0 --record lab"


@dataclass(frozen=True)
class Source:
    """One matrix of one run as its files are now: what anything computed from them can be kept under."""

    stamp: tuple[tuple[str | tuple[int, int], ...], ...]
    matrix: str
    run: Run = field(compare=False, repr=False)


def matrices_of(record: RunRecord) -> list[str]:
    """The matrices of *record* whose Gram matrix was kept."""
    return [m.name for m in record.matrices if m.gram is not None]


def source_of(run: Run, matrix: str) -> Source:
    """*matrix* of *run* with the times and sizes of the files that it is read from."""
    folders = (run.path, *([run.parent.path] if run.parent else []))
    return Source(tuple((str(folder), *file_times(folder, (HEADER, ARRAYS))) for folder in folders), matrix, run)


def read_layer(run: Run, matrix: str) -> Layer:
    """Read *matrix*. Raises InputError when the run or its dense parent does not hold it, or is damaged."""
    again = f"Make a run that does: {COMMAND}"
    entry = next((m for m in run.record.matrices if m.name == matrix), None)
    if entry is None:
        raise InputError(f"{run.record.id} has no matrix {matrix[:80]!r}", "one of its prunable matrices",
                         "Choose one from the list.")
    if entry.gram is None:
        raise InputError(f"{run.record.id} keeps no Gram matrix of {matrix}", "a run of record level lab",
                         "Choose another matrix.")
    if run.parent is None:
        raise InputError(f"The dense run that {run.record.id} started from ({run.record.parent}) is not in the store",
                         "both runs in the store", again)
    weight = run.parent.weight(matrix)
    if weight is None:
        raise InputError(f"{run.parent.record.id} keeps no weights", "a dense run of record level full", again)
    triangle = run.array(f"gram/{entry.gram}")
    rows, width = entry.shape
    if triangle is None or triangle.shape != (width * (width + 1) // 2,):
        raise InputError(f"gram/{entry.gram} of {run.record.id} is "
                         + ("missing" if triangle is None else f"of shape {list(triangle.shape)}"),
                         f"the upper triangle of a {width} x {width} matrix", "Make the run again.")
    if weight.shape != (rows, width):
        raise InputError(f"weight/{matrix} of {run.parent.record.id} has shape {list(weight.shape)}",
                         f"shape {[rows, width]}, as the run's header says", "Make the run again.")
    return Layer(matrix, weight, enc.symmetric(triangle, width), entry.gram_tokens or 0)


def offered(records: Iterable[RunRecord], own: Container[str] = ()) -> dict[str, RunRecord]:
    """The runs with Gram matrices by id: those of *own*, made on this machine, last, the largest model first, and among
    equals the newest."""
    held = [r for r in records if matrices_of(r)]
    held.sort(key=lambda r: (r.id not in own, sum(m.shape[0] * m.shape[1] for m in r.matrices), r.created),
              reverse=True)
    return {r.id: r for r in held}


def about(run: Run, matrix: str) -> str:
    """Where the numbers of a page about *matrix* come from, in one line."""
    entry = next((m for m in run.record.matrices if m.name == matrix), None)
    tokens = f" over {entry.gram_tokens} calibration tokens" if entry is not None and entry.gram_tokens else ""
    made = "recorded" if run.recorded else "made on this machine"
    return f"Dense weights of {run.record.parent}, rounded to 8 bits a row · Gram matrix of {run.record.id}{tokens}, " \
           f"{made} {run.record.created[:10]}, seed {run.record.spec.seed} · solved now"
