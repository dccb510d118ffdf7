"""A page's own knobs in the link, all written in one entry of the browser's history, and kept for the session.

For pages whose knobs mean nothing elsewhere: under `links.remember` a *pattern* chosen here would be the filter of
another page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st


def read(page: str, keys: Sequence[str]) -> dict[str, str]:
    """What the link says of *keys*; when it says nothing of them, what it said last on this *page*."""
    here = {key: st.query_params[key] for key in keys if key in st.query_params}
    return here or dict(st.session_state.get(f"kept.{page}", {}))


def write(page: str, keys: Sequence[str], said: Mapping[str, str]) -> None:
    """Make the link say *said* and nothing else of *keys*."""
    st.session_state[f"kept.{page}"] = dict(said)
    now = st.query_params.to_dict()
    new = {key: value for key, value in now.items() if key not in keys} | dict(said)
    if new != now:
        st.query_params.from_dict(new)


def offer(page: str, key: str, label: str, names: Mapping[str, str], value: str, moved: Callable[[str], None], *,
          slider: bool = False, help: str | None = None) -> None:
    """A select box, or a *slider*, at *value*; *moved* gets what was chosen and writes the link."""
    widget = f"{page}.{key}"
    st.session_state[widget] = value
    box = st.select_slider if slider else st.selectbox
    box(label, list(names), format_func=names.__getitem__, key=widget, help=help,
        on_change=lambda: moved(st.session_state[widget]))
