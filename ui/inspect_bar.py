"""Which checkpoint to inspect: one at hand, or a path that is typed; and its report, kept until a file changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from core import demo
from core.errors import InputError
from core.inspecting.folder import open_checkpoint
from core.inspecting.looking import inspect
from core.inspecting.report import Report
from core.runs.store import CHECKPOINT, file_times
from core.sparsity.patterns import parse_pattern
from core.views.drawing.telling_apart import names_with_task
from ui import cache, frame, links

ASKS = ["", "2:4", "1:4", "4:8", "1:2", "block:4x4:0.5", "unstructured:0.5"]
OWN = links.Own("inspect", ("checkpoint", "path", "judge"))
LONGEST = 1000  # characters of a path


def at_hand() -> dict[str, Path]:
    """Run id -> the folder of its checkpoint, of finished runs that have one; in a demonstration of recorded ones."""
    return {e.id: e.path / CHECKPOINT for e in cache.entries()
            if e.record is not None and e.record.status == "succeeded" and (e.recorded or not demo.on())
            and (e.path / CHECKPOINT / "model.safetensors").is_file()}


def pick() -> tuple[Path, str] | None:
    """Draw the bar: a checkpoint (`?checkpoint=`), a path (`?path=`), a pattern to judge by (`?judge=`).

    The path chosen and the pattern's text; None, with words on the page, when there is nothing to inspect.
    """
    here = at_hand()
    records = {e.id: e.record for e in cache.entries() if e.record is not None and e.id in here}
    with st.container(horizontal=True, vertical_alignment="bottom", key="bar"):
        run = OWN.choose("checkpoint", "Checkpoint", list(here), kind="checkpoint", width=440, always=True,
                         default=frame.default_run(list(records.values())).id,
                         words=names_with_task(records.values()).__getitem__) if here else None
        text = _path()
        judge = OWN.typed("judge", "", lambda asked: parse_pattern(asked).name if asked else "")
        OWN.pick("judge", "Judge by", ASKS, default="", words=lambda p: p or "what is found",
                 help="A pattern that every matrix of the layers shall obey; another one can be typed.")
    if text:
        return Path(text).expanduser(), judge
    if run is None:
        frame.empty()
        return None
    return here[run], judge


def _path() -> str:
    """The path that was typed; "" for none. In a demonstration there is no box, and a path in the link is refused."""
    if demo.on():
        if "path" in st.query_params:
            with frame.guarded():
                demo.closed("Paths cannot be opened", "a checkpoint of the list")
        return ""
    text = OWN.typed("path", "", _short_enough)
    OWN.box("path", "Or a path on this machine", default="",
            help="A .safetensors file, or a folder in Hugging Face form. It is read, never run, and goes nowhere. "
                 "Empty the box to go back to the list.")
    return text


def _short_enough(text: str) -> str:
    if len(text) > LONGEST:
        raise InputError(f"A path of {len(text)} characters", f"at most {LONGEST}", "Name the folder itself.")
    return text.strip()


def report(path: Path, judge: str) -> Report:
    """The report on *path*, made anew when one of its files changes. Raises InputError as `inspect` does."""
    files = open_checkpoint(path).files
    stamp = tuple(file_times(f.parent, (f.name, "config.json")) for f in files)
    return _report(str(path), stamp, judge)


@st.cache_data(max_entries=16, show_spinner="Every weight is read once. A large checkpoint takes a while.")
def _report(path: str, stamp: tuple[Any, ...], judge: str) -> Report:
    return inspect(Path(path), pattern=parse_pattern(judge) if judge else None)
