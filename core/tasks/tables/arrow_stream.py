"""Arrow files, as `Dataset.save_to_disk` writes them. Compressed ones are refused: they say how large they are only
when they are unpacked."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from core.errors import InputError
from core.tasks.tables.arrow_types import cells, columns_of_schema
from core.tasks.tables.files import Column, TableFile, one_line
from core.tasks.tables.limits import LETTERS

MAGIC = b"ARROW1\0\0"  # of a file with an index at its end; behind it comes the same stream
BATCH_OF = {2: True, 3: False}  # kinds of message that hold values: a dictionary, which holds a batch, and a batch


def columns(file: TableFile, wanted: list[str]) -> list[Column]:
    """The columns of the stream's schema."""
    import pyarrow as pa

    found = columns_of_schema(file, _stream(file).schema)
    # A view may point at one long text from every row.
    return [Column(c.name, InputError(f"{file.name}: column {c.name!r} holds texts as views", "texts", "Save the table "
                   "as parquet."), c.fields) if pa.types.is_string_view(field.type) else c
            for c, field in zip(found, _stream(file).schema, strict=True)]


def values(file: TableFile, wanted: list[str], some: int) -> Iterator[tuple[int, list[Any]]]:
    """(number, values of the columns *wanted*) of every row, spelled out *some* rows at a time. Raises InputError."""
    import pyarrow as pa

    number = 0
    try:
        if any(_compressed(message.metadata.to_pybytes()) for message in _messages(file)):
            raise InputError(f"{file.name} is compressed inside", "an Arrow file as `save_to_disk` writes it",
                             "Save the table as parquet.")
        for batch in _stream(file):
            batch.validate(full=True)
            places = [batch.schema.get_field_index(name) for name in wanted]
            for start in range(0, len(batch), some):
                part = batch.slice(start, some)
                for row in zip(*(cells(part.column(k), LETTERS + 1) for k in places), strict=True):
                    number += 1
                    yield number, list(row)
    except (pa.ArrowException, OSError, UnicodeDecodeError, struct.error) as error:
        raise InputError(f"{file.name} is damaged after row {number} ({one_line(error)})",
                         "a whole Arrow file in UTF-8", "Save it anew.") from None


def _buffer(file: TableFile) -> Any:
    import pyarrow as pa

    return pa.BufferReader(pa.py_buffer(file.data).slice(len(MAGIC) if file.data.startswith(MAGIC) else 0))


def _stream(file: TableFile) -> Any:
    import pyarrow as pa

    try:
        return pa.ipc.open_stream(_buffer(file))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file.name} is no Arrow file ({one_line(error)})", "an Arrow file",
                         "Save it anew.") from None


def _messages(file: TableFile) -> Iterator[Any]:
    import pyarrow as pa

    reader = pa.ipc.MessageReader.open_stream(_buffer(file))
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _compressed(message: bytes) -> bool:
    """Whether a message's values are compressed: the field `compression` of its record batch is there.

    The message is a flatbuffer (https://github.com/apache/arrow/blob/main/format/Message.fbs): a table begins with the
    distance back to its list of where its fields are. Raises struct.error for what is none.
    """
    def field(table: int, k: int) -> int:
        """Where field *k* of the *table* is; 0 if it has none."""
        there = table - int(struct.unpack_from("<i", message, table)[0])
        if 4 + 2 * k >= struct.unpack_from("<H", message, there)[0]:
            return 0
        offset = int(struct.unpack_from("<H", message, there + 4 + 2 * k)[0])
        return table + offset if offset else 0

    def follow(place: int) -> int:
        return place + int(struct.unpack_from("<I", message, place)[0])

    top = follow(0)
    kind = message[field(top, 1)] if field(top, 1) else 0
    if kind not in BATCH_OF:
        return False
    batch = follow(field(top, 2))
    if BATCH_OF[kind]:
        batch = follow(field(batch, 1))
    return field(batch, 3) > 0
