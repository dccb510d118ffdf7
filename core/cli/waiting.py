"""`python -m core.cli.waiting`: load torch and transformers, then wait for one command line, and be that process.

For `core.live.standby`, which keeps such a process. Nobody types it: what it reads is no shell's line.
"""

from __future__ import annotations

import os
import runpy
import sys
from contextlib import suppress

import msgspec

from core.cli.group import leave
from core.live.standby import MODULES, Order


def become(order: Order) -> None:
    """Be the process that the order asks for, its log for output."""
    os.environ.update(order.env)
    for fd, path, mode in ((0, os.devnull, os.O_RDONLY), (1, order.log, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)):
        opened = os.open(path, mode)
        os.dup2(opened, fd)
        os.close(opened)
    os.dup2(1, 2)
    assert order.module in MODULES
    sys.argv = [order.module, *order.words]
    try:
        runpy.run_module(order.module, run_name="__main__")
    except SystemExit as end:
        leave(end)


def preload() -> None:
    """Load what every run loads. Importing alone leaves half of it: transformers loads its parts when they are used."""
    import pyarrow.parquet  # noqa: F401

    import core.cli.run
    import core.running.job  # noqa: F401
    from core.models.loading import preload as preload_models

    preload_models()


if __name__ == "__main__":
    with suppress(Exception):  # what is missing is said by the run that needs it, in its log
        preload()
    if line := sys.stdin.buffer.readline():
        become(msgspec.json.decode(line, type=Order))
