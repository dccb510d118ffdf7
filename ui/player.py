"""Play, step and scrub through the moments 0..last of something that was already computed.

    def draw(k: int) -> None:
        frame.show(plane.picture(path, k), "plane")

    player.show(draw, last=len(path) - 1)

Everything stands in one fragment: a step, a move of the slider and a tick of Play run `draw` alone, never the page. So
*draw* should only look things up and build figures; solve before, outside. What *draw* writes must go into the page
where the player stands, not into containers made before.

The moment lives in `?k=`; the last one, the default, is not named. It is not carried along to other pages: moment 12 of
another picture means nothing. While it plays, the link stands still (every change of it would be one more entry for the
browser's back button) and is written when Play ends.

A tick is a `run_every` of the fragment. Streamlit sets and clears such a timer only in a run of the whole page, so
Play, Pause, any other move while it plays, and the end run the page once.

Keys: H start, J back, K play or pause, L on. Not the arrows and space: a slider or a button in focus takes them too,
and one press would count twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.errors import InputError
from ui import links

PACE = 0.8  # seconds a moment stays while playing: long enough to read what changed
GRACE = 10.0  # seconds in which the last ticks of a slow browser may still come in


@dataclass
class _Playing:
    """What is being played. It counts only on the page, and under the link, that it was started on."""

    page: str
    asked: str | None  # `?k=` when Play was pressed
    k: int
    fresh: bool = True  # no tick yet


@dataclass
class _Past:
    """Where Play ended. A tick under way then brings the link as it stood before, which is not what anybody asked."""

    page: str
    asked: str | None  # `?k=` while it played
    k: int
    until: float  # on the monotonic clock


def show(draw: Callable[[int], object], last: int, *, key: str = "k", label: str = "Iteration",
         words: Callable[[int], str] | None = None) -> None:
    """Draw the controls and `draw(k)` with k in 0..*last* (at the start: *last*, or what `?key=` says).

    *words* says in plain text what the slider stands on; without it "*label* k of last". With *last* 0 there is
    nothing to play: only `draw(0)`. A `?key=` that is no whole number gets a red box; one outside 0..*last* is moved
    inside. An InputError of *draw* becomes a red box. One player a page: the keys are the same for all.
    """

    def body() -> None:
        k = _moment(key, last)
        if last > 0:
            _controls(key, k, last, label, words)
        try:
            draw(k)
        except InputError as error:
            st.error(links.plain(str(error)))

    st.fragment(body, run_every=PACE if _playing(key) else None)()


def stop(key: str = "k") -> None:
    """Forget that `?key=` is being played, and leave the link as it is. For whoever writes the link from outside."""
    st.session_state.pop(f"player.{key}", None)
    st.session_state.pop(f"player.{key}.past", None)


def _end(key: str, k: int) -> None:
    """Stop at moment *k*."""
    playing = _playing(key)
    if playing is not None:
        stop(key)
        st.session_state[f"player.{key}.past"] = _Past(playing.page, playing.asked, k, time.monotonic() + GRACE)
    elif f"player.{key}.past" in st.session_state:
        st.session_state[f"player.{key}.past"].k = k


def _page() -> str:
    context = get_script_run_ctx()
    return "" if context is None else context.page_script_hash


def _playing(key: str) -> _Playing | None:
    """What is being played here; None when nothing is, or when page or link changed since."""
    now = st.session_state.get(f"player.{key}")
    if now is not None and (now.page, now.asked) != (_page(), st.query_params.get(key)):
        stop(key)
        return None
    return now


def _moment(key: str, last: int) -> int:
    """The moment to draw in this run: one on while playing, else what the link says."""
    playing = _playing(key)
    if playing is None:
        return _asked(key, last)
    playing.k = min(playing.k if playing.fresh else playing.k + 1, last)
    playing.fresh = False
    if playing.k == last:
        _end(key, last)
        _write(key, last, last)
        st.rerun()  # the whole page: only that ends the timer
    return playing.k


def _asked(key: str, last: int) -> int:
    """The moment that the link names, moved inside 0..last and written back."""
    asked, k, past = st.query_params.get(key), last, st.session_state.get(f"player.{key}.past")
    if past is not None and (past.page, past.asked) == (_page(), asked) and time.monotonic() < past.until:
        k = min(past.k, last)
    elif asked is not None:
        try:
            k = min(max(int(asked[:12]), 0), last)
        except ValueError:
            error = InputError(f"{key}={asked[:40]!r} is no whole number", f"0 to {last}", "Move the slider.")
            st.error(links.plain(str(error)))
            return last  # the link stays as it is, so that the red box stays until it is mended
    _write(key, k, last)
    return k


def _write(key: str, k: int, last: int) -> None:
    """Name moment *k* in the link, unless it is the last."""
    if k == last:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != str(k):
        st.query_params[key] = str(k)


def _controls(key: str, k: int, last: int, label: str, words: Callable[[int], str] | None) -> None:
    """Start, back, play or pause, on, and the slider, in one row."""
    playing = _playing(key) is not None
    slider = _slider(key, k)

    def moved() -> None:
        if st.session_state[f"player.{key}.slider"] == slider:  # else it is one of before, see `_slider`
            go(st.session_state[slider])

    def go(to: int) -> None:
        """Stand at moment *to*; when something was playing, it stops there."""
        to = min(max(to, 0), last)
        _end(key, to)
        _write(key, to, last)
        if playing:
            st.rerun()

    def play() -> None:
        here = _Playing(_page(), st.query_params.get(key), 0 if k == last else k)
        st.session_state[f"player.{key}"] = here
        st.rerun()

    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}-player"):
        st.button("Start", icon=":material/first_page:", key=f"player.{key}.start", shortcut="H", on_click=go,
                  args=(0,), disabled=k == 0)
        st.button("Back", icon=":material/chevron_left:", key=f"player.{key}.back", shortcut="J", on_click=go,
                  args=(k - 1,), disabled=k == 0)
        if playing:
            st.button("Pause", icon=":material/pause:", key=f"player.{key}.play", shortcut="K", on_click=go, args=(k,))
        else:
            st.button("Play", icon=":material/play_arrow:", key=f"player.{key}.play", shortcut="K", on_click=play,
                      type="primary", help="From here; at the end, from the start." if k == last else None)
        st.button("On", icon=":material/chevron_right:", key=f"player.{key}.on", shortcut="L", on_click=go,
                  args=(k + 1,), disabled=k == last)
        st.slider(label, 0, last, key=slider, on_change=moved, width="stretch",
                  label_visibility="collapsed")
        st.markdown(links.plain(words(k) if words else f"{label} {k} of {last}"), width="content")


def _slider(key: str, k: int) -> str:
    """The key of a slider that stands at *k*: a fresh one whenever something else than the slider moved the moment.

    A browser sends the values of all sliders with every tick. When it is slow, that of this one is a tick old, and
    would look like a hand that pulled it back.
    """
    present = f"player.{key}.slider"
    name = st.session_state.get(present, f"{present}.0")
    if st.session_state.get(name, k) != k:
        stem, _, number = name.rpartition(".")
        name = f"{stem}.{int(number) + 1}"
    st.session_state[present] = name
    st.session_state[name] = k
    return name
