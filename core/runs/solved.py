"""`partial/layers.jsonl`: which matrices of a run are solved already, written while the layers are solved one by one.

First the list of all matrices, then one line for each that is done. Once the run has ended its header says more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from core.runs.owned import owned
from core.runs.store import write_atomic

FOLDER, FILE = "partial", "layers.jsonl"
MOST = 4_000_000  # bytes that are read: a line is about a hundred


class Solved(msgspec.Struct, frozen=True, kw_only=True):
    """One matrix that is solved. `density`: share of weights kept; `kept_energy` as in `core.runs.records.Matrix`."""

    name: str
    density: float
    kept_energy: float
    at: float = 0.0  # seconds since 1970


class _All(msgspec.Struct, frozen=True):
    matrices: list[str]


def begin(folder: Path, names: Iterable[str]) -> None:
    """Start the list of the run in *folder*: nothing of *names* is solved."""
    (folder / FOLDER).mkdir(exist_ok=True)
    write_atomic(folder / FOLDER / FILE, msgspec.json.encode(_All(list(names))) + b"\n")


def add(folder: Path, name: str, density: float, kept_energy: float) -> None:
    """Matrix *name* is solved."""
    line = Solved(name=name, density=density, kept_energy=kept_energy, at=round(time.time(), 3))
    with (folder / FOLDER / FILE).open("ab") as stream:
        stream.write(msgspec.json.encode(line) + b"\n")


def read(folder: Path) -> tuple[list[str], list[Solved]]:
    """All matrices of the run in *folder*, and those that are solved, in the order of solving. Half a line at the end,
    or one that is none of ours, is left out; without a file both are empty."""
    if not owned(folder / FOLDER):
        return [], []
    try:
        with (folder / FOLDER / FILE).open("rb") as stream:
            first, *rest = stream.read(MOST).split(b"\n")
        names = list(dict.fromkeys(msgspec.json.decode(first, type=_All).matrices))
    except (OSError, RecursionError, msgspec.MsgspecError):
        return [], []
    found: dict[str, Solved] = {}
    for line in rest:
        try:
            row = msgspec.json.decode(line, type=Solved)
        except (RecursionError, msgspec.MsgspecError):
            continue
        if row.name in names:
            found[row.name] = row
    return names, list(found.values())
