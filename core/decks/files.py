"""A deck as a TOML file, to keep, send and write by hand.

    title = "What 2:4 means"

    [[slide]]
    link = "occupancy?run=..."
    says = "The words over the figure"
    notes = \"\"\"
    What the speaker has before them.\"\"\"
    minutes = 1.5
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection

from core.decks.base import MEND, Deck, data_of, deck_of
from core.errors import InputError

MOST_BYTES = 400_000  # of a file: what is longer is no deck


def read(given: str | bytes, pages: Collection[str]) -> Deck:
    """The deck of a TOML text, or of the bytes of its file. *pages*: the keys of all pages.

    Raises InputError, in one sentence, for what is no TOML, no deck, or too much.
    """
    if len(given) > MOST_BYTES:
        raise InputError(f"The deck's file has {len(given)} bytes", f"at most {MOST_BYTES}", "Shorten the notes.")
    try:
        data = tomllib.loads(given.decode("utf-8") if isinstance(given, bytes) else given.replace("\r\n", "\n"))
    except UnicodeDecodeError:
        raise InputError("The deck's file is no text", "TOML in UTF-8", MEND) from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"The deck's file is no TOML ({str(error)[:120]})", "title = \"...\" and [[slide]] tables",
                         MEND) from None
    return deck_of(data, pages)


def written(deck: Deck) -> str:
    """*deck* as TOML: `read` makes the same deck of it."""
    data = data_of(deck)
    slides = data.pop("slide")
    parts = ["\n".join(f"{key} = {_quoted(text)}" for key, text in data.items())]
    for slide in slides:
        lines = ["[[slide]]"]
        for key, value in slide.items():
            lines.append(f"{key} = {value!r}" if isinstance(value, float) else
                         f"{key} = {_lines(value) if key == 'notes' else _quoted(value)}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    """A basic string. Control characters never get here: no deck holds any but line ends and tabs, in its notes."""
    return f'"{_escaped(text)}"'


def _lines(text: str) -> str:
    """A string over several lines; the line end behind the opening marks does not count."""
    return f'"""\n{_escaped(text)}"""'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
