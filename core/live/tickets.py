"""Tickets: somebody waits for a run. One small file each, read with suspicion, served fairly."""

from __future__ import annotations

import fcntl
import re
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from core.errors import InputError
from core.runs.records import ID_RULE, RunSpec
from core.runs.store import Store, write_atomic
from core.specs import resolve

NAME = re.compile(r"[0-9]{1,20}-[a-z0-9]{1,16}-[0-9a-f]{8}\.json")
VIEWER = re.compile(r"[a-z0-9]{1,16}")
LARGEST = 64 << 10  # bytes of a ticket: a longer one is not ours
Given = dict[str, bool | int | float | str | dict[str, bool | int | float | str] | None]


class Ticket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody asked for. `again`: from the start, though the run exists."""

    run: str  # the run's id
    viewer: str
    created: float  # seconds since 1970
    given: Given  # fields of RunSpec, as given
    again: bool = False

    @property
    def name(self) -> str:
        """The ticket's file name: the oldest sorts first."""
        return f"{int(self.created * 1e9):020d}-{self.viewer}-{self.run[-8:]}.json"

    @property
    def spec(self) -> RunSpec:
        """The full spec. Raises InputError when the settings do not make this very run."""
        spec = resolve(self.given, light=True)
        if spec.run_id != self.run:
            raise InputError(f"A ticket for {self.run[:80]!r}", f"the settings of that run, not of {spec.run_id}",
                             "Ask for the run again.")
        return spec


def queue_of(store: Store) -> Path:
    """The folder of the tickets."""
    return store.live / ".queue"


def put(store: Store, ticket: Ticket) -> None:
    """Add *ticket* to the queue."""
    folder = queue_of(store)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / ticket.name, msgspec.json.encode(ticket))


def drop(store: Store, ticket: Ticket) -> None:
    """Take *ticket* out of the queue, if it is still there."""
    (queue_of(store) / ticket.name).unlink(missing_ok=True)


def waiting(store: Store) -> tuple[list[Ticket], list[str]]:
    """The tickets of the queue, oldest first, and the names of the files there that are none."""
    good, bad = [], []
    try:
        paths = sorted(p for p in queue_of(store).iterdir() if not p.name.startswith("."))
    except OSError:
        return [], []
    for path in paths:
        if path.name == "turns.json":
            continue
        try:
            good.append(_read(path))
        except FileNotFoundError:
            continue  # started, or cancelled, this very moment
        except (OSError, ValueError, msgspec.MsgspecError):
            bad.append(path.name)
    return good, bad


def _read(path: Path) -> Ticket:
    status = path.lstat()
    if not NAME.fullmatch(path.name) or not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
        raise ValueError("not a ticket of ours")
    ticket = msgspec.json.decode(path.read_bytes(), type=Ticket)
    named = VIEWER.fullmatch(ticket.viewer) and ID_RULE.fullmatch(ticket.run) and ".." not in ticket.run
    if not named or ticket.name != path.name:
        raise ValueError("a ticket under another's name")
    return ticket


def fair(tickets: Sequence[Ticket], running: Mapping[str, int], turns: Mapping[str, float]) -> list[Ticket]:
    """*tickets* in the order in which they will start: the viewer with the fewest runs going on first, among equals the
    one whose last turn is longest ago, then the oldest ticket. *turns*: when each viewer's last run started."""
    lines: dict[str, list[Ticket]] = {}
    for ticket in sorted(tickets, key=lambda t: t.name):
        lines.setdefault(ticket.viewer, []).append(ticket)
    load, last, out = Counter(running), dict(turns), []
    clock = max([time.time(), *turns.values()])
    while lines:
        viewer = min(lines, key=lambda v: (load[v], last.get(v, 0.0), lines[v][0].name))
        out.append(lines[viewer].pop(0))
        if not lines[viewer]:
            del lines[viewer]
        clock += 1.0
        load[viewer], last[viewer] = load[viewer] + 1, clock
    return out


def turns(store: Store) -> dict[str, float]:
    """When each viewer's last run started, in seconds since 1970."""
    try:
        return msgspec.json.decode((queue_of(store) / "turns.json").read_bytes(), type=dict[str, float])
    except (OSError, msgspec.MsgspecError):
        return {}


def took_turn(store: Store, viewer: str, when: float, most: int = 200) -> None:
    """Note that a run of *viewer* starts. Only the latest *most* viewers are remembered."""
    latest = sorted(({**turns(store), viewer: when}).items(), key=lambda pair: pair[1])[-most:]
    write_atomic(queue_of(store) / "turns.json", msgspec.json.encode(dict(latest)))


@contextmanager
def locked(store: Store, patience: float = 0.0) -> Iterator[bool]:
    """Hold the one lock of the queue; gives False when another process holds it for longer than *patience* seconds.

    The system lets go of it when its holder dies, so a killed server never leaves it shut.
    """
    queue_of(store).mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + patience
    with (queue_of(store) / ".lock").open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= end:
                    yield False
                    return
                time.sleep(0.02)
        yield True
