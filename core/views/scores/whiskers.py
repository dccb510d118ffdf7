"""Intervals as Plotly draws them: bars to either side of a mark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from core.statistics.interval import Interval
from core.views.drawing.build import Part


def whiskers(intervals: Sequence[Interval], scale: float = 1.0, **look: object) -> Part:
    """The `error_x` or `error_y` of marks at the values of *intervals*, times *scale*; *look*: width, thickness ..."""
    return {"type": "data", "symmetric": False, "array": [scale * (i.high - i.value) for i in intervals],
            "arrayminus": [scale * (i.value - i.low) for i in intervals], **look}


def reach(intervals: Iterable[Interval], scale: float = 1.0) -> list[float]:
    """The range of an axis of differences: both ends of all *intervals*, times *scale*, and zero, with some room."""
    ends = [scale * end for i in intervals for end in (i.low, i.high) if math.isfinite(end)] + [0.0]
    room = 0.06 * (max(ends) - min(ends) or 1.0)
    return [min(ends) - room, max(ends) + room]


def zero_line(colour: str) -> Part:
    """What all are held against, upright at zero, under the marks."""
    return {"type": "line", "xref": "x", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1,
            "line": {"color": colour, "width": 2}, "layer": "below"}
