"""LESSONS: the one list of lessons. A lesson is data (`core.lessons.base`); `ui.lesson_strip` walks the pages by it."""

from __future__ import annotations

from core.lessons.admm import ADMM
from core.lessons.base import Lesson

LESSONS: dict[str, Lesson] = {lesson.id: lesson for lesson in (ADMM,)}
