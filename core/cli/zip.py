"""`zip` and `unzip`: a run as one file, and such a file taken in. No torch."""

from __future__ import annotations

from pathlib import Path

import click

from core import demo
from core.cli.browse import find_run
from core.cli.output import echo_json, json_option
from core.cli.places import Place
from core.errors import InputError
from core.runs import carrying
from core.runs.disk import in_words
from core.runs.store import default_store


@click.command("zip")
@click.argument("run")
@click.option("--to", required=True, type=Place(), help="The file, e.g. run.zip.")
@json_option
def zip_command(run: str, to: Path, as_json: bool) -> None:
    """Write a run, and its dense parent, into one zip.

    Another SparseScope takes it in with `unzip`, or on its page Runs. Checkpoints stay here.

    \b
    Example:
      python -m core zip cola-minilm-l6-admm-2of4-e4-s0-0123abcd --to run.zip
    """
    store = default_store()
    find_run(store, run)
    if to.exists():
        raise InputError(f"{to} is there already", "a new file", "Choose another --to.")
    with in_words(to.name):
        try:
            ids = carrying.written(store, run, to)
        except BaseException:
            to.unlink(missing_ok=True)
            raise
    if as_json:
        echo_json({"file": str(to), "runs": ids, "bytes": to.stat().st_size})
    else:
        click.echo(f"{to}: {', '.join(ids)}, {to.stat().st_size} bytes")


@click.command("unzip")
@click.argument("file", type=Place())
@json_option
def unzip_command(file: Path, as_json: bool) -> None:
    """Take in a run that `zip` wrote.

    It is checked before it is listed: masks, digests, scores, as `check` does. A zip that holds anything else is
    refused, and nothing of it is kept.

    \b
    Example:
      python -m core unzip run.zip
    """
    demo.closed("Files cannot be taken in", "the runs that are here")
    if not file.is_file():
        raise InputError(f"There is no file {str(file)[-120:]!r}", "a zip that `zip` wrote", "Correct the path.")
    ids = carrying.taken_in(default_store(), file)
    if as_json:
        echo_json({"runs": ids})
    else:
        click.echo(f"{ids[-1]} is here: python -m core show {ids[-1]}")
