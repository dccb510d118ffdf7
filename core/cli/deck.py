"""`deck`: a deck of slides as one file that opens without a network."""

from __future__ import annotations

from pathlib import Path

import click

from core.cli.output import echo_json, json_option, table
from core.cli.places import Place
from core.decks import DECKS, files, named
from core.decks.base import Deck
from core.errors import InputError
from core.exports import decks
from core.runs.disk import in_words
from core.runs.store import default_store, write_atomic


@click.command("deck")
@click.argument("asked", required=False, metavar="[FILE|NAME]")
@click.option("--to", type=Place(), help="The file to write, ending in .html.")
@json_option
def deck_command(asked: str | None, to: Path | None, as_json: bool) -> None:
    """Write a deck into one .html file; without one, list those that come along.

    Films play, arrows and Page Down walk, N shows the speaker's notes; no network and no server are needed. FILE is a
    .toml as the page Present saves it.

    \b
    Example:
      python -m core deck admm --to deck.html
    """
    from core.exports.html import page

    if asked is None:
        found = [(name, named(name, decks.PAGE_KEYS)) for name in DECKS]
        rows = [[name, deck.title, len(deck.slides), f"{deck.minutes:g}"] for name, deck in found]
        echo_json([dict(zip(("deck", "title", "slides", "minutes"), row, strict=True)) for row in rows]) if as_json \
            else click.echo(table(["deck", "title", "slides", "minutes"], rows))
        return
    deck = read(asked)
    if to is None or to.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--to is {str(to) if to else 'not given'}", "a file ending in .html", "Add --to deck.html.")
    text = page(decks.screens(deck, default_store()), deck.title)
    with in_words(to.name):
        write_atomic(to, text.encode())
    said = {"file": str(to), "title": deck.title, "slides": len(deck.slides), "bytes": to.stat().st_size}
    if as_json:
        echo_json(said)
    else:
        click.echo(f"{to}: {deck.title}, {said['slides']} slides, {said['bytes']} bytes")


def read(asked: str) -> Deck:
    """The deck that *asked* names: a file, or one of DECKS. Raises InputError."""
    if asked in DECKS or not asked.lower().endswith(".toml"):
        return named(asked, decks.PAGE_KEYS)
    path = Path(asked).expanduser()
    if not path.is_file():
        raise InputError(f"There is no file {asked[-120:]!r}", "a deck's .toml, or the name of a deck",
                         "See `python -m core deck`.")
    with path.open("rb") as stream:
        return files.read(stream.read(files.MOST_BYTES + 1), decks.PAGE_KEYS)
