"""Inspect: is a checkpoint really sparse? Any one on this machine, read from its bytes."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.views.drawing import style
from core.views.patterns import inspected as views
from ui import frame, inspect_bar, links


def page(path: Path, judge: str) -> None:
    """The verdict and its numbers, the matrices as squares and as a table, one of them up close."""
    report = inspect_bar.report(path, judge)
    top = st.container(key="verdict")
    names = [m.name for m in report.matrices]
    for remark in report.remarks:
        st.info(links.plain(remark))
    if not names:
        top.header(links.plain(report.verdict[0]), anchor=False)
        if report.rest:
            st.dataframe(views.others(report), hide_index=True, key="others", width="content")
        return
    left, right = st.columns([4, 3], gap="large")
    with left:
        st.dataframe(views.short(report), hide_index=True, key="matrices", height=460, column_config={
            "zeros": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)})
    with right:
        matrix = links.shared.choose("matrix", "Matrix", names, words=style.matrix_words, kind="matrix",
                                     width="stretch")
        close = views.certificate(report, matrix)
        st.header(links.plain(close.heading), anchor=False)
        for line in views.violations(report, matrix):
            st.warning(links.plain(line))
        st.dataframe(close.table, hide_index=True, key="certificate")
    with top:
        frame.show(views.overview(report, matrix), "squares",
                   " ".join([*report.verdict[2:], f"Read from {report.path}."]))
        frame.figures(views.numbers(report))


frame.opening("inspect")
picked = inspect_bar.pick()
if picked is not None:
    with frame.guarded():
        page(*picked)
