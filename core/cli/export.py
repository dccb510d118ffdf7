"""`export`: a run's final model as a Hugging Face folder."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path

import click

from core.cli.browse import find_run
from core.cli.output import echo_json, json_option
from core.cli.places import Place
from core.errors import InputError
from core.publishing import hub
from core.runs.store import CORRECTION, default_store


def refuse_full(folder: Path) -> None:
    """Raise InputError when *folder* is a file, or a folder that holds anything."""
    if folder.is_file():
        raise InputError(f"{folder} is a file", "an empty or new folder", "Choose another --to.")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty", "an empty or new folder", "Choose another --to.")


@click.command("export")
@click.argument("run")
@click.option("--to", type=Place(), help="An empty or new folder; needed without --push.")
@click.option("--shrink", is_flag=True, help="Cut out the heads, neurons and modules that are gone: smaller matrices.")
@click.option("--merge", is_flag=True, help="Add each low-rank correction to its matrix: one dense model.")
@click.option("--push", "repo", metavar="REPO",
              help="Hand the folder to the Hugging Face hub as this repository, OWNER/NAME: a new and private one.")
@click.option("--public", is_flag=True, help="With --push: everybody may see the new repository.")
@click.option("--update", is_flag=True, help="With --push: commit on top of a repository that exists.")
@json_option
def export_command(run: str, to: Path | None, shrink: bool, merge: bool, repo: str | None, public: bool,
                   update: bool, as_json: bool) -> None:
    """Write a run's model as a Hugging Face folder.

    AutoModelForSequenceClassification.from_pretrained loads it, transformers.pipeline too. README.md in it is a model
    card: what the model was trained and pruned for, its scores with intervals, what was verified, the command that
    makes it again. With --shrink its layers have different sizes, which no class of transformers knows:
    core.surgery.load opens it, and after that AutoModelForSequenceClassification too. Its logits are the same.

    A run of admm-lowrank comes as the pruned model with the folder correction/ beside it, an adapter in PEFT's layout
    without which the model is another one: the card says how to load both. With --merge it is one dense model.

    --push uses the login of `hf auth login`, or HF_TOKEN.

    \b
    Example:
      python -m core export mrpc-minilm-l6-admm-2of4-e4-s0-0123abcd --to exported
      python -m core export sst2-minilm-l6-taylor-heads-0.5-e2-s0-0123abcd --to small --shrink
      python -m core export mrpc-minilm-l6-admm-2of4-e4-s0-0123abcd --push me/mrpc-2of4
    """
    store = default_store()
    find_run(store, run)
    if to is None and repo is None:
        raise InputError("Neither --to nor --push", "where the model goes", "Add --to FOLDER, or --push OWNER/NAME.")
    if repo is None and (public or update):
        raise InputError(f"{'--public' if public else '--update'} without --push", "a repository to hand the folder to",
                         "Add --push OWNER/NAME, or leave it out.")
    if to is not None:
        refuse_full(to)
    if repo is not None:
        hub.check_ready(repo)
    from core.running import pipeline

    with tempfile.TemporaryDirectory() if to is None else nullcontext(to) as place:
        folder = pipeline.export(run, store=store, to=Path(place), shrink=shrink, merge=merge)
        files = sorted(p.name for p in folder.iterdir())
        url = None if repo is None else hub.push(folder, repo, message=f"Add {run}", public=public, update=update)
    if as_json:
        echo_json({"id": run, "folder": None if to is None else str(to), "files": files}
                  | ({} if url is None else {"url": url}))
        return
    if to is not None:
        own = shrink or CORRECTION in files
        how = "core.surgery.load" if own else "AutoModelForSequenceClassification.from_pretrained"
        click.echo(f"{run} is in {to}: {how}({str(to)!r})")
    if url is not None:
        # Of a repository that was there already, who may see it is known to the hub alone.
        seen = "" if update else ", for everybody to see" if public else ", for you alone to see"
        click.echo(f"{run} is at {url}{seen}")
