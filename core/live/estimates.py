"""How long a run will take, and how much memory, before it starts: read off what was measured before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.checkpoints import find_checkpoint
from core.live import workers
from core.runs.records import RunRecord, RunSpec
from core.runs.store import Store
from core.specs import dense_spec


@dataclass(frozen=True)
class Estimate:
    """What to expect. None: nothing that was measured says it."""

    seconds: float | None
    dense_seconds: float | None  # of the dense parent, which has to be made first; 0 when it is at hand
    memory_mb: float | None  # most memory of the worker, 10^6 bytes
    source: str  # the run whose timing it is, in words


def estimate(store: Store, spec: RunSpec, records: Sequence[RunRecord] | None = None) -> Estimate:
    """What to expect of *spec* from the timing of a run of the same task and model (of the same method and from this
    machine, if there is one): its seconds per epoch, and the rest of it as it is. *records*: those of the store."""
    records = store.records() if records is None else records
    own = _nearest(store, spec, records)
    parent = dense_spec(spec)
    dense: float | None = 0.0
    if spec.method != "dense" and find_checkpoint(parent, store) is None:
        like = _nearest(store, parent, records)
        dense = None if like is None else _seconds(like, parent)
    if own is None:
        return Estimate(None, dense, _memory(store, spec), "no run of this task and model was timed here yet")
    here = (store.live / own.id).is_dir()
    where = "made on this machine" if here else "recorded with the repository"
    return Estimate(_seconds(own, spec), dense, _memory(store, spec), f"{own.id}, {where}")


def _nearest(store: Store, spec: RunSpec, records: Sequence[RunRecord]) -> RunRecord | None:
    able = [r for r in records if r.status == "succeeded" and r.timing.phases and (r.spec.task, r.spec.model) ==
            (spec.task, spec.model) and (not spec.epochs or (r.spec.epochs > 0 and r.timing.phases.get("train")))
            and (r.spec.method == "dense") == (spec.method == "dense")]

    def closeness(r: RunRecord) -> tuple[bool | str, ...]:
        return (r.spec.method == spec.method, r.spec.train_examples == spec.train_examples,
                (store.live / r.id).is_dir(), r.spec.pattern == spec.pattern, r.created)

    return max(able, key=closeness, default=None)


def _seconds(like: RunRecord, spec: RunSpec) -> float:
    phases = dict(like.timing.phases)
    train = phases.pop("train", 0.0)
    return sum(phases.values()) + (train / like.spec.epochs * spec.epochs if like.spec.epochs else 0.0)


def _memory(store: Store, spec: RunSpec) -> float | None:
    """The peak of the latest worker of the same model."""
    for folder in workers.folders(store):
        worker, said = workers.read_worker(folder), workers.said_of(store, folder.name)
        if worker is not None and said is not None and said.peak_mb > 0 \
                and worker.ticket.given.get("model") == spec.model:
            return said.peak_mb
    return None
