"""Choices that live in the link.

The URL is the single truth: a widget's callback writes the URL before the page runs again, and the page takes the
widget's value from the URL. So a link, the back button, a click and a reload all say the same thing, and a choice
survives a walk over other pages (it is remembered for the session when the new page's URL does not name it).

Streamlit's own `bind="query-params"` is right where a default is fixed. It drops a value at its default from the URL,
and swallows a bad one without a word: for a choice whose default hangs on the store's contents (run, matrix, layer),
or whose bad values must be said, use `choose`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import streamlit as st

from core.errors import unknown

T = TypeVar("T")


def plain(text: str) -> str:
    """Text made safe for Markdown: shown as it is written, whatever it holds."""
    return re.sub(r"[\\`*\[\]<>$~|#]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)  # an underscore inside a word is harmless


def remembered(key: str) -> str | None:
    """The value of *key* in the link, or the one last chosen in this session."""
    value = st.query_params.get(key)
    return value if value is not None else st.session_state.get(f"link.{key}")


def remember(key: str, value: str, *, drop: str | None = None) -> None:
    """Put *value* into the link and into the session; *drop* is the default that the link need not say."""
    st.session_state[f"link.{key}"] = value
    if value == drop:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != value:
        st.query_params[key] = value


def settle(key: str, options: Sequence[str], default: str, kind: str) -> str:
    """The value that the link asks for, if it is one of *options*; else *default*, with a red box saying why."""
    asked = st.query_params.get(key)
    if asked is not None and asked not in options:
        st.error(plain(str(unknown(kind, asked, options))))
    value = remembered(key)
    return value if value in options else default


def choose(
    key: str, label: str, options: Sequence[str], *, default: str | None = None, words: Callable[[str], str] = str,
    kind: str | None = None, look: Literal["select", "segments"] = "select", always: bool = False,
    help: str | None = None, width: int | Literal["stretch"] = 260,
) -> str:
    """A select box (or a row of segments) bound to `?key=`. *always*: the link names the value even at its default.

    *words* says how an option is written on the page; the link holds the option itself.
    """
    first = options[0] if default is None else default
    value = settle(key, options, first, kind or label.lower())
    drop = None if always else first
    remember(key, value, drop=drop)
    widget = f"choose.{key}"
    st.session_state[widget] = value

    def moved() -> None:
        chosen = st.session_state.get(widget)
        remember(key, value if chosen is None else chosen, drop=drop)  # None: the segment was clicked off

    if look == "select":
        st.selectbox(label, list(options), format_func=words, key=widget, on_change=moved, help=help, width=width)
    else:
        st.segmented_control(label, list(options), format_func=words, key=widget, on_change=moved, help=help)
    return value


def switch(key: str, label: str, *, help: str | None = None) -> bool:
    """A switch, off by default, bound to `?key=on`."""
    return bool(st.toggle(label, key=key, bind="query-params", help=help))


def leaf(key: str, items: Sequence[T], size: int) -> Sequence[T]:
    """The part of *items* on the page that `?key=` names, with the page numbers when there is more than one."""
    pages = max(1, -(-len(items) // size))
    if pages == 1:
        return items
    number = st.pagination(pages, key=key, bind="query-params")
    return items[(number - 1) * size:number * size]
