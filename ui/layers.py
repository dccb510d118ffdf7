"""The bar of a page over one real layer: which run, which of its matrices. Only runs that can show one are offered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from core.runs.records import RunRecord
from core.runs.store import Run
from core.views.drawing import style
from core.views.drawing.telling_apart import names_with_task
from ui import cache, frame, links


def pick(runs: Mapping[str, RunRecord], matrices: Callable[[RunRecord], Sequence[str]], command: str,
         ) -> tuple[Run, str] | None:
    """Draw the bar over *runs* (`?run=`, `?matrix=`) and return what was chosen.

    None, with words on the page, when there is no run, or the chosen one cannot be opened; *command* makes one.
    """
    if not runs:
        st.info("No run here keeps Gram matrices: they come with record level lab. This makes one, in about a minute:")
        st.code(command, language="bash", wrap_lines=True)
        return None
    asked = st.query_params.get("run")
    if asked in {entry.id for entry in frame.entries()} and asked not in runs:
        st.info(links.plain(f"{asked} keeps no Gram matrices: this page shows runs of record level lab."))
        del st.query_params["run"]

    with st.container(horizontal=True, vertical_alignment="bottom", key="bar"):
        chosen = links.shared.choose("run", "Run", list(runs), always=True, width="stretch", quiet=True,
                                     words=names_with_task(runs.values()).__getitem__)
        matrix = links.shared.choose("matrix", "Matrix", matrices(runs[chosen]), words=style.matrix_words,
                                     kind="matrix", always=True, width=200, quiet=True)
    with frame.guarded():
        return cache.open_run(chosen), matrix
    return None
