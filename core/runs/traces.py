"""`trace.jsonl`: one JSON object per logged step, only ever appended to, except when a run continues.

Keys, left out where they do not apply: step, epoch, phase (see `core.runs.phases`), loss, score (of the weights the
model would be used with), rho, primal, dual, flips, flipped (their share), moved, quiet (share of quiet regions in the
last batch), confidence and diversity (of drawn masks), lr, seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from core.runs.store import TRACE, write_atomic

Heard = Callable[[Mapping[str, Any]], None]


class TraceFile:
    """The trace of the run folder *folder*, for writing. *heard* is told every row too."""

    def __init__(self, folder: Path, heard: Heard | None = None) -> None:
        self.file, self.heard = folder / TRACE, heard or (lambda row: None)

    def append(self, row: dict[str, Any]) -> None:
        """Add one row."""
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        self.heard(row)

    def replace(self, rows: Iterable[dict[str, Any]] = ()) -> None:
        """Start again with *rows*."""
        kept = list(rows)
        self._write(kept)
        for row in kept:
            self.heard(row)

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
        self._write(rows)  # all of them were heard when they came

    def _write(self, rows: Iterable[dict[str, Any]]) -> None:
        write_atomic(self.file, "".join(json.dumps(row) + "\n" for row in rows).encode())
