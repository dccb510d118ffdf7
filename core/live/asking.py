"""Ask for a run, stop it, go on with it. Everything a person can get wrong is said at once, as an InputError."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from core import demo
from core.errors import InputError, unknown
from core.live import tickets, workers
from core.live.tickets import VIEWER, Ticket, locked
from core.methods import entry_of
from core.methods.knobs import knobs_of
from core.runs.disk import ELSEWHERE, in_words
from core.runs.records import RunSpec
from core.runs.store import Store, read_header, write_atomic
from core.specs.resolving import resolve
from core.specs.settings import read
from core.tasks import TASKS

MOST = 200  # tickets in the queue
MINE = 20  # of one viewer


def given_of(said: Mapping[str, str]) -> dict[str, Any]:
    """Texts of a form as settings: a key is a field of RunSpec, or `knob.<name>`; an empty text is left out.

    Raises InputError for a text that is not of its field's type or out of its range. The rest is checked by `resolve`.
    """
    out, knobs = {}, {}
    known = {knob.name: knob for knob in knobs_of(entry_of(said.get("method") or "admm").knobs)}
    for key, text in said.items():
        name = key.removeprefix("knob.")
        if not text.strip():
            continue
        if key.startswith("knob."):
            if name in known:
                knobs[name] = known[name].read(text)
        elif name in RunSpec.__struct_fields__ and name != "knobs":
            out[name] = read(name, text.strip())
    return out | ({"knobs": knobs} if knobs else {})


def checked(given: Mapping[str, Any]) -> RunSpec:
    """The full spec of *given*, within what this machine allows. Raises InputError."""
    if demo.on():  # first: the names of a task and of a model may be paths, and none is looked at here
        task = str(given.get("task", ""))
        if task not in TASKS:
            raise unknown("task", task, [name for name, entry in TASKS.items() if entry.kind == "built-in"])
        _small(TASKS[task].kind == "built-in" and given.get("model") == demo.MODEL)
    spec = resolve(given)
    if demo.on():
        _small(spec.epochs <= demo.EPOCHS and spec.dense_epochs <= demo.DENSE_EPOCHS
               and spec.method != "dense")
    return spec


def _small(fine: bool) -> None:
    if not fine:
        raise InputError("More than this demonstration runs", "model tiny, a built-in task, a pruned run, at most "
                         f"{demo.EPOCHS:g} epochs", demo.OWN)


def command(given: Mapping[str, Any]) -> str:
    """The shell command that *given* stands for: what was said, nothing of what is the default."""
    return shlex.join(["python", "-m", "core", "run", *(word for flag in workers.flags(given) for word in flag)])


def submit(store: Store, given: Mapping[str, Any], viewer: str, *, again: bool = False) -> str:
    """Queue a run of *given* for *viewer* (1 to 16 letters and digits) and return its id.

    A run that waits or goes on already is joined, a finished one is left as it is unless *again*; an unfinished one
    continues. Raises InputError.
    """
    if not VIEWER.fullmatch(viewer):
        raise InputError(f"Viewer {viewer[:40]!r}", "1 to 16 letters a-z and digits", "Choose another name.")
    spec = checked(given)
    found, _ = tickets.waiting(store)
    if any(t.run == spec.run_id for t in found) or any(w.ticket.run == spec.run_id for w in workers.active(store)):
        return spec.run_id
    if finished(store, spec.run_id) and not again:
        return spec.run_id
    if len(found) >= MOST or sum(t.viewer == viewer for t in found) >= MINE:
        raise InputError(f"{len(found)} runs are waiting", f"at most {MOST}, and {MINE} of one viewer",
                         "Wait for some of them, or cancel one.")
    if demo.on():
        _room(store, spec.run_id, len(found))
    ticket = Ticket(run=spec.run_id, viewer=viewer, created=time.time(), again=again,
                    given={**given, "task": spec.task, "model": spec.model})
    with in_words("A ticket", ELSEWHERE):
        tickets.put(store, ticket)
    return spec.run_id


def _room(store: Store, run: str, waiting: int) -> None:
    """A demonstration keeps a bounded number of runs; going on with one that is there adds none."""
    there = {entry.id for entry in store.entries() if not entry.recorded}
    if run not in there and len(there) + waiting >= demo.KEPT:
        raise InputError(f"This demonstration keeps {len(there)} runs, and {waiting} wait", f"at most "
                         f"{demo.KEPT}", "Look at one that is there, or ask whoever runs it to remove some.")


def finished(store: Store, run: str) -> bool:
    """Was *run* made on this machine, to its end?"""
    try:
        return read_header(store.live / run).status == "succeeded"
    except InputError:
        return False


def resume(store: Store, run: str, viewer: str) -> str:
    """Queue an unfinished run to continue where it was. Raises InputError when there is nothing to go on with."""
    store.find(run)  # refuses what is no run id
    worker = workers.read_worker(workers.folder_of(store, run))
    if worker is not None:
        return submit(store, worker.ticket.given, viewer)
    entry = store.find(run)
    if entry is None or entry.record is None or entry.recorded:
        raise InputError(f"There is no unfinished run {run!r} here", "a run that was started on this machine",
                         "Start it from the form.")
    given = msgspec.to_builtins(entry.record.spec)
    return submit(store, {k: v for k, v in given.items() if v is not None}, viewer)


def cancel(store: Store, run: str, viewer: str | None = None) -> None:
    """Take *run* out of the queue, and ask its worker to stop. Nothing happens when it is in neither. In a
    demonstration a *viewer* stops only what that viewer asked for: raises InputError."""
    store.find(run)  # refuses what is no run id

    def allowed(ticket: Ticket) -> bool:
        if demo.on() and viewer is not None and ticket.viewer != viewer:
            raise InputError("Somebody else asked for this run", "a run of yours", "Wait for it, or start another one.")
        return True

    with locked(store, patience=5.0) as mine:
        if not mine:
            raise InputError("The queue is busy", "a moment's patience", "Press Cancel again.")
        for ticket in tickets.waiting(store)[0]:
            if ticket.run == run and allowed(ticket):
                tickets.drop(store, ticket)
        for worker in workers.active(store):
            if worker.ticket.run == run and allowed(worker.ticket):
                with in_words("The wish to cancel", ELSEWHERE):
                    write_atomic(workers.folder_of(store, run) / "cancel", b"")  # never through a link
                workers.stop(worker)
