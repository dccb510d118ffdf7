"""What can be done with the picture before one: put it on the stage, into a deck, or into the hands of a class."""

from __future__ import annotations

import io
from collections.abc import Mapping
from urllib.parse import urlencode

import segno
import streamlit as st
from streamlit.errors import StreamlitAPIException

from core.decks.base import STAGE, Slide
from core.errors import InputError
from ui import decks, links
from ui.pages import PAGES

LETTERS = 70  # of a heading, in a list of figures


def switch(page: str, query: Mapping[str, str]) -> None:
    """Go to *page* with *query*; in words where there is no navigation (a page alone)."""
    try:
        st.switch_page(PAGES[page].file, query_params=query)
    except StreamlitAPIException:
        st.error("This page was started alone, so there is no other to go to. Start app.py instead.")


def address(page: str, query: Mapping[str, str]) -> str:
    """The whole link of *page* with *query*, on the server that this page came from."""
    here = (st.context.url or "").rstrip("/")
    pages = tuple(f"/{key}" for key in PAGES)
    root = here.rsplit("/", 1)[0] if here.endswith(pages) else here
    path = "" if page == "overview" else page
    return f"{root}/{path}{'?' if query else ''}{urlencode(query)}"


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
        page_link(page, "Fill the window (F)", query | {"present": "1"})
        st.button("Add to deck", key="menu.add", icon=":material/playlist_add:", on_click=_add, args=(page, query))
    if problem := st.session_state.pop("menu.problem", ""):
        st.error(links.plain(problem))
    count = len(decks.built().slides)
    if count:
        page_link("present", f"Your deck: {count} {'slide' if count == 1 else 'slides'}", {})


def _add(page: str, query: dict[str, str]) -> None:
    try:
        decks.add(Slide(page, query))
    except InputError as error:
        st.session_state["menu.problem"] = str(error)


def page_link(page: str, label: str, query: dict[str, str], icon: str | None = None) -> None:
    """A link to *page*; plain words where there is no navigation (a page alone)."""
    try:
        st.page_link(PAGES[page].file, label=label, query_params=query, icon=icon)
    except (StreamlitAPIException, KeyError):
        st.caption(label)


def _teach(page: str, query: dict[str, str], knobs: Mapping[str, str]) -> None:
    """The link for a class: this page, and of its knobs those that are left."""
    stays = st.multiselect("Link for the class: knobs that stay", list(knobs), key=f"menu.stay.{page}",
                           format_func=lambda name: knobs[name] or name, placeholder="none")
    link = address(page, query | {"lock": ",".join(stays)})
    st.code(link, language=None, wrap_lines=True)
    st.image(picture(link), width=200, alt=f"A QR code of the link {link}")


def picture(link: str) -> bytes:
    """*link* as a QR code, a PNG; with its own white edge, so that it is read from a dark page too."""
    stream = io.BytesIO()
    segno.make(link, error="l", micro=False).save(stream, kind="png", scale=8, border=4)
    return stream.getvalue()
