"""The list of runs and what may be done with those that are ticked; ADMM beside its baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import streamlit as st

from core.views.catalogue import beside, runs
from core.views.catalogue.runs import Row
from core.views.compare.choice import MOST
from ui import cache, comparing, frame, links, run_zip

OWN = links.Own("runs", ("search", "method", "pattern", "model", "status", "made", "view"))
VIEWS = {"list": "All runs", "beside": "ADMM beside its baselines"}
FOLDED = {"model": "Model", "status": "Status", "made": "Origin"}  # filters behind the button
HEIGHT = 440  # pixels of a table: a longer one is as high as the window leaves room, and scrolls
ROW = 36  # pixels of a row of a table, and of its head
NUMBER = st.column_config.NumberColumn


def filters(found: Sequence[Row]) -> list[Row]:
    """Search and filters in one row; the runs that are left."""
    wanted = {}

    def box(field: str, label: str, width: int) -> None:
        place = links.shared if field == "task" else OWN
        many = "any status" if field == "status" else f"all {label.lower()}s"
        wanted[field] = place.choose(field, label, ["", *runs.values(found, field)], width=width,
                                     words=lambda value: runs.value_words(field, value) if value else many)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = (OWN.get("search") or "")[:runs.LETTERS]
        links.widget("text", "runs.search", "Search", search, lambda text: OWN.put("search", text.strip(), ""),
                     placeholder="1:4 cola, or an id", type="search", width=185)
        box("task", "Task", 215)
        box("method", "Method", 205)
        box("pattern", "Pattern", 185)
        turned = sum(bool(OWN.get(field)) for field in FOLDED)
        with st.popover(f"Filters: {turned}" if turned else "Filters"):
            for field, label in FOLDED.items():
                box(field, label, 260)
    run_zip.said()
    return runs.chosen(found, search, **wanted)


def show(shown: Sequence[Row], found: Sequence[Row]) -> None:
    """The view that the link names, of the runs *shown* of all that were *found*."""
    bar = st.container(key="picked", horizontal=True, vertical_alignment="center", gap="medium")
    with bar:
        view = OWN.choose("view", "View", list(VIEWS), words=VIEWS.__getitem__, look="segments", quiet=True)
    if not shown:
        st.info("No run is like that. Widen a filter.")
    elif view == "list":
        _listed(shown, found, bar.container)
    else:
        _side_by_side({row.id for row in shown}, bar.container)


def _listed(shown: Sequence[Row], found: Sequence[Row], place: Callable[..., Any]) -> None:
    """The table of runs; above it, the ways into those that are ticked."""
    ways = place(horizontal=True, vertical_alignment="center", gap="medium")
    ticked = _table("list", runs.table(shown), runs.stamp([row.id for row in shown]), "multi-row", {
        "task": st.column_config.TextColumn(pinned=True), "score": NUMBER(format="%.3f"),
        "% of dense": st.column_config.ProgressColumn(format="%.0f", min_value=0, max_value=100, width=110),
        "zeros": NUMBER(format="percent"), "moments": NUMBER(help="Kept moments of ADMM: what can be played."),
        "details": st.column_config.TextColumn(width=330)},
        f"{runs.claim(shown, found)}: task, model, method, pattern, score, zeros, whose it is.")
    with ways:
        if ticked:
            _ways([shown[k] for k in ticked])
        else:
            st.markdown(f"**{runs.claim(shown, found)}.** Tick one to open it, two to {MOST} to compare them.")


def _table(name: str, table: Any, stamp: str, mode: Literal["multi-row", "single-row"], config: dict[str, Any],
           alt: str) -> list[int]:
    """A table whose rows can be ticked; the rows ticked. *stamp*: what was ticked in another list is forgotten."""
    whole = ROW * (len(table) + 1) + 2
    place = st.container(key="window-high") if whole > HEIGHT else st.container()
    event = place.dataframe(table, key=f"runs.{name}.{stamp}", height="stretch" if whole > HEIGHT else whole,
                            hide_index=True, on_select="rerun", selection_mode=mode, column_config=config,
                            placeholder="", alt=alt)
    return [row for row in event["selection"]["rows"] if row < len(table)]


def _ways(picked: Sequence[Row]) -> None:
    """What may be done with the runs ticked."""
    if len(picked) > MOST:
        st.markdown(f"{len(picked)} are ticked: at most {MOST} stand side by side.")
    elif len(picked) > 1:
        kept = [row.id for row in picked if row.status != "damaged"]
        frame.link("compare", f"Compare these {len(kept)}", runs=",".join(kept))
    elif picked[0].status == "damaged":
        st.markdown(links.plain(f"{picked[0].id} cannot be opened: {picked[0].details}"))
    else:
        _one(picked[0])


def _one(row: Row) -> None:
    """The ways into one run, and its id to copy."""
    if row.moments:
        frame.link("watch", "Watch", run=row.id)
    if row.method != "dense":
        frame.link("weights", "Weights", run=row.id)
        frame.link("trace", "Trace", run=row.id)
    if row.status == "succeeded":
        with frame.guarded():
            comparing.link_around(cache.open_run(row.id))
            run_zip.save(row.id)
    elif row.made == "here":
        frame.link("run", "Its progress", run=row.id)
    with st.popover("Its id"):
        st.code(row.id, language=None, wrap_lines=True)


def _side_by_side(kept: set[str], place: Callable[..., Any]) -> None:
    """A row for every task, model and pattern that has one of the runs *kept*, a column for every way to prune."""
    found = [line for line in cache.cached_evidence(beside.lines, cache.own()) if kept.intersection(line.every)]
    ways = place(horizontal=True, vertical_alignment="center", gap="medium")
    table = beside.table(found)
    ticked = _table("beside", table, runs.stamp([i for line in found for i in line.every]), "single-row", {
        "task": st.column_config.TextColumn(pinned=True),
        **{name: NUMBER(format="%.3f") for name in list(table)[3:]}}, beside.claim(found))
    with ways:
        if ticked:
            frame.link("compare", "Compare the runs of this row", runs=",".join(found[ticked[0]].ids))
        else:
            st.markdown(f"**{links.plain(beside.claim(found))}** Tick a row to compare its runs.")
    st.caption("The score of one run a cell: the one that turns fewest knobs, on the same examples along a row.")
