"""`task`: a table of your own becomes a task. The twin of `core.tasks.preparing` and `core.tasks.own`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.cli.output import echo_json, json_option, printable, table
from core.cli.places import Place
from core.errors import InputError
from core.tasks import own
from core.tasks.labels import CLASSES, Kind, listed
from core.tasks.preparing import OFFERED, Prepared, prepare
from core.tasks.tables.folders import Tables, open_tables

LINES = 20  # of a table of classes

def task_object(task: own.OwnTask) -> dict[str, Any]:
    """An own task as a JSON object."""
    return {"task": task.full, "name": task.name, "kind": "classes" if task.labels else "regression",
            "columns": list(task.columns), "labels": list(task.labels), "metric": task.entry.metric,
            "train": task.examples[0], "validation": task.examples[1], "split": task.split, "source": task.source,
            "created": task.created}


def _needed(value: str | None, what: str, action: str) -> str:
    if value is None:
        raise InputError(f"task {action} without {what}", f"{what}", "See: python -m core task --help.")
    return value


@click.command("task")
@click.argument("action", type=click.Choice(("add", "list", "remove")))
@click.argument("name", required=False)
@click.argument("file", required=False, type=Place())
@click.option("--text", metavar="COLUMN", help="The column of the texts.")
@click.option("--pair", metavar="COLUMN", help="The column of the second texts, where there are pairs.")
@click.option("--label", metavar="COLUMN", help=f"The column of the labels: 2 to {CLASSES} classes, or numbers with "
              "a decimal point (regression).")
@click.option("--as", "kind", type=click.Choice(("classes", "regression")),
              help="What the labels are.  [default: numbers with a decimal point are a regression, all else classes]")
@click.option("--validation", type=Place(), metavar="FILE",
              help="The validation part.  [default: the last 20 % of a fixed permutation]")
@click.option("--metric", metavar="NAME", help=f"The main score: {', '.join(OFFERED)}.  [default: accuracy, or "
              "pearson_spearman_mean for numbers]")
@json_option
def task_command(action: str, name: str | None, file: Path | None, text: str | None, pair: str | None,
                 label: str | None, kind: Kind | None, validation: Path | None, metric: str | None,
                 as_json: bool) -> None:
    """Make a table of your own a task: add it, list what was added, remove it.

    FILE is a .csv, .tsv, .jsonl, .json, .parquet or .arrow file, or one of them as .gz (UTF-8, at most 50 MB and
    200 000 rows), or a folder: train.* with validation.*, dev.* or test.*; files as on the hub
    (data/train-00000-of-00001.parquet); what save_to_disk of Hugging Face datasets wrote. The table is copied to the
    live runs' folder and goes nowhere else. Afterwards own:NAME is a task like any other. Runs made on it hold no text
    of it.

    \b
    Example:
      python -m core task add reviews reviews.csv --text review --label stars
      python -m core run --task own:reviews --model minilm-l6 --pattern 2:4
    """
    if action == "list":
        tasks = own.registered()
        if as_json:
            echo_json([task_object(task) for task in tasks])
        else:
            click.echo(table(["task", "labels", "train", "validation", "file"], [
                (t.full, listed(t.labels) or "numbers", *t.examples, t.source) for t in tasks])
                if tasks else "No task was added here yet.")
        return
    name = _needed(name, "NAME", action)
    if action == "remove":
        gone = own.remove(name)
        if as_json:
            echo_json(gone)
        else:
            click.echo(f"removed: {', '.join(gone)}. Runs made on it stay.")
        return
    given = open_tables(Path(_needed(str(file) if file else None, "FILE", action)), validation)
    data = prepare(name, given.train, text=_needed(text, "--text COLUMN", action), pair=pair, metric=metric, kind=kind,
                   label=_needed(label, "--label COLUMN", action), validation=given.validation)
    task = own.add(data)
    if as_json:
        echo_json(task_object(task) | {"remarks": data.remarks + _unread(given)})
        return
    click.echo("\n".join(printable(line) for line in _said(task, data, given)))


def _said(task: own.OwnTask, data: Prepared, given: Tables) -> list[str]:
    """What a person reads of a task that was added."""
    lines = [f"{task.full}: {len(data.train)} rows to learn from, {len(data.validation)} to score on, {data.kind}"]
    if data.labels:
        lines.append(table(["class", "train", "validation"], data.counts[:LINES]))
        if len(data.labels) > LINES:
            lines.append(f"and {len(data.labels) - LINES} more classes")
    return [*lines, *data.remarks, *_unread(given),
            f"Next: python -m core run --task own:{task.name} --model minilm-l6 --method admm --pattern 2:4"]


def _unread(given: Tables) -> list[str]:
    return [f"Not read: {listed(given.unread)}."] if given.unread else []
