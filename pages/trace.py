"""Trace."""

from __future__ import annotations

from ui import frame

frame.opening("trace")
frame.pick_run()
