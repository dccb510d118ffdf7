"""`check`: verify run folders from their files alone. No torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from core.cli.browse import find_run
from core.cli.output import echo_json, json_option, printable
from core.errors import InputError
from core.runs.checks.folder_check import CheckReport, check
from core.runs.opening import open_path
from core.runs.store import Store, default_store


def report_on(name: str, store: Store) -> CheckReport | None:
    """Check what *name* means: a run id of *store*, or a folder. None for a file that is no folder (a glob meets them).

    A folder that cannot be read is a report with that problem. Raises InputError for a name that means nothing.
    """
    if not name.strip():  # to the library of paths it is the present folder
        raise InputError("A run without a name", "a run id or a run folder", "See `python -m core list`.")
    path = Path(name)
    try:
        if path.is_file():
            return None
        folder = path.is_dir()
    except OSError:  # a name that is too long to be a path
        folder = False
    if not folder and "/" in name:
        raise InputError(f"There is no folder {name[:200]!r}", "a run id or a run folder", "See `python -m core list`.")
    if not folder and store.find(name) is None:
        find_run(store, name)  # refuses, with the closest id
    try:
        return check(open_path(path, store) if folder else store.open(name))
    except InputError as error:
        return CheckReport(path.name, "", [], [str(error)], 0.0)


@click.command("check")
@click.argument("runs", nargs=-1, required=True, metavar="RUN|PATH...")
@json_option
def check_command(runs: tuple[str, ...], as_json: bool) -> None:
    """Check runs from their files alone.

    Masks against the pattern and their SHA-256, scores, weights, shapes, the parent. A run is an id of the store or a
    folder. The report says what the run's record level let it verify. Exit code 1 when there is a problem.

    \b
    Example:
      python -m core check cached_runs/*
    """
    store = default_store()
    reports = [report for name in runs if (report := report_on(name, store)) is not None]
    if not reports:
        raise InputError(f"{runs[0][:200]!r} is a file", "a run id or a run folder", "Name the folder that holds it.")
    if as_json:
        echo_json([dataclasses.asdict(r) | {"ok": r.ok} for r in reports])
    else:
        for r in reports:
            click.echo(f"{'ok     ' if r.ok else 'PROBLEM'}  {printable(r.run_id)}  ({r.level or 'unreadable'}, "
                       f"{r.seconds:.2f} s)")
            for text in r.problems:
                click.echo(f"  problem   {printable(text)}")
            for text in r.verified:
                click.echo(f"  verified  {printable(text)}")
        bad = sum(not r.ok for r in reports)
        click.echo(f"{len(reports)} runs checked, " + (f"{bad} with problems" if bad else "no problem"))
    if not all(r.ok for r in reports):
        raise SystemExit(1)
