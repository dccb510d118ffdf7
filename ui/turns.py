"""Pages take turns. Python runs one thread at a time: thirty scripts at once wait for each other at every message they
send, and the server needs more than twice the processor time for the same pages. In turns each has its page sooner.

    with turns.turn():      # app.py, around the page
        ...
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A line, first come first served. At most *most* are inside at once; one that is inside for longer than
    *patience* seconds goes on, and the next comes in as well: a page that computes long keeps nobody out."""

    def __init__(self, most: int, patience: float) -> None:
        self._most, self._patience = most, patience
        self._changed = threading.Condition()
        self._inside: dict[object, float] = {}  # since when
        self._line: deque[object] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and have it for the block."""
        ticket = object()
        self._enter(ticket)
        try:
            yield
        finally:
            self._leave(ticket)

    def _enter(self, ticket: object) -> None:
        with self._changed:
            self._line.append(ticket)
            while self._line[0] is not ticket or self._wait() > 0.0:
                self._changed.wait(self._wait() if self._line[0] is ticket else None)
            self._line.popleft()
            self._inside[ticket] = time.monotonic()
            self._changed.notify_all()  # there may be room for the next one too

    def _leave(self, ticket: object) -> None:
        with self._changed:
            del self._inside[ticket]
            self._changed.notify_all()

    def _wait(self) -> float:
        """Seconds until there is room, if nobody leaves before; 0 or less: there is."""
        since = sorted(self._inside.values())[-self._most:]  # who came last keeps their place the longest
        return since[0] + self._patience - time.monotonic() if len(since) == self._most else 0.0


_pages = Turns(most=1, patience=0.5)
turn = _pages.turn
