"""What does ADMM do to a transformer? One strip, three figures, and every recorded run as a card."""

from __future__ import annotations

import streamlit as st

from core.views.catalogue import overview
from core.views.drawing import style
from ui import cards, frame, links

PER_PAGE = 9
OWN = links.Own("overview", ("pattern", "page"))

frame.opening("overview")
st.markdown("SparseScope prunes the weight matrices of a small transformer and records what happens to them, step by "
            "step. Every picture here is drawn from such a recorded run, and one command makes any of them again.")

entries = frame.entries()
run = frame.featured()
if run is not None:
    with frame.guarded():
        strip = frame.cached(overview.strip, run)
        if strip is not None:
            st.subheader(links.plain(strip.claim), anchor=False)
            cards.strip(strip)
            st.caption(links.plain(strip.legend))
    frame.breathe()
    frame.figures(overview.numbers(run.record))
    with st.container(horizontal=True, gap="medium"):
        frame.link("weights", "See its weights", run=run.record.id)
        frame.link("occupancy", "See its groups", run=run.record.id)
        frame.link("trace", "See it converge", run=run.record.id)
        frame.link("accuracy", "See what sparsity costs")
        frame.link("methods", "See what each method is")
        frame.link("lesson", "Start the lesson")
        frame.link("lab", "Open the layer lab")

found = overview.cards(entries)
if not found:
    frame.empty()
else:
    tasks, methods, patterns = overview.filters(entries)
    st.subheader(f"{style.count(len(found))} pruned runs: the bar is the score, the mark on it is dense", anchor=False)
    with st.container(horizontal=True):
        task = links.shared.choose("task", "Task", ["", *tasks],
                                   words=lambda t: style.task_title(t) if t else "all tasks")
        method = links.shared.choose("method", "Method", ["", *methods],
                                     words=lambda m: style.method_title(m) if m else "all methods")
        pattern = OWN.choose("pattern", "Pattern", ["", *patterns], words=lambda p: p or "all patterns")
    found = overview.cards(entries, task=task, method=method, pattern=pattern)
    shown = OWN.paged("page", found, PER_PAGE)
    if not found:
        st.info("No run has this task, method and pattern. Widen a filter.")
    for start in range(0, len(shown), 3):
        for column, run_card in zip(st.columns(3), shown[start:start + 3], strict=False):
            with column:
                cards.card(run_card)

troubles = overview.troubles(entries)
if troubles:
    st.subheader(f"{style.count(len(troubles))} folders hold no finished run", anchor=False)
    st.caption("They are listed with the reason, and never deleted.")
    st.dataframe({"folder": [name for name, _ in troubles], "what happened": [why for _, why in troubles]})
