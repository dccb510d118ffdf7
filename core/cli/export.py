"""`export`: a run's final model as a Hugging Face folder."""

from __future__ import annotations

from pathlib import Path

import click

from core.cli.browse import find_run
from core.cli.output import echo_json, json_option
from core.cli.places import Place
from core.errors import InputError
from core.runs.store import default_store


def refuse_full(folder: Path) -> None:
    """Raise InputError when *folder* is a file, or a folder that holds anything."""
    if folder.is_file():
        raise InputError(f"{folder} is a file", "an empty or new folder", "Choose another --to.")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty", "an empty or new folder", "Choose another --to.")


@click.command("export")
@click.argument("run")
@click.option("--to", required=True, type=Place(), help="An empty or new folder.")
@click.option("--shrink", is_flag=True, help="Cut out the heads, neurons and modules that are gone: smaller matrices.")
@json_option
def export_command(run: str, to: Path, shrink: bool, as_json: bool) -> None:
    """Write a run's model as a Hugging Face folder.

    AutoModelForSequenceClassification.from_pretrained loads it. With --shrink its layers have different sizes, which no
    class of transformers knows: core.surgery.load opens it, and after that AutoModelForSequenceClassification too. Its
    logits are the same.

    \b
    Example:
      python -m core export mrpc-minilm-l6-admm-2of4-e4-s0-0123abcd --to exported
      python -m core export sst2-minilm-l6-taylor-heads-0.5-e2-s0-0123abcd --to small --shrink
    """
    store = default_store()
    find_run(store, run)
    refuse_full(to)
    from core.running import pipeline

    folder = pipeline.export(run, store=store, to=to, shrink=shrink)
    if as_json:
        echo_json({"id": run, "folder": str(folder), "files": sorted(p.name for p in folder.iterdir())})
    else:
        how = "core.surgery.load" if shrink else "AutoModelForSequenceClassification.from_pretrained"
        click.echo(f"{run} is in {folder}: {how}({str(folder)!r})")
