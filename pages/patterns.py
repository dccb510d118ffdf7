"""Patterns: which shapes may a block take, which does it take, and what does a small library cost?"""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.patterns import library_block, library_cost, library_map
from core.views.patterns import library_source as source
from ui import frame, links

KNOBS = ("block", "learned", "supports", "support", "down", "across")
OWN = links.Own("patterns", (*KNOBS, "dense"))


def page(run: Run, matrix: str) -> None:
    """The map with the library as its legend, the knobs, what it costs, and one block."""
    maps = st.container()
    first, second, third, fourth = st.columns(4, gap="large", vertical_alignment="bottom")
    with first:
        block = OWN.choose("block", "Block", source.shapes(run, matrix), words=lambda b: source.shape_of(b).words,
                           help="Rows × columns of a block, and how many of its weights stay.")
    with third:
        learned = OWN.choose("learned", "Learned from", source.sources(run, block), kind="source",
                             words=source.LEARNED.__getitem__)
    with st.spinner("Counting the supports …"):
        most = source.most(run, matrix, block, learned)
    with second:
        count = most if learned == source.RUN else OWN.slide(
            "supports", "Supports, K", 1, most, default=min(source.USUAL, most))
    with fourth:
        shown = OWN.slide("support", "One support (0: all)", 0, count)
    frame.draw(library_cost.cost, run, matrix, block, learned, count, key="cost")
    close, rank = st.columns(2, gap="large")
    last = library_block.reach(run, matrix, block)
    with close:
        numbers = st.container()
    with rank:
        best = st.container()
        down = OWN.slide("down", "Block row", 0, last.down)
        across = OWN.slide("across", "Block column", 0, last.across)
    choice = (matrix, block, learned, count)
    if words := library_block.note(run, learned):
        st.caption(links.plain(words))
    with maps:
        left, right = st.columns([6, 5], gap="large")
        with left:
            frame.draw(library_map.block_map, run, *choice, shown, (down, across), key="map")
        with right:
            frame.draw(library_map.legend, run, *choice, shown, key="library")
    with numbers:
        frame.draw(library_block.close_up, run, *choice, down, across, key="block")
    with best:
        frame.draw(library_block.ranking, run, *choice, down, across, key="ranking")


def other(run: Run, words: str) -> bool:
    """What a run of whole units has in place of a library; whether one of its dense weights is asked for all the same.

    A link that names a knob of the library asks for it.
    """
    st.header(words, anchor=False)
    with st.container(horizontal=True, gap="medium"):
        frame.link("weights", "What is left of it", run=run.record.id)
        frame.link("occupancy", "Its certificate", run=run.record.id)
    if any(key in st.query_params for key in KNOBS):
        OWN.put("dense", "true", "false")
    return OWN.switch("dense", "Learn a library from its dense weights all the same", drops=KNOBS)


frame.opening("patterns")
run = frame.pick_run("any", units=True)
if run is not None:
    with frame.guarded():
        words = source.no_library(run)
        if not words or other(run, words):
            if lacking := source.nothing_to_learn(run):
                st.info(lacking)
            elif (matrix := frame.pick_matrix(run)) is not None:
                page(run, matrix)
