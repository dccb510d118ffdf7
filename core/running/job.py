"""One run on its way: loading, training or pruning, keeping. `pipeline` says when; the stages say how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.errors import InputError
from core.models.prunable import layer_count
from core.running import team
from core.running.environment import environment
from core.running.fitting import fit_dense
from core.running.journal import RESUME, Journal
from core.running.keeping import keep
from core.running.preparing import Prepared, prepare
from core.running.progress import Progress, Report
from core.running.pruning import prune
from core.running.shared import Shared
from core.running.training import Diverged
from core.runs.records import SCHEMA, RunRecord, RunSpec
from core.runs.signatures import sign, unsign
from core.runs.store import HEADER, now, read_header
from core.runs.traces import Heard


@dataclass(frozen=True)
class Parent:
    """The dense run that a pruned one starts from, and the folder of its weights."""

    run_id: str
    checkpoint: Path


def carry_out(spec: RunSpec, parent: Parent | None, folder: Path, report: Report, *, shared: Shared,
              data_dir: Path | None = None, resume: bool = False, created: str | None = None,
              given: Mapping[str, Any] | None = None, heard: Heard | None = None) -> RunRecord:
    """All stages of *spec* in order, into *folder*, which is made once everything is loaded and of use; from then on
    the header tells at any moment how far it got.

    *parent*: None for a dense run. *shared*: what runs before it have worked out, and where this one adds to it.
    *resume*: go on from the resume file of a killed run, if it got as far as writing one; the run then keeps the moment
    *created* at which it first began. *heard*: is told every row of the trace.
    """
    resuming = resume and (folder / RESUME).exists()
    record = RunRecord(schema=SCHEMA, id=spec.run_id, status="running", spec=spec,
                       created=(created if resuming else None) or now(), spec_given=dict(given or {}),
                       environment=environment(), processes=team.size(),
                       parent=None if parent is None else parent.run_id)
    sign(record)
    journal = Journal(folder, record, report, resuming, shared, heard)
    begun = (folder / HEADER).exists()
    try:
        ready = _load(spec, parent, data_dir, shared, journal)
        begun = True
        folder.mkdir(parents=True, exist_ok=True)
        journal.write_header()
        _stages(ready, parent, journal)
    except BaseException as error:
        if isinstance(error, InputError) and not begun:
            raise  # what cannot be used leaves nothing behind
        folder.mkdir(parents=True, exist_ok=True)
        known = _mistake(error)
        record.status = "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
        record.error = journal.reason(known or error)
        unsign(record)
        journal.write_header()
        if known is not None:
            raise known from error
        raise
    record.status = "succeeded"
    unsign(record)
    record.timing.shared = round(record.timing.shared, 2)
    record.timing.total = round(sum(record.timing.phases.values()), 2)
    journal.write_header()
    journal.close()
    return record


def _mistake(error: BaseException) -> InputError | None:
    """What a person can do about an *error* that comes from the settings or the machine; None for any other."""
    if isinstance(error, Diverged):
        return InputError(f"The run diverged: {error}", "a finite loss",
                          "Lower --lr or rho; the last good state is kept in the folder.")
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return InputError("There is not enough memory", "room for the model, its gradients and a batch",
                          "Lower --batch-size or --max-length, or take a smaller model.")
    return None


def _load(spec: RunSpec, parent: Parent | None, data_dir: Path | None, shared: Shared, journal: Journal) -> Prepared:
    record = journal.record
    with journal.phase("load"):
        ready = prepare(spec, None if parent is None else parent.checkpoint, data_dir, shared)
        record.other_weights, record.labels = ready.other_weights, list(ready.data.entry.labels)
        inherited = [] if parent is None else read_header(parent.checkpoint.parent).notes
        record.notes = list(dict.fromkeys([*inherited, *ready.notes]))
        record.left_out = ready.left_out
        for note in record.said:
            journal.report(Progress("load", 1, 1, note))
        record.layers, record.heads = layer_count(ready.model), ready.heads
    return ready


def _stages(ready: Prepared, parent: Parent | None, journal: Journal) -> None:
    pruned = None
    if parent is None:
        fit_dense(ready, journal)
    else:
        pruned = prune(ready, journal)
    with journal.phase("record"):
        keep(ready, pruned, journal)
