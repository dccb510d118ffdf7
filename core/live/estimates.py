"""How long a run will take, and how much memory, before it starts: read off what was measured before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core import methods
from core.errors import InputError
from core.live import probing, workers
from core.methods.knobs import make_knobs
from core.models.checkpoints import find_checkpoint
from core.runs.records import RunRecord, RunSpec
from core.runs.store import Store
from core.specs.resolving import dense_spec


@dataclass(frozen=True)
class Estimate:
    """What to expect. None: nothing that was measured says it."""

    seconds: float | None
    dense_seconds: float | None  # of the dense parent, which has to be made first; 0 when it is at hand
    memory_mb: float | None  # most memory of the worker, 10^6 bytes
    source: str  # where the run whose timing it is was made, or why there is none
    memory_source: str  # where the memory was measured, in words
    here: bool  # measured on this machine: nothing is gained by measuring it again
    like: RunRecord | None = None  # the run whose timing it is


def estimate(store: Store, spec: RunSpec, records: Sequence[RunRecord] | None = None) -> Estimate:
    """What to expect of *spec* from the timing of a run of the same task and model (of the same method and from this
    machine, if there is one): its seconds per epoch, and the rest of it as it is. A run recorded elsewhere is scaled by
    what was measured here (`core.live.probing`), where that was asked for. *records*: those of the store."""
    records = store.records() if records is None else records
    own = _nearest(store, spec, records)
    parent = dense_spec(spec)
    probe = probing.read(store, spec)
    slower = probing.ratio(store, probe, spec, records) if probe else None
    dense: float | None = 0.0
    if spec.method != "dense" and find_checkpoint(parent, store) is None:
        like = _nearest(store, parent, records)
        dense = None if like is None else seconds_of(like, parent) * (1.0 if _here(store, like) else slower or 1.0)
    memory, told = _memory(store, spec), "as the last worker with this model"
    if memory is None and probe is not None:
        memory, told = probe.memory_mb, "or more, from a few training steps and the copies that pruning holds"
    if own is None:
        words = f"a training step takes {probe.step:.2g} s on this machine, but no run tells how many there will be" \
            if probe else "no run of this task and model was timed here yet"
        return Estimate(None, dense, memory, words, told, probe is not None)
    if _here(store, own):
        return Estimate(seconds_of(own, spec), dense, memory, "made on this machine", told, True, own)
    if slower is None:
        return Estimate(seconds_of(own, spec), dense, memory, "recorded with the repository", told,
                        probe is not None, own)
    return Estimate(seconds_of(own, spec) * slower, dense, memory, "recorded elsewhere; measured here, a step "
                    f"takes {slower:.2g} times as long", told, True, own)


def _here(store: Store, record: RunRecord) -> bool:
    return (store.live / record.id).is_dir()


def _nearest(store: Store, spec: RunSpec, records: Sequence[RunRecord]) -> RunRecord | None:
    able = [r for r in records if r.status == "succeeded" and r.timing.phases and (r.spec.task, r.spec.model) ==
            (spec.task, spec.model) and (not spec.epochs or (r.spec.epochs > 0 and r.timing.phases.get("train")))
            and (r.spec.method == "dense") == (spec.method == "dense")]

    def closeness(r: RunRecord) -> tuple[bool | str, ...]:
        return (r.id == spec.run_id, r.spec.method == spec.method, r.spec.train_examples == spec.train_examples,
                (store.live / r.id).is_dir(), r.spec.pattern == spec.pattern, r.created)

    return max(able, key=closeness, default=None)


def seconds_of(like: RunRecord, spec: RunSpec) -> float:
    """Seconds that *spec* takes when it goes as *like*, a finished run, did: its training scaled to as many passes."""
    phases = dict(like.timing.phases)
    train = phases.pop("train", 0.0)
    return sum(phases.values()) + (train / _passes(like.spec) * _passes(spec) if like.spec.epochs else 0.0)


def _passes(spec: RunSpec) -> float:
    """Forward and backward passes over the training examples."""
    try:
        knobs = make_knobs(methods.entry_of(spec.method).knobs, spec.knobs)
    except InputError:  # a record whose method or knobs this version does not know
        return spec.epochs
    return spec.epochs * knobs.passes


def _memory(store: Store, spec: RunSpec) -> float | None:
    """The peak of the latest worker of the same model."""
    for folder in workers.folders(store):
        worker, said = workers.read_worker(folder), workers.said_of(store, folder.name)
        if worker is not None and said is not None and said.peak_mb > 0 \
                and worker.ticket.given.get("model") == spec.model:
            return said.peak_mb
    return None
