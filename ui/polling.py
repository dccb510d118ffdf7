"""How often a page looks again at what goes on: the more people watch, the less often each of them looks, so that a
class does not slow down the run that it watches."""

from __future__ import annotations

import secrets
import time

import streamlit as st

EACH = 0.1  # seconds between two looks for every watcher there is: thirty take a third of a core
GONE = 10.0  # seconds without a look after which a watcher has left
_looked: dict[str, float] = {}  # when every session looked last


def viewer() -> str:
    """A random name for this browser session."""
    return st.session_state.setdefault("run.viewer", secrets.token_hex(4))


def every(least: float) -> float:
    """Seconds until this session shall look again: *least* when few watch. Counts as a look."""
    now = time.monotonic()
    _looked[viewer()] = now
    for name in [name for name, moment in list(_looked.items()) if now - moment > GONE]:
        _looked.pop(name, None)
    return max(least, EACH * len(_looked))


def outdated(seconds: float, least: float) -> bool:
    """Is a timer of *seconds* far from what *every* asks for by now? Counts as a look."""
    return not 0.5 < seconds / every(least) < 2.0
