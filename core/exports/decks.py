"""A deck as one file: every slide's picture made here, as its page would make it, and put on one page to walk through.

    screens(deck, store)      # -> [Screen, ...], for core.exports.html.page

A slide is a link. What it names is looked up in PICTURES; a page that has no picture to take along (a form, a list) is
a screen of words that says where it is.
"""

from __future__ import annotations

from core.decks.base import Deck, Slide
from core.errors import InputError
from core.exports import names, pictures
from core.exports.asked import Asked
from core.exports.html import Screen
from core.runs.store import REPOSITORY, Store

LOOK = "look"
# The keys of the pages: their files have them. The list of pages is the dashboard's, which the core does not know.
PAGE_KEYS = frozenset(path.stem for path in (REPOSITORY / "pages").glob("*.py"))


def screens(deck: Deck, store: Store) -> list[Screen]:
    """A screen for every slide of *deck*, over the runs of *store*. Raises InputError, with the slide's number, for a
    link that cannot be drawn."""
    if not deck.slides:
        raise InputError(f"{deck.title!r} has no slides", "one at least", "Add a link to it.")
    made = []
    for number, slide in enumerate(deck.slides, 1):
        try:
            made.append(_screen(slide, store))
        except InputError as error:
            raise InputError(f"Slide {number}: {error.given}", error.expected, error.remedy) from None
    return made


def _screen(slide: Slide, store: Store) -> Screen:
    query = {key: value for key, value in slide.query.items() if key not in (LOOK, pictures.MOMENT)}
    if not any(picture.page == slide.page for picture in pictures.PICTURES.values()):
        return Screen(slide.says or slide.page, None, f"In the dashboard: {slide.link}", slide.notes)
    picture = pictures.of_page(slide.page, slide.query.get(LOOK, ""))
    asked = Asked(store, dict(slide.query))
    shown = pictures.made(picture, asked)
    return Screen(slide.says, shown, notes=slide.notes, source=names.source(picture.title, query),
                  moment=pictures.opens_with(asked))
