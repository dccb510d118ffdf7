"""Drive hands, wherever they are, until every cell of a sweep has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.engines.cells import Cell, End
from core.engines.schedule import Schedule

PAUSE = 1.0  # seconds without news, after which it is asked again who is there


@dataclass(frozen=True)
class News:
    """From *worker*: its cell's *end*; or *why* it is lost. An end that is `unused` means: not by this worker."""

    worker: str
    end: End | None = None
    why: str = ""


class Hands(Protocol):
    """Whoever makes cells. Workers may come and go; every started cell leads to exactly one News of its worker."""

    def workers(self) -> list[str]:
        """The names of all that are there now, busy or idle. A name is never used again for another one."""

    def start(self, worker: str, cell: Cell) -> None:
        """Have an idle *worker* make *cell*. Returns at once."""

    def wait(self, seconds: float) -> list[News]:
        """What has happened; waits at most *seconds* for the first."""

    def close(self) -> None:
        """Send everybody home."""

    @property
    def nobody(self) -> str:
        """What to say when no worker is left."""


def make(cells: Sequence[Cell], hands: Hands, began: Callable[[Cell, str], None] = lambda cell, worker: None,
         ended: Callable[[End], None] = lambda end: None) -> dict[str, End]:
    """Make all *cells* by *hands*; by run, what became of each. *began* and *ended* hear of every cell as it goes."""
    schedule = Schedule(cells)

    def tell(ends: list[End]) -> None:
        for end in ends:
            ended(end)

    try:
        while True:
            present = hands.workers()
            tell(schedule.stuck(present))
            for worker in present:
                if worker not in schedule.running and (cell := schedule.next(worker)) is not None:
                    began(cell, worker)
                    hands.start(worker, cell)
            if schedule.over:
                return schedule.ended
            if not present and not schedule.running:
                tell(schedule.abandon(hands.nobody))
                continue
            for news in hands.wait(PAUSE):
                if news.end is None:
                    tell(schedule.gone(news.worker, news.why))
                elif news.end.unused:
                    schedule.unable(news.worker, news.end.error or "")
                else:
                    tell(schedule.end(news.worker, news.end))
    finally:
        hands.close()
