"""N:M occupancy: does every group hold exactly N, and how far did the groups have to go?"""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.patterns import certificate, occupancy_map, occupancy_strip, unit_shares, units_left
from ui import frame, lines, links

OWN = links.Own("occupancy", ("share",))


def threshold(default: int, of: str = "matrix") -> int:
    """The slider that says which dense weights count, over the map that it changes: the left one."""
    with st.columns(2)[0]:
        return OWN.slide("share", "Largest dense weights that count", 1, 100, form="%d %%", default=default, aside=True,
                         help=f"No dense weight is exactly zero. One counts when it is among the largest of its {of}; "
                              "the slider starts at the share that the pattern keeps.")


def page(run: Run, matrix: str) -> None:
    """The certificate, the map of groups under its threshold, the way to the spike, all matrices."""
    with st.container(gap="xxsmall"):
        lines.draw(certificate.certificate, run, key="certificate", more=certificate.listed)
        heading = st.container()
        share = threshold(occupancy_map.usual_share(run, matrix))
        frame.draw(occupancy_map.group_maps, run, matrix, share, key="groups", heading=heading)
    frame.draw(occupancy_map.history, run, matrix, share, key="history")
    frame.draw(occupancy_strip.strip, run, key="strip")


def units(run: Run) -> None:
    """A run that removed whole heads and neurons has no groups: what is left of every layer, then of one module."""
    frame.draw(certificate.certificate, run, key="certificate")
    if not unit_shares.known(run):
        st.caption(unit_shares.NOT_KEPT)
    elif (matrix := frame.pick_matrix(run)) is not None:
        with st.container(gap="xxsmall"):
            heading = st.container()
            share = threshold(unit_shares.usual(run), "attention or FFN")
            frame.draw(unit_shares.unit_shares, run, matrix, share, key="groups", heading=heading)


frame.opening("occupancy")
run = frame.pick_run(units=True)
if run is not None:
    with frame.guarded():
        if units_left.of_units(run.record):
            units(run)
        elif (matrix := frame.pick_matrix(run)) is not None:
            page(run, matrix)
