"""lesson: being built."""

from __future__ import annotations

import streamlit as st

from ui import frame

frame.opening("lesson")
st.info("This page is being built.")
