"""JSON: an object a line, or one list of objects. Each is a row, its names are the columns."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from core.errors import InputError
from core.tasks.tables.files import Column, TableFile, lines_of, not_utf8, one_line, shown, unnamed

FIRST = 100  # rows whose names are the columns that are offered; one that is asked for may come later
BLANK = re.compile(r"[ \t\r\n]*")


class _Row(dict[str, Any]):
    """An object that says a name twice. Nobody minds, unless it is asked for."""

    twice: frozenset[str] = frozenset()


def columns(file: TableFile, wanted: list[str]) -> list[Column]:
    """The names of the first rows, and of later ones until all of *wanted* have come. A name that holds a list or an
    object there, or is said twice, is in trouble."""
    found: dict[str, Column] = {}
    for count, (number, row) in enumerate(_objects(file)):
        if count >= FIRST and all(name in found for name in wanted):
            break
        for name, value in row.items():
            if name not in found:
                found[name] = Column(name, unnamed(file, len(found) + 1, name))
            if found[name].trouble is None:
                found[name] = _column(file, number, row, name, value)
    return list(found.values())


def _column(file: TableFile, number: int, row: dict[str, Any], name: str, value: Any) -> Column:
    if isinstance(row, _Row) and name in row.twice:
        return Column(name, _twice(file, number, name))
    if not isinstance(value, (list, dict)):
        return Column(name)
    fields = tuple(value) if isinstance(value, dict) else ()
    what = f"an object with {shown(', '.join(fields))}" if fields else f"{shown(value)}"
    return Column(name, InputError(f"{file.row(number)}: {shown(name)} holds {what}", "a text or a number",
                                   "Write what is inside as columns of their own." if fields else
                                   "Choose another column, or write one value a row."), fields)


def values(file: TableFile, wanted: list[str], some: int) -> Iterator[tuple[int, list[Any]]]:
    """(number, values of the names *wanted*) of every row, None where it has not got one. Raises InputError."""
    for number, row in _objects(file):
        cells = [row.get(name) for name in wanted]
        for name, value in zip(wanted, cells, strict=True):
            if isinstance(row, _Row) and name in row.twice:
                raise _twice(file, number, name)
            if isinstance(value, (list, dict)):
                raise InputError(f"{file.row(number)}: {shown(name)} holds {shown(value)}", "a text or a number",
                                 "Correct or remove the row.")
        yield number, cells


def _objects(file: TableFile) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in _items(file) if file.is_array else _lines(file):
        if not isinstance(row, dict):
            raise InputError(f"{file.row(number)} holds {shown(row)}", "one JSON object a row", "Correct it.")
        yield number, row


def _lines(file: TableFile) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines_of(file, "\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line, object_pairs_hook=_row)
            except (ValueError, RecursionError) as error:
                raise _no_json(file, number, error) from None


def _items(file: TableFile) -> Iterator[tuple[int, Any]]:
    """The objects of a list, one after the other: the list is never whole in memory."""
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise not_utf8(file) from None
    decoder, place, number = json.JSONDecoder(object_pairs_hook=_row), text.index("[") + 1, 0
    while True:
        number += 1
        try:
            item, place = decoder.raw_decode(text, _past_blank(text, place))
        except (ValueError, RecursionError) as error:
            raise _no_json(file, number, error) from None
        yield number, item
        place = _past_blank(text, place) + 1
        mark = text[place - 1:place]
        if mark == "]" and _past_blank(text, place) == len(text):
            return
        if mark != ",":
            raise InputError(f"{file.row(number)} is not followed by a comma or the end of the list", "a whole list",
                             "Correct it.")


def _past_blank(text: str, place: int) -> int:
    found = BLANK.match(text, place)
    return found.end() if found else place


def _row(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) == len(pairs):
        return row
    doubled = _Row(row)
    doubled.twice = frozenset(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
    return doubled


def _twice(file: TableFile, number: int, name: str) -> InputError:
    return InputError(f"{file.row(number)} has {shown(name)} twice", "each name once", "Correct it.")


def _no_json(file: TableFile, number: int, error: Exception) -> InputError:
    return InputError(f"{file.row(number)} is no JSON object ({one_line(error)})",
                      'one object a line, such as {"text": "...", "label": "..."}, or a list of them', "Correct it.")
