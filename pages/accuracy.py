"""What does sparsity cost? A panel a task: score over zeros, or over bits per weight; beneath, score over the error."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.views.drawing import style
from core.views.drawing.view import View
from core.views.scores import curves, error_and_score
from ui import frame, links


def grid(panels: list[tuple[str, str]], kind: str, view: Callable[..., View], given: tuple[bool | str, ...],
         words: Callable[..., str], asked: tuple[str, ...]) -> None:
    """The panels of *view*, two in a row, each with its small print."""
    for start in range(0, len(panels), 2):
        columns = st.columns(2, gap="large") if len(panels) > 1 else [st.container()]
        for column, (name, model) in zip(columns, panels[start:start + 2], strict=False):
            with column, frame.guarded():
                frame.show(frame.cached_over(view, name, model, *given), f"{kind}-{name}-{model}")
                st.caption(links.plain(frame.cached_over(words, name, model, *asked)))


frame.opening("accuracy")
own = links.Own("accuracy", ("axis", "published"))
panels = frame.cached_over(curves.panels)
if not panels:
    frame.empty()
else:
    tasks = list(dict.fromkeys(task for task, _ in panels))
    with st.container(horizontal=True, vertical_alignment="bottom", key="bar"):
        task = links.shared.choose("task", "Task", ["", *tasks],
                                   words=lambda t: style.task_title(t) if t else "all tasks")
        axis = own.choose("axis", "Across", list(curves.AXES), words=curves.AXES.__getitem__, look="segments",
                          kind="axis", help="How many weights are gone, or what is left to store.")
        printed = axis == curves.ZEROS and own.switch(
            "published", "Published points",
            help="Scores that others print, of another model and another budget: where the field is, not who wins.")
    grid([panel for panel in panels if task in ("", panel[0])], "curve", curves.panel, (printed, axis),
         curves.small_print, (axis,))
    st.caption(f"{curves.RATIO_IS_NOT_SPEED}  \nFull line and dots: trained after or while pruning. Dotted line and "
               f"open dots: no training. {curves.READING[axis]}")
    judged = [panel for panel in frame.cached_over(error_and_score.panels) if task in ("", panel[0])]
    if judged:
        st.header("Does a lower error give a better score?", anchor="error")
        st.caption(error_and_score.QUESTION)
        grid(judged, "error", error_and_score.panel, (), error_and_score.small_print, ())
