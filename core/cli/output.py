"""How commands print: tables for people, JSON for programs."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import click
import msgspec

from core.runs.records import RunRecord
from core.statistics.interval import Interval


def printable(text: str) -> str:
    """*text* with control characters (terminal escapes among them) made visible; line breaks and tabs stay."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else ascii(c)[1:-1]
                   for c in text)


def cell(value: Any) -> str:
    """One value as a table shows it: fractions with four digits, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    return printable(str(value)).replace("\n", " ")


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A plain table: columns padded to their widest cell, numbers to the right."""
    cells = [[cell(v) for v in row] for row in rows]
    widths = [max([len(h), *(len(r[i]) for r in cells)]) for i, h in enumerate(headers)]
    numeric = [all(isinstance(r[i], (int, float)) or r[i] is None for r in rows) and bool(rows)
               for i in range(len(headers))]

    def line(row: Sequence[str]) -> str:
        padded = (v.rjust(w) if right else v.ljust(w) for v, w, right in zip(row, widths, numeric, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(headers), line(["-" * w for w in widths]), *(line(r) for r in cells)])


def note(text: str) -> None:
    """Say *text* on stderr, to whoever listens: that nobody does any more is no reason to end a night's work."""
    with suppress(BrokenPipeError):
        click.echo(printable(text), err=True)


def echo_json(value: Any) -> None:
    """Print *value* as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def interval_list(interval: Interval | None) -> list[float] | None:
    """An interval as programs get it: [value, low, high]."""
    return None if interval is None else [float(interval.value), float(interval.low), float(interval.high)]


def record_object(record: RunRecord, recorded: bool | None = None) -> dict[str, Any]:
    """A record as a JSON object, with the command that makes it again and its sparsity (share of zeros)."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    extra: dict[str, Any] = {"command": record.command, "sparsity": record.sparsity}
    return plain | extra | ({} if recorded is None else {"recorded": recorded})


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)
