"""`trace.jsonl`: one JSON object per logged step, only ever appended to, except when a run continues.

Keys, left out where they do not apply: step, epoch, phase (see `core.runs.phases`), loss, score (of the weights the
model would be used with), rho, primal, dual, flips, flipped (their share), moved, quiet (share of quiet regions in the
last batch), confidence and diversity (of drawn masks), lr, seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.runs.store import TRACE, write_atomic


class TraceFile:
    """The trace of the run folder *folder*, for writing."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / TRACE

    def append(self, row: dict[str, Any]) -> None:
        """Add one row."""
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")

    def replace(self, rows: Iterable[dict[str, Any]] = ()) -> None:
        """Start again with *rows*."""
        write_atomic(self.file, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def cut(self, step: int) -> None:
        """Forget what was logged after *step*: the checkpoint that a run continues from."""
        rows = []
        for line in self.file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # half a line, from the moment of the kill
            if isinstance(row, dict) and row.get("step", step + 1) <= step:
                rows.append(row)
        self.replace(rows)
