"""Serve the queue with no page open: `serve_once` once a second, and tell what started and what ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.live import standby, tickets, workers
from core.live.serving import serve_once
from core.live.status import State
from core.live.workers import Command, headless
from core.runs.store import Store

PACE = 1.0  # seconds between two looks while something waits or goes on: a dead worker is noticed by the next one
IDLE = 3.0  # while nothing does
RECENT = 50  # workers, the latest first, whose ends are looked at


@dataclass(frozen=True)
class News:
    """A run that started ("running"), or ended. `reason`: why it ended."""

    run: str
    state: State
    viewer: str = ""
    reason: str = ""


class Poller:
    """One look after another; each tells what is new since the one before it, whoever did it."""

    def __init__(self, store: Store, command: Command = headless) -> None:
        self.store, self.command = store, command
        self._since = time.time()
        self._told = set(self._ends())
        self._going: dict[str, float] = {}

    def poll(self) -> list[News]:
        """Serve once, and tell. Workers that went on before the first look are told then. Raises OSError."""
        serve_once(self.store, self.command)
        going = {worker.ticket.run: worker for worker in workers.active(self.store)}
        ends = self._ends()
        news = [found for key, found in ends.items() if key not in self._told and key[1] >= self._since]
        news += [News(run, "running", worker.ticket.viewer) for run, worker in going.items()
                 if self._going.get(run) != worker.started]
        self._told = set(ends)
        self._going = {run: worker.started for run, worker in going.items()}
        return news

    def _ends(self) -> dict[tuple[str, float], News]:
        found = [(folder.name, workers.read_end(folder)) for folder in workers.folders(self.store)[:RECENT]]
        return {(run, end.ended): News(run, end.state, reason=end.reason) for run, end in reversed(found) if end}

    @property
    def busy(self) -> bool:
        """Does anything wait or go on?"""
        return bool(self._going or tickets.waiting(self.store)[0])


def serve(store: Store, tell: Callable[[News], object], *, over: threading.Event | None = None,
          until_empty: bool = False, command: Command = headless) -> None:
    """Look until *over* is set, or, with *until_empty*, until nothing waits and nothing goes on. What still runs then
    goes on by itself. A failure of the disk is no end: the next look may succeed."""
    poller, over = Poller(store, command), over or threading.Event()
    while True:
        try:
            for news in poller.poll():
                tell(news)
            busy = poller.busy
        except OSError:
            busy = True
        standby.keep(free=not busy)
        if (until_empty and not busy) or over.wait(PACE if busy else IDLE):
            return
