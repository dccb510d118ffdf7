"""Your own data on the Run page: a table is taken in, its columns are chosen, and it is a task like any other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core import demo
from core.errors import InputError
from core.tasks import own
from core.tasks.labels import CLASSES
from core.tasks.preparing import NAME, OFFERED, Prepared, prepare
from core.tasks.tables import columns_of, head, unreadable
from core.tasks.tables.files import ENDINGS, LARGEST, PACKED, TableFile, table_file
from core.views.drawing import style
from ui import frame, links

NONE = ""  # no second text, nothing said of the labels
KINDS = (*ENDINGS, PACKED)
READ_AS = {NONE: "as they look", "classes": "classes", "regression": "a regression"}
LABELS = ("label", "labels", "class", "target", "category", "sentiment", "stars", "score", "rating")
LEFT_OUT = 3  # columns named that cannot be read
LIMITS = f"UTF-8, at most {LARGEST // 10**6} MB. It is copied into the folder of the live runs and goes nowhere else."


def draw(mine: Sequence[own.OwnTask], chosen: Callable[[str], None], now: str) -> None:
    """The folded part of the form: *mine*, what was added, upload, preview, columns, "Add task". *chosen* gets the task
    that the form is to stand at: the one added, or "" when *now*, where it stands, was removed."""
    if demo.on():
        return
    with st.expander("Your own data"):
        for task in mine:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(links.plain(f"{task.full} · {style.count(sum(task.examples))} rows of {task.source}"),
                            width="stretch")
                st.button("Remove", key=f"run.own.remove.{task.full}", on_click=_remove, args=(task.full, chosen, now),
                          help="Its copy of the table. Runs made on it stay, and hold no text of it.")
        done = st.session_state.pop("run.own.done", None)
        if done:
            st.success(links.plain(done))
        upload = st.file_uploader("A table with a text and a label in every row", type=list(KINDS), key="run.own.file",
                                  help=LIMITS)
        if upload is None:
            st.caption(f"{LIMITS} From the command line: `python -m core task add --help`.")
            return
        with frame.guarded():
            table = _taken(upload)
            names = columns_of(table)
            st.dataframe(pd.DataFrame(head(table)), hide_index=True)  # cells are drawn as text, whatever they hold
            _left_out(unreadable(table))
            _columns(upload, table, names, chosen)


def _taken(upload: Any) -> TableFile:
    return table_file(upload.name, upload.getvalue())


def _left_out(why: Sequence[InputError]) -> None:
    """What the boxes do not offer, and why: else another column would stand there without a word."""
    for error in why[:LEFT_OUT]:
        st.caption(f"Left out: {links.plain(f'{error.given}. {error.remedy}')}")
    if len(why) > LEFT_OUT:
        st.caption(f"Left out too: {style.count(len(why) - LEFT_OUT)} more columns.")


def _columns(upload: Any, table: TableFile, names: list[str], chosen: Callable[[str], None]) -> None:
    """Which column is what; what the table then comes to; and the button."""
    first_label, first_text = _first(table, names)
    tag = upload.file_id  # other files, other columns: their boxes start anew
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.selectbox("Text", names, index=names.index(first_text), key=f"run.own.text.{tag}", width=160)
        pair = st.selectbox("Second text", [NONE, *names], format_func=lambda c: c or "none", width=155,
                            key=f"run.own.pair.{tag}", help="For pairs of texts.")
        label = st.selectbox("Label", names, index=names.index(first_label), key=f"run.own.label.{tag}", width=160,
                             help=f"2 to {CLASSES} classes, or numbers with a decimal point for a regression.")
        kind = st.selectbox("Labels are", list(READ_AS), format_func=READ_AS.__getitem__, width=150,
                            key=f"run.own.kind.{tag}", help="As they look: a regression when all are numbers and some "
                            "have a decimal point, else classes.")
        metric = st.selectbox("Score", [NONE, *OFFERED], format_func=lambda m: m.replace("_", " ") or "the usual one",
                              key=f"run.own.metric.{tag}", width=155,
                              help="Usual: accuracy; for numbers the mean of Pearson and Spearman.")
        name = st.text_input("Name", _name(upload.name), key=f"run.own.name.{tag}", max_chars=31, width=130,
                             help="a-z, 0-9 and -; the task is then own:NAME on the command line.")
    held = st.file_uploader("Validation rows, if they are in a file of their own", type=list(KINDS),
                            key="run.own.held", help="Otherwise the last 20 % of a fixed permutation are kept for it.")
    key = (tag, held.file_id if held is not None else "", text, pair, label, kind, metric, name)
    data = _prepared(key, lambda: prepare(name.strip(), table, text=text, pair=pair or None, label=label,
                                          metric=metric or None, kind=kind or None,
                                          validation=None if held is None else _taken(held)))
    st.markdown(f"**{len(data.train)}** rows to learn from, **{len(data.validation)}** to score on, {data.kind}.")
    if data.labels:
        st.dataframe(pd.DataFrame(data.counts, columns=["class", "train", "validation"]), hide_index=True,
                     width="content")
    st.caption(links.plain(" ".join(data.remarks)))
    st.button("Add task", key="run.own.add", type="primary", on_click=_add, args=(data, chosen))


def _prepared(key: Sequence[str], make: Callable[[], Prepared]) -> Prepared:
    """What *make* gives, kept for the session until *key* changes: a large table is read once. Raises InputError."""
    kept = st.session_state.get("run.own.kept")
    if kept is None or kept[0] != key:
        try:
            with st.spinner("Every row is read once."):
                kept = key, make()
        except InputError as error:
            kept = key, error
        st.session_state["run.own.kept"] = kept
    if isinstance(kept[1], InputError):
        raise kept[1]
    found: Prepared = kept[1]
    return found


def _add(data: Prepared, chosen: Callable[[str], None]) -> None:
    try:
        task = own.add(data)
    except InputError as error:
        st.session_state["run.refused"] = str(error)
        return
    st.session_state["run.own.done"] = f"{task.full} is in the list of tasks now, and chosen."
    chosen(task.full)


def _remove(task: str, chosen: Callable[[str], None], now: str) -> None:
    try:
        own.remove(task)
    except InputError as error:
        st.session_state["run.refused"] = str(error)
        return
    st.session_state["run.own.done"] = f"{task} is removed."
    if task == now:
        chosen("")


def _first(table: TableFile, names: list[str]) -> tuple[str, str]:
    """The columns that the boxes start with: label by its name, else the last; text the one with the longest cells."""
    label = next((name for name in names if name.lower() in LABELS), names[-1])
    cells = head(table)
    rest = [name for name in names if name != label] or names
    return label, max(rest, key=lambda name: sum(len(cell) for cell in cells.get(name, [])))


def _name(file: str) -> str:
    """A name for the task from the file's."""
    stem = file.lower().removesuffix(f".{PACKED}").rpartition(".")[0]
    name = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:31].strip("-")
    return name if NAME.fullmatch(name) and not name.startswith("own-") else "mine"
