"""From page to page: go there, link there, and the address to give to somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import streamlit as st
from streamlit.errors import StreamlitAPIException

from ui.pages import PAGES


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


def page_link(page: str, label: str, query: dict[str, str], icon: str | None = None) -> None:
    """A link to *page*; plain words where there is no navigation (a page alone)."""
    try:
        st.page_link(PAGES[page].file, label=label, query_params=query, icon=icon)
    except (StreamlitAPIException, KeyError):
        st.caption(label)
