"""The entries of a group: typed all at once, or one of them dragged. Both end in `?values=`."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.lab import reading_group as reading
from core.sparsity.patterns import Pattern
from ui import frame, links, typed


def read_weights(kind: Pattern, default: str) -> tuple[float, ...]:
    """The values of the group. A `?value=` for `?entry=` is taken into `?values=`, which then says it all."""
    weights = typed.read("values", default, lambda text: reading.values(text, reading.size(kind)))
    entry = links.remembered("entry") or "1"
    if "value" in st.query_params and entry in reading.entries(kind):
        with frame.guarded():
            weights = reading.replaced(weights, entry, reading.number(st.query_params["value"], "value"))
            typed.put("values", reading.text(weights), default)
            st.query_params.pop("value")
    return weights


def touch(first: DeltaGenerator, second: DeltaGenerator, kind: Pattern, weights: tuple[float, ...],
          default: str) -> str:
    """Choose an entry (drawn in *first*) and drag its value (in *second*); the entry."""
    with first:
        entry = links.choose("entry", "Entry", reading.entries(kind), kind="entry", width="stretch")

    def moved(value: float) -> None:
        st.query_params.pop("value", None)
        typed.put("values", reading.text(reading.replaced(weights, entry, value)), default)

    low, high, step = reading.span(weights)
    with second:
        typed.drag("value", f"Value of entry {entry}", low, high, reading.at(weights, entry), moved, step=step)
    return entry
