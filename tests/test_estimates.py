"""Which earlier run an estimate is read off: a ladder of runs, each a little less alike than the one before. And whose
memory."""

from __future__ import annotations

import os
import random

import msgspec
import pytest

from core.live import estimates, workers
from core.live.tickets import Ticket
from core.live.workers import Worker
from core.runs.records import RunRecord, RunSpec, Timing
from core.runs.store import Store
from core.specs.resolving import resolve

SPEC = resolve({"task": "agreement", "model": "tiny", "method": "nxm-admm", "pattern": "2:4", "train_examples": 800,
                "epochs": 6})
# From the most alike on: what differs, whether it was made here, when. Each is better than all before it in everything
# that counts less than what it lacks. Of what is no number of anything, one stands before the wanted and one behind.
LADDER: list[tuple[dict[str, object], bool, str]] = [
    ({}, True, "2026-02"), ({}, True, "2026-01"),
    ({"pattern": "4:8"}, True, "2026-04"), ({"pattern": "1:4"}, True, "2026-03"),
    ({}, False, "2026-06"), ({"pattern": "4:8"}, False, "2026-07"),
    ({"train_examples": 900}, True, "2026-09"), ({"train_examples": 700}, True, "2026-08"),
    ({"train_examples": 900}, False, "2026-10"),
    ({"method": "sr-ste"}, True, "2026-12"), ({"method": "admm"}, True, "2026-11"),
    ({"method": "sr-ste", "train_examples": 700}, True, "2027-01")]


def record(store: Store, number: int, change: dict[str, object], here: bool, created: str,
           **more: object) -> RunRecord:
    """A run that took 10 s and 4 s an epoch, two epochs."""
    spec = msgspec.structs.replace(SPEC, **{"epochs": 2.0, **change})
    found = RunRecord(schema=1, id=f"run-{number}", status="succeeded", created=created, spec=spec,
                      timing=Timing(total=18.0, phases={"load": 3.0, "train": 8.0, "evaluate": 7.0}))
    if here:
        (store.live / found.id).mkdir()
    return msgspec.structs.replace(found, **more)


def test_the_most_alike_run_is_taken_then_the_next(empty_store: Store) -> None:
    rungs = [record(empty_store, number, *rung) for number, rung in enumerate(LADDER)]
    rng = random.Random(0)
    for first, best in enumerate(rungs):
        left = rng.sample(rungs[first:], len(rungs) - first)
        found = estimates.estimate(empty_store, SPEC, left)
        assert found.like is not None and found.like.id == best.id
        assert found.here == LADDER[first][1] and found.seconds == pytest.approx(10.0 + 6 * 4.0)


@pytest.mark.parametrize(("change", "more"), [
    ({"task": "entailment"}, {}), ({"task": "aa"}, {}), ({"model": "minilm-l6"}, {}), ({"model": "zz"}, {}),
    ({"method": "dense"}, {}), ({"epochs": 0.0}, {}), ({}, {"status": "failed"}), ({}, {"status": "running"}),
    ({}, {"status": "zz"}), ({}, {"timing": Timing()}), ({}, {"timing": Timing(phases={"load": 1.0})}),
    ({}, {"timing": Timing(phases={"load": 1.0, "train": 0.0})})])
def test_a_run_that_cannot_tell_is_not_asked(empty_store: Store, change: dict[str, object],
                                             more: dict[str, object]) -> None:
    """Made here and newest, and yet the least alike of those that can tell comes before it."""
    other = record(empty_store, 99, change, True, "2028-01", **more)
    last = record(empty_store, 1, *LADDER[-1])
    like = estimates.estimate(empty_store, SPEC, [other, last]).like
    assert like is not None and like.id == "run-1"
    assert estimates.estimate(empty_store, SPEC, [other]).seconds is None


def test_a_run_without_training_is_read_off_any_and_costs_its_other_phases(empty_store: Store) -> None:
    wish: RunSpec = msgspec.structs.replace(SPEC, method="magnitude", epochs=0.0)
    trained = record(empty_store, 0, {}, True, "2026-02")
    assert estimates.estimate(empty_store, wish, [trained]).seconds == pytest.approx(10.0)
    once = record(empty_store, 1, {"method": "magnitude", "epochs": 0.0}, True, "2026-01",
                  timing=Timing(phases={"load": 2.0, "prune": 0.5}))
    assert estimates.estimate(empty_store, wish, [once, trained]).seconds == pytest.approx(2.5)


def test_the_dense_parent_is_read_off_a_dense_run(empty_store: Store) -> None:
    rungs = [record(empty_store, 0, {}, True, "2026-02"),
             record(empty_store, 1, {"method": "dense", "pattern": "dense", "epochs": 4.0}, True, "2026-01")]
    wish = msgspec.structs.replace(SPEC, dense_epochs=12.0)
    assert estimates.estimate(empty_store, wish, rungs).dense_seconds == pytest.approx(10.0 + 12 * 8.0 / 4)
    assert estimates.estimate(empty_store, wish, rungs[:1]).dense_seconds is None


@pytest.mark.parametrize(("latest", "memory"), [
    ({}, 700.0), ({"model": "minilm-l6"}, 300.0), ({"peak_mb": 0.0}, 300.0), ({"peak_mb": 0.5}, 0.5),
    ({"said": b"{"}, 300.0), ({"said": None}, 300.0), ({"worker": b"{"}, 300.0), ({"worker": None}, 300.0)],
    ids=lambda value: str(value))
def test_memory_is_that_of_the_latest_worker_with_the_model_that_told_any(empty_store: Store, latest: dict[str, object],
                                                                          memory: float) -> None:
    """Two workers that ended: the earlier one with 300 MB, and *latest*, as a rule with 700."""
    for moment, more in ((1e9, {"peak_mb": 300.0}), (2e9, {"peak_mb": 700.0} | latest)):
        spec = msgspec.structs.replace(SPEC, seed=int(moment))
        ticket = Ticket(run=spec.run_id, viewer="a", created=moment,
                        given={"task": "agreement", "model": str(more.get("model", "tiny"))})
        worker = Worker(ticket=ticket, pid=2**22 + 1, ticks=1, started=moment)
        folder = workers.folder_of(empty_store, spec.run_id)
        folder.mkdir(parents=True)
        for name, content in (("worker.json", more.get("worker", msgspec.json.encode(worker))),
                              ("progress.json", more.get("said", msgspec.json.encode({"peak_mb": more["peak_mb"]})))):
            if isinstance(content, bytes):
                (folder / name).write_bytes(content)
        os.utime(folder, (moment, moment))
    found = estimates.estimate(empty_store, SPEC, [])
    assert found.memory_mb == memory and found.memory_source == "as the last worker with this model"
    assert not found.here and found.seconds is None
    other = msgspec.structs.replace(SPEC, model="bert")
    assert estimates.estimate(empty_store, other, []).memory_mb is None
