"""The files of the queue and of the workers, read and made with suspicion: nothing behind a link, nothing long.

A link in the live root could lead anywhere: it is neither followed for reading nor for writing.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

QUEUE, WORK = ".queue", ".work"
LARGEST = 64 << 10  # bytes of a file of ours: a longer one is somebody else's


def linked(folder: Path) -> bool:
    """Is *folder*, or the folder of all queues or workers that it is in, a link?"""
    return folder.is_symlink() or any(p.is_symlink() for p in folder.parents if p.name in (QUEUE, WORK))


def own_folder(folder: Path) -> Path:
    """Make *folder* unless it is there, and return it. Raises OSError when a link stands in its place."""
    if linked(folder):
        raise OSError(errno.ELOOP, "a link stands where a folder of ours should be", folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def read_own(path: Path, most: int = LARGEST) -> bytes:
    """The bytes of a plain file of at most *most* bytes. Raises OSError for a link, a pipe, a folder, a longer file."""
    if linked(path.parent):
        raise OSError(errno.ELOOP, "behind a link", path.name)
    # without O_NONBLOCK a named pipe would hold the page for ever
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "no plain file", path.name)
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"over {most >> 10} KB", path.name)
        return stream.read(most)
