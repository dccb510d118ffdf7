"""The first screen: one matrix on its way, three numbers, and the ways on."""

from __future__ import annotations

import streamlit as st

from core.methods import METHODS
from core.runs.store import Run
from core.views.catalogue import overview
from core.views.drawing import style
from core.views.film import opening
from core.views.patterns.units_left import of_units
from ui import film, frame, links, saving

SENTENCE = ("ADMM keeps two copies of every weight: one learns, one obeys the pattern, and a memory pulls them "
            "together.")
MOVED = ("task", "method", "pattern")  # filters of the list of runs, which was here
LETTERS = 80  # of an old link's filter: what is longer names nothing


def sentence(run: Run | None) -> str:
    """What the method of *run* does."""
    method = "admm" if run is None else run.record.spec.method
    return SENTENCE if "admm" in method or method not in METHODS else METHODS[method].idea


def play(run: Run) -> None:
    """The film of one matrix of *run*, playing by itself; what it shows, and which run it is. Of a run that removed
    whole units, the map of what is left."""
    with frame.guarded():
        if of_units(run.record):
            # pandas only where it is needed: the pinned run's film does without
            from core.views.patterns.units_map import units_map

            frame.show(frame.cached(units_map, run), "overview")
            st.caption(links.plain(_name(run)))
            return
        found = frame.cached(opening.film, run)
        if found is None:
            st.info("This run kept no moments to play.")
        else:
            film.show(found, "overview", autoplay=True, link="", claim=False)
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.caption(links.plain(f"{found.claim} {_name(run)}"), width="stretch")
                saving.offer("overview", saving.Taken(found.claim, found.alt, lambda: opening.table(run), found))
    if run.record.error and run.record.status != "succeeded":
        st.warning(links.plain(run.record.error))


def _name(run: Run) -> str:
    """Which run this is, in words."""
    made = f"{'recorded' if run.recorded else 'made on this machine'} {run.record.created[:10]}"
    return " · ".join([style.task_title(run.record.spec.task), style.run_words(run.record), made])


def numbers(run: Run) -> None:
    """Three numbers in one unit, below each other."""
    for number in frame.cached(overview.of, run):
        with st.container(gap=None):
            st.metric(number.label, number.value)
            st.caption(links.plain(number.note))


def ways(run: Run | None) -> None:
    """One button, and two quiet links."""
    with st.container(key="learn"):
        frame.link("lesson", "Learn how in 10 minutes")
    with st.container(horizontal=True, gap="medium"):
        if run is not None:
            frame.link("weights" if of_units(run.record) else "watch", "Explore", run=run.record.id)
        frame.link("run", "Run your own")


def old_link() -> None:
    """A link of before that filters the list of runs leads there, with its filters."""
    asked = {key: st.query_params[key][:LETTERS] for key in MOVED if key in st.query_params}
    if asked:
        frame.link("runs", "The runs that this link asks for", **asked)
