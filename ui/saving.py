"""Take what is on the screen away: one small button under every picture.

    saving.offer("maps", saving.Taken(claim, alt, table, shown=view))

PNG and SVG are made in the browser from what it has drawn (`saving.js` says why), so they show the zoom, the theme and
the moment that a person sees; CSV is the picture's table; HTML is the picture as one file that opens without a network.
All are called by what they are, and say their claim, source and run. Nothing is made before the button is pressed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.exports import names
from core.views.drawing.view import View
from core.views.film.reel import Film
from ui.pages import PAGES

if TYPE_CHECKING:  # the first page must not wait for pandas
    import pandas as pd

SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Taken:
    """What may be taken away: a view or a film with its words and numbers."""

    claim: str
    alt: str
    table: pd.DataFrame | Callable[[], pd.DataFrame] | None  # a function of no arguments: made once it is asked for
    shown: View | Film | None = None  # None: only numbers
    link: str = ""  # the key of a film's moment in the link, "" for a film that is not in it

    @property
    def drawn(self) -> bool:
        """Is there a picture?"""
        return isinstance(self.shown, Film) or (self.shown is not None and (
            self.shown.figure is not None or self.shown.image is not None))

    @property
    def counted(self) -> bool:
        """Are there numbers?"""
        return self.table is not None and (callable(self.table) or not self.table.empty)

    def csv(self) -> bytes:
        """The numbers as a file."""
        table = self.table() if callable(self.table) else self.table
        assert table is not None
        return table.to_csv(index=False).encode()


def begin(page: str) -> None:
    """*page* is drawn from here on: what is taken away is called by it."""
    st.session_state["saving.page"] = page


def file_name(key: str, ending: str) -> str:
    """What the picture *key* of this page is called as a file."""
    return names.file_name(_page(), key, st.query_params.to_dict(), ending)


def offer(key: str, taken: Taken) -> None:
    """The button, and behind it one for every form that *taken* has; nothing where it has none."""
    if taken.drawn or taken.counted:
        with st.container(width="content"):
            _menu(key, taken)


@st.fragment
def _menu(key: str, taken: Taken) -> None:
    menu = st.popover("Save", type="tertiary", on_change="rerun", key=f"save.{key}")
    if menu.open:
        with menu, st.container(horizontal=True, gap="small"):
            _forms(key, taken)


def _forms(key: str, taken: Taken) -> None:
    source = names.source(PAGES[_page()].title, st.query_params.to_dict())
    if taken.drawn:
        st.button("PNG", key=f"save-png-{key}")
        st.button("SVG", key=f"save-svg-{key}")
    if taken.counted:
        st.download_button("CSV", taken.csv, file_name(key, "csv"), "text/csv", key=f"save-csv-{key}",
                           on_click="ignore")
    if taken.drawn:
        moment = _moment(taken.link)
        st.download_button("HTML", lambda: _page_of(taken, source, moment), file_name(key, "html"), "text/html",
                           key=f"save-html-{key}", on_click="ignore")
        said = {"saves": "", "of": re.sub(r"[^a-zA-Z0-9_-]", "-", key), "name": file_name(key, "x")[:-2],
                "claim": taken.claim, "source": source, "alt": taken.alt}
        st.html(f"<script>{SCRIPT}</script>", unsafe_allow_javascript=True, width="content")  # heard once a page load
        st.html(f"<span {' '.join(f'data-{name}={chr(34)}{escape(text)}{chr(34)}' for name, text in said.items())}>"
                "</span>", width="content")


def _page_of(taken: Taken, source: str, moment: int | None) -> bytes:
    from core.exports.html import Screen, page

    return page([Screen(taken.claim, taken.shown, source=source, moment=moment)]).encode()


def _moment(key: str) -> int | None:
    """The moment of a film that the link names under *key*; None where it names none: the film has its own."""
    named = st.query_params.get(key, "") if key else ""
    return int(named) if re.fullmatch(r"[0-9]{1,9}", named) else None


def _page() -> str:
    return str(st.session_state.get("saving.page", next(iter(PAGES))))
