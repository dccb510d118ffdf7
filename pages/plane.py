"""plane: being built."""

from __future__ import annotations

import streamlit as st

from ui import frame

frame.opening("plane")
st.info("This page is being built.")
