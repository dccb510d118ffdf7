"""Stand-in workers for the tests of the queue: any Python code instead of the headless command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core.live import standby, tickets, workers
from core.live.tickets import Ticket
from core.live.workers import Worker
from core.runs.signatures import ticks_of
from core.runs.store import Store

SLEEPER = "import sys, time; print('started', flush=True); time.sleep(60)"


def given(seed: int = 0, **more: object) -> dict[str, object]:
    """The settings of a small run."""
    return {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4", "seed": seed, **more}


def running(code: str = SLEEPER) -> Callable[[Store, Ticket, Path, int], list[str]]:
    """A worker that runs *code* with the ticket's folder as its one argument."""
    return lambda store, ticket, folder, threads: [sys.executable, "-S", "-c", code, str(folder)]


def this_process(store: Store, run: str, settings: dict[str, Any], began: float, phase_began: float,
                 **progress: Any) -> None:
    """This very process (so it lives) as the worker of *run*, since *began* seconds and in its phase
    since *phase_began*; *progress*: what it said just now."""
    moment = time.time()
    ticket = Ticket(run=run, viewer="a", created=moment, given=settings)
    tickets.queue_of(store).mkdir()
    folder = workers.folder_of(store, run)
    folder.mkdir(parents=True)
    worker = Worker(ticket=ticket, pid=os.getpid(), ticks=ticks_of(os.getpid()), started=moment - began)
    (folder / "worker.json").write_bytes(msgspec.json.encode(worker))
    (folder / "progress.json").write_bytes(msgspec.json.encode(
        progress | {"started": moment - began, "phase_started": moment - phase_began, "updated": moment}))


def standby_of_this_process() -> subprocess.Popen[bytes]:
    """Have a standby kept, as a server with the page Run open does; its process."""
    standby.want()
    standby.keep(free=True)
    process, = standby._kept
    return process


def until(true: Callable[[], bool], limit: float = 30.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def end_all(store: Store) -> None:
    """Kill what still runs."""
    for worker in workers.active(store):
        workers.stop(worker, signal.SIGKILL)
        until(lambda w=worker: not workers.alive(w))  # type: ignore[misc]
