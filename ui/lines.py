"""A view without a picture is one line: what it says in full, its numbers and what may be saved are folded under it.

    lines.draw(certificate.certificate, run, key="certificate", more=certificate.listed)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core.runs.store import Run
from core.views.drawing.view import View
from ui import frame, lesson_strip, links, saving, stage


def draw(make: Callable[[Run], View], run: Run, *, key: str, more: Callable[[Run], list[str]]) -> None:
    """`show` of the kept view of *run*, with the lines of *more*; a damaged file becomes a red box."""
    if frame.wanted(key):
        with frame.guarded():
            view = frame.cached(make, run)
            stage.figures(key, view.heading or view.claim)
            show(view, key, frame.cached(more, run))


def show(view: View, key: str, more: Sequence[str] = ()) -> None:
    """The heading of *view*; folded, its claim, *more* lines, its table and the button that saves it.

    On the stage, while a lesson asks, and where the view has a picture, it is shown like any other.
    """
    if stage.on() or lesson_strip.asking() is not None or view.figure is not None:
        frame.show(view, key)
        return
    _folded(view, key, more)


@st.fragment
def _folded(view: View, key: str, more: Sequence[str]) -> None:
    """The line, and under it, once it is unfolded, the rest."""
    said = view.heading or view.claim
    with st.container(key=f"line-{key}"):
        fold = st.expander(links.plain(said), type="compact", key=f"{key}.numbers", on_change="rerun")
    with fold:
        for words in [*([view.claim] if view.heading else []), *more]:
            st.caption(links.plain(words))
        if view.try_this:
            st.caption(f"**Try this.** {links.plain(view.try_this)}")
        if fold.open and not view.table.empty:
            st.dataframe(view.table, hide_index=True, key=f"{key}.table")
            saving.offer(key, saving.Taken(said, view.alt, view.table, view))
