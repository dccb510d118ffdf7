"""What a run says of itself while it goes on. No torch: whoever only listens loads none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """*done* of *total* steps of a phase, and what it is about just now."""

    phase: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]
