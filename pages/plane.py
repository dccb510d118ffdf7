"""ADMM in two dimensions: the knobs, and a player over the iterations of one solve."""

from __future__ import annotations

import streamlit as st

from core.lab import plane
from core.views.touch import two_weights as views
from ui import frame, links, player

OWN = links.Own("plane", plane.KEYS)


def turned(asked: plane.Asked, key: str, chosen: str) -> None:
    """A widget was moved: write the link. A case opens at its last iteration."""
    if key == "case":
        player.stop()
    OWN.say(asked.turned(key, chosen), drops=("k",) if key == "case" else ())


def offer(asked: plane.Asked, key: str) -> None:
    """One choice: a row of segments, or a slider."""
    knob = plane.KNOBS.get(key)
    links.widget("steps" if knob else "segments", f"plane.{key}", knob.label if knob else plane.NAMED[key],
                 asked.text(key), lambda chosen: turned(asked, key, chosen), names=asked.names(key),
                 help=knob.help if knob else None,
                 label_visibility="collapsed" if key == "case" else "visible")


def draw(moment: views.Pictures) -> None:
    """The plane on the left; the updates and the curves on the right."""
    left, right = st.columns([6, 5], gap="large")
    with left:
        frame.show(moment.picture, "plane")
    with right:
        for update in moment.updates:
            st.caption(links.plain(update.words))
            st.latex(update.latex)
        st.caption(links.plain(moment.balance))
        frame.show(moment.curves, "curves")


frame.opening("plane")
asked = plane.read(OWN.said())
OWN.settle(asked.link, asked.problems)
offer(asked, "case")
st.caption(links.plain(asked.shows))
*places, rest = st.columns([3, 3, 3, 2], gap="large", vertical_alignment="bottom")
for place, key in zip(places, plane.FIRST, strict=True):
    with place:
        offer(asked, key)
with rest, st.popover("More knobs", width="stretch"):
    for key in plane.REST:
        offer(asked, key)
path = plane.solve(asked.choices)
player.show(lambda k: draw(views.moment(path, k)), path.last)
