"""The measurement of a run's cost, and the other runs that have one."""

from __future__ import annotations

import streamlit as st

from core.cost import records
from core.runs.store import Run
from core.views.cost import source
from core.views.drawing.telling_apart import names_with_task
from ui import frame, links

MOST = 6  # runs that are offered


def measured(run: Run) -> source.Stamp:
    """The measurement of *run*; a red box for a damaged one, which then counts as none."""
    with frame.guarded():
        found = records.stamp_of(records.place_of(frame.store(), run.record.id))
        source.cost_at(found)
        return found
    return records.stamp_of(None)


def how_to_measure(run: Run, found: source.Stamp) -> None:
    """What is missing, the commands that measure it, and links to runs that were measured."""
    st.caption(source.untimed(found))
    st.code(source.commands(run.record), language="bash", wrap_lines=True)
    ids = set(records.known(frame.store())) - {run.record.id}
    others = names_with_task([e.record for e in frame.entries() if e.record is not None and e.id in ids])
    if others:
        st.caption("These were measured:")
        with st.container(horizontal=True, gap="medium"):
            for run_id, words in list(others.items())[:MOST]:
                frame.link("cost", links.plain(words), run=run_id)
