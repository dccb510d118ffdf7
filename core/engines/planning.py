"""What a sweep will make, what its cells share, and how long that may take, told before anything is loaded. No
torch."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from statistics import median

import msgspec

from core.engines.cells import Cell, End
from core.engines.schedule import Schedule
from core.live.estimates import seconds_of
from core.runs.records import RunRecord, RunSpec, command_of
from core.specs.recipes import Planned

ALIKE = ("task", "model", "method", "train_examples", "batch_size", "max_length", "dev_examples")


class Line(msgspec.Struct, frozen=True):
    """One cell in the plan. `parent`, `calibration`, `teacher`: how many cells of the plan share that with it, itself
    included; 0 where it has none. `seconds`: estimated from `runs` recorded ones; None without any."""

    id: str
    state: str  # done, unfinished, new; "parent" for a dense parent that the file does not list
    command: str
    family: str
    parent: int = 0
    calibration: int = 0
    teacher: int = 0
    seconds: float | None = None
    runs: int = 0


class Plan(msgspec.Struct, frozen=True):
    """A sweep's lines, and of its cells that are still to be made: the seconds one after the other and with *jobs* at
    once, as far as they can be estimated; `unknown`: how many cannot."""

    title: str
    lines: list[Line]
    jobs: int
    seconds: float
    seconds_at_once: float
    unknown: int


def outline(title: str, planned: Sequence[Planned], cells: Sequence[Cell], records: Sequence[RunRecord],
            jobs: int) -> Plan:
    """The plan of *planned*, of which *cells* are to be made; *records*: runs to estimate from."""
    pruned = [cell for cell in cells if cell.spec.method != "dense"]
    parents = Counter(cell.family for cell in pruned)
    texts = Counter((cell.family, cell.spec.calibration) for cell in pruned)
    pupils = Counter(cell.family for cell in pruned if cell.spec.distill > 0)

    def line(cell: Cell, state: str) -> Line:
        dense = cell.spec.method == "dense"
        seconds, runs = estimate(cell.spec, records)
        return Line(cell.id, state, command_of(cell.spec), cell.family, parents[cell.family],
                    0 if dense else texts[cell.family, cell.spec.calibration],
                    pupils[cell.family] if not dense and cell.spec.distill > 0 else 0, seconds, runs)

    states = {p.spec.run_id: p.state for p in planned}
    lines = [line(cell, states.get(cell.id, "parent") if not cell.extra else "parent") for cell in cells]
    made = {cell.id for cell in cells if not cell.extra}
    lines += [Line(p.spec.run_id, p.state, command_of(p.spec), "") for p in planned if p.spec.run_id not in made]
    known = {found.id: found.seconds or 0.0 for found in lines}
    return Plan(title, lines, jobs, sum(known[cell.id] for cell in cells), at_once(cells, known, jobs),
                sum(found.seconds is None for found in lines[:len(cells)]))


def estimate(spec: RunSpec, records: Sequence[RunRecord]) -> tuple[float | None, int]:
    """Seconds that *spec* takes by itself: the median over finished runs of the same task, model, method and size of
    data, their training scaled to as many epochs; and over how many runs. (None, 0) without any."""
    found = [seconds_of(record, spec) for record in records
             if record.status == "succeeded" and record.timing.phases
             and all(getattr(record.spec, name) == getattr(spec, name) for name in ALIKE)
             and (record.spec.epochs or not spec.epochs)]  # else it says nothing of a step
    return (round(median(found), 1), len(found)) if found else (None, 0)


def at_once(cells: Sequence[Cell], seconds: dict[str, float], jobs: int) -> float:
    """When the last of *cells* ends, with *jobs* workers that each take the next cell of the schedule, in seconds."""
    schedule, idle = Schedule(cells), [f"worker {i}" for i in range(max(1, jobs))]
    busy: list[tuple[float, str]] = []
    now = 0.0
    while not schedule.over:
        for worker in list(idle):
            if (cell := schedule.next(worker)) is not None:
                idle.remove(worker)
                heapq.heappush(busy, (now + seconds[cell.id], worker))
        now, worker = heapq.heappop(busy)
        schedule.end(worker, End(schedule.running[worker].id))
        idle.append(worker)
    return now
