"""Cost: what does sparsity save, in bytes, operations, memory and time?"""

from __future__ import annotations

import streamlit as st

from core.cost import records
from core.runs.store import Run
from core.views.cost import savings, sizes, source, times
from ui import frame, links


def measured(run: Run) -> source.Stamp:
    """The measurement of *run*; a red box for a damaged one, which then counts as none."""
    with frame.guarded():
        found = records.stamp_of(records.place_of(frame.store(), run.record.id))
        source.cost_at(found)
        return found
    return records.stamp_of(None)


def page(run: Run, found: source.Stamp) -> None:
    """How many times less of everything; then time, and bytes."""
    frame.draw(savings.picture, run, found, key="savings")
    if words := source.made(found):
        st.caption(links.plain(words))
    if source.timed(found):
        left, right = st.columns(2, gap="large")
        with left:
            frame.draw(times.picture, run, found, key="times")
    else:
        right = st.container()
        st.caption(source.untimed(found))
        st.code(source.commands(run.record), language="bash", wrap_lines=True)
    with right:
        frame.draw(sizes.picture, run, found, key="sizes")
    for line in source.left_out(found):
        st.caption(links.plain(line))


frame.opening("cost")
run = frame.pick_run("any", drawn=False)
if run is not None:
    with frame.guarded():
        page(run, measured(run))
