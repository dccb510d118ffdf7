"""One process at a time writes a run folder, by a lock of the system; `core.runs.signatures` names it in `run.json`."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError
from core.runs.store import Store

if TYPE_CHECKING:
    from filelock import FileLock

PAUSE = 0.2  # seconds between two tries
LOCKLESS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # of a file system without locks: `pid` alone guards the folder


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
