"""`methods`, `patterns`, `tasks`, `models`: the lists, printed. None of them loads the code behind a name."""

from __future__ import annotations

from typing import Any

import click

from core import methods, tasks
from core.cli.output import echo_json, json_option, printable, table
from core.methods.cards import TITLES, MethodText, idea_of, text_of
from core.methods.knobs import knobs_of
from core.models import MODELS
from core.sparsity.patterns import PATTERNS
from core.tasks.own import registered

WIDTH = 100  # columns of the text about a method


def described(name: str) -> list[dict[str, Any]]:
    """The knobs of method *name*: name, default, low, high, unit, choices, help. Raises InputError when unknown."""
    return [{"name": k.name, "default": k.default, "low": k.low, "high": k.high, "unit": k.unit, "help": k.help,
             "choices": list(k.choices)} for k in knobs_of(methods.entry_of(name).knobs)]


def said(text: MethodText) -> str:
    """What a method says of itself, wrapped for a terminal; formulas stand as they are written."""
    lines = [("  " * (line.depth + 2) + line.text, line.note) for line in text.formula]
    width = max((len(formula) for formula, note in lines if note), default=0)
    blocks = [click.wrap_text(idea_of(text), WIDTH),
              "\n".join(f"{formula:{width}}    {note}" if note else formula for formula, note in lines)]
    blocks += [click.wrap_text(text.remark, WIDTH)] if text.remark else []
    blocks += [click.wrap_text(f"{TITLES[part]}: {getattr(text, part)}", WIDTH, subsequent_indent="  ")
               for part in TITLES]
    return "\n\n".join(blocks)


def _range(knob: dict[str, Any]) -> str:
    if knob["choices"]:
        return ", ".join(knob["choices"])
    if isinstance(knob["default"], bool):
        return "true, false"
    return "" if knob["low"] is None else f"{knob['low']:g} to {knob['high']:g}"


def _default(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


@click.command("methods")
@click.argument("name", required=False)
@json_option
def methods_command(name: str | None, as_json: bool) -> None:
    """List the methods, or describe one: idea, formula, what it prunes, source, cost, knobs.

    \b
    Example:
      python -m core methods admm
    """
    if name is None:
        entries = [{"name": e.name, "title": e.title, "training": e.training, "idea": e.idea}
                   for e in methods.METHODS.values()]
        if as_json:
            echo_json(entries)
        else:
            click.echo(table(list(entries[0]), [list(e.values()) for e in entries]))
        return
    entry, text, knobs = methods.entry_of(name), text_of(name), described(name)
    if as_json:
        echo_json({"name": entry.name, "title": entry.title, "training": entry.training, "idea": entry.idea,
                   "formula": [{"text": line.text, "note": line.note, "depth": line.depth} for line in text.formula],
                   **{part: getattr(text, part) for part in TITLES}, "knobs": knobs})
        return
    click.echo(f"{entry.name}: {entry.title}\n\n{said(text)}\n")
    rows = [(k["name"], _default(k["default"]), _range(k), k["unit"], k["help"]) for k in knobs]
    click.echo(table(["knob", "default", "range", "unit", "what it does"], rows) if rows else "It has no knobs.")


def _print(entries: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        echo_json(entries)
    else:
        click.echo(table(list(entries[0]), [[printable(str(v)) for v in e.values()] for e in entries]))


@click.command("patterns")
@json_option
def patterns_command(as_json: bool) -> None:
    """List the kinds of pattern.

    A pattern says what may stay in a matrix: in 2:4, 2 of every 4 consecutive inputs. Elsewhere the last number is the
    share of zeros.

    \b
    Example:
      python -m core patterns
    """
    _print([{"kind": k.name, "write": k.syntax, "example": k.example, "meaning": k.title}
            for k in PATTERNS.values()], as_json)


@click.command("tasks")
@json_option
def tasks_command(as_json: bool) -> None:
    """List the tasks: GLUE, our own synthetic ones, and what was added with `task add`.

    \b
    Example:
      python -m core tasks
    """
    _print([{"name": t.name, "kind": t.kind, "metric": t.metric, "question": t.question}
            for t in (*tasks.TASKS.values(), *(own.entry for own in registered()))], as_json)


@click.command("models")
@json_option
def models_command(as_json: bool) -> None:
    """List the models that have a short name.

    `run --model` takes a local folder in Hugging Face form or a hub id too.

    \b
    Example:
      python -m core models
    """
    _print([{"name": m.name, "title": m.title, "hub": m.hub_id or "", "note": m.note} for m in MODELS.values()],
           as_json)
