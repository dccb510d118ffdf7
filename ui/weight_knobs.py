"""The knobs of the page of weights that stand with its film as with its still pictures, and its older links."""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.weights import moving, tile
from ui import frame, links

OWN = links.Own("weights", ("moment", "show", "difference", "figure"))


def older(run: Run, matrix: str) -> None:
    """A moment as older links name it becomes one of the film."""
    moment = OWN.get("moment")
    if moment is None:
        return
    k = frame.cached(moving.place_of, run, matrix, moment)
    OWN.forget("moment")
    if k is None:
        st.error(links.plain(f"Unknown moment {moment[:40]!r}. Expected: one that the film has. Move the slider."))
    elif "k" not in st.query_params:
        st.query_params["k"] = str(k)


def finer() -> bool:
    """In which range the difference is drawn."""
    return OWN.choose("difference", "Difference in", ["1", "10"], look="segments",
                      words={"1": "the same colours", "10": "a tenth of the range"}.__getitem__) == "10"


def position(reach: tile.Knobs) -> tuple[int, int]:
    """Where the tile lies."""
    return links.shared.slide("row", "First output of the tile", 0, reach.last[0], step=reach.step[0]), \
        links.shared.slide("column", "First input of the tile", 0, reach.last[1], step=reach.step[1])
