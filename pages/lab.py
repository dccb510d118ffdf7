"""Layer lab: one real layer, a method and its knobs, and the rounds of the solve as a film."""

from __future__ import annotations

import streamlit as st

from core.lab import choices_layer as knobs
from core.lab import layer, source
from core.lab.choices_layer import LayerChoices
from core.runs.store import Run
from core.views.film import copies
from core.views.touch import layerlab
from ui import film, frame, layers, links

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
    if not links.free():
        return
    if "pin" in st.query_params:
        st.button("Unpin", on_click=st.query_params.pop, args=("pin",), width="stretch")
    else:
        st.button("Pin", on_click=st.query_params.update, args=({"pin": choices.text()},), width="stretch",
                   help="Maps and curves then show this setting's answer beside the present one.")
    st.button("Reset", on_click=OWN.say, args=({},), width="stretch")


def page(run: Run, matrix: str) -> None:
    """The knobs, the pin, and the film of the path that they give; a click on the whole of a large layer moves it."""
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

    def moved(cell: str) -> None:
        place = layerlab.clicked(path, cell)
        if place is not None:
            links.shared.put("row", str(place[0]))
            links.shared.put("column", str(place[1]))

    lines = dict(layer.errors_of(here, path.pattern, path.grid))
    with pictures:
        top, left = copies.place(links.shared.get("row"), links.shared.get("column"))
        film.show(layerlab.film(path, lines, pinned, top, left), "maps", claim=False, picked=moved)
        st.caption(links.plain(source.about(run, matrix)))


frame.opening("lab")
found = layers.pick(source.offered((e.record for e in frame.entries() if e.record), frame.own()), source.matrices_of,
                    source.COMMAND)
if found is not None:
    with frame.guarded():
        page(*found)
