"""Watch: one matrix on its way from dense to sparse, on one screen."""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.film import telling, watch
from ui import film, frame, links


def page(run: Run, matrix: str) -> None:
    """The film of *matrix*."""
    row, column = watch.place(links.shared.get("row"), links.shared.get("column"))

    def moved(cell: str) -> None:
        place = watch.clicked(run, matrix, cell)
        if place is not None:
            links.shared.put("row", str(place[0]))
            links.shared.put("column", str(place[1]))

    found = frame.cached(watch.film, run, matrix, row, column)
    if found is None:
        st.info("This run kept no weights of this matrix: there is nothing to play. Choose another run.")
        return
    film.show(found, "watch", default="first", picked=moved)


frame.opening("watch")
default = frame.cached_over(telling.first)
if links.shared.get("run") is None and default is not None:
    links.shared.put("run", default.id)
run = frame.pick_run()
matrix = None if run is None else frame.pick_matrix(run)
if run is not None and matrix is not None:
    if words := telling.missing(run):
        st.info(links.plain(words))
    with frame.guarded():
        page(run, matrix)
