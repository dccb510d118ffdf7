"""A worker: the headless command in a process of its own, and how to tell whether it still lives."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from core.live import standby
from core.live.places import WORK, linked, opened, own_folder, read_own
from core.live.progress import Said, read_said
from core.live.tickets import Moment, Ticket, reason_of
from core.runs.records import ID_RULE
from core.runs.signatures import ticks_of
from core.runs.store import Store, write_atomic

SILENT = 30.0  # seconds without a heartbeat after which a worker of another place counts as gone
KEPT = 100  # ended workers whose files stay: every poll looks at all
MOST = 100  # of the others that one poll removes
# Its end is removed last: without it, a worker counts as one that goes on.
FILES = ("worker.json", "progress.json", "worker.log", "cancel", "end.json")
TAIL = 4096  # bytes of a log that are read for its last lines
LINES = 6
_started: dict[int, subprocess.Popen[bytes]] = {}  # by this process: to be reaped, nothing else hangs on it


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """`worker.json`: one worker. `ticks`: when its process began (`core.runs.signatures`); guards a reused id.
    `place`: the machine or container in which `pid` means that process; "" in files of before."""

    ticket: Ticket
    pid: Annotated[int, msgspec.Meta(ge=2, le=1 << 31)]
    ticks: int | None
    started: Moment
    place: str = ""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """`end.json`: what became of a worker."""

    state: Literal["succeeded", "failed", "cancelled"]
    reason: str = ""
    ended: Moment = 0.0


Command = Callable[[Store, Ticket, Path, int], Sequence[str]]  # store, ticket, its folder, threads -> argv


@cache
def place() -> str:
    """Which machine, and which container on it: a process id means nothing in another one."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit() -> int:
    """How many workers may run at once: SPARSESCOPE_WORKERS, else half the cores."""
    try:
        return max(1, int(os.environ["SPARSESCOPE_WORKERS"]))
    except (KeyError, ValueError):
        return max(1, cores() // 2)


def threads() -> int:
    """Processor cores that a worker gets."""
    return max(1, cores() // limit())


def folder_of(store: Store, run: str) -> Path:
    """Where the files of the worker of *run* lie."""
    assert ID_RULE.fullmatch(run) and ".." not in run
    return store.live / WORK / run


def headless(store: Store, ticket: Ticket, folder: Path, threads: int) -> list[str]:
    """The command that makes the ticket's run: the same words a person would type, never a shell."""
    own = [f"--threads={threads}", f"--progress-file={folder / 'progress.json'}"]
    return [sys.executable, "-m", "core", "run", "--again" if ticket.again else "--resume", *own,
            *("=".join(flag) for flag in flags(ticket.given))]


def flags(given: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Settings as options of the command: (option, value), or (option,) for a switch."""
    out: list[tuple[str, ...]] = []
    for key, value in given.items():
        if key == "knobs" and isinstance(value, dict):
            out += [("--knob", f"{name}={text}") for name, text in value.items()]
        elif key == "freeze_embeddings":
            out.append(("--freeze-embeddings" if value else "--train-embeddings",))
        elif value is not None:
            out.append((f"--{key.replace('_', '-')}", f"{value:g}" if isinstance(value, float) and
                        float(f"{value:g}") == value else str(value)))
    return out


def start(store: Store, ticket: Ticket, command: Command = headless) -> Worker:
    """Start a worker for *ticket*. Raises OSError when the system starts none."""
    folder = own_folder(folder_of(store, ticket.run))
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    env = {"SPARSESCOPE_RUNS": str(store.live.resolve()), "SPARSESCOPE_CACHED": str(store.recorded.resolve()),
           "PYTHONUNBUFFERED": "1"}
    process = standby.begin(command(store, ticket, folder, threads()), env, (folder / "worker.log").absolute())
    _started[process.pid] = process
    worker = Worker(ticket=ticket, pid=process.pid, ticks=ticks_of(process.pid), started=time.time(),
                    place=place())
    try:
        write_atomic(folder / "worker.json", msgspec.json.encode(worker))
    except OSError:
        stop(worker, signal.SIGKILL)  # nobody would ever find it again
        raise
    return worker


def alive(worker: Worker, said: Said | None = None) -> bool:
    """Is the worker's process still there, and still that process? One of another place lives by its heartbeat."""
    if not _here(worker):
        return time.time() - max(worker.started, said.updated if said else 0.0) < SILENT
    child = _started.get(worker.pid)
    if child is not None and child.poll() is not None:
        del _started[worker.pid]
        return False
    return worker.ticks is not None and ticks_of(worker.pid) == worker.ticks


def _here(worker: Worker) -> bool:
    return worker.place in ("", place())


def stop(worker: Worker, kind: signal.Signals = signal.SIGTERM) -> None:
    """Send *kind* to the worker and to all it started; nothing to one of another place, whose own servers see to it."""
    if _here(worker) and alive(worker):
        try:
            os.killpg(worker.pid, kind)
        except (ProcessLookupError, PermissionError):
            return  # gone this very moment, or another user's: it stays what it is


def read_worker(folder: Path) -> Worker | None:
    """`worker.json` of *folder*; None when it is not there or is none of ours."""
    try:
        worker = msgspec.json.decode(read_own(folder / "worker.json"), type=Worker)
    except (OSError, RecursionError, msgspec.MsgspecError):
        return None
    return worker if worker.ticket.run == folder.name else None


def read_end(folder: Path) -> End | None:
    """`end.json` of *folder*; None while the worker goes on."""
    try:
        return msgspec.json.decode(read_own(folder / "end.json"), type=End)
    except (OSError, RecursionError, msgspec.MsgspecError):
        return None


def folders(store: Store) -> list[Path]:
    """The folders of all workers there were, the latest change first."""
    root, found = store.live / WORK, []
    try:
        for entry in [] if linked(root) else os.scandir(root):
            if ID_RULE.fullmatch(entry.name) and ".." not in entry.name and entry.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):  # pruned this very moment
                    found.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
    except OSError:
        return []
    return [root / name for _, name in sorted(found, reverse=True)]


def prune(store: Store, keep: int = KEPT, most: int = MOST) -> None:
    """Remove the folders of workers that ended, all but the latest *keep*, and at most *most* at once; none in which
    lies anything that is no file of ours. Raises OSError. For the holder of the queue's lock."""
    ended = [folder for folder in folders(store) if (folder / "end.json").exists()]
    for folder in ended[keep:][-most:]:
        there = {path.name for path in folder.iterdir()}
        if there <= set(FILES):
            for name in FILES:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()


def damaged(store: Store) -> list[str]:
    """What lies among the workers and is none, or can no longer be read: "name: reason"."""
    root, out = store.live / WORK, []
    if linked(root):
        return [f"{WORK}: a link, which is not followed"]
    try:
        paths = sorted(root.iterdir())
    except OSError:
        return []
    for path in paths:
        reason = "a link, which is not followed" if path.is_symlink() else \
            "no folder of a worker" if not path.is_dir() or not ID_RULE.fullmatch(path.name) or ".." in path.name else \
            _damage(path)
        out += [f"{path.name[:80]}: {reason}"] if reason else []
    return out


def _damage(folder: Path) -> str:
    for name, kind in (("end.json", End), ("worker.json", Worker)):
        try:
            found = msgspec.json.decode(read_own(folder / name), type=kind)
            other = isinstance(found, Worker) and found.ticket.run != folder.name
            return "worker.json names another run" if other else ""
        except FileNotFoundError:
            continue
        except (OSError, RecursionError, msgspec.MsgspecError) as error:
            return f"{name} is {why}" if (why := reason_of(error)).startswith("damaged") else f"{name}: {why}"
    return ""


def active(store: Store) -> list[Worker]:
    """The workers of which no end is known."""
    going = (p for p in folders(store) if not (p / "end.json").exists())
    return [worker for p in going if (worker := read_worker(p)) is not None]


def said_of(store: Store, run: str) -> Said | None:
    """What the worker of *run* last said of itself."""
    return read_said(folder_of(store, run) / "progress.json")


def last_lines(folder: Path) -> str:
    """The last lines of a worker's log, control characters left out; "" when it printed nothing."""
    try:
        with opened(folder / "worker.log") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
            text = log.read(TAIL).decode(errors="replace")
    except OSError:
        return ""
    lines = [re.sub(r"[^\x20-\x7e\x80-\U0010ffff]", "", line).strip() for line in text.splitlines()]
    return "\n".join([line for line in lines if line][-LINES:])
