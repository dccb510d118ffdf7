"""Tables that a person brings: CSV, JSON lines, parquet. Read with suspicion, cell by cell; nothing is executed.

A cell stays what it is written as: markup, a leading `=`, quotes are text like any other. pyarrow is imported for
parquet alone, inside the functions.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError, unknown

KINDS = ("csv", "jsonl", "parquet")
LARGEST = 50_000_000  # bytes of a file; .streamlit/config.toml holds an upload to the same
ROWS = 200_000
LETTERS = 10_000  # characters of a cell that is read
COLUMNS = 200
UNPACKED = 500_000_000  # bytes that a parquet file may say its columns take when they are unpacked
ALL_LETTERS = 100_000_000  # characters of all cells that are read: parquet stores repeated texts once
BATCH = 1000  # rows of parquet at a time
SHOWN = 120  # characters of a cell in a preview
EXPECTED = "a table as .csv, .jsonl or .parquet"


@dataclass(frozen=True)
class TableFile:
    """A file, read whole: its name (for messages), its kind (of KINDS) and its bytes."""

    name: str
    kind: str
    data: bytes = field(repr=False)

    def row(self, number: int) -> str:
        """Where a row stands, in words. Rows count from 1, a CSV's header not among them; JSON lines by their line."""
        return f"{self.name}, {'line' if self.kind == 'jsonl' else 'row'} {number}"


def shown(value: object, most: int = 40) -> str:
    """A value as an error quotes it: on one line, short."""
    text = repr(value)
    return text if len(text) <= most else text[:most - 3] + "..."


def table_file(name: str, data: bytes) -> TableFile:
    """The file *name* with the bytes *data*. Raises InputError for a kind that is not read, too many bytes or none."""
    label = "".join(c if c.isprintable() else "?" for c in name)[-80:]
    kind = label.rpartition(".")[2].lower() if "." in label else ""
    if kind not in KINDS:
        raise InputError(f"{label!r} is of a kind that is not read", EXPECTED, "Save it as one of them.")
    if len(data) > LARGEST:
        raise InputError(f"{label} is larger than {LARGEST // 10**6} MB", f"at most {LARGEST // 10**6} MB",
                         "Keep fewer rows.")
    if not data.strip():
        raise InputError(f"{label} is empty", EXPECTED, "Give a file with rows.")
    return TableFile(label, kind, data)


def open_table(path: Path) -> TableFile:
    """Read the file *path*. Raises InputError when it cannot be read, and as `table_file` does."""
    label = shown(str(path)[-80:], 90)
    try:
        if not path.expanduser().is_file():  # also of what is no file: a pipe or a device never ends
            raise InputError(f"There is no file {label}", EXPECTED, "Correct the path.")
        with path.expanduser().open("rb") as stream:
            return table_file(path.name, stream.read(LARGEST + 1))
    except (OSError, RuntimeError) as error:
        raise InputError(f"{label} cannot be read ({getattr(error, 'strerror', error)})", EXPECTED,
                         "Correct the path.") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{label} is no path", EXPECTED, "Correct the path.") from None  # a zero byte in it


def columns_of(file: TableFile) -> list[str]:
    """The names of the columns that can be read, in their order. Raises InputError when there are none, or too many, or
    two of one name."""
    names = {"csv": _csv_names, "jsonl": _json_names, "parquet": _parquet_names}[file.kind](file)
    if not names:
        raise InputError(f"{file.name} has no columns", "a column of texts and a column of labels", "Add them.")
    if len(names) > COLUMNS:
        raise InputError(f"{file.name} has {len(names)} columns", f"at most {COLUMNS}", "Keep fewer of them.")
    for k, name in enumerate(names, 1):
        if not name or len(name) > 200 or not name.isprintable():
            raise InputError(f"{file.name}: column {k} is named {shown(name)}", "1 to 200 printable characters",
                             "Name the columns in the first row." if file.kind == "csv" else "Rename it.")
        if names.index(name) != k - 1:
            raise InputError(f"{file.name} has two columns named {shown(name)}", "each name once", "Rename one.")
    return names


def head(file: TableFile, rows: int = 5) -> dict[str, list[str]]:
    """The first *rows* rows as short texts, by column, for a preview. Raises InputError as `read` does."""
    names = columns_of(file)
    values = [cells for _, cells in islice(_values(file, names, some=rows), rows)]
    cut = [["" if v is None else str(v) for v in cells] for cells in values]
    return {name: [c[k] if len(c[k]) <= SHOWN else c[k][:SHOWN] + " ..." for c in cut] for k, name in enumerate(names)}


def read(file: TableFile, wanted: Sequence[str]) -> tuple[list[int], dict[str, list[Any]]]:
    """The columns *wanted*, whole, and the number of every row (see `TableFile.row`). CSV cells are texts; others may
    be texts, numbers, booleans or None.

    Raises InputError for a column that is not there, a row that is malformed, too many rows, or too long a cell.
    """
    names = columns_of(file)
    for name in wanted:
        if name not in names:
            raise unknown(f"column of {file.name}", name, names)
    numbers: list[int] = []
    columns: dict[str, list[Any]] = {name: [] for name in wanted}
    letters = 0
    for number, cells in _values(file, list(wanted)):
        if len(numbers) == ROWS:
            raise InputError(f"{file.name} has more than {ROWS} rows", f"at most {ROWS}", "Keep fewer of them.")
        for name, value in zip(wanted, cells, strict=True):
            if isinstance(value, str):
                letters += _fits(file, number, name, len(value))
            columns[name].append(value)
        if letters > ALL_LETTERS:
            raise InputError(f"{file.name} holds more than {ALL_LETTERS // 10**6} million characters", "fewer",
                             "Keep fewer rows.")
        numbers.append(number)
    if not numbers:
        raise InputError(f"{file.name} has a header and no rows", EXPECTED, "Give a file with rows.")
    return numbers, columns


def _fits(file: TableFile, number: int, name: str, length: int) -> int:
    if length > LETTERS:
        raise InputError(f"{file.row(number)}: {shown(name)} has {length} characters", f"at most {LETTERS}",
                         "Shorten or remove the row.")
    return length


def _values(file: TableFile, wanted: list[str], some: int = BATCH) -> Iterator[tuple[int, list[Any]]]:
    if file.kind == "csv":
        return _csv_values(file, wanted)
    return _json_values(file, wanted) if file.kind == "jsonl" else _parquet_values(file, wanted, some)


def _lines(file: TableFile, newline: str) -> Iterator[str]:
    """The lines of a text file, decoded as they are asked for: a preview reads no further than it shows."""
    try:
        yield from io.TextIOWrapper(io.BytesIO(file.data), encoding="utf-8-sig", newline=newline)
    except UnicodeDecodeError:
        raise InputError(f"{file.name}, line {_undecodable(file.data)} of the file, is not UTF-8 text", "UTF-8",
                         "Save it as UTF-8.") from None


def _undecodable(data: bytes) -> int:
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return data[:error.start].count(b"\n") + 1
    return data.count(b"\n") + 1


# -- CSV ---------------------------------------------------------------------------------------------------------------

def _csv_rows(file: TableFile) -> Iterator[list[str]]:
    reader = csv.reader(_lines(file, ""), strict=True)
    try:
        yield from (cells for cells in reader if cells)
    except csv.Error as error:
        raise InputError(f"{file.name}, line {reader.line_num} of the file, is no CSV ({error})",
                         "cells separated by commas, in double quotes where they hold one", "Correct it.") from None


def _csv_names(file: TableFile) -> list[str]:
    names = [name.strip() for name in next(_csv_rows(file), [])]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise InputError(f"{file.name} has one column, {shown(names[0])}", "columns separated by commas",
                         "Save it with commas.")
    return names


def _csv_values(file: TableFile, wanted: list[str]) -> Iterator[tuple[int, list[Any]]]:
    rows = _csv_rows(file)
    names = [name.strip() for name in next(rows)]
    places = [names.index(name) for name in wanted]
    for number, cells in enumerate(rows, 1):
        if len(cells) != len(names):
            raise InputError(f"{file.row(number)} has {len(cells)} cells", f"{len(names)}, as in the first line",
                             "Put texts that hold a comma or a line break in double quotes.")
        yield number, [cells[k] for k in places]


# -- JSON lines --------------------------------------------------------------------------------------------------------

def _json_rows(file: TableFile) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(_lines(file, "\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file.row(number)} is no JSON object ({str(error)[:60]})",
                             'one object a line, such as {"text": "...", "label": "..."}', "Correct it.") from None
        if not isinstance(row, dict):
            raise InputError(f"{file.row(number)} holds {shown(row)}", "one JSON object a line", "Correct it.")
        yield number, row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _json_names(file: TableFile) -> list[str]:
    return [name for _, row in islice(_json_rows(file), 1) for name in row]


def _json_values(file: TableFile, wanted: list[str]) -> Iterator[tuple[int, list[Any]]]:
    for number, row in _json_rows(file):
        cells = [row.get(name) for name in wanted]
        for name, value in zip(wanted, cells, strict=True):
            if isinstance(value, (list, dict)):
                raise InputError(f"{file.row(number)}: {shown(name)} holds {shown(value)}", "a text or a number",
                                 "Correct or remove the line.")
        yield number, cells


# -- parquet -----------------------------------------------------------------------------------------------------------

def _parquet(file: TableFile, texts: Sequence[str] = ()) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        opened = parquet.ParquetFile(pa.BufferReader(file.data), read_dictionary=list(texts))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file.name} is no parquet file ({' '.join(str(error).split())[:80]})", "a parquet file",
                         "Save it anew.") from None
    if opened.metadata.num_rows > ROWS:
        raise InputError(f"{file.name} has {opened.metadata.num_rows} rows", f"at most {ROWS}", "Keep fewer of them.")
    return opened


def _parquet_names(file: TableFile) -> list[str]:
    import pyarrow as pa

    def plain(kind: Any) -> bool:
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        numbers = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_floating)
        return _texts(kind) or any(fits(kind) for fits in numbers)

    schema = _parquet(file).schema_arrow
    if len(schema) > 10 * COLUMNS:
        raise InputError(f"{file.name} has {len(schema)} columns", f"at most {COLUMNS}", "Keep fewer of them.")
    return [column.name for column in schema if plain(column.type)]


def _texts(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _parquet_values(file: TableFile, wanted: list[str], some: int) -> Iterator[tuple[int, list[Any]]]:
    import pyarrow as pa

    schema = _parquet(file).schema_arrow
    # Repeated texts stay stored once until their lengths are known: a small file may say a long text very often.
    opened = _parquet(file, [name for name in wanted if _texts(schema.field(name).type)])
    groups = [opened.metadata.row_group(k) for k in range(opened.metadata.num_row_groups)]
    unpacked = sum(chunk.total_uncompressed_size for group in groups
                   for chunk in (group.column(c) for c in range(group.num_columns))
                   if chunk.path_in_schema in wanted)
    if unpacked > UNPACKED:
        raise InputError(f"{file.name} unpacks to {unpacked // 10**6} MB", f"at most {UNPACKED // 10**6} MB",
                         "Keep fewer rows.")
    number, lengths = 0, {name: _Lengths() for name in wanted}
    try:
        for batch in opened.iter_batches(batch_size=some, columns=wanted):
            columns = []
            for name in wanted:
                column = batch.column(name)
                if isinstance(column, pa.DictionaryArray) and _texts(column.type.value_type):
                    for k, length in lengths[name].beyond(column):
                        _fits(file, number + k, name, length)
                columns.append(column.to_pylist())
            for cells in zip(*columns, strict=True):
                number += 1
                yield number, list(cells)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file.name} is damaged after row {number} ({' '.join(str(error).split())[:80]})",
                         "a whole parquet file in UTF-8", "Save it anew.") from None


class _Lengths:
    """Lengths of a column's texts, told before they are spelled out once a row. Batches share a dictionary: its texts
    are counted once."""

    def __init__(self) -> None:
        self.dictionary: Any = None
        self.lengths = np.zeros(0, np.int64)

    def beyond(self, column: Any) -> list[tuple[int, int]]:
        """(row of the batch *column*, from 1, length) of the first text that is longer than LETTERS; [] if none is."""
        import pyarrow.compute as pc

        if self.dictionary is None or not _shared(self.dictionary, column.dictionary):
            self.dictionary = column.dictionary
            self.lengths = pc.utf8_length(column.dictionary).fill_null(0).to_numpy(zero_copy_only=False)
        there = np.flatnonzero(column.indices.is_valid().to_numpy(zero_copy_only=False))
        found = self.lengths[column.indices.drop_null().to_numpy(zero_copy_only=False)]
        long = np.flatnonzero(found > LETTERS)[:1]
        return [(int(there[k]) + 1, int(found[k])) for k in long]


def _shared(one: Any, two: Any) -> bool:
    """Do two arrays lie at the same place? (*one* is held, so its place is not given to another.)"""
    places = [[(b.address, b.size) if b is not None else None for b in array.buffers()] for array in (one, two)]
    return (one.offset, len(one)) == (two.offset, len(two)) and places[0] == places[1]
