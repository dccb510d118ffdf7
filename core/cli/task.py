"""`task`: a table of your own becomes a task. The twin of `core.tasks.preparing` and `core.tasks.own`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.cli.output import echo_json, json_option, printable, table
from core.errors import InputError
from core.tasks import own
from core.tasks.preparing import OFFERED, open_tables, prepare


def task_object(task: own.OwnTask) -> dict[str, Any]:
    """An own task as a JSON object."""
    return {"task": task.full, "name": task.name, "columns": list(task.columns), "labels": list(task.labels),
            "metric": task.entry.metric, "train": task.examples[0], "validation": task.examples[1],
            "split": task.split, "source": task.source, "created": task.created}


def _needed(value: str | None, what: str, action: str) -> str:
    if value is None:
        raise InputError(f"task {action} without {what}", f"{what}", "See: python -m core task --help.")
    return value


@click.command("task")
@click.argument("action", type=click.Choice(("add", "list", "remove")))
@click.argument("name", required=False)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--text", metavar="COLUMN", help="The column of the texts.")
@click.option("--pair", metavar="COLUMN", help="The column of the second texts, where there are pairs.")
@click.option("--label", metavar="COLUMN", help="The column of the labels: 2 to 20 classes, or numbers with a decimal "
              "point (regression).")
@click.option("--validation", type=click.Path(path_type=Path), metavar="FILE",
              help="The validation part.  [default: the last 20 % of a fixed permutation]")
@click.option("--metric", metavar="NAME", help=f"The main score: {', '.join(OFFERED)}.  [default: accuracy, or "
              "pearson_spearman_mean for numbers]")
@json_option
def task_command(action: str, name: str | None, file: Path | None, text: str | None, pair: str | None,
                 label: str | None, validation: Path | None, metric: str | None, as_json: bool) -> None:
    """Make a table of your own a task: add it, list what was added, remove it.

    FILE is a .csv, .jsonl or .parquet file (UTF-8, at most 50 MB and 200 000 rows), or a folder that holds train.* and
    validation.*. The table is copied to the live runs' folder and goes nowhere else. Afterwards own:NAME is a task like
    any other. Runs made on it hold no text of it.

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
                (t.full, ", ".join(t.labels) or "numbers", *t.examples, t.source) for t in tasks])
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
    given, held = open_tables(Path(_needed(str(file) if file else None, "FILE", action)), validation)
    data = prepare(name, given, text=_needed(text, "--text COLUMN", action), pair=pair, validation=held, metric=metric,
                   label=_needed(label, "--label COLUMN", action))
    task = own.add(data)
    if as_json:
        echo_json(task_object(task) | {"remarks": data.remarks})
        return
    lines = [f"{task.full}: {len(data.train)} rows to learn from, {len(data.validation)} to score on"]
    if data.labels:
        lines.append(table(["class", "train", "validation"], data.counts))
    click.echo("\n".join(printable(line) for line in (*lines, *data.remarks, (
        f"Next: python -m core run --task own:{task.name} --model minilm-l6 --method admm --pattern 2:4"))))
