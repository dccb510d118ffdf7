"""A standby: a process that has torch and transformers loaded before anybody presses Start, and then is the worker.

Loading them takes several seconds, as long as the whole of a short run. Whoever serves the queue keeps one standby
while somebody may soon ask (`want`, `keep`); `core.live.workers.start` takes it where there is one, and starts a
process of its own where there is none; so does a measurement of the machine. A standby waits for one line on its
standard input: what to be. When the one who keeps it ends, in whatever way, that input ends, and so does the standby.
Once taken it is a process as any other.

`core.cli.waiting` is the standby itself. SPARSESCOPE_SPARE=0: none is ever kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from core.runs.store import REPOSITORY

MODULES = ("core", "core.live.stopwatch")  # what a standby can become: `python -m` one of these
KEPT = 600.0  # seconds a standby is kept after somebody last looked like asking
_lock = threading.Lock()
_kept: list[subprocess.Popen[bytes]] = []  # at most one
_wanted = 0.0  # until when, by the monotonic clock


class Order(msgspec.Struct, frozen=True):
    """What the standby becomes: `python -m module words`; what differs in its environment; its log."""

    module: str
    words: list[str]
    env: dict[str, str]
    log: str


def want() -> None:
    """Somebody may soon ask for a run: keep a standby for the next KEPT seconds. Costs nothing; `keep` starts it."""
    global _wanted
    _wanted = time.monotonic() + KEPT


def keep(free: bool) -> None:
    """Start a standby when one is wanted, there is none, and the machine is *free*; end it when none is wanted."""
    with _lock:
        _kept[:] = [process for process in _kept if process.poll() is None]
        wanted = time.monotonic() < _wanted and os.environ.get("SPARSESCOPE_SPARE", "1") != "0"
        if _kept and not wanted:
            _end(_kept.pop())
        elif wanted and free and not _kept:
            with suppress(OSError):  # then the next worker is started from nothing
                _kept.append(subprocess.Popen(
                    [sys.executable, "-m", "core.cli.waiting"], cwd=REPOSITORY, stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"}))


def drop() -> None:
    """End the standby, if there is one."""
    with _lock:
        while _kept:
            _end(_kept.pop())


def begin(command: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Carry out *command* in a process of its own session: the standby, where there is one that can become this.

    *env*: what differs from this process's own environment. *log*: an absolute path, where no file is, for all it
    prints. Raises OSError when the system starts none, and for a *log* that is there.
    """
    with log.open("xb") as out:  # a new file: never through a link
        return _taken(command, env, log) or subprocess.Popen(
            list(command), cwd=REPOSITORY, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True)


def _taken(command: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes] | None:
    program, dash, module, *words = command
    if (program, dash) != (sys.executable, "-m") or module not in MODULES:
        return None
    with _lock:
        process = _kept.pop() if _kept else None
    if process is None:
        return None
    try:
        assert process.stdin is not None
        with process.stdin as line:
            line.write(msgspec.json.encode(Order(module, words, dict(env), str(log))) + b"\n")
    except OSError:  # it ended before it was needed
        _end(process)
        return None
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(5.0)
