"""Where somebody sits at the machine, the dashboard opens in their browser as soon as the server is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from streamlit.cli_util import open_browser
from streamlit.web.server.server_util import get_display_address, get_url


@asynccontextmanager
async def opened(_app: object) -> AsyncIterator[dict[str, Any] | None]:
    """A server's life: what `streamlit run` does for a script alone, it leaves to an app."""
    if not st.get_option("server.headless"):
        open_browser(get_url(get_display_address(st.get_option("server.address") or "localhost")))
    yield None
