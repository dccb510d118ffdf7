"""What is shown to a hall, in which order? Decks as data: files of links with words and notes.

DECKS is the one list of the decks that come along: TOML files in `shipped/`, and the lesson. `shipped(name)` reads one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path

from core.decks import files
from core.decks.base import Deck
from core.decks.lesson import from_lesson
from core.decks.packed import looks_packed, unpacked
from core.errors import unknown
from core.lessons import LESSONS
from core.lessons.base import Lesson

HERE = Path(__file__).parent / "shipped"


Maker = Callable[[frozenset[str]], Deck]  # from the keys of all pages


def _file(name: str) -> Maker:
    return lambda pages: files.read((HERE / f"{name}.toml").read_bytes(), pages)


def _lesson(lesson: Lesson) -> Maker:
    return lambda _: from_lesson(lesson)


FILES = ("sparsity", "two-of-four", "one-shot", "activations")  # of `shipped/`
DECKS: dict[str, Maker] = {**{name: _file(name) for name in FILES},
                           **{name: _lesson(lesson) for name, lesson in LESSONS.items()}}


def named(asked: str, pages: Collection[str]) -> Deck:
    """The deck that a link asks for: one of DECKS by its name, or one packed into the link. *pages*: the keys of all
    pages. Raises InputError."""
    if asked in DECKS:
        return shipped(asked, frozenset(pages))
    if looks_packed(asked):
        return unpacked(asked, pages)
    raise unknown("deck", asked, DECKS)


@lru_cache(maxsize=16)
def shipped(name: str, pages: frozenset[str]) -> Deck:
    """The deck of DECKS called *name*, read once."""
    return DECKS[name](pages)
