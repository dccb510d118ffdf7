"""Start a run from a form, and watch it: the headless command with a face."""

from __future__ import annotations

import streamlit as st

from core.live import standby
from ui import frame, run_demo, run_form, run_live

frame.opening("run")
standby.want()
run_live.refused()
found = run_live.asked()
if found is not None:
    run_live.watch(found)
    st.header("Another run", anchor=False)
run_form.note()
run_demo.offer()
wish = run_form.draw()
if wish is not None:
    run_live.begin(*wish)
run_live.history()
