"""SparseScope: page setup and navigation. Start it with `streamlit run app.py`."""

from __future__ import annotations

import os

import streamlit as st

from core.runs.roots import check_roots
from ui import frame, queue_thread, turns
from ui.pages import PAGES, ROOT

# Idle torch threads sleep instead of spin: on a busy machine a live page would otherwise wait seconds for them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

st.set_page_config(page_title="SparseScope", layout="wide", initial_sidebar_state="auto")

queue_thread.begin()
groups: dict[str, list] = {}
for entry in PAGES.values():
    page = st.Page(ROOT / entry.file, title=entry.title, url_path=entry.key, default=entry.key == "overview")
    groups.setdefault(entry.group, []).append(page)
chosen = st.navigation(groups, expanded=True)  # no page hides behind "View more"
with turns.turn():
    with frame.guarded():
        check_roots()
    chosen.run()
