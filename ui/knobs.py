"""Sliders that live in the link, like `ui.links.choose`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core.errors import InputError
from ui import links


def slide(key: str, label: str, low: int, high: int, *, step: int = 1, default: int = 0, form: str = "%d",
          help: str | None = None) -> int:
    """A slider over whole numbers bound to `?key=`. Without a range (*high* <= *low*) nothing is drawn. *default*: a
    value out of the range stands for its nearest end."""
    if high <= low:
        return low
    asked = links.remembered(key)
    value = default = min(max(default, low), high)
    if asked is not None:
        try:
            value = min(max(int(asked[:12]), low), high)
        except ValueError:
            error = InputError(f"{key}={asked[:40]!r} is no whole number", f"{low} to {high}", "Move the slider.")
            st.error(links.plain(str(error)))
    links.remember(key, str(value), drop=str(default))
    widget = f"slide.{key}"
    st.session_state[widget] = value
    st.slider(label, low, high, step=step, key=widget, format=form, help=help,
              on_change=lambda: links.remember(key, str(st.session_state[widget]), drop=str(default)))
    return value


def scrub(key: str, label: str, options: Sequence[str], words: Callable[[str], str], *, kind: str) -> str:
    """A slider over named moments bound to `?key=`; it starts at the last. With one moment nothing is drawn."""
    last = options[-1]
    if len(options) == 1:
        return last
    value = links.settle(key, options, last, kind)
    links.remember(key, value, drop=last)
    widget = f"scrub.{key}"
    st.session_state[widget] = value
    st.select_slider(label, list(options), format_func=words, key=widget,
                     on_change=lambda: links.remember(key, st.session_state[widget], drop=last))
    return value
