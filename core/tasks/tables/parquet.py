"""Parquet: the columns that are asked for, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.errors import InputError
from core.tasks.tables.arrow_types import cells, columns_of_schema, texts
from core.tasks.tables.files import Column, TableFile, one_line
from core.tasks.tables.limits import LETTERS, ROWS, UNPACKED


def columns(file: TableFile, wanted: list[str]) -> list[Column]:
    """The columns of the file's schema."""
    return columns_of_schema(file, _opened(file).schema_arrow)


def values(file: TableFile, wanted: list[str], some: int) -> Iterator[tuple[int, list[Any]]]:
    """(number, values of the columns *wanted*) of every row, read *some* rows at a time. Raises InputError."""
    import pyarrow as pa

    schema = _opened(file).schema_arrow
    # As dictionaries, so that a text that is said very often is not spelled out as often (`cells`).
    opened = _opened(file, [name for name in wanted if texts(schema.field(name).type)])
    # Of whole groups: pyarrow ends the process when it is asked for a single column's share of a damaged file.
    unpacked = sum(opened.metadata.row_group(k).total_byte_size for k in range(opened.metadata.num_row_groups))
    if unpacked > UNPACKED:
        raise InputError(f"{file.name} unpacks to {unpacked // 10**6} MB", f"at most {UNPACKED // 10**6} MB",
                         "Keep fewer rows.")
    number = 0
    try:
        for batch in opened.iter_batches(batch_size=some, columns=wanted):
            places = [batch.schema.get_field_index(name) for name in wanted]
            if min(places) < 0:  # a field inside another column is written with the same path
                raise InputError(f"{file.name} has two columns of one path", "each name once", "Rename one.")
            for row in zip(*(cells(batch.column(k), LETTERS + 1) for k in places), strict=True):
                number += 1
                yield number, list(row)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file.name} is damaged after row {number} ({one_line(error)})",
                         "a whole parquet file in UTF-8", "Save it anew.") from None


def _opened(file: TableFile, dictionaries: Sequence[str] = ()) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        opened = parquet.ParquetFile(pa.BufferReader(file.data), read_dictionary=list(dictionaries))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file.name} is no parquet file ({one_line(error)})", "a parquet file",
                         "Save it anew.") from None
    if opened.metadata.num_rows > ROWS:
        raise InputError(f"{file.name} has {opened.metadata.num_rows} rows", f"at most {ROWS}", "Keep fewer of them.")
    return opened
