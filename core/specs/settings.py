"""What every field of RunSpec is and may be, in words, read off its annotations: for help and for errors."""

from __future__ import annotations

import typing
from typing import Any

from msgspec import Meta

from core.runs.records import RunSpec

_SAID: dict[str, Meta] = {
    name: kind.__metadata__[0] for name, kind in typing.get_type_hints(RunSpec, include_extras=True).items()}


def _extra(field: str) -> dict[str, Any]:
    return _SAID[field].extra or {}


def help_of(field: str) -> str:
    """One line on *field*: the help of its option and of its widget."""
    return str(_SAID[field].description)


def range_of(field: str) -> Meta | None:
    """The range of *field*; None when every value of its type is in it, or more than a range decides."""
    return _extra(field)["range"]


def range_words(field: str, limits: Meta) -> str:
    """*limits* in the unit of *field*, in words. Every range has a lower end."""
    low, high = (limits.gt if limits.ge is None else limits.ge), (limits.lt if limits.le is None else limits.le)
    words = f"{low} or more" if high is None else f"{low} to {high}" if limits.ge is not None else \
        f"between {low} and {high}" if limits.le is None else f"more than {low}, at most {high}"
    return f"{words} {_extra(field)['unit']}".strip()
