"""A short measurement of this machine, for estimates where no run was timed here: asked for by a person, then kept.

`<live root>/.probe/<key>.json`, the key over model, threads, processor, and size of the batches. The measuring itself
is `core.live.stopwatch`, a process of its own: whoever asks need not load torch.
"""

from __future__ import annotations

import hashlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from core.errors import InputError
from core.live import standby, workers
from core.live.places import own_folder, read_own
from core.runs.disk import ELSEWHERE, in_words
from core.runs.records import RunRecord, RunSpec
from core.runs.store import Store, write_atomic
from core.tasks.loading import entry_of

FOLDER = ".probe"
ALONE, PAIR = 16, 48  # tokens of a typical text of one sentence, and of two
PATIENCE = 120.0  # seconds after which a measurement is given up
COPIES = 3  # of the weights that pruning holds beside the model: W as it was, Z and U
LIKE = 5  # recorded runs that are compared with


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: median seconds of a training step, its number, 10^6 bytes."""

    step: float
    steps: int
    weights_mb: float
    peak_mb: float
    model: str = ""
    threads: int = 0
    at: float = 0.0  # seconds since 1970

    @property
    def memory_mb(self) -> float:
        """What a run will hold at least: the measured peak and the copies of ADMM."""
        return self.peak_mb + COPIES * self.weights_mb


def tokens_of(spec: RunSpec) -> int:
    """Tokens of a typical text of the task."""
    return min(spec.max_length, PAIR if entry_of(spec.task).columns[1] else ALONE)


def file_of(store: Store, spec: RunSpec) -> Path:
    """Where the measurement for *spec* on this machine lies."""
    machine = f"{platform.node()} {platform.machine()} {platform.processor()} {os.cpu_count()}"
    key = "\n".join([spec.model, str(workers.threads()), machine, str(spec.batch_size), str(tokens_of(spec))])
    return store.live / FOLDER / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def read(store: Store, spec: RunSpec) -> Probe | None:
    """What was measured for *spec* on this machine; None when nothing was, or nothing that can be read."""
    try:
        found = msgspec.json.decode(read_own(file_of(store, spec)), type=Probe)
    except (OSError, RecursionError, InputError, msgspec.MsgspecError):
        return None
    return found if 0 < found.step < 1e6 and 0 <= found.peak_mb < 1e9 and 0 <= found.weights_mb < 1e9 else None


def stopwatch(spec: RunSpec) -> bytes:
    """Run `core.live.stopwatch` for *spec* and return what it prints, warnings among it. Raises InputError."""
    words = [sys.executable, "-m", "core.live.stopwatch", f"--model={spec.model}", f"--threads={workers.threads()}",
             f"--batch-size={spec.batch_size}", f"--tokens={tokens_of(spec)}"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        try:
            process = standby.begin(words, {}, log)
            try:
                code = process.wait(PATIENCE)
            finally:
                process.kill()
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"Could not measure this machine ({type(error).__name__})",
                             f"a step of {spec.model!r} within {PATIENCE:.0f} s",
                             "Start the run without an estimate.") from error
        said = log.read_bytes()
    if code:
        last = (said.decode(errors="replace").strip().splitlines() or ["no words"])[-1][:200]
        raise InputError(f"Could not measure this machine ({last})", f"a step of {spec.model!r}",
                         "Check the model's name; the run itself would fail as well.")
    return said


def measure(store: Store, spec: RunSpec, watch: Callable[[RunSpec], bytes] = stopwatch) -> Probe:
    """Measure this machine for *spec* now, keep it and return it. Raises InputError."""
    try:
        line = [line for line in watch(spec).splitlines() if line.startswith(b"{")][-1]
        found = msgspec.structs.replace(msgspec.json.decode(line, type=Probe), model=spec.model,
                                        threads=workers.threads(), at=time.time())
    except (IndexError, msgspec.MsgspecError) as error:
        raise InputError("The measurement gave no figures", "seconds and megabytes", "Try again.") from error
    file = file_of(store, spec)
    with in_words("The measurement", ELSEWHERE):
        own_folder(file.parent)
        write_atomic(file, msgspec.json.encode(found))
    return found


def steps_of(record: RunRecord, store: Store) -> int:
    """Optimiser steps that a run made, from the end of its trace; 0 when that says nothing."""
    try:
        rows = store.open(record.id).trace
    except InputError:
        return 0
    last = rows[-1].get("step", 0) if rows and record.spec.epochs else 0
    return last if isinstance(last, int) and not isinstance(last, bool) and last > 0 else 0


def ratio(store: Store, probe: Probe, spec: RunSpec, records: Iterable[RunRecord]) -> float | None:
    """How many times as long a training step takes here as where the runs of *records* with the model, batch and task
    of *spec* were made; None when no run tells. Their evaluations count as part of their steps."""
    near = [r for r in records if r.status == "succeeded" and r.timing.phases.get("train", 0.0) > 0
            and (r.spec.task, r.spec.model, r.spec.batch_size) == (spec.task, spec.model, spec.batch_size)
            and not (store.live / r.id).is_dir()]
    found = [probe.step * steps / r.timing.phases["train"] for r in near[:LIKE] if (steps := steps_of(r, store))]
    return statistics.median(found) if found else None
