"""What does sparsity cost? A panel a task: score over the share of zeros; beneath, score over the layers' error."""

from __future__ import annotations

from types import ModuleType

import streamlit as st

from core.views import curves, errors, style
from ui import frame, links


def grid(panels: list[tuple[str, str]], view: ModuleType, kind: str, *given: bool) -> None:
    """The panels of *view*, two in a row, each with its small print."""
    for start in range(0, len(panels), 2):
        columns = st.columns(2, gap="large") if len(panels) > 1 else [st.container()]
        for column, (name, model) in zip(columns, panels[start:start + 2], strict=False):
            with column, frame.guarded():
                frame.show(frame.cached_over(view.panel, name, model, *given), f"{kind}-{name}-{model}")
                st.caption(links.plain(frame.cached_over(view.small_print, name, model)))


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
    grid([panel for panel in panels if task in ("", panel[0])], curves, "curve", printed)
    judged = [panel for panel in frame.cached_over(errors.panels) if task in ("", panel[0])]
    if judged:
        st.header("Does a lower error give a better score?", anchor="error")
        st.caption(errors.QUESTION)
        grid(judged, errors, "error")
