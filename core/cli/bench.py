"""`bench`: measure what the project claims about speed."""

from __future__ import annotations

import importlib
from typing import Any

import click

from core.cli.output import echo_json, json_option, table
from core.errors import unknown

KEYS = ("name", "figure", "unit", "against", "bar", "ok")


def measure(name: str) -> list[dict[str, Any]]:
    """Run one benchmark of `benchmarks.BENCHMARKS`. Raises InputError for a name that is not there."""
    from benchmarks import BENCHMARKS

    if name not in BENCHMARKS:
        raise unknown("benchmark", name, BENCHMARKS)
    rows = importlib.import_module(BENCHMARKS[name]).measure()
    for row in rows:
        if set(row) != set(KEYS):
            raise ValueError(f"{BENCHMARKS[name]}.measure() gave {sorted(row)}, not {sorted(KEYS)}")
    return [{key: row[key] for key in KEYS} for row in rows]


@click.command("bench")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@json_option
def bench_command(names: tuple[str, ...], as_json: bool) -> None:
    """Run the benchmarks: all, or those named.

    Both sides of a comparison are measured in the same run; a speed-up is the median of paired ratios. Exit code 1 when
    one misses its bar.

    \b
    Example:
      python -m core bench selection
    """
    from benchmarks import BENCHMARKS

    unknown_names = [n for n in names if n not in BENCHMARKS]
    if unknown_names:  # said before the first minute is spent
        raise unknown("benchmark", unknown_names[0], BENCHMARKS)
    rows = [row for name in names or BENCHMARKS for row in measure(name)]
    if as_json:
        echo_json(rows)
    else:
        click.echo(table(list(KEYS), [[row[key] for key in KEYS] for row in rows]))
    if not all(row["ok"] for row in rows):
        raise SystemExit(1)
