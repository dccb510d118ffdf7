"""The deck that this session is building: kept while the session lasts, and in the link of the page Present."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.decks.base import MOST_SLIDES, Deck, Slide
from core.errors import InputError

KEY = "deck.built"


def built() -> Deck:
    """The deck as it stands; a new one has no slides."""
    deck = st.session_state.get(KEY)
    return deck if isinstance(deck, Deck) else Deck("My deck")


def keep(deck: Deck) -> None:
    """Keep *deck* as the one that is being built."""
    st.session_state[KEY] = deck


def rename(title: str) -> None:
    """Give the deck another title; without any it keeps its own."""
    keep(replace(built(), title=title or built().title))


def add(slide: Slide) -> None:
    """Put *slide* at the end. Raises InputError when the deck is full."""
    deck = built()
    if len(deck.slides) >= MOST_SLIDES:
        raise InputError(f"The deck has {MOST_SLIDES} slides", "no more than that", "Save it, and begin another.")
    keep(replace(deck, slides=(*deck.slides, slide)))


def change(place: int, **said: str | float) -> None:
    """Say something else of the slide at *place*."""
    slides = list(built().slides)
    slides[place] = replace(slides[place], **said)  # type: ignore[arg-type]
    keep(replace(built(), slides=tuple(slides)))


def move(place: int, step: int) -> None:
    """Let the slide at *place* change places with the one *step* further on."""
    slides = list(built().slides)
    slides[place], slides[place + step] = slides[place + step], slides[place]
    keep(replace(built(), slides=tuple(slides)))


def remove(place: int) -> None:
    """Take the slide at *place* out."""
    slides = built().slides
    keep(replace(built(), slides=slides[:place] + slides[place + 1:]))
