"""SparseScope: page setup and navigation. Start it with `streamlit run app.py`.

Streamlit reads this file twice: once as a module, for the server (`app`), and as a script whenever somebody looks at
a page.
"""

from __future__ import annotations

import os

import streamlit as st
from starlette.middleware import Middleware

from core.runs.roots import check_roots
from ui import frame, queue_thread, stage, turns
from ui.pages import PAGES, ROOT, tab_title
from ui.starting import life
from ui.wire import Wire


def show() -> None:
    """One look at a page."""
    # Idle torch threads sleep instead of spin: on a busy machine a live page would otherwise wait seconds for them.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    queue_thread.begin()
    groups: dict[str, list] = {}
    for entry in PAGES.values():
        page = st.Page(ROOT / entry.file, title=entry.title, url_path=entry.key, default=entry.key == "overview")
        groups.setdefault(entry.group, []).append(page)
    chosen = st.navigation(groups, expanded=True)  # no page hides behind "View more"
    st.set_page_config(page_title=tab_title(chosen.title), layout="wide", initial_sidebar_state="auto")
    with turns.turn():
        with frame.guarded():
            check_roots()
        chosen.run()
        stage.finish()


if __name__ == "__main__":
    show()
else:
    app = st.App(__file__, middleware=[Middleware(Wire)], lifespan=life)
