"""Tables as people bring them, in memory, for the tests of own data."""

from __future__ import annotations

import json
from typing import Any

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
