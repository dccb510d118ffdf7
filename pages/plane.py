"""ADMM in two dimensions: the knobs, and the film of one solve."""

from __future__ import annotations

import streamlit as st

from core.lab import plane
from core.views.touch import two_weights as views
from core.views.touch import two_weights_words as words
from ui import film, frame, links

OWN = links.Own("plane", plane.KEYS)


def turned(asked: plane.Asked, key: str, chosen: str) -> None:
    """A widget was moved: write the link. A case opens at its beginning."""
    OWN.say(asked.turned(key, chosen))
    if key == "case":
        st.query_params["k"] = "0"


def offer(asked: plane.Asked, key: str) -> None:
    """One choice: a row of segments, or a slider."""
    knob = plane.KNOBS.get(key)
    links.widget("steps" if knob else "segments", f"plane.{key}", knob.label if knob else plane.NAMED[key],
                 asked.text(key), lambda chosen: turned(asked, key, chosen), names=asked.names(key),
                 help=knob.help if knob else None,
                 label_visibility="collapsed" if key == "case" else "visible")


frame.opening("plane")
asked = plane.read(OWN.said())
OWN.settle(asked.link, asked.problems)
offer(asked, "case")
path = plane.solve(asked.choices)
picture, side = st.columns([9, 2], gap="medium")
with side:
    for key in plane.FIRST:
        offer(asked, key)
    with st.popover("More knobs", width="stretch"):
        for key in plane.REST:
            offer(asked, key)
    st.caption(links.plain(asked.shows))
with picture:
    film.show(views.film(path), "plane", claim=False)
with st.expander("The formulas"):
    for update in words.rules(path):
        st.caption(links.plain(update.words))
        st.latex(update.latex)
