"""A page's own knobs in the link, all written in one entry of the browser's history, and kept for the session.

For pages whose knobs mean nothing elsewhere: under `links.remember` a *pattern* chosen here would be the filter of
another page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import streamlit as st


def read(page: str, keys: Sequence[str]) -> dict[str, str]:
    """What the link says of *keys*; when it says nothing of them, what it said last on this *page*."""
    here = {key: st.query_params[key] for key in keys if key in st.query_params}
    return here or dict(st.session_state.get(f"kept.{page}", {}))


def write(page: str, keys: Sequence[str], said: Mapping[str, str], drops: Sequence[str] = ()) -> None:
    """Make the link say *said*, and nothing else of *keys* nor of *drops*."""
    st.session_state[f"kept.{page}"] = dict(said)
    now = st.query_params.to_dict()
    new = {key: value for key, value in now.items() if key not in (*keys, *drops)} | dict(said)
    if new != now:
        st.query_params.from_dict(new)


def offer(page: str, key: str, label: str, names: Mapping[str, str], value: str, moved: Callable[[str], None], *,
          look: Literal["select", "slider", "segments"] = "select", help: str | None = None,
          bare: bool = False) -> None:
    """A select box, a slider or a row of segments at *value*; *moved* gets what was chosen and writes the link.

    *bare*: the label is for screen readers only.
    """
    widget = f"{page}.{key}"
    st.session_state[widget] = value
    box = {"select": st.selectbox, "slider": st.select_slider, "segments": st.segmented_control}[look]

    def turned() -> None:
        if st.session_state[widget] is not None:  # None: the segment was clicked off
            moved(st.session_state[widget])

    box(label, list(names), format_func=names.__getitem__, key=widget, help=help, on_change=turned,
        label_visibility="collapsed" if bare else "visible")
