"""The server serves the queue itself: whoever closed the page still gets the run."""

from __future__ import annotations

import threading

import streamlit as st

from core.live.polling import serve
from core.runs.store import Store
from ui import cache


def begin() -> None:
    """See that this server process has its one thread that tends the queue of its store."""
    here = cache.store()
    if not _thread(str(here.live.absolute()), here).is_alive():
        _thread.clear()
        _thread(str(here.live.absolute()), here)


@st.cache_resource(max_entries=8, show_spinner=False)
def _thread(place: str, _store: Store) -> threading.Thread:
    """It ends with the process, and leaves the workers running. It draws nothing."""
    thread = threading.Thread(target=serve, args=(_store, lambda news: None), name=f"queue of {place}", daemon=True)
    thread.start()
    return thread
