"""`python -m core.engines.worker`: a process that makes cells, one line of JSON each on stdin, and answers each with a
line on stdout. For `core.engines.processes`; nobody types it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from core.engines.cells import Cell


class Order(msgspec.Struct, frozen=True):
    """One cell, and where and how to make it. Paths are absolute."""

    cell: Cell
    live: str
    recorded: str
    data_dir: str | None
    threads: int


def main() -> None:
    """Serve until stdin ends."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # whatever else prints must not get between the answers
        import torch

        from core.engines.carrying import carry
        from core.running.shared import Shared
        from core.runs.store import Store

        shared = Shared()
        for line in sys.stdin.buffer:
            order = msgspec.json.decode(line, type=Order)
            torch.set_num_threads(order.threads)
            end = carry(order.cell, store=Store(recorded=Path(order.recorded), live=Path(order.live)),
                        data_dir=Path(order.data_dir) if order.data_dir else None, shared=shared)
            answers.write(msgspec.json.encode(end) + b"\n")
            answers.flush()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # the run has been marked as cancelled; whoever asked for it is told by the end
        os._exit(130)
