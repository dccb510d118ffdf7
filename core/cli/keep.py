"""`keep`: copy finished runs into the recorded runs, at a record level."""

from __future__ import annotations

import click

from core.cli.output import echo_json, json_option
from core.runs.keeping import keep
from core.runs.levels import RECORD_LEVELS
from core.runs.store import default_store


@click.command("keep")
@click.argument("runs", nargs=-1, required=True)
@click.option("--as", "level", type=click.Choice(list(RECORD_LEVELS)),
              help="How much to keep.  [default: what the run holds]")
@click.option("--weights", is_flag=True, help="Keep the checkpoint too (of a small model).")
@json_option
def keep_command(runs: tuple[str, ...], level: str | None, weights: bool, as_json: bool) -> None:
    """Copy finished runs into cached_runs/, with no more arrays than a level has.

    \b
    Example:
      python -m core keep agreement-tiny-admm-2of4-e4-s0-0123abcd --as masks
    """
    store = default_store()
    folders = []
    for run in runs:
        folder = keep(store, run, level, weights)  # type: ignore[arg-type]
        folders.append({"id": run, "folder": str(folder), "bytes": sum(f.stat().st_size for f in folder.iterdir())})
        if not as_json:
            click.echo(f"{run}: {folders[-1]['bytes']} bytes")
    if as_json:
        echo_json(folders)
