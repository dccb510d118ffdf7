"""What a deck is: a title and slides in order. A slide is a link into the pages, with words and notes.

`deck_of` reads a deck from plain data, wherever it came from (a TOML file, a packed link), and refuses what is wrong in
one sentence; `data_of` gives the same data back. Which pages there are is for the caller to say.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from core.errors import InputError, unknown

# More than an afternoon's talk needs, and little enough that a link of it is opened at once.
MOST_SLIDES, MOST_MINUTES = 60, 240.0
LETTERS = {"title": 120, "words": 400, "link": 800, "says": 240, "notes": 4000}
HOME = "overview"  # the page of a link that names none
STAGE = ("present", "deck", "slide")  # said by whoever presents: no slide says it itself
MEND = "Mend the deck's file, or build the deck on the page Present."


@dataclass(frozen=True)
class Slide:
    """One figure and what is said about it.

    `page` is the key of a page, `query` what its link says: the page's own choices, and `look`, the key of the figure
    where it is not the first one. `says`: the words over the figure; "" for the figure's own. `notes`: for the speaker
    alone. `minutes`: how long it is meant to stay; 0 where nobody said.
    """

    page: str
    query: Mapping[str, str] = field(default_factory=dict)
    says: str = ""
    notes: str = ""
    minutes: float = 0.0

    @property
    def link(self) -> str:
        """Page and query as the address line has them behind the server's name."""
        return f"{self.page}?{urlencode(self.query)}" if self.query else self.page


@dataclass(frozen=True)
class Deck:
    """Slides in order. `words`: for whom it is, or what it is about; "" where nobody said."""

    title: str
    slides: tuple[Slide, ...] = ()
    words: str = ""

    @property
    def minutes(self) -> float:
        """How long the slides are meant to stay, all together."""
        return sum(slide.minutes for slide in self.slides)

    def place(self, asked: str | None) -> int:
        """The slide that a link asks for, counted from 1, as a place from 0; without a number the first.

        Raises InputError for what is no number of a slide.
        """
        try:
            number = int((asked or "1")[:6])
        except ValueError:
            number = 0
        if not 1 <= number <= len(self.slides):
            shown = repr((asked or "")[:20])
            raise InputError(f"slide={shown} is no slide of this deck", f"1 to {len(self.slides)}",
                             "Begin at slide=1.")
        return number - 1


def parted(link: str) -> tuple[str, dict[str, str]]:
    """Page and query of a *link*, whole ("http://host/weights?run=…") or short ("weights?run=…").

    What only says that it is presented is left out. Raises InputError for a link that cannot be taken apart.
    """
    try:
        parts = urlsplit(link.strip())
        query = dict(parse_qsl(parts.query, keep_blank_values=True, errors="strict"))
    except ValueError:
        raise InputError(f"{link[:60]!r} is no link", "a page and its choices, such as 'weights?layer=2'",
                         MEND) from None
    page = parts.path.rstrip("/").rpartition("/")[2]
    return page or HOME, {key: value for key, value in query.items() if key not in STAGE}


def deck_of(data: Mapping[str, Any], pages: Collection[str]) -> Deck:
    """The deck that *data* describes: `title`, perhaps `words`, and `slide`, a list of tables with `link` and perhaps
    `says`, `notes`, `minutes`. *pages*: the keys of all pages.

    Raises InputError for an unknown field, page or type, for too many slides and for a text that is too long.
    """
    _known(data, ("title", "words", "slide"), "field of a deck")
    title = _text(data, "title", "the deck")
    if not title:
        raise InputError("The deck has no title", "title = \"...\" in its first line", MEND)
    slides = data.get("slide", [])
    if not isinstance(slides, list) or not all(isinstance(slide, Mapping) for slide in slides):
        raise InputError("The deck's slides are no list of tables", "[[slide]] before each slide", MEND)
    if len(slides) > MOST_SLIDES:
        raise InputError(f"The deck has {len(slides)} slides", f"at most {MOST_SLIDES}", "Cut it into two decks.")
    return Deck(title, tuple(_slide(slide, number, pages) for number, slide in enumerate(slides, 1)),
                _text(data, "words", "the deck"))


def data_of(deck: Deck) -> dict[str, Any]:
    """*deck* as plain data, without what says nothing: `deck_of` makes the same deck of it."""
    slides = [{"link": s.link} | ({"says": s.says} if s.says else {}) | ({"notes": s.notes} if s.notes else {})
              | ({"minutes": s.minutes} if s.minutes else {}) for s in deck.slides]
    return {"title": deck.title} | ({"words": deck.words} if deck.words else {}) | {"slide": slides}


def _slide(data: Mapping[str, Any], number: int, pages: Collection[str]) -> Slide:
    where = f"slide {number}"
    _known(data, ("link", "says", "notes", "minutes"), "field of a slide")
    link = _text(data, "link", where)
    if not link:
        raise InputError(f"{where.capitalize()} has no link", "link = \"page?choices\"", MEND)
    page, query = parted(link)
    if page not in pages:
        raise unknown(f"page of {where}", page, pages)
    return Slide(page, query, _text(data, "says", where), _text(data, "notes", where), _minutes(data, where))


def _known(data: Mapping[str, Any], known: tuple[str, ...], kind: str) -> None:
    for key in data:
        if key not in known:
            raise unknown(kind, str(key), known)


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    """The text under *key*, "" where there is none. Only notes have more lines than one."""
    text, most = data.get(key, ""), LETTERS[key]
    if not isinstance(text, str):
        raise InputError(f"{key} of {where} is no text", f"{key} = \"...\"", MEND)
    text = text.replace("\r\n", "\n").strip()
    if len(text) > most:
        raise InputError(f"{key} of {where} has {len(text)} characters", f"at most {most}", "Shorten it.")
    allowed = "\n\t" if key == "notes" else ""
    if any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in allowed for letter in text):
        raise InputError(f"{key} of {where} has a character that no screen can show", "words", MEND)
    return text


def _minutes(data: Mapping[str, Any], where: str) -> float:
    minutes = data.get("minutes", 0)
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 <= minutes <= MOST_MINUTES \
            or not math.isfinite(minutes):
        raise InputError(f"minutes of {where} is {str(minutes)[:20]!r}", f"a number from 0 to {MOST_MINUTES:g}", MEND)
    return float(minutes)
