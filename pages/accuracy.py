"""What does sparsity cost? One chart of a task, a forest at one pattern, all tasks side by side; score over error."""

from __future__ import annotations

import streamlit as st

from core.evidence import search
from core.evidence.places import AVERAGE, averaged, floor
from core.views.scores import across, chart, error_and_score, forest, helps, multiples
from ui import accuracy_bar as bar
from ui import frame


def over_ratio(asked: chart.Asked) -> None:
    """The chart; beneath it the forest, ADMM against other training at every pattern, and the tasks side by side."""
    with frame.guarded():
        if frame.wanted("curve"):
            frame.show(frame.cached_cells(chart.chart, asked), "curve", bar.small_print(asked))
    pattern, against = bar.of_forest(asked)
    if pattern and frame.wanted("forest"):
        with frame.guarded():
            frame.show(frame.cached_cells(forest.forest, asked.tasks, asked.model, pattern, asked.quantity, against),
                       "forest")
    if frame.wanted("across"):
        with frame.guarded():
            trained = frame.cached_cells(across.drawn, asked.tasks, asked.model, asked.quantity)
            if trained.figure is not None:
                frame.show(trained, "across")
    if not frame.wanted("tasks"):
        return
    every = frame.cached_cells(averaged, asked.model, asked.quantity)
    if every:
        with frame.guarded():
            frame.show(frame.cached_cells(multiples.multiples, every, asked.model, asked.quantity, asked.kind,
                                          asked.lit), "tasks", "A click on a dot opens its task.", picked=bar.open_task)


def over_error(task: str) -> None:
    """A panel a task: the score of runs without training over the error of their layers."""
    st.caption(error_and_score.QUESTION)
    for name, model in frame.cached_over(error_and_score.panels):
        if task in (AVERAGE, name):
            with frame.guarded():
                constant = frame.cached_cells(floor, name, model)
                frame.show(frame.cached_evidence(error_and_score.drawn, name, model, constant), f"error-{name}-{model}",
                           frame.cached_over(error_and_score.small_print, name, model))


def over_changes(tried: bar.Tried) -> None:
    """What helps ADMM: every change by itself, on examples held out of train."""
    with frame.guarded():
        frame.show(frame.cached_search(helps.helps, tried.place, tried.tasks, search.SEARCHED, tried.quantity), "helps",
                   helps.SMALL_PRINT)


frame.opening("accuracy")
view, task, asked = bar.choose()
if view == bar.ERROR:
    over_error(task)
elif isinstance(asked, bar.Tried):
    over_changes(asked)
elif asked is None:
    frame.empty()
else:
    over_ratio(asked)
