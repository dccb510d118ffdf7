"""`figure`: one picture of a run as a file, for a paper or for a browser."""

from __future__ import annotations

from pathlib import Path

import click

from core.cli.browse import find_run
from core.cli.output import echo_json, json_option, table
from core.cli.places import Place
from core.errors import InputError
from core.exports import names, printing
from core.runs.disk import in_words
from core.runs.store import default_store, write_atomic


@click.command("figure")
@click.argument("named", nargs=-1, metavar="[RUN] [VIEW]")
@click.option("--to", type=Place(), help="The file: .svg, .pdf, .png, or .html (in motion, where it moves).")
@click.option("--column", type=click.Choice(list(printing.COLUMNS)), default="double", show_default=True,
              help="How wide on paper: single 3.5 in, double 7 in. The smallest letter is 7 points.")
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True,
              help="Colours of letters and rules.")
@click.option("--set", "chosen", multiple=True, metavar="KEY=VALUE",
              help="A knob as the page's link says it, e.g. matrix=... or layer=2; repeatable.")
@json_option
def figure_command(named: tuple[str, ...], to: Path | None, column: str, theme: str, chosen: tuple[str, ...],
                   as_json: bool) -> None:
    """Write one picture of a run into a file; without VIEW, list the pictures.

    For paper: vectors (.svg, .pdf), as wide as a column, with no title; the caption is printed. It is drawn by a
    Chromium of this machine. A .html file needs none, and opens without a network. What shows no run of its own needs
    no RUN: accuracy, plane and projection.
    `sparsescope.view` knows those of one run by the same names.

    \b
    Example:
      python -m core figure
      python -m core figure RUN trace.timeline --to trace.pdf
      python -m core figure RUN weights.maps --set matrix=bert.encoder.layer.1.output.dense --column single --to w.svg
      python -m core figure accuracy.across --set task=average --to across.pdf
      python -m core figure plane.plane --set rho=0.1 --to plane.html
    """
    from core.exports import pictures
    from core.exports.asked import Asked
    from core.exports.html import Screen, page

    if not named:
        rows = [[p.name, p.title, "yes" if p.view else "", "yes" if p.film else ""]
                for p in pictures.PICTURES.values()]
        echo_json([dict(zip(("view", "shows", "paper", "film"), row, strict=True)) for row in rows]) if as_json else \
            click.echo(table(["view", "shows", "paper", "film"], rows))
        return
    run, view = ("", named[0]) if len(named) == 1 else (named[0], named[-1])
    if len(named) > 2:
        raise InputError(f"{len(named)} names were given", "RUN VIEW", "See `python -m core figure --help`.")
    picture, query = pictures.called(view), settings(chosen)
    if to is None:
        raise InputError("No file was named", "--to FILE", "Add --to figure.svg.")
    store = default_store()
    if run:
        find_run(store, run)
        query = {"run": run, **query}
    elif not picture.free:
        raise InputError(f"{view} was asked for of no run", "RUN VIEW", "See `python -m core list`.")
    source = names.source(picture.title, query)
    asked = Asked(store, query)
    shown = pictures.made(picture, asked) if to.suffix.lower() == ".html" else pictures.still(picture, asked)
    with in_words(to.name):
        if to.suffix.lower() == ".html":
            screen = Screen("", shown, source=source, moment=pictures.opens_with(asked))
            write_atomic(to, page([screen]).encode())
        else:
            printing.write(shown, to, column, theme, source)  # type: ignore[arg-type]
    said = {"file": str(to), "view": view, "run": run or None, "caption": shown.claim, "alt": shown.alt,
            "bytes": to.stat().st_size}
    if as_json:
        echo_json(said)
    else:
        click.echo(f"{to}: {said['bytes']} bytes\nCaption: {shown.claim}")


def settings(chosen: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE pairs as a link's query. Raises InputError for what is none."""
    pairs = [text.partition("=") for text in chosen]
    for key, sign, _ in pairs:
        if not sign or not key:
            raise InputError(f"--set {key[:80]!r}", "KEY=VALUE", "Write it like --set layer=2.")
    return {key: value for key, _, value in pairs}
