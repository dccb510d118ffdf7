"""Activations: what the layers feel when they read a probe sentence, dense and pruned, and what it leads to."""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.activations import (
    all_layers,
    attention_map,
    chain,
    kept_sentence,
    magnitudes,
    one_layer,
    quiet_price,
    quiet_time,
    region_film,
)
from core.views.film import regions
from ui import film, frame, links

PARTS = {"layers": "All layers", "layer": "One layer", "attention": "Attention", "sizes": "Distribution",
         "trade": "Price"}


def page(run: Run, own: links.Own) -> None:
    """Mask, activation and answer in one strip; under it one part at a time."""
    probes = {p.id: kept_sentence.words_of(p) for p in run.record.probes}
    if not probes:
        st.info("This run keeps no probe sentences: its record level leaves them out. Choose another run.")
        return
    layer = frame.pick_layer(run)
    strip = st.container()
    with st.container(horizontal=True, gap="large", vertical_alignment="bottom"):
        probe = own.choose("sentence", "Sentence", list(probes), words=probes.__getitem__, width=460)
        there = region_film.maps_of(run, probe)
        name = own.choose("map", "Feature map", there, default=region_film.usual_map(run, probe), always=True,
                          look="segments", words=region_film.map_title, kind="feature map")
    with strip:
        frame.draw(chain.chain, run, probe, name, layer, key="chain")
    part = links.shared.choose("part", "Show", list(PARTS), look="segments", words=PARTS.__getitem__)
    if part == "layers":
        watch(run, probe, name, layer)
    elif part == "layer":
        frame.draw(one_layer.one_layer, run, probe, name, layer, key="layer")
    elif part == "sizes":
        frame.draw(magnitudes.sizes, run, probe, name, layer, key="sizes")
    elif part == "trade":
        spec = run.record.spec
        frame.show(frame.cached_evidence(quiet_price.trade, spec.task, spec.model, spec.pattern, name,
                                         run.record.id), "trade")
    else:
        heads = [str(k) for k in range(1, run.record.heads + 1) if layer]
        picture = st.container()
        head = links.shared.choose("head", "Head", heads, look="segments", words="head {}".format) if heads else "1"
        with picture:
            frame.draw(attention_map.attention, run, probe, layer, int(head), key="attention")


def watch(run: Run, probe: str, name: str, layer: int) -> None:
    """All layers at a glance: played where the run kept moments, else dense and final."""
    with frame.guarded():
        if words := region_film.missing(run, probe):
            st.caption(words)
        played = frame.cached(regions.film, run, probe, name)
        if played is None:
            frame.draw(all_layers.glance, run, probe, name, layer, key="layers")
        else:
            film.show(played, "layers", claim=False)
        if region_film.film(run, probe, name).watched:
            frame.draw(quiet_time.over_time, run, probe, name, layer, key="time")


frame.opening("activations")
run = frame.pick_run(method="pattern-admm")
if run is not None:
    with frame.guarded():
        page(run, links.Own("activations", ("sentence", "map")))
