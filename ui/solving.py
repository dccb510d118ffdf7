"""The table of matrices that are solved one by one, as HTML. Names of matrices come from a file: all is escaped."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.views.catalogue.live_layers import Solving
from core.views.drawing import style
from ui import frame, links


def draw(view: Solving, key: str) -> None:
    """The sentence, the table and its legend, what to try, the numbers."""
    st.header(links.plain(view.claim), anchor=False)
    if not view.layers:
        return
    head = "".join(f"<b>{escape(part)}</b>" for part in view.parts)
    rows = "".join(f"<b>{escape(name)}</b>{''.join(map(_cell, cells))}" for name, cells in view.layers)
    dense, done = map(escape, view.legend)
    st.html(f'<div class="solving" role="img" aria-label="{escape(view.alt)}" '
            f'style="grid-template-columns:max-content repeat({len(view.parts)},1fr)"><b></b>{head}{rows}</div>'
            f'<div class="solving key"><i></i>{dense}<i style="background:{style.ACCENT}"></i>{done}</div>')
    st.caption(f"**Try this.** {links.plain(view.try_this)}")
    if not view.table.empty:
        frame.numbers(view.table, key)


def _cell(kept: str | None) -> str:
    if kept is None:
        return "<span></span>"
    return f'<i style="background:{style.ACCENT}">{escape(kept)}</i>' if kept else "<i></i>"
