"""Which cell is made next, by whom; what follows when one fails, and when whoever made it is lost. Nothing but book-
keeping: no process, no clock, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from core.engines.cells import Cell, End

TRIES = 3  # a cell that took that many workers with it is given up: it is the cell


class Schedule:
    """All cells of a sweep on their way, each in one of three places: waiting, running or ended.

    A worker is a name. Every cell ends exactly once; a parent before its children start.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.waiting = {cell.id: cell for cell in cells}
        self.running: dict[str, Cell] = {}  # by worker
        self.ended: dict[str, End] = {}  # by run, in the order of ending
        self.lost: Counter[str] = Counter()  # by run: how many workers went down with it
        self._unable: dict[str, dict[str, str]] = {}  # by run: which worker cannot make it, and why
        self._family: dict[str, str] = {}  # by worker: of its last cell
        self._parents = {cell.needs for cell in cells if cell.needs}

    @property
    def over(self) -> bool:
        """Has every cell ended?"""
        return not self.waiting and not self.running

    def next(self, worker: str) -> Cell | None:
        """Give *worker*, who is idle, a cell; None when there is none for it at this moment.

        First one of the dense model that it worked with last, for what it keeps of it; then of one that nobody works
        with, at hand before still to be made. So no more dense models are begun than there are workers: wherever a
        sweep stops, the runs of most of them are whole.
        """
        assert worker not in self.running
        ready = [cell for cell in self.waiting.values()
                 if self._ready(cell) and worker not in self._unable.get(cell.id, {})]
        if not ready:
            return None
        mine, others = self._family.get(worker), set(self._family.values())
        cell = min(ready, key=lambda c: (c.family != mine, c.family in others, c.id in self._parents))
        del self.waiting[cell.id]
        self.running[worker] = cell
        self._family[worker] = cell.family
        return cell

    def _ready(self, cell: Cell) -> bool:
        return cell.needs is None or cell.needs in self.ended

    def end(self, worker: str, end: End) -> list[End]:
        """The cell of *worker* came to *end*. All that ended by it: this one, and the children of a parent that
        failed."""
        cell = self.running.pop(worker)
        assert cell.id == end.id
        return self._end(end)

    def _end(self, end: End) -> list[End]:
        assert end.id not in self.ended
        self.waiting.pop(end.id, None)
        self.ended[end.id] = end
        out = [end]
        if end.error is not None:
            for child in [c for c in self.waiting.values() if c.needs == end.id]:
                out += self._end(End(child.id, error=f"Its dense parent {end.id} was not made: {end.error}"))
        return out

    def gone(self, worker: str, why: str) -> list[End]:
        """*worker* was lost. Its cell waits again, unless it was lost too often; what ended by that."""
        self._family.pop(worker, None)
        cell = self.running.pop(worker, None)
        if cell is None:
            return []
        self.lost[cell.id] += 1
        if self.lost[cell.id] >= TRIES:
            return self._end(End(cell.id, error=f"{TRIES} workers were lost while they made it; the last: {why}"))
        # Where it began there may be a folder to go on from, or at least one in the way.
        self.waiting = {cell.id: msgspec.structs.replace(cell, resume=True)} | self.waiting
        return []

    def unable(self, worker: str, why: str) -> None:
        """*worker* cannot make its cell: it waits for another one. See `stuck`."""
        cell = self.running.pop(worker)
        self._unable.setdefault(cell.id, {})[worker] = why
        self.waiting = {cell.id: cell} | self.waiting

    def stuck(self, workers: Collection[str]) -> list[End]:
        """End what none of *workers*, all there are, can make. What ended."""
        out: list[End] = []
        for cell in list(self.waiting.values()):
            reasons = self._unable.get(cell.id, {})
            if cell.id in self.waiting and reasons and all(worker in reasons for worker in workers):
                out += self._end(End(cell.id, error="; ".join(dict.fromkeys(reasons.values()))))
        return out

    def abandon(self, why: str) -> list[End]:
        """End all that still waits: nobody is left to make it. What ended."""
        out: list[End] = []
        for run_id in list(self.waiting):
            if run_id in self.waiting:
                out += self._end(End(run_id, error=why))
        return out
