"""Two to four runs side by side: the bar that chooses them (`?runs=a,b,c`, the first is the reference), their heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from core.errors import InputError
from core.runs.records import RunRecord
from core.runs.store import Run
from core.views.compare import choice
from core.views.compare.differences import against, final
from core.views.drawing import style
from core.views.drawing.telling_apart import short_names
from core.views.drawing.view import View
from ui import cache, frame, lines, links, stage

KEY = "runs"
OWN = links.Own("compare", ("by", "flips", "against"))


def pick() -> list[Run]:
    """Draw the bar and return the runs chosen, the reference first; with words on the page when there are fewer than
    two. Ids of the link that cannot be shown are said in one line, and the others stay."""
    records = [e.record for e in frame.entries() if e.record is not None and e.record.status != "queued"]
    if not records:
        frame.empty()
        return []
    asked = links.shared.get(KEY)
    runs, wrong = _opened(choice.parse(asked or ""))
    if asked is None or (wrong and not runs):
        runs, _ = _opened(_telling(records))
    left = runs[choice.MOST:]
    runs = runs[:choice.MOST]
    if wrong:
        more = f" And {len(wrong) - 3} more." if len(wrong) > 3 else ""
        st.error(links.plain("Left out of the comparison: " + "; ".join(wrong[:3]) + "." + more))
    refused = st.session_state.pop("compare.refused", "") or ", ".join(r.record.id for r in left)
    if refused:
        st.warning(links.plain(f"At most {choice.MOST} runs stand side by side: {refused} is left out. Take one away "
                               "first."))
    links.shared.put(KEY, _text(runs))
    _bar(records, [r.record for r in runs])
    if len(runs) < 2:
        st.info("A comparison takes two to four runs: add one above.")
        return []
    return runs


def _text(runs: Sequence[Run]) -> str:
    return ",".join(r.record.id for r in runs)


def _opened(ids: Sequence[str]) -> tuple[list[Run], list[str]]:
    """The runs that can be shown, and for each other id why it cannot."""
    runs, wrong = [], []
    for run_id in ids:
        try:
            runs.append(cache.open_run(run_id))
        except InputError as error:
            wrong.append(error.given[:200])
    return runs, wrong


def _telling(records: Sequence[RunRecord]) -> list[str]:
    """The runs to begin with: around the run that another page showed last, else those that teach most."""
    last = links.shared.get("run")
    return choice.telling(records, next((r for r in records if r.id == last), None), cache.own())


def _bar(records: Sequence[RunRecord], chosen: Sequence[RunRecord]) -> None:
    """The task, whose telling runs then are compared, and the list of runs."""
    first = chosen[0] if chosen else frame.default_run(records)
    words = cache.cached_over(choice.listed, first.spec.task, first.spec.model)

    def moved(task: str) -> None:
        links.shared.put(KEY, ",".join(choice.telling([r for r in records if r.spec.task == task], own=cache.own())))

    def picked(wanted: list[str]) -> None:
        if len(wanted) > choice.MOST:
            st.session_state["compare.refused"] = ", ".join(wanted[choice.MOST:])
        links.shared.put(KEY, ",".join(wanted[:choice.MOST]))

    with st.container(horizontal=True, vertical_alignment="bottom", key="bar"):
        links.widget("select", "compare.task", "Task", first.spec.task, moved, sorted({r.spec.task for r in records}),
                     format_func=style.task_title, width=215,
                     label_visibility="collapsed")
        links.widget("several", "compare.runs", "Runs, the reference first", [r.id for r in chosen], picked,
                     names=words, placeholder="Choose two to four runs", label_visibility="collapsed")


def heads(runs: Sequence[Run]) -> None:
    """A card a run: its name, where it comes from, its score against the reference; buttons that pin another one."""
    records = [r.record for r in runs]
    names, short = choice.titles(records), short_names(records)
    for column, run, name in zip(st.columns(len(runs)), runs, names, strict=True):
        with column, st.container(border=True, gap="small", height="stretch"):
            record = run.record
            made = "" if run.recorded else " · made on this machine"
            st.markdown(f"**{links.plain(name)}**", help=links.plain(short[record.id] + made))
            score = style.score(final(record))
            note = "the reference" if run is runs[0] else against(runs[0], run)
            st.markdown(f"Score **{score}** · {links.plain(note)}")
            with st.container(horizontal=True, vertical_alignment="center"):
                if run is not runs[0]:
                    st.button("Pin", key=f"compare.pin.{name[0]}", on_click=_pin, args=(runs, record.id),
                              help="Make it the reference: the others are then measured from it.")
                frame.link("weights", "Weights", run=record.id)


def _pin(runs: Sequence[Run], run_id: str) -> None:
    ids = [r.record.id for r in runs]
    links.shared.put(KEY, ",".join([run_id, *(i for i in ids if i != run_id)]))


def draw(make: Callable[..., View], runs: Sequence[Run], *args: Any, key: str) -> None:
    """Show a view of all *runs*; a damaged file becomes a red box."""
    if not frame.wanted(key):
        return
    with frame.guarded():
        frame.show(cache.cached_across(make, runs, *args), key)


def table(make: Callable[..., View], runs: Sequence[Run], key: str) -> None:
    """Show a view that is a table, folded under its sentence; on the stage there is no room for one."""
    if not stage.on():
        with frame.guarded():
            lines.show(cache.cached_across(make, runs), key)


def pick_matrix(runs: Sequence[Run]) -> str | None:
    """Choose one matrix for all (`?matrix=`); None, with words, when no run lists any."""
    from core.views.compare.sides import matrices

    names = matrices(runs)
    if not names:
        st.info("None of these runs lists its matrices: they ended before pruning.")
        return None
    return links.shared.choose("matrix", "Matrix", names, words=style.matrix_words, kind="matrix", always=True,
                               width=200, quiet=True)


def pick_against(runs: Sequence[Run], ids: Sequence[str]) -> str:
    """Choose the run whose answers are set against the reference's (`?against=`)."""
    names = dict(zip((r.record.id for r in runs), choice.titles([r.record for r in runs]), strict=True))
    return OWN.choose("against", "Against the reference", list(ids), words=names.__getitem__, look="segments",
                      kind="run")


def link_around(run: Run) -> None:
    """A link that compares *run* with the runs of its task that tell most."""
    records = [e.record for e in frame.entries() if e.record is not None]
    ids = choice.telling(records, run.record, cache.own())
    if len(ids) > 1:
        frame.link("compare", "Compare with other runs", runs=",".join(ids))


def link_mates(run_id: str) -> None:
    """A link that compares a run that has ended with the last one and its dense parent; nothing when there is none."""
    ids, words = choice.mates([e.record for e in frame.entries() if e.record is not None], run_id)
    if ids:
        frame.link("compare", words, runs=",".join(ids))
