"""The projection: one group of M weights under N:M, or one block under a library of patterns."""

from __future__ import annotations

import streamlit as st

from core.lab import group
from core.lab import reading_group as reading
from core.lab.results_group import Nudge
from core.views.touch import one_block, one_group, one_group_rounds
from ui import entries, frame, knobs, links, player, typed

KEYS = ("pattern", "values", "entry", "value", "coupling", "rho", "iterations", "k", "seed")


def draw(found: Nudge, k: int, entry: str) -> None:
    """Iteration *k* on the left; on the right all of them, with *k* marked."""
    left, right = st.columns(2, gap="large")
    with left:
        frame.show(one_group.bars(found, k), "bars")
        st.markdown(links.plain(one_group.arithmetic(found, k, entry)))
    with right:
        frame.show(one_group_rounds.crossings(found, k), "crossings")
        frame.show(one_group_rounds.choice(found, k), "choice")


frame.opening("projection")
kind = typed.read("pattern", reading.CHOICES[0], reading.pattern)
seed = typed.read("seed", "0", reading.seed)
start = reading.start(kind, seed)
weights = entries.read_weights(kind, start)
rho = typed.read("rho", "1", reading.rho)
first, second, third, fourth, rest = st.columns([5, 3, 5, 5, 4], gap="medium", vertical_alignment="bottom")
with first:
    typed.pick("pattern", "Pattern", reading.CHOICES, default=reading.CHOICES[0], words=reading.title,
               drops=("values", "value", "entry", "k"), help="Or type any N:M with M up to 16.")
entry = entries.touch(second, third, kind, weights, start)
with fourth:
    if reading.is_free(kind):
        coupling = knobs.slide("coupling", "Correlation of neighbours", 0, 90, step=5, default=60, form="%d %%",
                               help="How much of the same two neighbouring inputs say.")
    else:
        typed.drag("seed", "Another block", 0, 99, seed, lambda new: typed.put("seed", str(new), "0", ("values",)),
                   step=1, help="Made-up weights, drawn again. Real layers are on the other pages.")
with rest, st.popover("More knobs", width="stretch"):
    typed.box("values", f"{reading.size(kind)} values, separated by commas", default=start)
    if reading.is_free(kind):
        typed.pick("rho", "rho", reading.RHOS, default="1", help="How hard W is pulled to Z. Or type a number.")
        iterations = knobs.slide("iterations", "Iterations", 1, 200, default=20)
    typed.reset("Start again", KEYS)
if reading.is_free(kind):
    with frame.guarded():
        found = group.nudge(weights, kind, reading.share(coupling), rho, iterations)
        player.show(lambda k: draw(found, k, entry), found.last)
else:
    library = reading.library_of(kind)
    frame.show(one_block.block(library, weights), "block")
    frame.show(one_block.patterns(library, weights), "patterns")
