"""Compare: two to four runs side by side: settings, one matrix, and the answers that flipped."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.runs.store import Run
from core.views.compare import differences, flip_dots, flips, same_matrix, sides, units_beside
from ui import comparing, frame, links
from ui.cache import cached_across


def maps(runs: Sequence[Run], second: DeltaGenerator) -> None:
    """The same matrix in every run, and in the *second* place against the reference."""
    if not any(frame.drawable(run.record) for run in runs):
        st.caption("None of these runs kept its matrices.")
        return
    bar = st.container(horizontal=True, gap="medium", vertical_alignment="bottom")
    with bar:
        matrix = comparing.pick_matrix(runs)
    if matrix is None:
        return
    reach = sides.reach(runs, matrix)
    with bar:
        zoom = "off" if reach.whole else links.shared.choose(
            "zoom", "Zoom", ["off", "on"], look="segments",
            words={"off": "Whole matrix", "on": "Single weights"}.__getitem__, quiet=True)
        what = comparing.OWN.choose("by", "Against the reference", list(same_matrix.AGAINST), look="segments",
                                    words=same_matrix.AGAINST.__getitem__, kind="comparison", quiet=True)
    first = st.container()
    row = column = 0
    if zoom == "on":
        row = links.shared.slide("row", "First output of the window", 0, reach.last[0], step=8)
        column = links.shared.slide("column", "First input of the window", 0, reach.last[1], step=8)
    with first:
        comparing.draw(same_matrix.panels, runs, matrix, zoom == "on", row, column, key="maps")
    with second:
        comparing.draw(same_matrix.differences, runs, matrix, what, zoom == "on", row, column, key="differences")


def answers(runs: Sequence[Run]) -> None:
    """Which answers flipped against the reference, and by what margin."""
    st.header("The answers", anchor="answers")
    if lines := cached_across(flips.notes, runs):
        st.info(links.plain("\n\n".join(lines)))
    comparing.draw(flips.bars, runs, key="flips")
    known = cached_across(flips.comparable, runs)
    if not known:
        return
    with st.container(horizontal=True, gap="large"):
        run = comparing.pick_against(runs, known)
        across = comparing.OWN.choose("flips", "Across", list(flip_dots.ACROSS), look="segments",
                                      words=flip_dots.ACROSS.__getitem__, kind="axis")
    comparing.draw(flip_dots.scatter, runs, run, across, key="margins")


frame.opening("compare")
runs = comparing.pick()
if runs:
    if units_beside.wanted(runs):
        comparing.draw(units_beside.beside, runs, key="units")
    first, cards, second = st.container(), st.container(), st.container()
    with cards:
        comparing.heads(runs)
    with first, frame.guarded():
        maps(runs, second)
    comparing.table(differences.differing, runs, key="settings")
    with frame.guarded():
        answers(runs)
