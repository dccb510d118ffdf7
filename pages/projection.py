"""The projection: one group of M weights under N:M, or one block under a library of patterns."""

from __future__ import annotations

import streamlit as st

from core.lab import group
from core.lab import reading_group as reading
from core.lab.blocks import learned
from core.sparsity.patterns import NM
from core.views import projection, projection_library, projection_rounds
from ui import frame, knobs, links, player, typed

KEYS = ("pattern", "values", "entry", "value", "coupling", "rho", "iterations", "k", "seed")
Weights = tuple[float, ...]


def read_weights(kind: reading.Kind, default: str) -> Weights:
    """The values of the group. A `?value=` for `?entry=` is taken into `?values=`, which then says it all."""
    weights = typed.read("values", default, lambda text: reading.values(text, kind.m))
    entry = links.remembered("entry") or "1"
    if "value" in st.query_params and entry in reading.entries(kind):
        with frame.guarded():
            weights = reading.replaced(weights, entry, reading.number(st.query_params["value"], "value"))
            typed.put("values", reading.text(weights), default)
            st.query_params.pop("value")
    return weights


def touch(kind: reading.Kind, weights: Weights, default: str) -> str:
    """Choose an entry and drag its value."""
    entry = links.choose("entry", "Entry", reading.entries(kind), kind="entry")

    def moved(value: float) -> None:
        st.query_params.pop("value", None)
        typed.put("values", reading.text(reading.replaced(weights, entry, value)), default)

    low, high, step = reading.span(weights)
    typed.drag("value", f"Value of entry {entry}", low, high, reading.at(weights, entry), moved, step=step)
    return entry


frame.opening("projection")
kind = typed.read("pattern", reading.CHOICES[0], reading.pattern)
seed = typed.read("seed", "0", reading.seed)
start = reading.start(kind, seed)
weights = read_weights(kind, start)
rho = typed.read("rho", "1", reading.rho)
picture, side = st.columns([11, 4], gap="large")
with side:
    typed.pick("pattern", "Pattern", reading.CHOICES, default=reading.CHOICES[0], words=reading.title,
               drops=("values", "value", "entry", "k"), help="Or type any N:M with M up to 16.")
    entry = touch(kind, weights, start)
    if isinstance(kind, NM):
        coupling = knobs.slide("coupling", "Correlation of neighbours", 0, 90, step=5, default=60, form="%d %%",
                               help="How much of the same two neighbouring inputs say.")
    else:
        typed.drag("seed", "Another block", 0, 99, seed, lambda new: typed.put("seed", str(new), "0", ("values",)),
                   step=1, help="Made-up weights, drawn again. Real layers are on the other pages.")
    with st.expander("More knobs"):
        typed.box("values", f"{kind.m} values, separated by commas", default=start)
        if isinstance(kind, NM):
            typed.pick("rho", "rho", reading.RHOS, default="1", help="How hard W is pulled to Z. Or type a number.")
            iterations = knobs.slide("iterations", "Iterations", 1, 200, default=20)
        typed.reset("Start again", KEYS)
with picture, frame.guarded():
    if isinstance(kind, NM):
        found = group.nudge(weights, kind, reading.share(coupling), rho, iterations)

        def draw(k: int) -> None:
            frame.show(projection.bars(found, k), "bars")
            st.markdown(links.plain(projection.arithmetic(found, k, entry)))
            frame.show(projection_rounds.crossings(found, k), "crossings")
            frame.show(projection_rounds.choice(found, k), "choice")

        player.show(draw, found.last)
    else:
        library = learned(kind.rows, kind.columns, kind.keep, kind.count)
        frame.show(projection_library.block(library, weights), "block")
        frame.show(projection_library.patterns(library, weights), "patterns")
