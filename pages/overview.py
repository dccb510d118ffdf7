"""What does ADMM do to a transformer? One sentence, one film, three numbers, one button."""

from __future__ import annotations

import streamlit as st

from ui import first_screen, frame

frame.opening("overview")
first_screen.old_link()
run = frame.featured()
st.header(first_screen.sentence(run), anchor=False)
if run is None:
    frame.empty()
    first_screen.ways(None)
else:
    with st.container(key="front"):
        left, right = st.columns([7, 3], gap="large")
    with left:
        first_screen.play(run)
    with right:
        first_screen.numbers(run)
        first_screen.ways(run)
