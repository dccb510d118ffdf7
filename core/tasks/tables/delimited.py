"""CSV and TSV: cells between commas, tabs, semicolons or bars, whichever the first rows are written with."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from core.errors import InputError
from core.tasks.tables.files import LARGEST, Column, TableFile, lines_of, unnamed

SEPARATORS = {"csv": ",;\t|", "tsv": "\t,;|"}  # of a kind of file, the likeliest first
FIRST = 20  # rows by which the separator is told
QUOTED = re.compile(r'"(?:[^"]|"")*"')

# Python refuses longer cells than 131 072 characters, of any column, as an open quote may swallow a file without end.
# Ours end: they are held in memory whole.
csv.field_size_limit(max(csv.field_size_limit(), LARGEST))


class Marks(NamedTuple):
    """What separates cells, and whether quotes around one are a part of its text."""

    separator: str
    literal: bool = False


def columns(file: TableFile, wanted: list[str]) -> list[Column]:
    """The columns that the first row names. Names that stand there twice, or that nobody can type, are in trouble."""
    names = _names(file, _marks(file))
    return [Column(name, unnamed(file, k, name)) for k, name in enumerate(names, 1)]


def values(file: TableFile, wanted: list[str], some: int) -> Iterator[tuple[int, list[Any]]]:
    """(number, cells of the columns *wanted*) of every row. Raises InputError for a row with cells too few or too
    many."""
    marks = _marks(file)
    rows = _rows(file, marks)
    names = _names(file, marks)
    places = [names.index(name) for name in wanted]
    for number, (_, cells) in enumerate(islice(rows, 1, None), 1):
        if not _whole(cells, len(names)):
            raise InputError(f"{file.row(number)} has {len(cells)} cells", f"{len(names)}, as in the first line",
                             f"Put texts that hold {_said(marks.separator)} or a line break in double quotes.")
        yield number, [cells[k] for k in places]


def _names(file: TableFile, marks: Marks) -> list[str]:
    return next(([name.strip() for name in cells] for _, cells in _rows(file, marks)), [])


def _whole(cells: list[str], count: int) -> bool:
    """Whether a row has *count* cells. Empty ones at its end are not counted: spreadsheets leave them."""
    return len(cells) >= count and not any(cells[count:])


def _said(separator: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}[separator]


def _marks(file: TableFile) -> Marks:
    """The separator under which the first rows have as many cells as the header, and the most of them."""
    def fits(separator: str) -> tuple[bool, bool, int]:
        reader = csv.reader(lines_of(file, ""), delimiter=separator)
        try:
            head, *rows = islice((cells for cells in reader if cells), FIRST)
        except (csv.Error, ValueError):  # an open quote, nothing at all; what is not UTF-8 is said by the next reader
            return False, False, 0
        return len(head) > 1, all(_whole(cells, len(head)) for cells in rows), len(head)

    separator = max(SEPARATORS[file.kind], key=fits)  # the first of the best
    return Marks(separator, separator == "\t" and _literal(file))


def _literal(file: TableFile) -> bool:
    """Whether quotes of a file with tabs are text, as in GLUE's own: some cell opens with one and is not written as a
    quoted cell, and no line has more or fewer cells than the header."""
    if not any(mark in file.data for mark in (b'\t"', b'\n"', b'\r"')):
        return False  # soon said, as for most files
    wrong, count = False, None
    for line in lines_of(file, ""):
        cells = line.rstrip("\r\n").split("\t")
        count = count or len(cells)
        if len(cells) != count and cells != [""]:
            return False
        wrong = wrong or any(cell.startswith('"') and not QUOTED.fullmatch(cell) for cell in cells)
    return wrong


def _rows(file: TableFile, marks: Marks) -> Iterator[tuple[int, list[str]]]:
    """(line of the file that it begins on, cells) of every row that is not blank, the header first."""
    reader = csv.reader(lines_of(file, ""), strict=True, delimiter=marks.separator,
                        quoting=csv.QUOTE_NONE if marks.literal else csv.QUOTE_MINIMAL)
    began = 1
    try:
        for cells in reader:
            if cells:
                yield began, cells
            began = reader.line_num + 1
    except csv.Error as error:
        what = "a quote that opens there never closes" if "unexpected end" in str(error) else str(error)
        raise InputError(f"{file.name}, line {began} of the file, is no CSV ({what})",
                         f"cells separated by {_said(marks.separator)}, in double quotes where they hold one",
                         "Correct it: a quote inside a quoted cell is written twice.") from None
