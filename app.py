"""SparseScope: page setup and navigation. Start it with `streamlit run app.py`."""

from __future__ import annotations

import streamlit as st

from ui.pages import PAGES, ROOT

st.set_page_config(page_title="SparseScope", layout="wide", initial_sidebar_state="auto")

groups: dict[str, list] = {}
for entry in PAGES.values():
    page = st.Page(ROOT / entry.file, title=entry.title, url_path=entry.key, default=entry.key == "overview")
    groups.setdefault(entry.group, []).append(page)
st.navigation(groups).run()
