"""ADMM in two dimensions: the knobs, and a player over the iterations of one solve."""

from __future__ import annotations

import streamlit as st

from core.lab import plane
from core.views import plane as views
from ui import frame, links, player

KNOWN = "plane.link"  # what the link said last: the page opens on it again after a walk over other pages


def settled() -> plane.Asked:
    """What the link asks for. A value that cannot be used gets a red box, and the link stays as it is."""
    here = {key: st.query_params[key] for key in plane.KEYS if key in st.query_params}
    asked = plane.read(here or st.session_state.get(KNOWN, {}))
    for problem in asked.problems:
        st.error(links.plain(problem))
    if not asked.problems:
        write(asked.link)
    return asked


def write(link: dict[str, str], also: tuple[str, ...] = ()) -> None:
    """Make the link say *link* and nothing else of this page's choices, nor of *also*: in one entry of the history."""
    st.session_state[KNOWN] = link
    now = st.query_params.to_dict()
    new = {key: value for key, value in now.items() if key not in (*plane.KEYS, *also)} | link
    if new != now:
        st.query_params.from_dict(new)


def turned(asked: plane.Asked, key: str) -> None:
    """A widget was moved: write the link. A case opens at its last iteration."""
    chosen = st.session_state[f"plane.{key}"]
    if chosen is not None:  # None: the segment was clicked off
        if key == "case":
            player.stop()
        write(asked.turned(key, chosen), also=("k",) if key == "case" else ())


def offer(asked: plane.Asked, key: str) -> None:
    """One choice: a row of segments, or a slider."""
    names, widget = asked.names(key), f"plane.{key}"
    st.session_state[widget] = asked.text(key)
    label, box, note = (plane.NAMED[key], st.segmented_control, None) if key in plane.NAMED else \
        (plane.KNOBS[key].label, st.select_slider, plane.KNOBS[key].help)
    box(label, list(names), format_func=names.__getitem__, key=widget, help=note, on_change=turned, args=(asked, key),
        label_visibility="collapsed" if key == "case" else "visible")


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
