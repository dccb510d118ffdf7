"""projection: being built."""

from __future__ import annotations

import streamlit as st

from ui import frame

frame.opening("projection")
st.info("This page is being built.")
