"""The cells of a sweep: the runs that are still to be made, dense parents that nobody listed among them. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from core.runs.records import RunRecord, RunSpec
from core.specs.recipes import Planned
from core.specs.resolving import dense_spec


class Cell(msgspec.Struct, frozen=True):
    """One run to be made. `family`: the id of its dense run (its own, for a dense one); `needs`: the cell that must be
    made before, None when the dense weights are at hand already; `extra`: a dense parent that the file does not list.
    """

    spec: RunSpec
    family: str
    needs: str | None = None
    given: dict[str, Any] = {}
    resume: bool = False
    extra: bool = False

    @property
    def id(self) -> str:
        """The run's id."""
        return self.spec.run_id


class End(msgspec.Struct, frozen=True):
    """What became of a cell. *error* says why it did not succeed, *fault* is the traceback of a fault of ours.
    *unused*: the error came before anything was made of it: data, model or settings could not be used there."""

    id: str
    record: RunRecord | None = None
    error: str | None = None
    fault: str | None = None
    unused: bool = False


def cells_of(planned: Sequence[Planned], at_hand: Callable[[RunSpec], bool]) -> list[Cell]:
    """The cells of what is not done, parents first, as they are needed, then all else as listed.

    *at_hand*: are the final weights of this dense run on this machine?
    """
    todo = [p for p in planned if p.state != "done"]
    listed = {p.spec.run_id for p in todo}
    known: dict[str, bool] = {}
    cells: dict[str, Cell] = {}
    needed: dict[str, int] = {}  # parents, by when they are first needed
    for p in todo:
        run_id, needs, family = p.spec.run_id, None, p.spec.run_id
        if p.spec.method != "dense":
            dense = dense_spec(p.spec)
            family = dense.run_id
            if family not in known:
                known[family] = at_hand(dense)
            if not known[family]:
                needs = family
                needed.setdefault(family, len(needed))
                if family not in listed and family not in cells:
                    cells[family] = Cell(dense, family, extra=True)
        cells[run_id] = Cell(p.spec, family, needs, p.given, p.state == "unfinished")
    return sorted(cells.values(), key=lambda cell: needed.get(cell.id, len(needed)))
