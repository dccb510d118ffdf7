"""`sweep`: make the runs of a TOML file that are not there yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.cli.output import echo_json, json_option, note, printable, record_object, table
from core.cli.places import THREADS, Place, check_folder
from core.cli.progress import reporter
from core.cli.run import set_threads
from core.runs.records import command_of
from core.runs.store import default_store
from core.specs.recipes import Outcome, Planned, carry_out, plan, read_sweep
from core.specs.resolving import resolve

WORDS = {"done": "skip: done", "unfinished": "continue", "new": "make"}


def _plan_object(p: Planned) -> dict[str, Any]:
    return {"id": p.spec.run_id, "state": p.state, "command": command_of(p.spec)}


def _outcome_object(o: Outcome) -> dict[str, Any]:
    rest = record_object(o.record) if o.record else {}
    return rest | _plan_object(o.planned) | ({"error": o.error} if o.error else {})


@click.command("sweep")
@click.argument("file", type=Place())
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--data-dir", type=Place(), help="Folder with <task>/{train,validation}.parquet.")
@click.option("--threads", type=THREADS, help="Processor cores that torch may use.")
@json_option
def sweep_command(file: Path, dry_run: bool, data_dir: Path | None, threads: int | None, as_json: bool) -> None:
    """Make all runs of a sweep file.

    What is done is skipped, what is unfinished continues, and a run that fails does not stop the others; the exit code
    is then 1. What runs of one dense model have in common is worked out once: their results are those of runs made one
    by one, bit for bit.

    \b
    Example:
      python -m core sweep sweeps/cola.toml --dry-run
    """
    sweep = read_sweep(file)  # a bad file is said before torch is loaded
    if data_dir is not None:
        check_folder(data_dir)
    store = default_store()
    planned = plan(sweep, store, resolve)
    if dry_run:
        if as_json:
            echo_json([_plan_object(p) for p in planned])
        else:
            click.echo(f"{printable(sweep.title)}: {len(planned)} runs\n")
            click.echo(table(["what", "run", "command"],
                             [(WORDS[p.state], p.spec.run_id, command_of(p.spec)) for p in planned]))
        return
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
