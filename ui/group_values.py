"""The entries of a group: typed all at once, or one of them dragged. Both end in `?values=`."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.lab import reading_group as reading
from core.sparsity.patterns import Pattern
from ui import frame, links

OWN = links.Own("projection", ("pattern", "values", "entry", "coupling", "rho", "iterations", "seed"))


def read_weights(kind: Pattern, default: str) -> tuple[float, ...]:
    """The values of the group. A `?value=` for `?entry=` is taken into `?values=`, which then says it all."""
    weights = OWN.typed("values", default, lambda text: reading.values(text, reading.size(kind)))
    entry = OWN.get("entry") or "1"
    if "value" in st.query_params and entry in reading.entries(kind):
        with frame.guarded():
            weights = reading.replaced(weights, entry, reading.number(st.query_params["value"], "value"))
            OWN.put("values", reading.text(weights), default, drops=("value",))
    return weights


def draw(first: DeltaGenerator, second: DeltaGenerator, kind: Pattern, weights: tuple[float, ...],
          default: str) -> str:
    """Choose an entry (drawn in *first*) and drag its value (in *second*); the entry."""
    with first:
        entry = OWN.choose("entry", "Entry", reading.entries(kind), kind="entry", width="stretch")

    def moved(value: float) -> None:
        OWN.put("values", reading.text(reading.replaced(weights, entry, value)), default, drops=("value",))

    low, high, step = reading.span(weights)
    with second:
        links.widget("slider", "projection.value", f"Value of entry {entry}", reading.at(weights, entry), moved, low,
                     high, step=step)
    return entry
