"""Accuracy."""

from __future__ import annotations

from ui import frame

frame.opening("accuracy")
frame.pick_run()
