"""The files of the queue and of the workers, read and made with suspicion: nothing behind a link, nothing long.

A link in the live root could lead anywhere: it is neither followed for reading nor for writing.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A plain file for reading. Raises OSError for a link, a pipe, a folder, and for what is behind a link."""
    if linked(path.parent):
        raise OSError(errno.ELOOP, "behind a link", path.name)
    try:  # without O_NONBLOCK a named pipe would hold the page for ever
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(errno.ELOOP, "a link, which is not followed", path.name) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "no plain file", path.name)
        with open(handle, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(handle)


def read_own(path: Path, most: int = LARGEST) -> bytes:
    """The bytes of a plain file of at most *most* bytes. Raises OSError, as `opened` does and for a longer one."""
    with opened(path) as stream:
        found = stream.read(most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"over {most >> 10} KB", path.name)
    return found
