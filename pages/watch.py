"""Watch: one matrix on its way from dense to sparse, on one screen; or all of them at once."""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.film import copies, telling, wall, watch
from ui import cache, film, frame, lesson_strip, links

OWN = links.Own("watch", ("view", "beside"))
VIEWS = {"matrix": "One matrix", "model": "The whole model"}
NOTHING = "This run kept no weights: there is nothing to play. Choose another run."


def matrix_film(run: Run) -> None:
    """One matrix; a click on the small picture of the whole shows another part of a large one."""
    matrix = frame.pick_matrix(run)
    if matrix is None:
        return
    row, column = copies.place(links.shared.get("row"), links.shared.get("column"))

    def moved(cell: str) -> None:
        place = watch.clicked(run, matrix, cell)
        if place is not None:
            links.shared.put("row", str(place[0]))
            links.shared.put("column", str(place[1]))

    found = frame.cached(watch.film, run, matrix, row, column)
    if found is None:
        st.info(NOTHING)
        return
    if words := telling.missing(run, matrix):
        st.caption(links.plain(words))
    film.show(found, "watch", claim=False, picked=moved)


def model_film(run: Run) -> None:
    """The wall of one run, or of two; a click on a picture opens its matrix."""
    others = frame.cached_over(telling.beside, run.record.id)
    with frame.bar():
        other = OWN.choose("beside", "Beside", ["", *others], kind="run", width=300, quiet=True,
                           words=lambda r: f"beside {others.get(r, 'itself, dense')}")

    def entered(matrix: str) -> None:
        links.shared.put("matrix", matrix)
        OWN.put("view", "matrix", "matrix")

    found = frame.cached(wall.alone, run) if not other else \
        cache.cached_across(wall.between, [run, cache.open_run(other)])
    if found is None:
        st.info(NOTHING)
        return
    film.show(found, "wall", picked=entered)


frame.opening("watch")
run = frame.pick_run()
if run is not None:
    with st.container(key="one-screen", horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        asked = lesson_strip.asking() is not None  # what the run cost would answer the lesson's question
        if not asked and (words := frame.cached_over(telling.cost, run.record.id)):
            st.caption(links.plain(words), width="stretch")
        view = OWN.choose("view", "Show", list(VIEWS), look="segments", words=VIEWS.__getitem__, quiet=True)
    with frame.guarded():
        if view == "matrix":
            matrix_film(run)
        else:
            model_film(run)
