"""A cell: what one finished run answers to every evaluation example, beside what its dense parent answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.evidence.quantities import SCORE, constant_of, drawn_of, suits, value_of
from core.evidence.settings import settings
from core.runs.answers import SAID, Answers, read
from core.runs.records import RunRecord
from core.runs.store import Entry, Run
from core.statistics.resampling import resamples
from core.statistics.scoring import weighted_scores_of_all
from core.tasks import VALIDATION


class Cell:
    """One run as evidence. Values are worked out once and kept with the cell.

    *dense* is the cell of the dense parent; a dense run is its own.
    """

    def __init__(self, record: RunRecord, answers: Answers, dense: Cell | None = None) -> None:
        self.record, self.answers, self.dense = record, answers, dense or self
        self.mates: Sequence[Cell] = (self,)  # all cells of the task on the same examples
        self._values: dict[str, float] = {}
        self._constants: dict[str, float] = {}
        self._draws: dict[str, NDArray[np.float64]] = {}
        self._working = Lock()

    @property
    def metric(self) -> str:
        """The task's main metric."""
        assert self.record.results is not None
        return self.record.results.metric

    @property
    def seed(self) -> int:
        """A seed is a dense model of its own."""
        return self.record.spec.seed

    @cached_property
    def settings(self) -> str:
        """All that decides the run's outcome but the seed (`core.evidence.settings`)."""
        return settings(self.record.spec)

    @cached_property
    def sparsity(self) -> float:
        """Share of zeros over the prunable matrices."""
        return self.record.sparsity

    def defines(self, quantity: str) -> bool:
        """Is *quantity* defined for this task's answers?"""
        return suits(quantity, self.answers)

    def value(self, quantity: str) -> float:
        """The quantity over all evaluation examples."""
        if quantity not in self._values:
            self._values[quantity] = value_of(quantity, self.metric, self.dense.answers, self.answers)
        return self._values[quantity]

    def draws(self, quantity: str) -> NDArray[np.float64]:
        """`[B]`: the quantity in every resample of the examples; the resamples are the same for all cells of a task.
        nan for a single example: it says nothing of others."""
        if len(self.answers) < 2:
            return np.full(2, np.nan)
        if quantity not in self._draws:
            drawn_together(self.mates if quantity == SCORE else [self], quantity)
        return self._draws[quantity]

    def constant(self, quantity: str) -> float:
        """What the best constant answer reaches on the same examples."""
        known = self.dense._constants
        if quantity not in known:
            known[quantity] = constant_of(quantity, self.metric, self.dense.answers)
        return known[quantity]


def drawn_together(cells: Iterable[Cell], quantity: str) -> None:
    """Work out the resamples of all of *cells*, which takes a fraction of the time that one by one would: so whoever
    asks for many says so first. A cell asked for its score by itself takes all of its task with it."""
    waiting: dict[int, list[Cell]] = {}
    for cell in dict.fromkeys(cells):
        if quantity not in cell._draws and len(cell.answers) > 1:
            waiting.setdefault(id(cell.mates), []).append(cell)
    for mates in waiting.values():
        # Whoever comes while another works them out waits for that: a server works ahead of its first visitor.
        with mates[0].mates[0]._working:
            left = [cell for cell in mates if quantity not in cell._draws]
            if left:
                _draw(left, quantity)


def _draw(mates: Sequence[Cell], quantity: str) -> None:
    first = mates[0]
    counts = resamples(len(first.answers))
    if quantity == SCORE:
        logits = [c.answers.logits for c in mates]
        drawn = weighted_scores_of_all(first.metric, logits, first.answers.labels, counts)
    else:
        drawn = [drawn_of(quantity, c.dense.answers, c.answers, counts) for c in mates]
    for cell, one in zip(mates, drawn, strict=True):
        cell._draws[quantity] = one


def cells(entries: Iterable[Entry], task: str | None = None, model: str | None = None, split: str | None = None,
          part: str = SAID) -> list[Cell]:
    """A cell for every finished run of *entries* (of one *task*, *model* and *split*, if given) that keeps its answers
    and whose dense parent does, dense runs among them. All cells of a task are of one split with the same labels: the
    validation set's where there is one, else the commonest. Damaged runs are left out: the list of runs says them.
    *part*: whether the answers are those that runs are judged by, or those to the examples that nothing was chosen by.
    """
    mine = {e.id: e for e in entries if e.record is not None and e.record.status == "succeeded"
            and (task is None or e.record.spec.task == task) and (model is None or e.record.spec.model == model)
            and (split is None or (e.record.results is not None and e.record.results.split == split))}
    dense: dict[str, Cell] = {}
    out: list[Cell] = []
    for entry in sorted(mine.values(), key=lambda e: (e.record is not None and e.record.spec.method != "dense", e.id)):
        assert entry.record is not None
        answers = _answers(entry, part)
        if answers is None:
            continue
        if entry.record.spec.method == "dense":
            dense[entry.id] = Cell(entry.record, answers)
            out.append(dense[entry.id])
        else:
            parent = dense.get(entry.record.parent or "")
            if parent is not None and parent.answers.same_examples(answers):
                out.append(Cell(entry.record, answers, parent))
    return _of_one_split(out)


def left_out(records: Iterable[RunRecord], tasks: Iterable[str], model: str, known: Container[str]) -> list[str]:
    """Ids of the finished pruned runs of *tasks* and *model* that are no cell: not among the ids *known*."""
    listed = set(tasks)
    return [r.id for r in records if r.status == "succeeded" and r.spec.method != "dense" and r.spec.task in listed
            and r.spec.model == model and r.id not in known]


def ids_of(cells: Iterable[Cell], tasks: Iterable[str], model: str) -> tuple[str, ...]:
    """The ids of the cells of *tasks* and *model*."""
    listed = set(tasks)
    return tuple(c.record.id for c in cells if c.record.spec.task in listed and c.record.spec.model == model)


def _answers(entry: Entry, part: str) -> Answers | None:
    assert entry.record is not None
    try:
        return read(Run(entry.record, entry.path, entry.recorded), part)
    except InputError:
        return None


def _of_one_split(found: list[Cell]) -> list[Cell]:
    """Of every task and model only the cells scored on the examples that most are scored on."""
    splits: dict[tuple[str, str], Counter[tuple[str, bytes]]] = {}
    for cell in found:
        splits.setdefault(_place(cell), Counter())[_split(cell)] += 1
    chosen = {place: max(counts, key=lambda s: (s[0] == VALIDATION, counts[s], s)) for place, counts in splits.items()}
    kept = [cell for cell in found if _split(cell) == chosen[_place(cell)]]
    mates: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in kept:
        cell.mates = mates.setdefault((*_place(cell), cell.metric), [])
        cell.mates.append(cell)
    return kept


def _place(cell: Cell) -> tuple[str, str]:
    return cell.record.spec.task, cell.record.spec.model


def _split(cell: Cell) -> tuple[str, bytes]:
    assert cell.record.results is not None
    return cell.record.results.split, cell.answers.labels.tobytes()
