"""The bar of "Your sentence": which run reads it, and where its weights come from; and the models, kept open."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import streamlit as st

from core import demo
from core.errors import InputError
from core.lab import sentence
from core.lab.sentence import Reader
from core.live import asking
from core.live.serving import serve_once
from core.live.status import status
from core.runs.records import RunRecord
from core.runs.store import CHECKPOINT, Store, file_times
from core.tasks.loading import entry_of
from core.views.drawing import style
from core.views.drawing.telling_apart import short_names
from ui import cache, frame, links

HERE = "pruned here by magnitude, not trained"
OWN = links.Own("sentence", ("prune",))
PRUNABLE = ["2:4", "1:4", "4:8", "1:2", "unstructured:0.75", "block:4x4:0.5"]


@dataclass(frozen=True)
class Choice:
    """Who reads: the pruned run *record* and its dense *parent*; with a *pattern*, the parent pruned here instead."""

    record: RunRecord
    parent: RunRecord
    pattern: str | None = None


@dataclass(frozen=True)
class _Offered:
    """What there is: all that may be chosen, and the ids of those whose weights lie here."""

    records: dict[str, RunRecord]
    held: frozenset[str]

    def ready(self, run: RunRecord) -> bool:
        """Are its weights and its dense parent's at hand? (A dense run: its own.)"""
        return run.id in self.held and (run.spec.method == "dense" or run.parent in self.held)

    def best(self, runs: Sequence[RunRecord]) -> RunRecord:
        """The one to open with: ready before others, recorded before made here, pruned before dense; of these one that
        reads a single text."""
        own = cache.own()
        rank = {r.id: (self.ready(r), r.id not in own, r.spec.method != "dense", not paired(r)) for r in runs}
        return frame.default_run([r for r in runs if rank[r.id] == max(rank.values())])


def _offered() -> _Offered:
    """Pruned runs that succeeded, and dense ones whose weights are here; in a demonstration no private weights."""
    done = [(e, e.record) for e in cache.entries() if e.record is not None and e.record.status == "succeeded"]
    held = frozenset(e.id for e, r in done if (e.recorded or not demo.on() or r.spec.model == demo.MODEL)
                     and (e.path / CHECKPOINT / "model.safetensors").is_file())
    return _Offered({r.id: r for _, r in done if r.spec.method != "dense" or r.id in held}, held)


def pick() -> Choice | None:
    """Draw the bar: task, run (`?run=`) and, for a dense run, the pattern to prune it to (`?prune=`).

    None, with words on the page, when nothing can read a sentence.
    """
    offered = _offered()
    if not offered.records:
        frame.empty()
        return None
    record = offered.records[_asked(offered)]
    links.shared.put("run", record.id)
    pattern = None
    with st.container(horizontal=True, vertical_alignment="bottom", key="bar"):
        _task_box(offered, record)
        _run_box(offered, record)
        if record.spec.method == "dense":
            pattern = OWN.typed("prune", "2:4", lambda text: sentence.rule_of(text).name)
            OWN.pick("prune", "Prune to", PRUNABLE, default="2:4", help="Another pattern can be typed.")
    if record.spec.method == "dense":
        return Choice(record, record, pattern)
    parent = offered.records.get(record.parent or "")
    if parent is not None and offered.ready(record):
        return Choice(record, parent)
    _absent(record, parent)
    if parent is None:
        return None
    return Choice(record, parent, record.spec.pattern)


def _asked(offered: _Offered) -> str:
    """The run of the link; else the one looked at last, if its weights are here; else the one to open with."""
    asked = st.query_params.get("run")
    if asked in offered.records:
        return str(asked)
    if asked is not None:
        with frame.guarded():
            found = cache.open_run(asked).record
            raise InputError(f"{found.id} cannot read a sentence", "a run that succeeded, with its weights at hand",
                             "Choose one of the list.")
    last = offered.records.get(links.shared.get("run") or "") if asked is None else None
    return last.id if last is not None and offered.ready(last) else offered.best(list(offered.records.values())).id


def _task_box(offered: _Offered, now: RunRecord) -> None:
    tasks = sorted({r.spec.task for r in offered.records.values()})
    links.widget("select", "sentence.task", "Task", now.spec.task, lambda task: links.shared.put(
        "run", offered.best([r for r in offered.records.values() if r.spec.task == task]).id), tasks,
        format_func=style.task_title, width=215, label_visibility="collapsed")


def _run_box(offered: _Offered, now: RunRecord) -> None:
    runs = [r for r in offered.records.values() if r.spec.task == now.spec.task]
    runs.sort(key=lambda r: (not offered.ready(r), r.spec.method == "dense", r.spec.model, r.spec.method,
                             r.spec.pattern, r.id))
    apart = short_names(runs)

    def words(run: str) -> str:
        record = offered.records[run]
        if record.spec.method == "dense":
            return f"{apart[run]} · pruned here"
        return apart[run] if offered.ready(record) else f"{apart[run]} · not here"

    links.widget("select", "sentence.run", "Run", now.id, lambda run: links.shared.put("run", run),
                 [r.id for r in runs], format_func=words, width="stretch", label_visibility="collapsed")


def _absent(record: RunRecord, parent: RunRecord | None) -> None:
    """Say that the weights of a run are not here, and offer to make it; *parent* stands in when there is one."""
    instead = f" Until it is made here, what you see is its dense parent, {HERE}, to {record.spec.pattern}." \
        if parent is not None else ""
    words = st.session_state.pop("sentence.refused", None)
    if words:
        st.error(links.plain(words))
    st.info(links.plain(f"The weights of {record.id} are not on this machine: only what was recorded of it."
                        f"{instead}"))
    with st.container(horizontal=True, vertical_alignment="center"):
        going = status(cache.store(), record.id)
        if going.over:
            st.button("Make it here", key="sentence.make", on_click=_make, args=(record,))
        else:
            st.markdown("It is being made.", width="content")
        frame.link("run", "Its page on Run", run=record.id)


def _make(record: RunRecord) -> None:
    given = {k: v for k, v in msgspec.to_builtins(record.spec).items() if v is not None}
    viewer = st.session_state.setdefault("run.viewer", secrets.token_hex(4))
    try:
        asking.submit(cache.store(), given, viewer, again=asking.finished(cache.store(), record.id))
        serve_once(cache.store())
    except InputError as error:
        st.session_state["sentence.refused"] = str(error)


def reader(choice: Choice) -> Reader:
    """Both models, opened once and kept while their files stay as they are. Raises InputError."""
    store = cache.store()
    names = ("model.safetensors", "config.json", "tokenizer.json")
    stamp = tuple((str(root), run.id, file_times(root / run.id / CHECKPOINT, names))
                  for root in (store.live, store.recorded) for run in (choice.record, choice.parent))
    return _reader(stamp, choice.pattern, choice.record, choice.parent, store)


@st.cache_resource(max_entries=4, show_spinner="The two models are being opened.")
def _reader(stamp: tuple[Any, ...], pattern: str | None, _record: RunRecord, _parent: RunRecord,
            _store: Store) -> Reader:
    if pattern is not None:
        return sentence.prune_here(_parent, _store, pattern)
    return sentence.open_reader(_record, _parent, _store)


def paired(record: RunRecord) -> bool:
    """Does the task ask about two texts?"""
    try:
        return entry_of(record.spec.task).columns[1] is not None
    except InputError:  # an own task that was removed since
        return any(probe.text_pair is not None for probe in record.probes)


def about(choice: Choice) -> str:
    """Where both models come from, in one line."""
    if choice.pattern is not None:
        return f"Dense: {choice.parent.id}. Pruned: the same model, {HERE}, to {choice.pattern}."
    return f"Dense: {choice.parent.id}. Pruned: {choice.record.id}, from its checkpoint."
