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
                frame.show(frame.cached_over(view, name, model, *given), f"{kind}-{name}-{model}",
                           frame.cached_over(words, name, model, *asked))


def curves_of(panels: list[tuple[str, str]], axis: str, printed: bool) -> None:
    """A panel a task: score over what is gone or stored."""
    grid(panels, "curve", curves.panel, (printed, axis), curves.small_print, (axis,))
    with st.expander("How to read it", type="compact"):
        st.caption(f"{curves.RATIO_IS_NOT_SPEED}  \nFull line and dots: trained after or while pruning. Dotted line "
                   f"and open dots: no training. {curves.READING[axis]}")


VIEWS = {"ratio": "Score over ratio", "error": "Score over error"}

frame.opening("accuracy")
own = links.Own("accuracy", ("axis", "published", "view"))
panels = frame.cached_over(curves.panels)
if not panels:
    frame.empty()
else:
    judged = frame.cached_over(error_and_score.panels)
    tasks = list(dict.fromkeys(task for task, _ in panels))
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        task = links.shared.choose("task", "Task", ["", *tasks], quiet=True, width=190,
                                   words=lambda t: style.task_title(t) if t else "all tasks")
        view = own.choose("view", "Show", list(VIEWS) if judged else ["ratio"], words=VIEWS.__getitem__,
                          look="segments", quiet=True)
        axis = own.choose("axis", "Across", list(curves.AXES), words=curves.AXES.__getitem__, look="segments",
                          kind="axis", quiet=True) if view == "ratio" else curves.ZEROS
        printed = view == "ratio" and axis == curves.ZEROS and own.switch(
            "published", "Published points",
            help="Scores that others print, of another model and another budget: where the field is, not who wins.")
    if view == "ratio":
        curves_of([panel for panel in panels if task in ("", panel[0])], axis, printed)
    else:
        st.caption(error_and_score.QUESTION)
        grid([panel for panel in judged if task in ("", panel[0])], "error", error_and_score.panel, (),
             error_and_score.small_print, ())
