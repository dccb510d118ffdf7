"""run(spec) -> run folder: load, train or find the dense parent, prune, evaluate, record. The only orchestration."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.models import corrected
from core.models.checkpoints import find_checkpoint, open_model
from core.models.class_names import put_into
from core.publishing import card
from core.running import team
from core.running.job import Parent, carry_out
from core.running.progress import Progress, Report
from core.running.shared import Shared
from core.runs.bound import pattern_of
from core.runs.disk import ELSEWHERE, copy_folder, in_words, refused_by_system, unwritten, whole_folder
from core.runs.records import RunRecord, RunSpec
from core.runs.signatures import writer_of
from core.runs.store import CHECKPOINT, HEADER, Store, read_header
from core.runs.traces import Heard
from core.runs.writers import alone
from core.specs.resolving import dense_spec, resolve
from core.surgery import save, shrink_to

__all__ = ["export", "find_checkpoint", "make_parent", "resolve", "run"]


def run(spec: RunSpec, *, store: Store, data_dir: Path | None = None, resume: bool = False, again: bool = False,
        report: Report | None = None, given: Mapping[str, Any] | None = None,
        shared: Shared | None = None, heard: Heard | None = None) -> RunRecord:
    """Carry *spec* out into `store.live/<run id>` and return its record.

    A finished run of the same spec is returned as it is, unless *again*. An unfinished one continues bit for bit with
    *resume*. *shared*: one for all runs of a sweep, so that what they have in common is worked out once; the results
    are the same bit for bit. *heard*: is told every row of this run's trace, and none of its dense parent's. In a
    helper of several processes (`core.running.team`) it follows the main one's jobs. Raises InputError for what a
    person can mend; on any other failure the folder's status says failed, with the reason, and the error goes on.
    """
    shared = Shared() if shared is None else shared
    if team.rank() > 0:
        return _help(shared) or read_header(store.live / spec.run_id)
    team.check(spec)
    record = _record(spec, store)
    if record is None or record.status != "succeeded" or again:
        with _writing(spec, store):
            record = _run(spec, store, data_dir, resume, again, report or (lambda p: None), dict(given or {}), shared,
                          heard)
    team.send(None)
    return record


def _help(shared: Shared) -> RunRecord | None:
    """Follow the main process through its jobs; the record of the last one."""
    record = None
    while True:
        with team.received() as found:
            if found is None:
                return record
            job, folder = found
            record = carry_out(job.spec, None if job.parent is None else Parent(job.parent[0], Path(job.parent[1])),
                               folder, lambda p: None, shared=shared, resume=job.resume,
                               data_dir=None if job.data_dir is None else Path(job.data_dir))


def make_parent(spec: RunSpec, *, store: Store, data_dir: Path | None = None, report: Report | None = None,
                shared: Shared | None = None) -> RunRecord:
    """Have the weights of the dense run *spec* on this machine, made only when they are not; its record."""
    parent = _parent(spec, store, data_dir, report or (lambda p: None), Shared() if shared is None else shared)
    return read_header(parent.checkpoint.parent)


def _record(spec: RunSpec, store: Store) -> RunRecord | None:
    entry = store.find(spec.run_id) if (store.live / spec.run_id / HEADER).exists() else None
    return entry.record if entry else None


@contextmanager
def _writing(spec: RunSpec, store: Store, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Alone at the folder of *spec*; a disk that does not take it becomes an InputError."""
    try:
        with alone(store, spec.run_id, waiting):
            yield
    except Exception as error:
        found = refused_by_system(error)
        if found is None or not _of_the_run(found, store):
            raise
        raise unwritten(found, f"{spec.run_id} in {store.live}", f"{ELSEWHERE[:-1]}; then --resume.") from error


def _of_the_run(error: OSError, store: Store) -> bool:
    """Is it the run's own folder that the disk refused? What has no name is: all that is read is opened by name."""
    return not isinstance(error.filename, str) or Path(error.filename).is_relative_to(store.live)


def _run(spec: RunSpec, store: Store, data_dir: Path | None, resume: bool, again: bool, report: Report,
         given: dict[str, Any], shared: Shared, heard: Heard | None = None) -> RunRecord:
    """The same, as the only writer of its folder."""
    folder = store.live / spec.run_id
    record = _record(spec, store)
    if (folder / HEADER).exists():
        if record is not None and record.status == "succeeded" and not again:
            return record
        if record is not None and record.status == "running" and record.pid != os.getpid():
            _refuse_another(record)
        if not resume and not again:
            raise InputError(f"{spec.run_id} exists and is not finished", "a new run",
                             "Add --resume to continue it, or --again to start over.")
        if again and not resume:
            shutil.rmtree(folder)
    parent = None if spec.method == "dense" else _parent(dense_spec(spec), store, data_dir, report, shared)
    team.send(team.Job(spec, str(folder.resolve()), resume, None if parent is None else
                       (parent.run_id, str(parent.checkpoint.resolve())),
                       None if data_dir is None else str(data_dir.resolve())))
    return carry_out(spec, parent, folder, report, shared=shared, data_dir=data_dir, resume=resume,
                     created=None if record is None else record.created, given=given, heard=heard)


def _parent(spec: RunSpec, store: Store, data_dir: Path | None, report: Report, shared: Shared) -> Parent:
    """The dense run of *spec*, made first when its weights are not on this machine."""
    found = find_checkpoint(spec, store)
    if found is None:
        # Two runs may want the same parent at once: one makes it, the other waits, and goes on if the first gave up.
        with _writing(spec, store, lambda: report(Progress("load", 0, 1, "another run makes the dense parent"))):
            found = find_checkpoint(spec, store)
            if found is None:
                _run(spec, store, data_dir, True, True, report, {}, shared)
                found = store.live / spec.run_id / CHECKPOINT
    return Parent(spec.run_id, found)


def _refuse_another(record: RunRecord) -> None:
    """Raises InputError when another process than this one writes *record*, or may do so."""
    where = writer_of(record)
    if where == "here":
        raise InputError(f"{record.id} is being written by process {record.pid}", "one writer a run",
                         "Wait for it, or stop that process.")
    if where == "elsewhere":
        raise InputError(f"{record.id} is being written by process {record.pid} of {record.host}", "one writer a run",
                         f'Wait for it, or, if it is dead, take "host" out of its {HEADER}.')


def export(run_id: str, *, store: Store, to: Path, shrink: bool = False, merge: bool = False) -> Path:
    """Copy a run's final model to *to*, a Hugging Face folder with a model card; with *shrink* without the units that
    it has nothing left of, in smaller matrices; with *merge* each correction added to its matrix.

    Raises InputError when its weights are not at hand, with *shrink* for a run that pruned no whole units, and with
    *merge* for one without corrections.
    """
    entry = store.find(run_id)
    if entry is None or entry.record is None:
        raise InputError(f"There is no readable run {run_id!r}", "a finished run", "See `python -m core list`.")
    if merge and not any(m.rank for m in entry.record.matrices):
        raise InputError(f"{run_id} has no correction to merge", "a run of admm-lowrank", "Export it without --merge.")
    source = find_checkpoint(entry.record.spec, store)
    if source is None:
        raise InputError(f"The weights of {run_id} are not on this machine", "a run made here",
                         f"Make it first: {entry.record.command}")
    with in_words(f"The model in {to}", "Choose another --to, or make room for it."):
        if to.is_dir() and any(to.iterdir()):
            raise InputError(f"{to} is not empty", "an empty or new folder", "Choose another --to.")
        with whole_folder(to, into=True) as building:
            run = store.open(run_id)
            if shrink:
                loaded = open_model(entry.record, store)
                save(shrink_to(loaded.model, pattern_of(run)), loaded.tokenizer, building)
            elif merge:
                loaded = open_model(entry.record, store)
                corrected.merge(loaded.model)
                save(loaded.model, loaded.tokenizer, building)
            else:
                copy_folder(source, building)
            put_into(building, entry.record.labels)
            card.write(run, building, shrink, merge)
    return to
