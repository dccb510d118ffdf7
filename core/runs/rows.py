"""A line of `trace.jsonl` as a row whose values are what their names say; what is not is left out."""

from __future__ import annotations

import json
import math
from typing import Any

WORDS = ("phase",)  # the keys whose values are text
LARGEST = 1e300  # beyond it no number was measured; a whole number can be larger than any float


def row_of(line: str) -> dict[str, Any] | None:
    """The row of *line*: numbers under every key but WORDS, `step` a whole number from 0 on. None for what is no row:
    half a line (a run killed while writing), other JSON, a row without a step. NaN and infinity are kept: they were
    measured."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    row = {key: value for key, value in found.items() if _fits(key, value)}
    step = row.get("step", -1)
    return row if isinstance(step, int) and step >= 0 else None


def _fits(key: str, value: Any) -> bool:
    if key in WORDS:
        return isinstance(value, str) and len(value) <= 40
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST or (isinstance(value, float) and not math.isfinite(value))
