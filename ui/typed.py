"""What is typed, or dragged over more than whole numbers, and lives in the link, like `ui.links.choose`.

Reading and drawing are apart: a page may have to know a value long before the place where its box stands. A bad text
stays in box and link, so that it can be mended; the page goes on with the default.

    rho = typed.read("rho", "1", reading.rho)
    ...
    typed.pick("rho", "rho", ["0.5", "1", "2"], default="1")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from core.errors import InputError
from ui import links

T = TypeVar("T")


def read(key: str, default: str, parse: Callable[[str], T]) -> T:
    """`?key=` (else what the session remembers, else *default*) as *parse* reads it.

    A bad text of the link gets a red box; what was only remembered from elsewhere is left out without a word.
    """
    given = st.query_params.get(key)
    text = links.remembered(key)
    if text is not None:
        try:
            value = parse(text)
            put(key, text, default)
            return value
        except InputError as error:
            if given is not None:
                st.error(links.plain(str(error)))
            else:
                forget([key])
    return parse(default)


def put(key: str, value: str, default: str, drops: Sequence[str] = ()) -> None:
    """Write *value* into the link; forget *drops*, which meant something only beside the old value.

    A default is forgotten too, not remembered: it may be another one tomorrow, where it hangs on other choices.
    """
    links.remember(key, value, drop=default)
    forget([*drops, key] if value == default else drops)


def forget(keys: Sequence[str]) -> None:
    """Take *keys* out of link and memory: they say their defaults again."""
    for key in keys:
        st.query_params.pop(key, None)
        st.session_state.pop(f"link.{key}", None)


def box(key: str, label: str, *, default: str, help: str | None = None) -> None:
    """A text box bound to `?key=`; emptied, it says *default* again."""
    widget = f"typed.{key}"
    st.session_state[widget] = links.remembered(key) or default
    st.text_input(label, key=widget, help=help, on_change=lambda: put(
        key, (st.session_state[widget] or "").strip() or default, default))


def pick(key: str, label: str, options: Sequence[str], *, default: str, words: Callable[[str], str] = str,
         drops: Sequence[str] = (), help: str | None = None) -> None:
    """A select box bound to `?key=` that also takes what is typed into it; a new choice forgets *drops*."""
    widget = f"pick.{key}"
    now = links.remembered(key) or default
    st.session_state[widget] = now
    st.selectbox(label, [*options, *([] if now in options else [now])], format_func=words, key=widget, help=help,
                 accept_new_options=True,
                 on_change=lambda: put(key, (st.session_state[widget] or default).strip(), default, drops))


def drag(key: str, label: str, low: float, high: float, value: float, moved: Callable[[float], None], *,
         step: float, form: str | None = None, help: str | None = None) -> None:
    """A slider at *value*; *moved* gets the new value and writes the link. All numbers whole, or none."""
    widget = f"drag.{key}"
    st.session_state[widget] = min(max(value, low), high)
    st.slider(label, low, high, step=step, key=widget, format=form, help=help,
              on_change=lambda: moved(st.session_state[widget]))


def reset(label: str, keys: Sequence[str]) -> None:
    """A button that takes *keys* out of link and memory: all of them say their defaults again."""
    st.button(label, icon=":material/restart_alt:", on_click=forget, args=(keys,))
