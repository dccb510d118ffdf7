"""Weights: one matrix before, after and in between, down to single numbers."""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.patterns import units_left, units_map
from core.views.weights import before_after, modelmap, moving, pair, tile
from ui import comparing, film, frame, links
from ui.weight_knobs import OWN, finer, older, position


def played(run: Run, matrix: str, shows: list[str]) -> None:
    """The film, over the knobs that change what it shows."""
    older(run, matrix)
    pictures, reach = st.container(), frame.cached(moving.knobs, run, matrix)
    with st.container(horizontal=True, gap="large"):
        what = OWN.choose("show", "Show", shows, words=str.upper, look="segments", kind="copy",
                          help="W is trained, Z obeys the pattern, U adds up what they disagree on.")
        fine = finer()
        row, column = position(reach)
    found = frame.cached(moving.film, run, matrix, what, row, column, fine)
    if found is not None:
        with pictures:
            film.show(found, "maps")


def still(run: Run, matrix: str) -> None:
    """A run without moments: the maps of its two ends, then the tile beside the histogram."""
    reach = tile.knobs(run, matrix)
    maps = st.container()
    with st.container(horizontal=True, gap="large"):
        zoom = "on" if reach.whole else links.shared.choose(
            "zoom", "Zoom", ["off", "on"], look="segments",
            words={"off": "Whole matrix", "on": "Single weights"}.__getitem__)
        fine = finer()
    close, spread = st.columns([6, 5], gap="large")
    with close:
        numbers = st.container()
        row, column = position(reach)
    with maps:
        if missing := frame.cached(pair.notes, run, matrix):
            st.info(links.plain(" ".join(missing)))
        frame.draw(before_after.panels, run, matrix, pair.FINAL, "w", zoom == "on", row, column, fine, key="maps")
    with numbers:
        frame.draw(tile.tile, run, matrix, row, column, key="tile")
    with spread:
        frame.draw(tile.histogram, run, matrix, key="histogram")


def page(run: Run, matrix: str) -> None:
    """The matrix, then the whole model."""
    shows = frame.cached(moving.shows, run, matrix)
    if shows:
        played(run, matrix, shows)
    else:
        still(run, matrix)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        heading = st.container()
        figure = OWN.choose("figure", "Colour the model by", list(modelmap.FIGURES), look="segments",
                            words=lambda k: modelmap.FIGURES[k].title)
    frame.draw(modelmap.model_map, run, figure, matrix, key="model", heading=heading)
    comparing.link_around(run)


frame.opening("weights")
run = frame.pick_run(units=True)
matrix = None if run is None or not frame.drawable(run.record) else frame.pick_matrix(run)
if run is not None:
    if units_left.of_units(run.record):
        frame.draw(units_map.units_map, run, matrix or "", key="units")
    with frame.guarded():
        if matrix is not None:
            page(run, matrix)
        elif not frame.drawable(run.record):
            st.caption("This run kept its answers and what is left of its units, not its matrices.")
            comparing.link_around(run)
