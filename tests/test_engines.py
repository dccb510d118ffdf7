"""Who makes which cell of a sweep next, whatever befalls the workers; and what a plan says of it."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.engines.cells import Cell, End, cells_of
from core.engines.loop import News, make
from core.engines.planning import at_once, estimate, outline
from core.engines.processes import Processes
from core.engines.schedule import TRIES, Schedule
from core.runs.records import RunRecord, RunSpec, Timing
from core.runs.store import Store
from core.specs.recipes import Planned
from core.specs.resolving import dense_spec


def planned(**fields: Any) -> Planned:
    state = fields.pop("state", "new")
    return Planned(RunSpec(task="agreement", model="tiny", **fields), dict(fields), state)


def some(seeds: int = 2) -> list[Planned]:
    """Per seed an asp run, an admm run and, for seed 0, the dense run itself, listed last."""
    out = [planned(method=method, seed=seed, distill=0.5 if method == "asp" else 0.0)
           for seed in range(seeds) for method in ("asp", "admm")]
    dense = dense_spec(out[0].spec)
    return [*out, Planned(dense, {"method": "dense"}, "new")]


def test_parents_are_cells_whether_listed_or_not_and_come_first() -> None:
    cells = cells_of(some(), lambda spec: False)
    assert [(c.spec.method, c.spec.seed, c.extra) for c in cells[:2]] == [("dense", 0, False), ("dense", 1, True)]
    assert [(c.spec.method, c.spec.seed) for c in cells[2:]] == [("asp", 0), ("admm", 0), ("asp", 1), ("admm", 1)]
    assert [c.needs for c in cells[2:]] == [cells[0].id] * 2 + [cells[1].id] * 2
    assert len({c.id for c in cells}) == 6


def test_what_is_done_is_no_cell_and_a_parent_at_hand_is_not_waited_for() -> None:
    cells = cells_of([planned(method="asp", state="done"), planned(method="admm", state="unfinished")], lambda s: True)
    assert [(c.spec.method, c.needs, c.resume) for c in cells] == [("admm", None, True)]
    assert cells[0].family == dense_spec(cells[0].spec).run_id


class Chance:
    """Stand-in hands: workers die, refuse cells and finish in an order drawn from *seed*. Notes who was asked for what;
    raises AssertionError when a child starts before its parent has ended, or a busy worker is asked."""

    nobody = "nobody is left"

    def __init__(self, seed: int, count: int = 3, failing: str = "") -> None:
        self.draw, self.names, self.failing = random.Random(seed), [f"w{i}" for i in range(count)], failing
        self.busy: dict[str, Cell] = {}
        self.asked: list[str] = []
        self.made: list[str] = []
        self.closed = 0

    def workers(self) -> list[str]:
        return list(self.names)

    def start(self, worker: str, cell: Cell) -> None:
        assert worker not in self.busy and worker in self.names
        assert cell.needs is None or cell.needs in self.made
        self.busy[worker] = cell
        self.asked.append(cell.id)

    def wait(self, seconds: float) -> list[News]:
        worker = self.draw.choice(sorted(self.busy))
        cell, chance = self.busy.pop(worker), self.draw.random()
        if chance < 0.2:
            self.names.remove(worker)
            self.names.append(f"{worker}'")
            return [News(worker, why="it died")]
        if chance < 0.3:
            return [News(worker, End(cell.id, error=f"{worker} lacks it", unused=True))]
        if cell.id == self.failing:
            return [News(worker, End(cell.id, error="diverged"))]
        self.made.append(cell.id)
        return [News(worker, End(cell.id))]

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("seed", range(40))
def test_every_cell_ends_once_whatever_befalls_the_workers(seed: int) -> None:
    cells, hands, said = cells_of(some(3), lambda spec: False), Chance(seed), []
    ends = make(cells, hands, ended=lambda end: said.append(end.id))
    assert sorted(ends) == sorted(said) == sorted(c.id for c in cells)
    assert hands.made == [i for i in ends if ends[i].error is None] and len(set(hands.made)) == len(hands.made)
    assert hands.closed == 1
    for cell in cells:
        if ends[cell.id].error and cell.id not in hands.asked:
            assert cell.needs and ends[cell.needs].error


def test_a_parent_that_fails_ends_its_children_and_nobody_else() -> None:
    cells = cells_of(some(), lambda spec: False)
    hands = Chance(5, failing=cells[0].id)
    hands.draw.random = lambda: 1.0  # type: ignore[method-assign]
    ends = make(cells, hands)
    assert sorted(c.id for c in cells if ends[c.id].error is None) == sorted(
        c.id for c in cells if c.spec.seed == 1)
    assert {ends[c.id].error for c in cells if c.needs == cells[0].id} == {
        f"Its dense parent {cells[0].id} was not made: diverged"}


def test_a_cell_is_given_up_after_it_took_some_workers_along_and_goes_on_from_what_it_left() -> None:
    cell = Cell(RunSpec(task="agreement"), "x")
    schedule = Schedule([cell])
    for i in range(TRIES):
        given = schedule.next(f"w{i}")
        assert given is not None and given.resume == (i > 0)
        ends = schedule.gone(f"w{i}", "killed")
    assert [end.error for end in ends] == [f"{TRIES} workers were lost while they made it; the last: killed"]
    assert schedule.over


def test_what_no_worker_can_make_ends_with_all_their_reasons_and_with_nobody_left_too() -> None:
    cell = Cell(RunSpec(task="agreement"), "x")
    schedule = Schedule([cell])
    for worker in ("a", "b"):
        assert schedule.stuck(["a", "b"]) == []
        schedule.next(worker)
        schedule.unable(worker, f"{worker}: no data")
        assert schedule.next(worker) is None
    assert [end.error for end in schedule.stuck(["a", "b"])] == ["a: no data; b: no data"]

    hands = Chance(0, count=0)
    assert {end.error for end in make([cell], hands).values()} == {"nobody is left"}


def test_a_worker_stays_with_a_dense_model_and_others_take_another() -> None:
    cells = cells_of(some(), lambda spec: True)
    schedule = Schedule([c for c in cells if c.spec.method != "dense"])
    first, second = schedule.next("a"), schedule.next("b")
    assert first and second and (first.spec.seed, second.spec.seed) == (0, 1)
    schedule.end("b", End(second.id))
    assert (found := schedule.next("b")) and found.spec.seed == 1


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_sweep_that_stops_leaves_most_of_its_dense_models_with_all_their_runs(workers: int) -> None:
    """Five dense models of two runs each, taken in turns: no more are begun and unfinished than there are workers, and
    they are begun as listed."""
    cells = cells_of(some(5), lambda spec: False)
    schedule, names = Schedule(cells), [f"w{i}" for i in range(workers)]
    begun: list[int] = []
    while not schedule.over:
        for name in (n for n in names if n not in schedule.running):
            if (cell := schedule.next(name)) is not None and cell.spec.method == "dense":
                begun.append(cell.spec.seed)
        whole = {c.family for c in cells} - {c.family for c in cells if c.id not in schedule.ended}
        assert len(begun) - len(whole) <= workers
        first = next(iter(schedule.running))
        schedule.end(first, End(schedule.running[first].id))
    assert begun == sorted(begun) == list(range(5))


def record(seconds: float, train: float, **fields: Any) -> RunRecord:
    spec = RunSpec(task="agreement", model="tiny", **fields)
    phases = {"load": seconds - train, **({"train": train} if train else {})}
    return RunRecord(schema=1, id=spec.run_id, status=fields.pop("status", "succeeded"), created="", spec=spec,
                     timing=Timing(total=seconds, phases=phases))


def test_an_estimate_is_the_median_of_like_runs_scaled_to_the_epochs() -> None:
    runs = [record(10, 8, method="asp", epochs=4.0, seed=1), record(22, 20, method="asp", epochs=4.0, seed=2),
            record(50, 48, method="asp", epochs=8.0, seed=3), record(9999, 99, method="admm"),
            record(9999, 99, method="asp", train_examples=10)]
    assert estimate(RunSpec(task="agreement", model="tiny", method="asp", epochs=2.0), runs) == (12.0, 3)
    assert estimate(RunSpec(task="agreement", model="tiny", method="wanda"), runs) == (None, 0)
    unfinished = [msgspec.structs.replace(r, status="failed") for r in runs]
    assert estimate(RunSpec(task="agreement", model="tiny", method="asp"), unfinished) == (None, 0)


def test_a_plan_says_what_is_shared_and_how_long_it_takes() -> None:
    runs = [record(10, 8, method="asp", epochs=4.0), record(30, 8, method="admm", epochs=4.0)]
    listed = some(1)
    plan = outline("T", listed, cells_of(listed, lambda spec: False), runs, 2)
    assert [(x.state, x.parent, x.calibration, x.teacher, x.seconds, x.runs) for x in plan.lines] == [
        ("new", 2, 0, 0, None, 0), ("new", 2, 2, 1, 10.0, 1), ("new", 2, 2, 0, 30.0, 1)]
    assert (plan.seconds, plan.seconds_at_once, plan.unknown) == (40.0, 30.0, 1)


def test_the_time_at_once_is_that_of_a_walk_by_hand() -> None:
    """Two parents of 5 s; children of 1, 2 and 3, 4 s. Two workers: both parents until 5, then each its own children:
    5 + 1 + 2 and 5 + 3 + 4. One worker: the sum."""
    cells = cells_of(some()[:-1], lambda spec: False)
    seconds = {c.id: 5.0 if c.spec.method == "dense" else 1.0 + 2 * c.spec.seed + (c.spec.method == "admm")
               for c in cells}
    assert at_once(cells, seconds, 2) == 12.0
    assert at_once(cells, seconds, 1) == sum(seconds.values()) == 20.0
    assert at_once([], {}, 3) == 0.0


WORKER = """
import os, sys
import msgspec
from core.engines.cells import End
from core.engines.worker import Order
for line in sys.stdin.buffer:
    order = msgspec.json.decode(line, type=Order)
    if order.cell.spec.method == "asp" and not order.cell.resume:
        os._exit(9)
    waits = os.environ.get("OMP_WAIT_POLICY")
    error = f"threads {order.threads}, {waits}" if order.cell.spec.method == "admm" else None
    sys.stdout.buffer.write(msgspec.json.encode(End(order.cell.id, error=error, unused=True)) + b"\\n")
    sys.stdout.buffer.flush()
"""


@pytest.mark.parametrize("said", [None, "ACTIVE"])
def test_a_worker_process_that_dies_is_replaced_and_its_cell_made_again(
        empty_store: Store, monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if said:
        monkeypatch.setenv("OMP_WAIT_POLICY", said)
    cells, began = cells_of(some(), lambda spec: False), []
    hands = Processes(2, 3, empty_store, None, (sys.executable, "-c", WORKER))
    ends = make(cells, hands, began=lambda cell, worker: began.append(cell.id))
    heard = f"threads 3, {said or 'PASSIVE'}"
    assert {c.spec.method: ends[c.id].error for c in cells} == {"dense": None, "asp": None, "admm": heard}
    assert sorted(began) == sorted([c.id for c in cells] + [c.id for c in cells if c.spec.method == "asp"])
    assert hands._living == {}


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_two_at_once_give_the_bits_of_one_by_one(tmp_path: Path) -> None:
    from tests.sweeping import same_runs, sweep

    for name, words in (("one", ()), ("two", ("--jobs", "2"))):
        done = sweep(tmp_path, name, *words)
        assert done.returncode == 0, done.stderr
    assert len(same_runs(tmp_path / "one", tmp_path / "two")) == 4
