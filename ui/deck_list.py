"""The page Present: the decks that come along, and the one that is being built."""

from __future__ import annotations

import re

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import demo
from core.decks import DECKS, files, named, packed, shipped
from core.decks.base import LETTERS, Deck
from core.errors import InputError
from ui import decks, frame, links, routes
from ui.pages import PAGES

KEYS = ("Keys: **F** fills the window on every page · arrows, PageDown, space: on and back · digits: a slide · "
        "**P** play · **B** blank · **Esc** leave")


def asked() -> Deck | None:
    """The deck that the link names, if it names a readable one; a red box for another."""
    word = st.query_params.get("deck")
    if word is None:
        return None
    try:
        return named(word, PAGES)
    except InputError as error:
        st.error(links.plain(str(error)))
        return None


def draw() -> None:
    """The decks that come along and the one that is being built: beside each other once that one has slides, else two
    in a row, and the empty one at the end."""
    _from_link()
    if decks.built().slides:
        left, right = st.columns([5, 6], gap="large")
        with left:
            _listed(1)
        with right:
            _mine()
    else:
        with _listed(2):
            _mine()


def _listed(across: int) -> DeltaGenerator:
    """Every deck that comes along, so many side by side; under them the keys. Returns the place after the last one."""
    places = [place for _ in range(-(-len(DECKS) // across)) for place in st.columns(across)]
    for name, place in zip(DECKS, places, strict=False):
        with place, st.container(border=True, gap="small", height="stretch"):
            _card(name)
    st.caption(KEYS)
    return [*places, st.container()][len(DECKS)]


def _card(name: str) -> None:
    """A deck: what it is, how long, and the ways into it."""
    deck = shipped(name, frozenset(PAGES))
    st.markdown(f"**{links.plain(deck.title)}** :gray[{_length(deck)}]")
    if deck.words:
        st.caption(links.plain(deck.words))
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        _ways(deck, name)
        with st.popover("Slides", key=f"deck.slides.{name}", type="tertiary"), st.container(key=f"slides-{name}"):
            _slides(deck, name)
        st.button("Copy into mine", key=f"deck.copy.{name}", type="tertiary", on_click=decks.keep, args=(deck,))


def _length(deck: Deck) -> str:
    slides = f"{len(deck.slides)} {'slide' if len(deck.slides) == 1 else 'slides'}"
    return f"{slides} · {deck.minutes:.0f} minutes" if deck.minutes else slides


def _slides(deck: Deck, word: str) -> None:
    """What is shown, in order; each leads to its slide."""
    for place, slide in enumerate(deck.slides):
        _present(deck, word, place, f"{place + 1}. {links.plain(slide.says or PAGES[slide.page].title)}")


def _present(deck: Deck, word: str, place: int, label: str, icon: str | None = None) -> None:
    """A link into the hall, to the slide at *place*."""
    slide = deck.slides[place]
    routes.page_link(slide.page, label, {**slide.query, "present": "1", "deck": word, "slide": str(place + 1)}, icon)


def _ways(deck: Deck, word: str) -> None:
    """Into the hall, and the speaker's window beside it."""
    _present(deck, word, 0, "Present", ":material/co_present:")
    st.link_button("Notes", routes.address("present", {"notes": "1", "deck": word}), icon=":material/open_in_new:",
                   type="tertiary")


def _mine() -> None:
    """The deck that is being built: its slides in order, and how it leaves."""
    deck = decks.built()
    st.header("Your deck", anchor=False)
    if not deck.slides:
        st.caption("Empty. On any page: **Present**, then **Add to deck**.")
    else:
        links.typed_text("deck.title", "Title", deck.title, LETTERS["title"], decks.rename)
        for place in range(len(deck.slides)):
            _slide(deck, place)
        with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
            _leave(deck)
    if not demo.on():
        st.file_uploader("Open a deck's file", type="toml", key="deck.file", on_change=_loaded, max_upload_size=1)
    if problem := st.session_state.pop("deck.problem", ""):
        st.error(links.plain(problem))


def _slide(deck: Deck, place: int) -> None:
    """One slide: where it is from, its words; folded, its notes and its place."""
    slide, last = deck.slides[place], len(deck.slides) - 1
    key = f"deck.{{}}.{place}".format
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{place + 1} · {links.plain(PAGES[slide.page].title)}", width=170)
        links.typed_text(key("says"), "Words over the figure", slide.says, LETTERS["says"],
                         lambda text: decks.change(place, says=text), "the figure's own words", quiet=True)
        with st.popover("Edit", key=key("edit")):
            links.typed_text(key("notes"), "Speaker's notes", slide.notes, LETTERS["notes"],
                             lambda text: decks.change(place, notes=text), several=True)
            with st.container(horizontal=True, gap="small"):
                for words, step in (("Earlier", -1), ("Later", 1)):
                    st.button(words, key=key(words.lower()), on_click=decks.move, args=(place, step),
                              disabled=not 0 <= place + step <= last)
                st.button("Remove", key=key("remove"), icon=":material/delete:", on_click=decks.remove, args=(place,))


def _leave(deck: Deck) -> None:
    """Present it, save it, send it."""
    name = re.sub(r"[^a-z0-9]+", "-", deck.title.lower()).strip("-") or "deck"
    st.download_button("Save as TOML", files.written(deck).encode(), f"{name}.toml", "application/toml",
                       key="deck.save", on_click="ignore")
    st.download_button("Save as HTML", lambda: _page_of(deck), f"{name}.html", "text/html", key="deck.page",
                       on_click="ignore", help="One file with every slide in it; no network, no server.")
    try:
        word = packed.packed(deck)
    except InputError as error:
        st.query_params.pop("deck", None)
        st.session_state["deck.said"] = None
        st.caption(links.plain(str(error)))
        return
    st.session_state["deck.said"] = st.query_params["deck"] = word
    _ways(deck, word)
    with st.popover("One link"):
        st.code(routes.address("present", {"deck": word}), language=None, wrap_lines=True)


def _page_of(deck: Deck) -> bytes:
    """The deck as one page. It draws every slide, which takes a second or two each."""
    from core.exports.decks import screens
    from core.exports.html import page

    return page(screens(deck, frame.store()), deck.title).encode()


def _from_link() -> None:
    """Take over the deck of a link that somebody sent, once."""
    word = st.query_params.get("deck")
    if word is None or word == st.session_state.get("deck.said"):
        return
    st.session_state["deck.said"] = word
    deck = asked()
    if deck is not None:
        decks.keep(deck)


def _loaded() -> None:
    given = st.session_state.get("deck.file")
    if given is None:
        return
    try:
        decks.keep(files.read(given.getvalue(), PAGES))
    except InputError as error:
        st.session_state["deck.problem"] = str(error)
