"""`serve_once`: notice what ended, start what waits. Cheap enough for every poll of every page, in many processes."""

from __future__ import annotations

import errno
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec

from core.errors import InputError
from core.live import tickets, workers
from core.live.places import own_folder
from core.live.tickets import Ticket, locked
from core.live.workers import Command, End, Worker, headless
from core.runs.records import RunRecord
from core.runs.signatures import unsign
from core.runs.store import HEADER, Store, read_header, write_atomic, write_header
from core.specs.resolving import dense_spec

FULL = (errno.ENOSPC, errno.EDQUOT)
GRACE = 20.0  # seconds a cancelled worker has to write its header before it is killed


def serve_once(store: Store, command: Command = headless) -> bool:
    """Write down what became of workers that ended, then start waiting tickets up to the limit.

    Returns False when another process is at it just now: it does the same. *command* makes a worker's argument list.
    """
    if not (store.live / ".queue").exists():
        return True  # nobody ever asked for anything
    with locked(store) as mine:
        if not mine:
            return False
        going = []
        for worker in workers.active(store):
            if workers.alive(worker, workers.said_of(store, worker.ticket.run)):
                _enforce_cancel(store, worker)
                going.append(worker)
            else:
                with suppress(OSError):  # a full disk: the next look writes it down
                    _reap(store, worker)
        _start(store, going, command)
        with suppress(OSError):
            workers.prune(store)
    return True


def _start(store: Store, going: list[Worker], command: Command) -> None:
    found, _ = tickets.waiting(store)
    busy = {worker.ticket.run for worker in going}
    room = workers.limit() - len(going)
    waiting = [ticket for ticket in found if ticket.run not in busy]
    for ticket in tickets.fair(waiting, Counter(w.ticket.viewer for w in going), tickets.turns(store)):
        if room <= 0:
            break
        if ticket.run in busy:
            continue
        try:
            ticket.spec  # noqa: B018  # a ticket is a file: what it asks for is checked again
            tickets.took_turn(store, ticket.viewer, time.time())
            workers.start(store, ticket, command)
            busy.add(ticket.run)
            room -= 1
        except (InputError, OSError) as error:
            refuse(store, ticket, str(error))
    for ticket in found:  # what is under way is waited for no longer; one worker serves all who asked for its run
        if ticket.run in busy:
            tickets.drop(store, ticket)


def refuse(store: Store, ticket: Ticket, reason: str) -> None:
    """A ticket that cannot be started: it fails with *reason*. On a full disk it waits on: nobody could read why."""
    try:
        folder = own_folder(workers.folder_of(store, ticket.run))
        _end(folder, End(state="failed", reason=reason, ended=time.time()))
    except OSError as error:
        if error.errno in FULL:
            return
    tickets.drop(store, ticket)


def _enforce_cancel(store: Store, worker: Worker) -> None:
    """Ask a worker to stop that somebody cancelled, in whatever place; kill it when that was long ago."""
    try:
        asked = (workers.folder_of(store, worker.ticket.run) / "cancel").lstat().st_mtime
    except OSError:
        return
    workers.stop(worker, signal.SIGKILL if time.time() - asked > GRACE else signal.SIGTERM)


def _reap(store: Store, worker: Worker) -> None:
    """Write down what became of a worker that is gone, in its run's header too where it had no time to."""
    folder = workers.folder_of(store, worker.ticket.run)
    cancelled = (folder / "cancel").exists()
    words = workers.last_lines(folder)
    reason = "Cancelled." if cancelled else f"The worker ended before the run did. {words}".strip()
    record = _settle(store.live / worker.ticket.run, worker, cancelled, reason)
    with suppress(InputError):  # the settings of an older version: its dense run cannot be told
        _settle(store.live / dense_spec(worker.ticket.spec).run_id, worker, cancelled, reason)
    if record is not None and record.status in ("succeeded", "failed", "cancelled"):
        old = _older(store.live / record.id / HEADER, worker.started)
        stale = old and (record.status != "succeeded" or worker.ticket.again)
        if not stale:
            _end(folder, End(state=record.status, reason=record.error or "", ended=time.time()))
            return
    _end(folder, End(state="cancelled" if cancelled else "failed", reason=reason, ended=time.time()))


def _settle(path: Path, worker: Worker, cancelled: bool, reason: str) -> RunRecord | None:
    """The header at *path*; one that says "running" by this worker is mended first. Its trace stays as it is."""
    try:
        record = read_header(path)
        if record.status == "running" and record.pid == worker.pid:
            record.status, record.error = "cancelled" if cancelled else "failed", reason
            unsign(record)
            write_header(path, record)
    except (InputError, OSError):
        return None
    return record


def _older(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime < moment
    except OSError:
        return True


def _end(folder: Path, end: End) -> None:
    write_atomic(folder / "end.json", msgspec.json.encode(end))
