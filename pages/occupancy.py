"""N:M occupancy: does every group hold exactly N, and how far did the groups have to go?"""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.patterns import certificate, occupancy_map
from ui import frame, links

OWN = links.Own("occupancy", ("share",))


def page(run: Run, matrix: str) -> None:
    """The certificate, the map of groups with its threshold, the way to the spike, all matrices."""
    with frame.guarded():
        for line in frame.cached(certificate.violations, run, matrix):
            st.warning(links.plain(line))
    maps, knob = st.container(), st.container()
    with knob:
        share = OWN.slide("share", "Largest dense weights that count", 1, 100, form="%d %%",
                          default=occupancy_map.usual_share(run, matrix),
                          help="No dense weight is exactly zero. One counts when it is among the largest of its "
                               "matrix; the slider starts at the share that the pattern keeps.")
    with maps:
        frame.draw(occupancy_map.group_maps, run, matrix, share, key="groups")
    frame.draw(certificate.certificate, run, key="certificate")
    frame.draw(occupancy_map.history, run, matrix, share, key="history")
    frame.draw(occupancy_map.strip, run, key="strip")


frame.opening("occupancy")
run = frame.pick_run()
matrix = None if run is None else frame.pick_matrix(run)
if run is not None and matrix is not None:
    with frame.guarded():
        page(run, matrix)
