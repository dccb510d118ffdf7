"""`evaluate`: score the checkpoints of finished runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.cli.browse import find_run
from core.cli.output import echo_json, json_option, printable
from core.cli.places import Place, check_folder
from core.errors import InputError
from core.runs.store import Store, default_store


def evaluated(name: str, store: Store, data_dir: Path | None, record: bool) -> dict[str, Any]:
    """What `--json` prints of the run *name*. Raises InputError when it cannot be scored, or not recorded."""
    find_run(store, name)
    run = store.open(name)
    from core.running.evaluating import evaluate, keep_answers

    found = evaluate(run.record, store, data_dir)
    added = keep_answers(run, found, store) if record else None
    return {"id": found.run_id, "metric": found.metric, "split": found.split, "n_eval": len(found.answers),
            "recorded": found.recorded, "score": found.found, "difference": found.difference, "detail": found.detail,
            "reproduced": found.reproduced, "answers_added": added, "seconds": found.seconds}


def sentence(found: dict[str, Any]) -> str:
    """The result in one or two sentences."""
    same = "reproduced" if found["reproduced"] else f"NOT reproduced, difference {found['difference']:+.6f}"
    text = (f"{found['id']}: {found['metric']} {found['score']:.6f} on {found['n_eval']} examples ({found['split']}), "
            f"recorded {found['recorded']:.6f}: {same} ({found['seconds']:.1f} s)")
    added = found["answers_added"]
    return text if added is None else f"{text}. {'Its answers were added.' if added else 'It has its answers already.'}"


@click.command("evaluate")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--data-dir", type=Place(file_okay=False),
              help="A folder holding <task>/{train,validation}.parquet (GLUE). Without it: the hub.")
@click.option("--record", is_flag=True,
              help="Add what the model says to each example to runs made here that do not keep it.")
@json_option
def evaluate_command(runs: tuple[str, ...], data_dir: Path | None, record: bool, as_json: bool) -> None:
    """Score finished runs again from their checkpoints.

    Says whether the recorded score is reproduced, up to 1e-6. With --record, the answers are added to runs made on this
    machine that lack them (and nothing else in their folders changes), so that two runs can be compared example by
    example. Exit code 1 when a score is not reproduced, or when one of several runs was refused.

    \b
    Example:
      python -m core evaluate agreement-tiny-dense-s0-0123abcd
    """
    store, found, bad = default_store(), [], False
    if data_dir is not None:
        check_folder(data_dir)
    for name in runs:
        try:
            one = evaluated(name, store, data_dir, record)
        except InputError as error:
            if len(runs) == 1:
                raise
            one = {"id": name, "refused": str(error)}
        found.append(one)
        bad = bad or not one.get("reproduced", False)
        if not as_json:
            click.echo(f"{printable(name)}: refused. {printable(one['refused'])}" if "refused" in one
                       else sentence(one))
    if as_json:
        echo_json(found)
    if bad:
        raise SystemExit(1)
