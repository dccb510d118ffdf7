"""A run as a file: saved from the list of runs, and taken in there."""

from __future__ import annotations

import io

import streamlit as st

from core import demo
from core.errors import InputError
from ui import frame, links

FILE = "runs.zip"


def save(run_id: str) -> None:
    """A button that saves the run, and its dense parent, as one zip."""
    st.download_button("Save as zip", lambda: _written(run_id), f"{run_id}.zip", "application/zip",
                       key=f"runs.zip.{run_id}", on_click="ignore", help="Another SparseScope opens it on this page.")


def _written(run_id: str) -> bytes:
    from core.runs import carrying  # it brings the check along, which no page waits for

    stream = io.BytesIO()
    carrying.written(frame.store(), run_id, stream)
    return stream.getvalue()


def take_in() -> None:
    """A box for such a zip; the run is checked before it is listed. What came of it is said above the list."""
    if demo.on():
        return
    with st.popover("Open a zip"):
        st.file_uploader("A run that was saved as a zip", type="zip", key=FILE, on_change=_take_in)


def said() -> None:
    """What came of the zip that was opened last."""
    done = st.session_state.pop(f"{FILE}.done", None)
    if done is not None:
        (st.success if done[0] else st.error)(links.plain(done[1]))


def _take_in() -> None:
    from core.runs import carrying

    upload = st.session_state.get(FILE)
    if upload is None:
        return
    try:
        run_id = carrying.taken_in(frame.store(), io.BytesIO(upload.getvalue()))[-1]
    except InputError as error:
        st.session_state[f"{FILE}.done"] = (False, str(error))
    else:
        st.session_state[f"{FILE}.done"] = (True, f"{run_id} is here, and passes every check.")
