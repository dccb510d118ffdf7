"""Tickets: somebody waits for a run. One small file each, read with suspicion, served fairly."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import msgspec

from core.errors import InputError
from core.live.places import LARGEST, QUEUE, linked, own_folder, read_own
from core.runs.records import ID_RULE, RunSpec
from core.runs.store import Store, write_atomic
from core.runs.writers import lock_at
from core.specs.resolving import resolve

NAME = re.compile(r"[0-9]{1,20}-[a-z0-9]{1,16}-[0-9a-f]{8}\.json")
VIEWER = re.compile(r"[a-z0-9]{1,16}")
Moment = Annotated[float, msgspec.Meta(ge=0.0, le=1e10)]  # seconds since 1970, until the year 2286
Given = dict[str, bool | int | float | str | dict[str, bool | int | float | str] | None]


class Ticket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody asked for. `again`: from the start, though the run exists."""

    run: str  # the run's id
    viewer: str
    created: Moment
    given: Given  # fields of RunSpec, as given
    again: bool = False

    @property
    def name(self) -> str:
        """The ticket's file name: the oldest sorts first."""
        return f"{int(self.created * 1e9):020d}-{self.viewer}-{self.run[-8:]}.json"

    @property
    def spec(self) -> RunSpec:
        """The full spec. Raises InputError when the settings do not make this very run."""
        spec = resolve(self.given)
        if spec.run_id != self.run:
            raise InputError(f"A ticket for {self.run[:80]!r}", f"the settings of that run, not of {spec.run_id}",
                             "Ask for the run again.")
        return spec


def queue_of(store: Store) -> Path:
    """The folder of the tickets."""
    return store.live / QUEUE


def put(store: Store, ticket: Ticket) -> None:
    """Add *ticket* to the queue. Raises OSError when it cannot be written."""
    write_atomic(own_folder(queue_of(store)) / ticket.name, msgspec.json.encode(ticket))


def drop(store: Store, ticket: Ticket) -> None:
    """Take *ticket* out of the queue, if it is still there."""
    (queue_of(store) / ticket.name).unlink(missing_ok=True)


def waiting(store: Store) -> tuple[list[Ticket], list[str]]:
    """The tickets of the queue, oldest first, and the files there that are none: "name: reason"."""
    good, bad, folder = [], [], queue_of(store)
    if linked(folder):
        return [], [f"{QUEUE}: a link, which is not followed"]
    try:
        paths = sorted(p for p in folder.iterdir() if not p.name.startswith(".") or p.is_symlink())
    except OSError:
        return [], []
    for path in paths:
        if path.name == "turns.json":
            continue
        try:
            good.append(_read(path))
        except FileNotFoundError:
            continue  # started, or cancelled, this very moment
        except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            bad.append(f"{path.name[:80]}: {reason_of(error)}")
    return good, bad


def reason_of(error: Exception) -> str:
    """Why a file of ours cannot be read, in a few words."""
    if isinstance(error, OSError):
        words = error.strerror or "cannot be read"
        return words[:1].lower() + words[1:]
    foreign = isinstance(error, (msgspec.MsgspecError, RecursionError))
    return f"damaged ({error})"[:120] if foreign else str(error)[:120]


def _read(path: Path) -> Ticket:
    if path.is_symlink():
        raise ValueError("a link, which is not followed")
    if not NAME.fullmatch(path.name):
        raise ValueError("its name is no ticket's")
    ticket = msgspec.json.decode(read_own(path, LARGEST), type=Ticket)
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
        return msgspec.json.decode(read_own(queue_of(store) / "turns.json"), type=dict[str, Moment])
    except (OSError, RecursionError, msgspec.MsgspecError):
        return {}


def took_turn(store: Store, viewer: str, when: float, most: int = 200) -> None:
    """Note that a run of *viewer* starts. Only the latest *most* viewers are remembered."""
    latest = sorted(({**turns(store), viewer: when}).items(), key=lambda pair: pair[1])[-most:]
    write_atomic(queue_of(store) / "turns.json", msgspec.json.encode(dict(latest)))


@contextmanager
def locked(store: Store, patience: float = 0.0) -> Iterator[bool]:
    """Hold the one lock of the queue; gives False when another process holds it for longer than *patience* seconds, or
    when there can be none.

    The system lets go of it when its holder dies, so a killed server never leaves it shut.
    """
    with ExitStack() as held:
        try:
            held.enter_context(lock_at(own_folder(queue_of(store)) / ".lock").acquire(patience))
            mine = True
        except OSError:  # held, or a link in its place, a full disk: as if somebody else held it
            mine = False
        yield mine
