"""Tables that a person brings: CSV, JSON, parquet, saved data sets. Read with suspicion, cell by cell; nothing is
executed, and no column is looked at that nobody asked for.

A cell stays what it is written as: markup, a leading `=`, quotes are text like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from core.errors import InputError, unknown
from core.tasks.tables import arrow_stream, delimited, json_objects, limits, parquet
from core.tasks.tables.files import EXPECTED, Column, TableFile, shown

KINDS: dict[str, Any] = {"csv": delimited, "tsv": delimited, "json": json_objects, "parquet": parquet,
                         "arrow": arrow_stream}


def columns_of(file: TableFile) -> list[str]:
    """The names of the columns that can be read, in their order. Raises InputError when there are fewer than the two
    that a task needs: why a column cannot be read, or that it is not there."""
    found = _columns(file, [])
    names = _readable(found)
    if len(names) < 2:
        raise _first_trouble(found) or _too_few(file, names)
    return names


def unreadable(file: TableFile) -> list[InputError]:
    """Why columns are not among `columns_of`, one error a column, in their order. One without a name, such as an index
    that a program wrote, is missed by nobody and not among them."""
    return [column.trouble for column in _columns(file, []) if column.name and column.trouble is not None]


def head(file: TableFile, rows: int = 5) -> dict[str, list[str]]:
    """The first *rows* rows as short texts, by column, for a preview; no more columns than fit. Raises InputError as
    `read` does."""
    names = columns_of(file)[:limits.SHOWN_COLUMNS]
    values = [cells for _, cells in islice(KINDS[file.kind].values(file, names, rows), rows)]
    cut = [["" if v is None else str(v) for v in cells] for cells in values]
    return {name: [c[k] if len(c[k]) <= limits.SHOWN else c[k][:limits.SHOWN] + " ..." for c in cut]
            for k, name in enumerate(names)}


def read(file: TableFile, wanted: Sequence[str]) -> tuple[list[int], dict[str, list[Any]]]:
    """The columns *wanted*, whole, and the number of every row (see `TableFile.row`). CSV cells are texts; others may
    be texts, numbers, booleans or None. Of a text beyond LETTERS characters, one more than that is kept.

    Raises InputError for a column that is not there or cannot be read, a row that is malformed, or too many rows.
    """
    numbers: list[int] = []
    columns: dict[str, list[Any]] = {name: [] for name in wanted}
    letters = 0
    for number, cells in _values(file, list(wanted)):
        if len(numbers) == limits.ROWS:
            raise InputError(f"{file.name} has more than {limits.ROWS} rows", f"at most {limits.ROWS}",
                             "Keep fewer of them.")
        for name, value in zip(wanted, cells, strict=True):
            if isinstance(value, str):
                value = value[:limits.LETTERS + 1]
                letters += len(value)
            columns[name].append(value)
        if letters > limits.ALL_LETTERS:
            raise InputError(f"{file.name} holds more than {limits.ALL_LETTERS // 10**6} million characters", "fewer",
                             "Keep fewer rows.")
        numbers.append(number)
    if not numbers:
        raise InputError(f"{file.name} has a header and no rows", EXPECTED, "Give a file with rows.")
    return numbers, columns


def class_names(file: TableFile, column: str) -> tuple[str, ...]:
    """What the codes 0, 1, ... of a *column* are called, where every file of the table says so; () otherwise. Raises
    InputError for a column that is not there."""
    found = {_column(part, column).classes for part in (file, *file.more)}
    return next(iter(found)) if len(found) == 1 else ()


def _values(file: TableFile, wanted: list[str]) -> Iterator[tuple[int, list[Any]]]:
    """Rows of all files of a table, numbered through."""
    before = 0
    for part in (file, *file.more):
        found = _columns(part, wanted)
        for name in wanted:
            _column(part, name, found)
        number = 0
        for number, cells in KINDS[part.kind].values(part, wanted, limits.BATCH):
            yield before + number, cells
        before += number


def _columns(file: TableFile, wanted: list[str]) -> list[Column]:
    """The columns of a file; two of one name are in trouble."""
    columns: Callable[[TableFile, list[str]], list[Column]] = KINDS[file.kind].columns
    once: dict[str, Column] = {}
    for column in columns(file, wanted):
        twice = InputError(f"{file.name} has two columns named {shown(column.name)}", "each name once", "Rename one.")
        first = once.setdefault(column.name, column)
        if first is not column:
            once[column.name] = Column(column.name, first.trouble or twice)
    return list(once.values())


def _column(file: TableFile, name: str, found: list[Column] | None = None) -> Column:
    """The column *name* among *found*. Raises InputError when it is not there, or in trouble."""
    found = _columns(file, [name]) if found is None else found
    for column in found:
        if column.name == name:
            if column.trouble is not None:
                raise column.trouble
            return column
    for column in found:
        if name.removeprefix(f"{column.name}.") in column.fields and column.trouble is not None:
            raise InputError(f"{file.name} has no column {shown(name)} of its own: it is inside {shown(column.name)}",
                             "a column of texts or numbers", column.trouble.remedy)
    names = _readable(found)
    raise (None if names else _first_trouble(found)) or unknown(f"column of {file.name}", name, names)


def _readable(found: list[Column]) -> list[str]:
    return [column.name for column in found if column.trouble is None]


def _first_trouble(found: list[Column]) -> InputError | None:
    return next((column.trouble for column in found if column.trouble is not None), None)


def _too_few(file: TableFile, names: list[str]) -> InputError:
    """The error for a table all of whose columns can be read, none or one."""
    what = f"one column, {shown(names[0])}" if names else "no columns"
    return InputError(f"{file.name} has {what}", "a column of texts and a column of labels",
                      "Add what is missing." if names else "Add them.")
