"""Activations: what the layers feel when they read a probe sentence, dense and pruned."""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views import activations
from ui import frame, links


def page(run: Run) -> None:
    """The answer, all layers, one layer, one head."""
    probes = {p.id: activations.words_of(p) for p in run.record.probes}
    if not probes:
        st.info("This run keeps no probe sentences: its record level leaves them out. Choose another run.")
        return
    layer = frame.pick_layer(run)
    first = st.container()
    probe = links.choose("sentence", "Sentence", list(probes), words=probes.__getitem__, width="stretch")
    with first:
        frame.draw(activations.answer, run, probe, key="answer")
    frame.draw(activations.layers, run, probe, key="layers")
    frame.draw(activations.features, run, probe, layer, key="features")
    heads = [str(k) for k in range(1, run.record.heads + 1)]
    if heads and layer:
        picture = st.container()
        head = links.choose("head", "Head", heads, look="segments", words="head {}".format)
        with picture:
            frame.draw(activations.attention, run, probe, layer, int(head), key="attention")


frame.opening("activations")
run = frame.pick_run()
if run is not None:
    with frame.guarded():
        page(run)
