"""What is each method, and what does it cost? All on one task, then a card each by family, or one card alone."""

from __future__ import annotations

import streamlit as st

from core.methods import METHODS
from core.views.catalogue import method_table
from core.views.drawing import style
from ui import frame, links, method_card

frame.opening("methods")
name = links.shared.choose("method", "Method", ["", *METHODS],
                           words=lambda m: style.method_title(m) if m else "all methods")
if name:
    with frame.guarded():
        method_card.show(frame.cached_evidence(method_table.card, name), alone=True)
else:
    tables = [frame.cached_evidence(method_table.costs, units) for units in (False, True)]
    if not any(tables):
        frame.empty()
    for found, note in method_table.noted(tables):
        st.header(links.plain(found.claim), anchor=False)
        method_card.compare(found)
        if note:
            st.caption(links.plain(note))
    for family, names in method_table.families().items():
        st.header(family, anchor=False)
        for pair in zip(names[::2], [*names[1::2], ""], strict=False):
            for column, each in zip(st.columns(2, gap="medium"), pair, strict=True):
                with column, frame.guarded():
                    if each:
                        method_card.show(frame.cached_evidence(method_table.card, each))
