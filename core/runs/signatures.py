"""Who writes a run: named in its `run.json` by `pid`, `host` and `ticks`. Whether that process still is, anybody on its
machine can tell at once."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from core.runs.records import RunRecord

GONE = "Its process is gone: killed, or the machine was restarted. --resume goes on with it."


def ticks_of(pid: int) -> int | None:
    """When process *pid* began, in hundredths of a second since its machine did; None when there is no such process,
    or only a dead one that its parent has not noticed yet."""
    import psutil  # 20 ms that a page without live runs need not wait for

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        # Both moments are told by the system's clock, which may be set; their difference does not change with it.
        return round((process.create_time() - psutil.boot_time()) * 100)
    except (psutil.Error, ValueError):
        return None


def sign(record: RunRecord) -> None:
    """Name this process in *record* as its writer."""
    record.pid, record.host, record.ticks = os.getpid(), platform.node() or None, ticks_of(os.getpid())


def unsign(record: RunRecord) -> None:
    """Name no writer in *record*: nobody writes it any more."""
    record.pid = record.host = record.ticks = None


def writer_of(record: RunRecord) -> Literal["here", "elsewhere", "gone"]:
    """Where the process is that *record* names as its writer. Of one on another machine nobody here can know whether it
    lives. A record of before names neither its machine nor when it began: it is looked for here, by its id alone."""
    if record.host not in (None, platform.node()):
        return "elsewhere"
    began = ticks_of(record.pid or 0)
    return "gone" if began is None or record.ticks not in (None, began) else "here"


def as_it_stands(record: RunRecord) -> RunRecord:
    """*record*, or, where it says "running" by a process of this machine that is no more, that it has failed."""
    if record.status != "running" or writer_of(record) != "gone":
        return record
    return msgspec.structs.replace(record, status="failed", error=GONE)


def away(record: RunRecord, folder: Path) -> str:
    """Of a run that a process of another machine writes: which, and when it last wrote, in UTC; "" for any other."""
    if record.status != "running" or writer_of(record) != "elsewhere":
        return ""
    try:
        last = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return f"on the machine {record.host}"
    return f"on the machine {record.host}, not seen since {datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC"
