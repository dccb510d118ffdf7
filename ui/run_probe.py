"""The button "Measure this machine" of the Run page: for an estimate where no run was timed here."""

from __future__ import annotations

import streamlit as st

from core import demo
from core.errors import InputError
from core.live import probing
from core.live.estimates import Estimate
from core.runs.records import RunSpec
from ui import cache


def offer(spec: RunSpec, found: Estimate) -> None:
    """The button, where the estimate does not come from this machine; nothing in a public demonstration."""
    if not (found.here or demo.on()):
        st.button("Measure this machine", key="run.probe", on_click=_measure, args=(spec,), icon=":material/timer:",
                  help="A few training steps of this model on made-up tokens, in a process of its own: some seconds.")


def _measure(spec: RunSpec) -> None:
    try:
        with st.spinner("Measuring this machine: a few training steps."):
            probing.measure(cache.store(), spec)
    except InputError as error:
        st.session_state["run.refused"] = str(error)
    except OSError as error:
        st.session_state["run.refused"] = f"The measurement could not be kept ({error.strerror})."
