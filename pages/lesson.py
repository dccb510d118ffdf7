"""The way into the lesson: what it is, and its steps as links."""

from __future__ import annotations

from ui import frame, lesson_list

frame.opening("lesson")
lesson_list.lessons()
