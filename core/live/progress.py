"""`progress.json`: what a worker says of itself, written beside its work, read by whoever watches."""

from __future__ import annotations

import errno
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Annotated

import msgspec

from core.live.places import read_own
from core.running.progress import Progress
from core.runs.disk import unwritten
from core.runs.store import write_atomic

FULL = (errno.ENOSPC, errno.EDQUOT)
PACE = 0.5  # seconds between two writings at least
BEAT = 2.0  # and at most: the file's moment is the worker's heartbeat


# A file of a worker may be anybody's: a number out of these ranges would break the sums made with it.
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Amount = Annotated[float, msgspec.Meta(ge=0.0, le=1e10)]


class Said(msgspec.Struct, kw_only=True):
    """Where a worker stands. Moments are seconds since 1970."""

    phase: str = "start"
    done: Count = 0
    total: Count = 0
    note: str = ""
    started: Amount = 0.0  # the worker
    phase_started: Amount = 0.0
    phase_first: Count = 0  # `done` when the phase was first counted: more than 0 in a run that continues
    updated: Amount = 0.0
    peak_mb: Amount = 0.0  # most memory it held so far, 10^6 bytes


class ProgressFile:
    """Takes what a run says of itself and writes it down from a thread of its own: the work never waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        moment = time.time()
        self.said = Said(started=moment, phase_started=moment)
        self._fresh, self._over = True, threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __call__(self, progress: Progress) -> None:
        """Note *progress*."""
        said = self.said
        if (progress.phase, progress.total) != (said.phase, said.total) or progress.done < said.done:
            said.phase_started, said.phase_first = time.time(), progress.done
        said.phase, said.done, said.total, said.note = progress.phase, progress.done, progress.total, progress.note
        self._fresh = True

    def __enter__(self) -> ProgressFile:
        """Raises InputError when no file can be in that place at all."""
        try:
            self._write()
        except OSError as error:
            if error.errno not in FULL:
                raise unwritten(error, "The progress file", "Choose another --progress-file.") from None
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(5.0)
        with suppress(OSError):
            self._write()

    def _beat(self) -> None:
        while not self._over.wait(PACE):
            if self._fresh or time.time() - self.said.updated >= BEAT:
                with suppress(OSError):  # a full disk must not end the run: it will say so itself
                    self._write()

    def _write(self) -> None:
        self._fresh = False
        self.said.updated, self.said.peak_mb = time.time(), peak_memory()
        write_atomic(self.path, msgspec.json.encode(self.said))


def peak_memory() -> float:
    """Most memory this process held so far, in 10^6 bytes."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6, 1)


def read_said(path: Path) -> Said | None:
    """What the worker said; None when nothing, or nothing that can be read."""
    try:
        return msgspec.json.decode(read_own(path), type=Said)
    except (OSError, RecursionError, msgspec.MsgspecError):
        return None
