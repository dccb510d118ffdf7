"""Did it converge, and what did the hard prune take?"""

from __future__ import annotations

import streamlit as st

from core.views.drawing.view import View
from core.views.mechanisms import pictures
from core.views.scores import stages, trace_curves
from ui import frame

frame.opening("trace")
run = frame.pick_run("pruned", drawn=False)
if run is not None:
    own: list[View] = []
    with frame.guarded():
        own = frame.cached(pictures, run)
        places = st.columns([3, 2], gap="large") if len(own) == 2 else [st.container() for _ in own]
        for number, (place, view) in enumerate(zip(places, own, strict=True)):
            with place:
                frame.show(view, f"own{number}")
        if not own and not trace_curves.has_admm(run):
            st.info("This run has no ADMM phase: there are no residuals and no rho. What it did log is shown.")
    with frame.guarded():
        if run.trace or not own:
            frame.draw(trace_curves.timeline, run, key="timeline")
    left, right = st.columns(2, gap="large")
    with left:
        frame.draw(stages.waterfall, run, key="waterfall")
    with right, frame.guarded():
        frame.show(frame.cached_over(stages.drop, run.record.id), "drop")
