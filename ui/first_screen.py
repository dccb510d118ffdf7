"""The first screen: one matrix on its way, three numbers, and the ways on."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.runs.store import Run
from core.views.catalogue import overview
from core.views.drawing import style
from ui import frame, links
from ui.pages import PAGES

SENTENCE = ("ADMM keeps two copies of every weight: one learns, one obeys the pattern, and a memory pulls them "
            "together.")
MOVED = ("task", "method", "pattern")  # filters of the list of runs, which was here
LETTERS = 80  # of an old link's filter: what is longer names nothing


def film(run: Run) -> None:
    """One matrix of *run* from dense to pruned."""
    with frame.guarded():
        strip = frame.cached(overview.strip, run)
        if strip is None:
            st.info("This run kept no weights to look at.")
            return
        st.image(strip.image, width="stretch", alt=strip.alt)
        cells = "".join(f"<div><b>{escape(title)}</b><br>{escape(note)}</div>" for title, note, _ in strip.tiles)
        st.html(f'<div class="tiles" style="grid-template-columns:repeat({len(strip.tiles)},1fr);'
                f'column-gap:{100 * strip.gap:.3f}%">{cells}</div>')
        st.caption(links.plain(strip.legend))


def about(run: Run) -> None:
    """Which run this is, in words; a warning where it has not ended well."""
    record = run.record
    made = f"{'recorded' if run.recorded else 'made on this machine'} {record.created[:10]}"
    st.caption(links.plain(" · ".join([style.task_title(record.spec.task), style.run_words(record), made])))
    if record.error and record.status != "succeeded":
        st.warning(links.plain(record.error))


def numbers(run: Run) -> None:
    """Three numbers in one unit, below each other."""
    for number in overview.numbers(run.record):
        with st.container(gap=None):
            st.metric(number.label, number.value)
            st.caption(links.plain(number.note))


def ways(run: Run | None) -> None:
    """One button, and two quiet links."""
    with st.container(key="learn"):
        frame.link("lesson", "Learn how in 10 minutes")
    with st.container(horizontal=True, gap="medium"):
        if run is not None:
            frame.link("watch" if "watch" in PAGES else "weights", "Explore", run=run.record.id)
        frame.link("run", "Run your own")


def old_link() -> None:
    """A link of before that filters the list of runs leads there, with its filters."""
    asked = {key: st.query_params[key][:LETTERS] for key in MOVED if key in st.query_params}
    if asked:
        frame.link("runs", "The runs that this link asks for", **asked)
