"""What a server does by itself once it is there: it opens a browser, and works ahead while nobody waits."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from streamlit.cli_util import open_browser
from streamlit.web.server.server_util import get_display_address, get_url

from ui import accuracy_bar, cache

CALM = 5.0  # seconds: the first picture of the first visitor comes first


def work_ahead() -> None:
    """Work out what the first visitor would wait for: what a page opens with first."""
    accuracy_bar.work_ahead()
    cache.work_ahead()


@asynccontextmanager
async def life(_app: object) -> AsyncIterator[dict[str, Any] | None]:
    """A server's life, from its start to its end."""
    if not st.get_option("server.headless"):  # `streamlit run` leaves this to an app
        open_browser(get_url(get_display_address(st.get_option("server.address") or "localhost")))
    ahead = threading.Timer(CALM, work_ahead)
    ahead.daemon = True
    ahead.start()
    yield None
    ahead.cancel()
