"""One run beside its dense parent: its difference of scores with its interval, worked out when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import InputError
from core.evidence.cells import Cell
from core.evidence.quantities import SCORE
from core.runs.answers import read
from core.runs.store import Run
from core.statistics.interval import Interval
from core.statistics.paired import of_draws


class Versus:
    """By run id: the score minus that of the run's own dense model, over the examples alone (one run, one seed). None
    for a run that keeps no answers. A difference is worked out once."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._cells = {cell.record.id: cell for cell in cells}
        self._known: dict[str, Interval] = {}

    def __call__(self, run_id: str) -> Interval | None:
        cell = self._cells.get(run_id)
        if cell is None:
            return None
        if run_id not in self._known:
            self._known[run_id] = against_dense(cell)
        return self._known[run_id]

    def apart(self, run_id: str, other: str) -> Interval | None:
        """The score of *run_id* minus that of *other*, both of one task, paired example by example. None where one of
        them keeps no answers or they answer other examples."""
        one, two = self._cells.get(run_id), self._cells.get(other)
        return None if one is None or two is None or not one.answers.same_examples(two.answers) else _apart(one, two)


def against_dense(cell: Cell) -> Interval:
    """The score of one run minus its dense model's, paired example by example."""
    return _apart(cell, cell.dense)


def of_run(run: Run) -> Interval | None:
    """The same of an opened *run*; None where it or its parent keeps no answers, or they are of other examples."""
    return None if run.parent is None else between(run.parent, run)


def between(reference: Run, other: Run) -> Interval | None:
    """The score of *other* minus that of *reference*, paired example by example. None where one of them keeps no
    answers or they answer other examples."""
    try:
        one, two = read(reference), read(other)
    except InputError:
        return None
    return _apart(Cell(other.record, two), Cell(reference.record, one)) if one.same_examples(two) else None


def _apart(one: Cell, other: Cell) -> Interval:
    return of_draws(one.value(SCORE) - other.value(SCORE), one.draws(SCORE) - other.draws(SCORE))
