"""The projection: one group of M weights under N:M, or one block under a library of patterns."""

from __future__ import annotations

import streamlit as st

from core.lab import group
from core.lab import reading_group as reading
from core.views.touch import one_block, one_group_film
from ui import film, frame, group_values, links
from ui.group_values import OWN

frame.opening("projection")
kind = OWN.typed("pattern", reading.CHOICES[0], reading.pattern)
seed = OWN.typed("seed", "0", reading.seed)
start = reading.start(kind, seed)
weights = group_values.read_weights(kind, start)
rho = OWN.typed("rho", "1", reading.rho)
first, second, third, fourth, rest = st.columns([5, 3, 5, 5, 4], gap="medium", vertical_alignment="bottom")
with first:
    OWN.pick("pattern", "Pattern", reading.CHOICES, default=reading.CHOICES[0], words=reading.title,
             drops=("values", "value", "entry", "k"), help="Or type any N:M with M up to 16.")
entry = group_values.draw(second, third, kind, weights, start)
with fourth:
    if reading.is_free(kind):
        coupling = OWN.slide("coupling", "Correlation of neighbours", 0, 90, step=5, default=60, form="%d %%",
                             help="How much of the same two neighbouring inputs say.")
    else:
        links.widget("slider", "projection.seed", "Another block", seed,
                     lambda new: OWN.put("seed", str(new), "0", drops=("values",)), 0, 99,
                     help="Made-up weights, drawn again. Real layers are on the other pages.")
with rest, st.popover("More knobs", width="stretch"):
    OWN.box("values", f"{reading.size(kind)} values, separated by commas", default=start)
    if reading.is_free(kind):
        OWN.pick("rho", "rho", reading.RHOS, default="1", help="How hard W is pulled to Z. Or type a number.")
        iterations = OWN.slide("iterations", "Iterations", 1, 200, default=20)
    if links.free():
        st.button("Start again", icon=":material/restart_alt:", on_click=OWN.forget, args=(*OWN.keys, "value", "k"))
if reading.is_free(kind):
    with frame.guarded():
        found = group.solve(weights, kind, reading.share(coupling), rho, iterations)
        film.show(one_group_film.film(found, entry), "group", claim=False)
else:
    library = reading.library_of(kind)
    frame.show(one_block.block(library, weights), "block")
    frame.show(one_block.patterns(library, weights), "patterns")
