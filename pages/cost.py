"""Cost: what does sparsity save, in bytes, operations, memory and time?"""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.cost import savings, sizes, source, times
from ui import costs, frame, links


def page(run: Run, found: source.Stamp) -> None:
    """How many times less of everything; then time, and bytes."""
    frame.draw(savings.picture, run, found, key="savings")
    if words := source.made(found):
        st.caption(links.plain(words))
    if source.timed(found):
        left, right = st.columns(2, gap="large")
        with left:
            frame.draw(times.picture, run, found, key="times", small=" ".join(source.left_out(found)))
    else:
        right = st.container()
        costs.how_to_measure(run, found)
        for line in source.left_out(found):
            st.caption(links.plain(line))
    with right:
        frame.draw(sizes.picture, run, found, key="sizes")


frame.opening("cost")
run = frame.pick_run("any", drawn=False)
if run is not None:
    with frame.guarded():
        page(run, costs.measured(run))
