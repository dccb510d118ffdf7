"""Patterns: which shapes may a block take, which does it take, and what does a small library cost?"""

from __future__ import annotations

import streamlit as st

from core.runs.store import Run
from core.views.patterns import library_block, library_cost, library_map
from core.views.patterns import library_source as source
from ui import frame, links

OWN = links.Own("patterns", ("block", "learned", "supports", "support", "down", "across"))


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


frame.opening("patterns")
run = frame.pick_run("any")
matrix = None if run is None else frame.pick_matrix(run)
if run is not None and matrix is not None:
    with frame.guarded():
        if words := source.nothing_to_learn(run):
            st.info(words)
        else:
            page(run, matrix)
