"""Who writes a run folder: one process at a time, named by `pid` in its `run.json`."""

from __future__ import annotations

import os


def gone(pid: int | None) -> bool:
    """Is there no process *pid* any more? When it began is not known, so a reused id counts as still there."""
    try:
        os.kill(pid or 0, 0)
    except (OSError, OverflowError):
        return True
    return not pid
