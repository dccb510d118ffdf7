"""What every field of RunSpec is and may be, read off its annotations: the one reader of settings, words for help and
for errors. The command line, the form, sweeps and tickets all come through here."""

from __future__ import annotations

import typing
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.errors import InputError, unknown
from core.methods.knobs import KINDS, read_value, shown
from core.runs.records import RunSpec

LONGEST = 4096  # characters of a text: the longest path of the system
_HINTS = typing.get_type_hints(RunSpec)
_SAID: dict[str, Meta] = {
    name: kind.__metadata__[0] for name, kind in typing.get_type_hints(RunSpec, include_extras=True).items()}


def _extra(field: str) -> dict[str, Any]:
    return _SAID[field].extra or {}


def kind_of(field: str) -> type:
    """The type of *field*'s values, None left out: bool, int, float, str (choices too) or dict (the knobs)."""
    hint = _HINTS[field]
    if choices_of(field):
        return str
    found: type = next(t for t in (*typing.get_args(hint), hint) if t is not type(None))
    return dict if typing.get_origin(hint) is dict else found


def choices_of(field: str) -> tuple[str, ...]:
    """The values of *field* where they are few; else none."""
    hint = _HINTS[field]
    return typing.get_args(hint) if typing.get_origin(hint) is Literal else ()


def help_of(field: str) -> str:
    """One line on *field*: the help of its option and of its widget."""
    return str(_SAID[field].description)


def range_of(field: str) -> Meta | None:
    """The range of *field*; None for what is no number. Every number has both ends."""
    return _extra(field)["range"]


def range_words(field: str, limits: Meta | None = None) -> str:
    """*limits* (or those of *field*) in the unit of *field*, in words; "" for what is no number."""
    limits = limits or range_of(field)
    if limits is None:
        return ""
    low, high = (limits.gt if limits.ge is None else limits.ge), (limits.lt if limits.le is None else limits.le)
    words = f"{low} to {high}" if limits.ge is not None else \
        f"between {low} and {high}" if limits.le is None else f"more than {low}, at most {high}"
    return f"{words} {_extra(field)['unit']}".strip()


def read(field: str, given: object, limits: Meta | None = None) -> Any:
    """The value of *field* from *given*, a value or its text; nothing is lost on the way (`core.methods.knobs`).

    *limits*: in place of the field's own range. Raises InputError for a wrong type, a number out of range, a text that
    can be no name.
    """
    kind, remedy = kind_of(field), f"Change --{field.replace('_', '-')}."
    limits = limits or range_of(field)
    if choices_of(field):
        if given not in choices_of(field):
            raise unknown(f"value of {field}", str(given), choices_of(field))
        return given
    if kind is dict:
        if not isinstance(given, dict):
            raise InputError(f"{field} = {shown(given)}", "a table of knobs", "Change --knob.")
        return given
    try:
        value: Any = read_value(kind, given)
    except ValueError:
        words = ", ".join(filter(None, (KINDS[kind], range_words(field, limits))))
        raise InputError(f"{field} = {shown(given)}", words, remedy) from None
    if kind is str:
        return _name(field, value, remedy)
    if limits is not None:
        try:
            msgspec.convert(value, Annotated[kind, limits])  # NaN, which is no number, is in no range
        except msgspec.ValidationError:
            raise InputError(f"{field} = {shown(value)}", range_words(field, limits), remedy) from None
    return value


def _name(field: str, text: str, remedy: str) -> str:
    """*text*, if it can be a name or a path."""
    wrong = "no text" if not text.strip() else "too long" if len(text) > LONGEST else \
        "with control characters" if any(ord(c) < 32 or 0x7f <= ord(c) < 0xa0 for c in text) else \
        "with half a character" if any(0xd800 <= ord(c) < 0xe000 for c in text) else ""
    if wrong:
        raise InputError(f"{field} = {shown(text)} is {wrong}", f"a name of at most {LONGEST} characters", remedy)
    return text
