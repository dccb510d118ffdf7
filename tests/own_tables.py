"""Tables as people bring them, in memory, for the tests of own data."""

from __future__ import annotations

import csv as csv_module
import gzip
import io
import json
from typing import Any

import pandas as pd
import pyarrow as pa

from core.tasks.preparing import Prepared, prepare
from core.tasks.tables.files import TableFile, table_file


def prepared(table: TableFile, **more: Any) -> Prepared:
    """*table* as a task, its columns `text` and `label` unless *more* says otherwise."""
    return prepare("mine", table, **{"text": "text", "label": "label", **more})


def csv(*lines: str, name: str = "t.csv") -> TableFile:
    """A CSV of these lines."""
    return table_file(name, "\n".join(lines).encode("utf-8", "surrogatepass"))


def jsonl(*rows: Any) -> TableFile:
    """JSON lines of these objects; a text is a line as it is."""
    return table_file("t.jsonl", "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode())


def with_labels(labels: list[Any]) -> TableFile:
    """Rows t0, t1, ... with these labels, as JSON lines: numbers stay numbers."""
    return jsonl(*({"text": f"t{k}", "label": value} for k, value in enumerate(labels)))


def written_labels(labels: list[str]) -> TableFile:
    """The same as a CSV: every label is text."""
    return csv("text,label", *(f't{k},"{value}"' for k, value in enumerate(labels)))


ROWS: list[dict[str, Any]] = [
    {"text": '<script>alert("1")</script>', "note": "=2+5", "label": "pos"},
    {"text": 'a "quoted", word', "note": "", "label": "neg"},
    {"text": "two\nlines", "note": "é ñ 你好", "label": "pos"},
    {"text": "a; semicolon | a bar\tand a tab", "note": "x", "label": "neg"},
    *({"text": f"row {k}", "note": "x", "label": "neg"} for k in range(8)),
]


def ipc(rows: list[dict[str, Any]], **options: Any) -> bytes:
    sink, table = pa.BufferOutputStream(), pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def packed_parquet(rows: list[dict[str, Any]]) -> bytes:
    made = io.BytesIO()
    pd.DataFrame(rows).to_parquet(made, index=False)
    return made.getvalue()


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def comma(rows: list[dict[str, Any]], **options: Any) -> bytes:
    return pd.DataFrame(rows).to_csv(index=False, **options).encode()


BOM = b"\xef\xbb\xbf"
WRITERS: dict[str, Any] = {  # by pandas, pyarrow and json, which are not what reads CSV and JSON here
    "t.csv": comma,
    "t.tsv": lambda rows: comma(rows, sep="\t"),
    "bars.csv": lambda rows: comma(rows, sep="|"),
    "semicolons.csv": lambda rows: comma(rows, sep=";"),
    "tabs.csv": lambda rows: comma(rows, sep="\t"),
    "CRLF.CSV": lambda rows: comma(rows, lineterminator="\r\n"),
    "mac.csv": lambda rows: comma(rows, lineterminator="\r", quoting=csv_module.QUOTE_ALL),
    "bom.csv": lambda rows: BOM + comma(rows),
    "quoted.csv": lambda rows: comma(rows, quoting=csv_module.QUOTE_ALL),
    "t.jsonl": lines,
    "t.ndjson": lines,
    "lines.json": lines,
    "crlf.jsonl": lambda rows: lines(rows).replace(b"\n", b"\r\n"),
    "list.json": lambda rows: json.dumps(rows, indent=1).encode(),
    "bom.json": lambda rows: BOM + json.dumps(rows).encode(),
    "list.jsonl": lambda rows: json.dumps(rows).encode(),
    "t.parquet": packed_parquet,
    "t.arrow": ipc,
    "t.csv.gz": lambda rows: gzip.compress(comma(rows)),
    "t.jsonl.gz": lambda rows: gzip.compress(lines(rows)),
    "t.parquet.gz": lambda rows: gzip.compress(packed_parquet(rows)),
    "gzip by content.csv": lambda rows: gzip.compress(comma(rows)[:40]) + gzip.compress(comma(rows)[40:]),
}


def written(rows: list[dict[str, Any]], name: str) -> TableFile:
    return table_file(name, WRITERS[name](rows))
