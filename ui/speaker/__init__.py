"""The speaker's window: notes of the slide that the hall sees, the next words, a clock. `?notes=1&deck=…`

It follows the window of the hall through the browser (a BroadcastChannel): the server knows nothing of either.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.decks.base import Deck
from ui.pages import PAGES

HERE = Path(__file__).parent
BARE = ".stSidebar, [data-testid=stExpandSidebarButton], .st-key-heading { display: none; }"
_mount = st.components.v2.component(
    "sparsescope.speaker", html='<div class="speaker"></div>', css=(HERE / "speaker.css").read_text(encoding="utf-8"),
    js=(HERE / "speaker.js").read_text(encoding="utf-8"))


def show(deck: Deck, asked: str) -> None:
    """The window for *deck*; *asked*: how its link names it."""
    st.html(f"<style>{BARE}</style>")
    slides = [{"says": slide.says or PAGES[slide.page].title, "notes": slide.notes, "minutes": slide.minutes}
              for slide in deck.slides]
    _mount(key="speaker", data={"deck": asked, "slides": slides})
