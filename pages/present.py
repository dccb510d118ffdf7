"""Decks: present one, read its notes in a second window, build one."""

from __future__ import annotations

import streamlit as st

from ui import deck_list, frame, speaker

frame.opening("present")
deck = deck_list.asked() if st.query_params.get("notes") == "1" else None
if deck is not None and deck.slides:
    speaker.show(deck, st.query_params["deck"])
else:
    deck_list.draw()
