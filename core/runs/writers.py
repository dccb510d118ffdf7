"""Who writes a run folder: one process at a time, by a lock of the system, and named in its `run.json` by `pid`, `host`
and `ticks`."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.errors import InputError
from core.runs.records import RunRecord
from core.runs.store import Store

if TYPE_CHECKING:
    from filelock import FileLock

PAUSE = 0.2  # seconds between two tries
LOCKLESS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # of a file system without locks: `pid` alone guards the folder


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


def lock_at(path: Path) -> FileLock:
    """The system's lock at *path*: a link there is not followed, and the lock is gone when its holder is."""
    from filelock import FileLock  # only who writes or serves a queue needs it

    # On a file system without locks its substitute would outlive a killed holder.
    return FileLock(path, mode=0o644, fallback_to_soft=False)


@contextmanager
def alone(store: Store, run: str, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Be the only writer of *run* under the live root. The system lets go when the holder dies, however it dies.

    Raises InputError when another process is at it; with *waiting*, calls that between two tries until it is not.
    """
    folder = store.live / ".writers"
    folder.mkdir(parents=True, exist_ok=True)
    lock = lock_at(folder / run)

    def again() -> bool:
        if waiting is not None:
            waiting()
        return False

    try:
        lock.acquire(-1 if waiting else 0, PAUSE, cancel_check=again)
    except TimeoutError:
        raise InputError(f"{run} is being written by another process", "one writer a run",
                         "Wait for it, or stop that process.") from None
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise
    try:
        yield
    finally:
        lock.release()
