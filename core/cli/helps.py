"""`helps`: what every change to a method did on examples held out of train, from the kept answers alone."""

from __future__ import annotations

from typing import Any

import click

from core.cli.output import echo_json, interval_list, json_option, table
from core.errors import InputError, unknown
from core.evidence import words
from core.evidence.estimates import Judged
from core.evidence.quantities import KL, QUANTITIES
from core.evidence.search import (
    SEARCHED,
    Effect,
    Place,
    Searched,
    choice,
    effects,
    places,
    row_name,
    searched,
    untaught,
)
from core.methods import entry_of
from core.runs.store import default_store

HEADERS = ("change", "difference", "p", "unseen difference", "value", "seeds")


@click.command("helps")
@click.argument("method", default=SEARCHED)
@click.option("--task", "tasks", multiple=True, help="A task; several for the mean over them.  [default: all it has]")
@click.option("--pattern", help="Where the search was made.  [default: where most was tried]")
@click.option("--epochs", type=float, help="The budget of the search.  [default: where most was tried]")
@click.option("--quantity", type=click.Choice(list(QUANTITIES)), default=KL, show_default=True,
              help="What the answers are judged by.")
@json_option
def helps_command(method: str, tasks: tuple[str, ...], pattern: str | None, epochs: float | None, quantity: str,
                  as_json: bool) -> None:
    """What helps METHOD?

    Every change that was tried, and every other method, against METHOD by itself at the same budget: paired differences
    with their 95 % intervals, on examples held out of train. A search chooses by the first column; the unseen
    examples are a last look. A plus marks what it would choose: clearly nearer to dense, no clearly larger loss, and
    better than the best constant answer; a star what is not.

    \b
    Example:
      python -m core helps admm --task cola
    """
    name = entry_of(method).name
    found = searched(default_store().entries())
    place = _place(found, name, pattern, epochs)
    for task in tasks:
        if task not in place.tasks:
            raise unknown(f"task of the search at {place.pattern}:", task, place.tasks)
    at = tuple(dict.fromkeys(tasks)) or place.tasks
    rows = effects(found, place, at, name, quantity)
    chosen = {effect.key for effect in choice(found, place, at, name)}
    if as_json:
        echo_json({"method": name, "model": place.model, "pattern": place.pattern, "epochs": place.epochs,
                   "tasks": list(at), "quantity": quantity,
                   "rows": [_object(row, row.key in chosen) for row in rows]})
        return
    click.echo(f"{', '.join(at)}, {place.model}, {place.pattern}, {place.budget}: {words.in_words(quantity)}, "
               f"less that of {words.name_of(name, trained=True)} by itself")
    click.echo(table(HEADERS, [_cells(row, name, quantity, row.key in chosen) for row in rows]))
    if doubtful := untaught(found, place, at, name):
        click.echo(f"\nThe dense model itself does not clearly beat a constant answer on {', '.join(doubtful)}.")


def _place(found: Searched, method: str, pattern: str | None, epochs: float | None) -> Place:
    there = places(found, method)
    fitting = [p for p in there if pattern in (None, p.pattern) and epochs in (None, p.epochs)]
    if not fitting:
        raise InputError(f"{method} has no recorded search{' there' if there else ''}",
                         "; ".join(f"{p.pattern} with {p.budget}" for p in there)
                         or "runs with --dev-examples, the method by itself among them",
                         "See sweeps/studies for how one is made.")
    return fitting[0]


def _cells(row: Effect, method: str, quantity: str, chosen: bool) -> list[Any]:
    marks = (" +" if chosen else "") + (" *" if row.chose.idle else "")
    return [row_name(row, method) + marks, _apart(row.chose, quantity), f"{row.p:.3f}",
            "" if row.unseen is None else _apart(row.unseen, quantity), words.valued(row.chose.value.interval),
            ",".join(map(str, row.chose.value.seeds))]


def _apart(one: Judged, quantity: str) -> str:
    return "" if one.versus is None else words.signed_interval(quantity, one.versus.interval)


def _three(one: Judged | None) -> list[float] | None:
    return None if one is None or one.versus is None else interval_list(one.versus.interval)


def _object(row: Effect, chosen: bool) -> dict[str, Any]:
    return {"method": row.key[0], "changes": dict(row.changes), "difference": _three(row.chose), "p": row.p,
            "unseen": _three(row.unseen), "chosen": chosen,
            "no_better_than_constant": row.chose.idle, "seeds": list(row.chose.value.seeds),
            "runs": row.chose.runs}
