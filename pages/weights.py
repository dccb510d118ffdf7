"""Weights: one matrix before, after and in between, down to single numbers."""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.weights import before_after, modelmap, pair, tile
from ui import comparing, frame, links

OWN = links.Own("weights", ("moment", "show", "difference", "figure"))


def page(run: Run, matrix: str) -> None:
    """The maps, then the tile beside the histogram, then the whole model."""
    reach = tile.knobs(run, matrix)
    maps = st.container()
    moments = pair.moments(run, matrix)
    moment = OWN.choose("moment", "Moment", moments, default=moments[-1], look="steps",
                        words=lambda m: pair.moment_words(run.record, m))
    with st.container(horizontal=True, gap="large"):
        what = "w" if moment == pair.FINAL else OWN.choose(
            "show", "Show", list(pair.WHAT), words=str.upper, look="segments", kind="copy",
            help="W is trained, Z obeys the pattern, U adds up what they disagree on.")
        zoom = "on" if reach.whole else links.shared.choose(
            "zoom", "Zoom", ["off", "on"], look="segments",
            words={"off": "Whole matrix", "on": "Single weights"}.__getitem__)
        fine = OWN.choose("difference", "Difference in", ["1", "10"], look="segments",
                          words={"1": "the same colours", "10": "a tenth of the range"}.__getitem__)
    close, spread = st.columns([6, 5], gap="large")
    with close:
        numbers = st.container()
        row = links.shared.slide("row", "First output of the tile", 0, reach.last[0], step=reach.step[0])
        column = links.shared.slide("column", "First input of the tile", 0, reach.last[1], step=reach.step[1])
    with maps:
        if missing := frame.cached(pair.notes, run, matrix, moment, what):
            st.info(links.plain(" ".join(missing)))
        frame.draw(before_after.panels, run, matrix, moment, what, zoom == "on", row, column, fine == "10", key="maps")
    with numbers:
        frame.draw(tile.tile, run, matrix, row, column, moment, what, key="tile")
    with spread:
        frame.draw(tile.histogram, run, matrix, moment, what, key="histogram")
    model = st.container()
    figure = OWN.choose("figure", "Colour the model by", list(modelmap.FIGURES), look="segments",
                        words=lambda k: modelmap.FIGURES[k].title)
    with model:
        frame.draw(modelmap.model_map, run, figure, matrix, key="model")
    comparing.link_around(run)


frame.opening("weights")
run = frame.pick_run()
matrix = None if run is None else frame.pick_matrix(run)
if run is not None and matrix is not None:
    with frame.guarded():
        page(run, matrix)
