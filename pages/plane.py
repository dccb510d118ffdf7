"""ADMM in two dimensions: the knobs, and a player over the iterations of one solve."""

from __future__ import annotations

import streamlit as st

from core.lab import plane
from core.views.touch import two_weights as views
from ui import frame, kept, links, player


def settled() -> plane.Asked:
    """What the link asks for. A value that cannot be used gets a red box, and the link stays as it is."""
    asked = plane.read(kept.read("plane", plane.KEYS))
    for problem in asked.problems:
        st.error(links.plain(problem))
    if not asked.problems:
        kept.write("plane", plane.KEYS, asked.link)
    return asked


def turned(asked: plane.Asked, key: str, chosen: str) -> None:
    """A widget was moved: write the link. A case opens at its last iteration."""
    if key == "case":
        player.stop()
    kept.write("plane", plane.KEYS, asked.turned(key, chosen), drops=("k",) if key == "case" else ())


def offer(asked: plane.Asked, key: str) -> None:
    """One choice: a row of segments, or a slider."""
    knob = plane.KNOBS.get(key)
    kept.offer("plane", key, knob.label if knob else plane.NAMED[key], asked.names(key), asked.text(key),
               lambda chosen: turned(asked, key, chosen), look="slider" if knob else "segments",
               help=knob.help if knob else None, bare=key == "case")


def draw(moment: views.Moment) -> None:
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
asked = settled()
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
