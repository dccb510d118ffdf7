"""`sweep`: make the runs of a TOML file that are not there yet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import click
import msgspec

from core.cli.output import echo_json, json_option, note, printable, record_object, table
from core.cli.places import THREADS, Place, check_folder
from core.cli.progress import reporter
from core.cli.run import set_threads
from core.engines.cells import Cell, End, cells_of
from core.engines.loop import Hands, make
from core.engines.planning import Line, Plan, outline
from core.errors import InputError
from core.models.checkpoints import find_checkpoint
from core.runs.records import command_of
from core.runs.store import Store, default_store
from core.specs.recipes import Outcome, Planned, carry_out, plan, read_sweep
from core.specs.resolving import resolve

WORDS = {"done": "skip: done", "unfinished": "continue", "new": "make", "parent": "make: dense parent"}
JOBS = click.IntRange(1, 256)


def _plan_object(p: Planned) -> dict[str, Any]:
    return {"id": p.spec.run_id, "state": p.state, "command": command_of(p.spec)}


def _outcome_object(o: Outcome) -> dict[str, Any]:
    rest = record_object(o.record) if o.record else {}
    return rest | _plan_object(o.planned) | ({"error": o.error} if o.error else {})


@click.command("sweep")
@click.argument("file", type=Place())
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--plan", "planning", is_flag=True,
              help="Only say what would be done, what the runs share and how long they may take.")
@click.option("--data-dir", type=Place(), help="Folder with <task>/{train,validation}.parquet.")
@click.option("--threads", type=THREADS, help="Processor cores that torch may use; with --jobs, for each run.")
@click.option("--jobs", type=JOBS, default=1, show_default=True, help="Runs at once; on a cluster, on every node.")
@click.option("--engine", type=click.Choice(("plain", "ray")), default="plain", show_default=True,
              help="On this machine, or spread over a Ray cluster.")
@click.option("--address", help="HOST:PORT of the cluster's head; without it, the cluster of this machine.")
@json_option
def sweep_command(file: Path, dry_run: bool, planning: bool, data_dir: Path | None, threads: int | None, jobs: int,
                  engine: str, address: str | None, as_json: bool) -> None:
    """Make all runs of a sweep file.

    What is done is skipped, what is unfinished continues, and a run that fails does not stop the others; the exit code
    is then 1. What runs of one dense model have in common is worked out once: their results are those of runs made one
    by one, bit for bit, also with --jobs where each run has as many --threads. On a cluster an unfinished run starts
    anew; see docs/cluster.md.

    \b
    Example:
      python -m core sweep sweeps/cola.toml --plan
    """
    if address is not None and engine != "ray":
        raise InputError("--address without a cluster", "--engine ray beside it", "Add --engine ray.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ:
        raise InputError("A sweep started as several processes", "one process that starts others itself",
                         "Give --jobs, or launch `run`.")
    sweep = read_sweep(file)  # a bad file is said before torch is loaded
    if data_dir is not None and engine == "plain":
        check_folder(data_dir)
    store = default_store()
    planned = plan(sweep, store, resolve)
    if planning:
        _say_plan(outline(sweep.title, planned, _cells(planned, store), store.records(), jobs), as_json)
    elif dry_run:
        if as_json:
            echo_json([_plan_object(p) for p in planned])
        else:
            click.echo(f"{printable(sweep.title)}: {len(planned)} runs\n")
            click.echo(table(["what", "run", "command"],
                             [(WORDS[p.state], p.spec.run_id, command_of(p.spec)) for p in planned]))
    elif engine == "plain" and jobs == 1:
        _say_outcomes(planned, _one_by_one(planned, store, data_dir, threads), as_json)
    else:
        _say_outcomes(planned, _by_hands(planned, store, data_dir, threads, jobs, engine, address), as_json)


def _one_by_one(planned: list[Planned], store: Store, data_dir: Path | None, threads: int | None) -> list[Outcome]:
    """In this process, in the order of the file."""
    from core.running import pipeline
    from core.running.shared import Shared

    set_threads(threads)
    outcomes, shared = [], Shared()
    for i, p in enumerate(planned, 1):
        note(f"[{i}/{len(planned)}] {WORDS[p.state]}: {p.spec.run_id}")
        if p.state == "done":
            continue
        with reporter() as report:
            outcome = carry_out(p, pipeline.run, store=store, data_dir=data_dir, report=report, shared=shared)
        outcomes.append(outcome)
        if outcome.error:
            note(f"{outcome.fault or ''}Error: {outcome.error}")
    return outcomes


def _cells(planned: list[Planned], store: Store) -> list[Cell]:
    return cells_of(planned, lambda spec: find_checkpoint(spec, store) is not None)


def _by_hands(planned: list[Planned], store: Store, data_dir: Path | None, threads: int | None, jobs: int,
              engine: str, address: str | None) -> list[Outcome]:
    """By several processes, of this machine or of a cluster."""
    cells = _cells(planned, store)
    hands: Hands
    if not cells:
        return []
    if engine == "ray":
        from core.engines.cluster import Cluster, connect

        hands = Cluster(connect(address), store, data_dir, jobs, threads, note)
    else:
        from core.engines.processes import Processes

        jobs = min(jobs, len(cells))
        hands = Processes(jobs, threads or max(1, (os.cpu_count() or 1) // jobs), store, data_dir)
    # Ray prints what it hears of its nodes to stdout, where only the results belong.
    with redirect_stdout(sys.stderr) if engine == "ray" else nullcontext():
        ends = make(cells, hands, *_tellers(len(cells)))
    return [_outcome(p, ends[p.spec.run_id]) for p in planned if p.spec.run_id in ends]


def _tellers(total: int) -> tuple[Callable[[Cell, str], None], Callable[[End], None]]:
    """What is said when a cell begins and when it ends."""
    count = 0

    def began(cell: Cell, worker: str) -> None:
        note(f"{worker}: {cell.id}")

    def ended(end: End) -> None:
        nonlocal count
        count += 1
        seconds = f" ({end.record.timing.total:.0f} s)" if end.record else ""
        note(f"{end.fault or ''}[{count}/{total}] " + (f"failed: {end.id}: {end.error}" if end.error else
                                                       f"made: {end.id}{seconds}"))

    return began, ended


def _outcome(p: Planned, end: End) -> Outcome:
    return Outcome(p, end.record, end.error, end.fault)


def _say_plan(found: Plan, as_json: bool) -> None:
    if as_json:
        return echo_json(msgspec.to_builtins(found))
    make = [line for line in found.lines if line.state != "done"]
    click.echo(f"{printable(found.title)}: {len(make)} to make, {len(found.lines) - len(make)} done\n")
    click.echo(table(["what", "run", "shared (by so many)", "estimate"],
                     [(WORDS[line.state], line.id, _shares(line), _estimate(line)) for line in found.lines]))
    if make and found.unknown == len(make):
        click.echo("\nNo estimate: no run of the same task, model, method and data was timed.")
    elif make:
        unknown = f", {found.unknown} without an estimate not counted" if found.unknown else ""
        click.echo(f"\nOne by one {_duration(found.seconds)}"
                   + (f", {found.jobs} at once {_duration(found.seconds_at_once)}" if found.jobs > 1 else "")
                   + f"{unknown}. An estimate is the median of runs of the same task, model, method and data, made "
                     "where they were made, each by itself: what is shared makes it less.")


def _shares(line: Line) -> str:
    if line.state == "done":
        return ""
    parts = [(line.parent, "dense parent"), (line.calibration, "calibration"), (line.teacher, "teacher's answers")]
    return ", ".join(f"{words} ({count})" for count, words in parts if count > 1)


def _estimate(line: Line) -> str:
    if line.state == "done":
        return ""
    runs = f"{line.runs} run" if line.runs == 1 else f"{line.runs} runs"
    return "no estimate" if line.seconds is None else f"{_duration(line.seconds)} ({runs})"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{seconds / 3600:.1f} h"


def _say_outcomes(planned: list[Planned], outcomes: list[Outcome], as_json: bool) -> None:
    failed = [o for o in outcomes if o.error]
    if as_json:
        echo_json([_plan_object(p) for p in planned if p.state == "done"] + [_outcome_object(o) for o in outcomes])
    else:
        done = sum(p.state == "done" for p in planned)
        click.echo(f"{len(outcomes) - len(failed)} made, {done} were there, {len(failed)} failed")
        for o in failed:
            click.echo(f"failed: {o.planned.spec.run_id}: {printable(o.error or '')}")
    if failed:
        raise SystemExit(1)
