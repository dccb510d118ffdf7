"""The lecture demo of the Run page: one button fills the form; the matrices are drawn as they go sparse."""

from __future__ import annotations

import streamlit as st

from core import demo
from core.live import presets, tickets, workers
from core.methods import METHODS
from core.runs.store import Run
from core.views.catalogue import live_layers
from ui import cache, frame, solving
from ui.run_form import START, own

LAYERED = tuple(name for name, entry in METHODS.items() if entry.target and entry.by_layer)
FIRST = "Its dense model is fine-tuned first, once: that takes minutes, do it before the lecture."


def offer() -> None:
    """The button "Watch minilm-l6 go sparse": it fills the form, and says what is missing for it."""
    if demo.on():
        return
    said, ready = presets.lecture(cache.store())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Lecture demo: watch minilm-l6 go sparse", icon=":material/co_present:", key="run.lecture",
                  on_click=_fill, args=(said,), help="Fills the form: 2:4 by layer-wise ADMM with few rounds, scored "
                  f"on {said['eval_examples']} examples only. About 10 s on two free cores.")
        if not ready:
            st.caption(FIRST)


def _fill(said: dict[str, str]) -> None:
    own().say({key: value for key, value in said.items() if START.get(key) != value}, drops=("run",))


def layered(run: str) -> bool:
    """Does this run solve its layers one by one? Its header says so; before there is one, what was asked for."""
    store = cache.store()
    entry = store.find(run)
    if entry is not None and entry.record is not None:
        return entry.record.spec.method in LAYERED
    asked = [*tickets.waiting(store)[0], *(worker.ticket for worker in workers.active(store))]
    return any(ticket.given.get("method") in LAYERED for ticket in asked if ticket.run == run)


def matrices(run: Run) -> None:
    """The table of what is solved, of a run that solves its layers one by one."""
    if run.record.spec.method in LAYERED:
        with frame.guarded():  # not cached: the list grows while header and trace stay as they are
            solving.draw(live_layers.solving(run), "live.layers")
