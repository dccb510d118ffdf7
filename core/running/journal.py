"""What a run writes down while it goes on: header, times, scores, trace, and what it keeps of its moments."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from core.errors import InputError, fault
from core.running.moments import Moments
from core.running.progress import Progress, Report
from core.running.shared import Shared
from core.running.snapshots import Snapshots
from core.runs.disk import refused_by_system
from core.runs.records import RunRecord
from core.runs.store import write_atomic, write_header
from core.runs.traces import Heard, TraceFile

RESUME = "resume.safetensors"
FAULT = "fault.log"


class Journal:
    """Handed from stage to stage of one run, each of which adds to it. *resuming*: a killed run is continued. *heard*:
    is told every row of the trace."""

    def __init__(self, folder: Path, record: RunRecord, report: Report, resuming: bool, shared: Shared,
                 heard: Heard | None = None) -> None:
        self.folder, self.record, self.report, self.resuming, self.shared = folder, record, report, resuming, shared
        self.scores: dict[str, float] = {}  # by stage, as the fields of `core.runs.records.Scores`
        self.worth: dict[str, np.ndarray] = {}  # of every unit, by module, to a method that chooses units
        self.snapshots, self.moments, self.trace = Snapshots(folder), Moments(folder, shared), TraceFile(folder, heard)
        if not resuming:
            self.snapshots.clear()  # of an attempt that is not gone on with: nobody shall take it for this one

    @property
    def resume_file(self) -> Path:
        """Where the training loop keeps all that decides its next step."""
        return self.folder / RESUME

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Announce the phase *name* and add its seconds to the record. A phase that fails leaves none.

        What was found worked out counts with the seconds that it took: the times of two runs can be compared whichever
        came first.
        """
        self.report(Progress(name, 0, 1))
        began, before = time.perf_counter(), self.shared.saved
        yield
        timing, found = self.record.timing, self.shared.saved - before
        timing.phases[name] = round(timing.phases.get(name, 0.0) + time.perf_counter() - began + found, 3)
        timing.shared += found

    def reason(self, error: BaseException) -> str:
        """Why the run ended, for its header. Of a fault of ours the traceback goes into the folder's FAULT too."""
        if isinstance(error, InputError | KeyboardInterrupt) or refused_by_system(error) is not None:
            return str(error) or "Stopped."
        with suppress(OSError):  # the header says the most of it
            write_atomic(self.folder / FAULT, "".join(traceback.format_exception(error)).encode())
        return fault(error, self.record.command)

    def write_header(self) -> None:
        """Write the record as it is now."""
        write_header(self.folder, self.record)

    def close(self) -> None:
        """The run has succeeded: what only an unfinished one needs goes."""
        for name in (RESUME, FAULT):
            (self.folder / name).unlink(missing_ok=True)
        self.snapshots.clear()
