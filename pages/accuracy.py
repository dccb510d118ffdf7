"""What does sparsity cost? One panel a task: score over the share of zeros."""

from __future__ import annotations

import streamlit as st

from core.views import curves, style
from ui import frame, links

frame.opening("accuracy")
panels = frame.cached_over(curves.panels)
if not panels:
    frame.empty()
else:
    tasks = list(dict.fromkeys(task for task, _ in panels))
    with st.container(horizontal=True, vertical_alignment="bottom", key="bar"):
        task = links.choose("task", "Task", ["", *tasks], words=lambda t: style.task_title(t) if t else "all tasks")
        printed = links.switch("published", "Published points", help="Scores that others print, of another model and "
                               "another budget: where the field is, not who wins.")
    st.caption(f"{curves.RATIO_IS_NOT_SPEED}  \nFull line and dots: trained after or while pruning. Dotted line and "
               "open dots: no training. A line joins a method's mean at each sparsity.")
    shown = [panel for panel in panels if task in ("", panel[0])]
    for start in range(0, len(shown), 2):
        columns = st.columns(2, gap="large") if len(shown) > 1 else [st.container()]
        for column, (name, model) in zip(columns, shown[start:start + 2], strict=False):
            with column, frame.guarded():
                frame.show(frame.cached_over(curves.panel, name, model, printed), f"curve-{name}-{model}")
                st.caption(links.plain(frame.cached_over(curves.small_print, name, model)))
