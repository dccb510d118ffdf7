"""Layer lab: one real layer, a method and its knobs, and a player over the rounds of the solve."""

from __future__ import annotations

import streamlit as st

from core.lab import choices_layer as knobs
from core.lab import layer, source
from core.lab.choices_layer import LayerChoices
from core.runs.store import Run
from core.views.touch.layerlab import Pictures, moment
from ui import frame, layers, links, player

OWN = links.Own("lab", knobs.KEYS)


def settled(pattern: str) -> LayerChoices:
    """What the link asks for."""
    choices, problems = knobs.read(OWN.said(), pattern)
    OWN.settle(choices.link(pattern), problems)
    return choices


def offer(choices: LayerChoices, key: str, pattern: str) -> None:
    """One knob, bound to the link."""
    links.widget("steps" if key in knobs.KNOBS else "select", f"lab.{key}", knobs.label_of(key),
                 knobs.value_of(choices, key), lambda text: OWN.say(knobs.with_one(choices, key, text).link(pattern)),
                 names=knobs.names(choices, key), help=knobs.help_of(choices, key))


def buttons(choices: LayerChoices) -> None:
    """Pin or unpin, and reset."""
    if "pin" in st.query_params:
        st.button("Unpin", on_click=st.query_params.pop, args=("pin",), width="stretch")
    else:
        st.button("Pin", on_click=st.query_params.update, args=({"pin": choices.text()},), width="stretch",
                   help="Maps and curves then show this setting's answer beside the present one.")
    st.button("Reset", on_click=OWN.say, args=({},), width="stretch")


def draw(shown: Pictures) -> None:
    """The maps over the curves and the histogram."""
    frame.show(shown.maps, "maps")
    left, right = st.columns(2, gap="large")
    with left:
        frame.show(shown.error, "error")
    with right:
        frame.show(shown.rounds, "rounds")
    for key, view in shown.below.items():
        frame.show(view, key)


def page(run: Run, matrix: str) -> None:
    """The knobs, the pin, and the player over the path that they give."""
    pattern = knobs.usual(run.record.spec.pattern)
    choices, here = settled(pattern), source.source_of(run, matrix)
    seen, folded = knobs.shown(choices)
    pictures, side = st.columns([15, 4], gap="medium")
    with side, st.container(key="side", gap="small"):
        for key in seen:
            offer(choices, key, pattern)
        with st.popover("More", width="stretch", disabled=not folded):
            for key in folded:
                offer(choices, key, pattern)
        buttons(choices)
    path, pinned = layer.path_of(here, choices), None
    with frame.guarded():
        pinned = layer.pinned(here, st.query_params.get("pin"))
    lines = dict(layer.errors_of(here, path.pattern, path.grid))
    with pictures:
        player.show(lambda k: draw(moment(path, k, lines, pinned)), path.last, words=path.words)
        st.caption(links.plain(source.about(run, matrix)))


frame.opening("lab")
found = layers.pick(source.offered((e.record for e in frame.entries() if e.record), frame.own()), source.matrices_of,
                    source.COMMAND)
if found is not None:
    with frame.guarded():
        page(*found)
