"""Intervals as Plotly draws them: bars to either side of a mark."""

from __future__ import annotations

from collections.abc import Sequence

from core.statistics.interval import Interval
from core.views.drawing.build import Part


def whiskers(intervals: Sequence[Interval], scale: float = 1.0, **look: object) -> Part:
    """The `error_x` or `error_y` of marks at the values of *intervals*, times *scale*; *look*: width, thickness ..."""
    return {"type": "data", "symmetric": False, "array": [scale * (i.high - i.value) for i in intervals],
            "arrayminus": [scale * (i.value - i.low) for i in intervals], **look}
