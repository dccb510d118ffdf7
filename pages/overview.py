"""Overview."""

from __future__ import annotations

from ui import frame

frame.opening("overview")
frame.pick_run()
