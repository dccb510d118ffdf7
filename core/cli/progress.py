"""Progress on a terminal: one bar per phase, on stderr. Silent where nobody watches (a pipe, a log, a test)."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from core.cli.output import printable
from core.running.progress import Progress, Report

WIDTH = 30  # cells of a bar
PAUSE = 0.1  # seconds between two drawings: a step may take less than drawing it


class Bars:
    """Draws what a run says of itself: one line, redrawn; one line per phase."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.phase = ""
        self.began = self.drawn = 0.0

    def __call__(self, progress: Progress) -> None:
        """Move the bar of the present phase; a new phase leaves the old one's line standing."""
        now = time.monotonic()
        if progress.phase != self.phase:
            self.close()
            self.phase, self.began, self.drawn = progress.phase, now, 0.0
        if now - self.drawn >= PAUSE or progress.done >= progress.total:
            self.drawn = now
            columns = shutil.get_terminal_size().columns
            self.stream.write(f"\r\x1b[K{self.line(progress, now - self.began)[: columns - 1]}")
            self.stream.flush()

    def line(self, progress: Progress, seconds: float) -> str:
        """The text of one bar: phase, cells, counts, seconds, note."""
        full = round(WIDTH * min(progress.done / progress.total, 1.0)) if progress.total else 0
        return (f"{printable(progress.phase):<10} [{'#' * full}{'.' * (WIDTH - full)}] "
                f"{progress.done}/{progress.total}  {seconds:.0f} s  {printable(progress.note)}").rstrip()

    def close(self) -> None:
        """End the line of the present bar."""
        if self.phase:
            self.stream.write("\n")
            self.stream.flush()
            self.phase = ""


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a polite kill (SIGTERM) end a run as Ctrl-C does: cancelled, with its header and its resume file in order."""
    def interrupt(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb the last writing
        raise KeyboardInterrupt("Cancelled: its process was asked to stop.")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def reporter(stream: TextIO | None = None, file: Path | None = None) -> Iterator[Report]:
    """Give a `report` function: bars when *stream* (stderr) is a terminal, nothing otherwise. With a *file*, that too
    says where the run stands, see `core.live.progress`."""
    if file is not None:
        from core.live.progress import ProgressFile

        with ProgressFile(file) as note, reporter(stream) as bars:
            def both(progress: Progress) -> None:
                note(progress)
                bars(progress)

            yield both
        return
    stream = stream or sys.stderr
    if not stream.isatty():
        yield lambda progress: None
        return
    bars = Bars(stream)
    try:
        yield bars
    finally:
        bars.close()
