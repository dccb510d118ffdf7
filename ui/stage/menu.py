"""What can be done with the picture before one: put it on the stage, into a deck, or into the hands of a class."""

from __future__ import annotations

import io
from collections.abc import Mapping

import segno
import streamlit as st

from core.decks.base import STAGE, Slide
from core.errors import InputError
from ui import decks, links, routes

LETTERS = 70  # of a heading, in a list of figures


@st.fragment
def draw(page: str, figures: Mapping[str, str], knobs: Mapping[str, str]) -> None:
    """The menu of *page*: *figures* by their keys, with headings; *knobs* by their names in the link, with labels."""
    menu = st.popover("Present", key="menu.open", on_change="rerun", type="tertiary")
    if not menu.open:
        return
    here = {key: value for key, value in st.query_params.items() if key not in STAGE}
    with menu:
        look = next(iter(figures), None)
        if len(figures) > 1:
            look = st.selectbox("Figure", list(figures), key=f"menu.look.{page}", format_func=lambda key:
                                _words(key, figures[key]))
        if look is not None:
            _show(page, here | ({"look": look} if len(figures) > 1 else {}))
        _teach(page, here, knobs)


def _words(key: str, heading: str) -> str:
    heading = heading or key
    return heading if len(heading) <= LETTERS else f"{heading[:LETTERS - 1].rstrip()}…"


def _show(page: str, query: dict[str, str]) -> None:
    """On the stage, or into the deck."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        routes.page_link(page, "Fill the window (F)", query | {"present": "1"})
        st.button("Add to deck", key="menu.add", icon=":material/playlist_add:", on_click=_add, args=(page, query))
    if problem := st.session_state.pop("menu.problem", ""):
        st.error(links.plain(problem))
    count = len(decks.built().slides)
    if count:
        routes.page_link("present", f"Your deck: {count} {'slide' if count == 1 else 'slides'}", {})


def _add(page: str, query: dict[str, str]) -> None:
    try:
        decks.add(Slide(page, query))
    except InputError as error:
        st.session_state["menu.problem"] = str(error)


def _teach(page: str, query: dict[str, str], knobs: Mapping[str, str]) -> None:
    """The link for a class: this page, and of its knobs those that are left."""
    stays = st.multiselect("Link for the class: knobs that stay", list(knobs), key=f"menu.stay.{page}",
                           format_func=lambda name: knobs[name] or name, placeholder="none")
    link = routes.address(page, query | {"lock": ",".join(stays)})
    st.code(link, language=None, wrap_lines=True)
    st.image(picture(link), width=200, alt=f"A QR code of the link {link}")


def picture(link: str) -> bytes:
    """*link* as a QR code, a PNG; with its own white edge, so that it is read from a dark page too."""
    stream = io.BytesIO()
    segno.make(link, error="l", micro=False).save(stream, kind="png", scale=8, border=4)
    return stream.getvalue()
