"""How a run stands: in the queue, under way, over. Read from files; nothing is changed."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from core.errors import InputError
from core.live import tickets, workers
from core.live.progress import Said
from core.live.workers import Worker
from core.runs.records import RunRecord
from core.runs.signatures import away
from core.runs.store import Store, read_header
from core.specs.resolving import dense_spec

State = Literal["queued", "running", "succeeded", "failed", "cancelled", "unknown"]
QUIET = 10.0  # seconds without a heartbeat that are worth a word
LONG = 600.0  # and a warning. Never a kill: a stopped process, a sleeping machine or a full disk may yet go on


@dataclass(frozen=True)
class LiveStatus:
    """One run as it stands. Seconds where not said otherwise; `place` 1 = next, of `of`."""

    run: str
    state: State
    place: int = 0
    of: int = 0
    phase: str = ""
    done: int = 0
    total: int = 0
    note: str = ""
    elapsed: float = 0.0
    remaining: float | None = None  # of the phase under way, from its own pace
    silent: float = 0.0  # since the last heartbeat, when that is long ago
    reason: str = ""  # why it ended
    viewer: str = ""
    watched: bool = False  # a worker of ours: it can be cancelled

    @property
    def over(self) -> bool:
        """Nothing will change any more unless somebody asks."""
        return self.state in ("succeeded", "failed", "cancelled", "unknown")

    @property
    def stalled(self) -> bool:
        """Alive, and yet silent for so long that somebody should decide whether to cancel it."""
        return self.state == "running" and self.silent >= LONG

    @property
    def share(self) -> float:
        """Done of the phase under way, 0..1."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total else 0.0


def status(store: Store, run: str) -> LiveStatus:
    """How *run* stands. Raises InputError for what is no run id; a run nobody knows is "unknown"."""
    store.find(run)  # refuses what is no run id
    for worker in workers.active(store):
        if worker.ticket.run == run:
            return _running(store, worker)
    for found in _queued(store):
        if found.run == run:
            return found
    return _over(store, run)


def _over(store: Store, run: str) -> LiveStatus:
    """A run that neither waits nor is under way here, from its header or its worker's end."""
    entry = store.find(run)
    end = workers.read_end(workers.folder_of(store, run))
    record = entry.record if entry is not None else None
    if record is not None and record.status != "queued":
        if end is not None and record.status == "succeeded" and end.state != "succeeded" and entry and entry.recorded:
            return LiveStatus(run, end.state, reason=end.reason)  # the recorded one is whole, the one made here is not
        if record.status == "running":  # started without a ticket
            return LiveStatus(run, "running", note=away(record, entry.path) if entry is not None else "")
        return LiveStatus(run, record.status, reason=record.error or "")
    if end is not None:
        return LiveStatus(run, end.state, reason=end.reason)
    if entry is not None and entry.damage:
        return LiveStatus(run, "failed", reason=entry.damage)
    return LiveStatus(run, "unknown")


def jobs(store: Store, most: int = 12) -> list[LiveStatus]:
    """What runs, what waits, then the latest *most* that ended."""
    going = workers.active(store)
    out = [_running(store, worker) for worker in sorted(going, key=lambda w: w.started)] + _queued(store)
    known = {found.run for found in out}
    ended = [p.name for p in workers.folders(store) if p.name not in known and (p / "end.json").exists()]
    return out + [_over(store, run) for run in ended[:most]]


def _queued(store: Store) -> list[LiveStatus]:
    waiting, _ = tickets.waiting(store)
    running = Counter(w.ticket.viewer for w in workers.active(store))
    order = tickets.fair(waiting, running, tickets.turns(store)) if waiting else []
    return [LiveStatus(t.run, "queued", place=k, of=len(order), elapsed=max(time.time() - t.created, 0.0),
                       viewer=t.viewer, watched=True) for k, t in enumerate(order, 1)]


def _running(store: Store, worker: Worker) -> LiveStatus:
    run, moment = worker.ticket.run, time.time()
    said = workers.said_of(store, run) or Said(started=worker.started, updated=worker.started)
    silent = moment - said.updated
    return LiveStatus(run, "running", phase=said.phase, done=said.done, total=said.total,
                      note=said.note or _parent(store, worker), elapsed=max(moment - worker.started, 0.0),
                      remaining=_remaining(said, moment), silent=silent if silent > QUIET else 0.0,
                      viewer=worker.ticket.viewer, watched=True)


def _remaining(said: Said, moment: float) -> float | None:
    """Seconds left of the phase, at its own pace so far; None before anything can be told."""
    made = said.done - said.phase_first
    if said.total < 5 or made < 3:
        return None
    return (said.updated - said.phase_started) / made * (said.total - said.done)


def _parent(store: Store, worker: Worker) -> str:
    """Words for the time in which the worker makes the dense parent first."""
    try:
        parent = read_header(store.live / dense_spec(worker.ticket.spec).run_id)
    except InputError:
        return ""
    mine: RunRecord = parent
    return "the dense parent comes first" if mine.status == "running" and mine.pid == worker.pid else ""
