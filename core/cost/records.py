"""What was measured of a run's cost: one small JSON file a run, beside the runs and never inside one.

    <cached_runs>/.costs/<run id>.json      recorded, committed
    <live root>/.costs/<run id>.json        measured on this machine: it hides the recorded one

So a measurement changes nothing of a run: neither its header nor a digest. All passes are kept, in whole microseconds,
so that whoever reads can form any statistic. No torch: pages read this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from core.errors import InputError
from core.runs.owned import check_owned
from core.runs.records import ID_RULE, Environment
from core.runs.store import Store, file_times, write_atomic

SCHEMA = 1
FOLDER = ".costs"
LARGEST = 1 << 20  # bytes of a file of ours: a thousand passes of six settings take a tenth
FormName = Literal["dense", "packed", "quantised", "shrunk"]
# Whose weights were written: the checkpoint's; those that the run keeps (exact on a grid, else rounded to 8 bits);
# or made-up ones under its masks, which take as many bytes.
Origin = Literal["checkpoint", "recorded weights", "masks"]


class Form(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One form of the final model, written to a file and read back."""

    name: FormName
    size: int  # bytes, as the file system says
    parts: dict[str, int]  # bytes by the first word of the tensors' keys, and `header`; together *size*
    counted: int  # bits, as `core.sparsity.storage` counts what was written, names and padding left out
    same: bool  # the content that was read equals what was written, bit for bit


class Passes(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Times of one setting: pass k of all models ran one after the other, in an order that turns from pass to pass."""

    batch: int
    length: int  # tokens of every sequence
    micros: dict[str, list[int]]  # by model ("dense", "pruned", "shrunk"): microseconds of each pass


class Cost(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Everything that `core cost` found of one run."""

    schema: int
    id: str
    created: str  # ISO 8601, UTC
    environment: Environment
    origin: Origin
    whole: bool  # were the parameters that are never pruned written too?
    forms: list[Form]
    warm_up: int = 0
    passes: list[Passes] = []
    memory: dict[str, int] = {}  # by model: bytes of its parameters while it runs
    dense_from: str = ""  # the model that was timed as dense: a run's id, or what the model's name stands for
    shapes: dict[str, tuple[int, int]] = {}  # of the matrices that are left, where some were shrunk
    gpu: list[Passes] = []  # the same in half precision on a GPU: "dense", and "2:4 kernels"
    left_out: list[str] = []  # in words: what was not measured, and why


def place_of(store: Store, run_id: str) -> Path | None:
    """The file that holds the measurement of *run_id*: this machine's, else the recorded one; None without any."""
    for root in (store.live, store.recorded):
        path = file_of(root, run_id)
        if path.is_symlink() or path.exists():
            return path
    return None


def known(store: Store) -> list[str]:
    """Ids of all runs with a measurement, recorded or made here, in their order."""
    folders = [root / FOLDER for root in (store.live, store.recorded) if not (root / FOLDER).is_symlink()]
    return sorted({path.stem for folder in folders for path in folder.glob("*.json") if ID_RULE.fullmatch(path.stem)})


def file_of(root: Path, run_id: str) -> Path:
    """Where *root* keeps the measurement of *run_id*. Raises InputError when it is no run id."""
    if not ID_RULE.fullmatch(run_id) or ".." in run_id:
        raise InputError(f"Run id {run_id[:80]!r} has characters that no run id has",
                         "letters a-z, digits, '.', '_' and '-'", "See `python -m core list`.")
    return root / FOLDER / f"{run_id}.json"


def stamp_of(path: Path | None) -> tuple[str, tuple[tuple[int, int], ...]]:
    """A plain value that changes when the file does: what was made from it can be kept under it. "" without one."""
    return ("", ()) if path is None else (str(path), file_times(path.parent, (path.name,)))


def load(path: Path) -> Cost:
    """Read a measurement. Raises InputError for a link, a file that is not ours, or one of a newer version."""
    again = "Measure again: python -m core cost RUN."
    check_owned(path.parent.parent, (FOLDER,))
    check_owned(path.parent, (path.name,))
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path.name} is over {LARGEST >> 20} MB", "a measurement of a run", again)
        raw = path.read_bytes()
        schema = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("schema")
        if schema is not None and msgspec.json.decode(schema, type=int) > SCHEMA:
            raise InputError(f"{path.name} has schema {bytes(schema).decode()[:20]}", f"schema {SCHEMA} or older",
                             "It was written by a newer SparseScope: update this one.")
        found = msgspec.json.decode(raw, type=Cost)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror})", "a measurement of a run", again) from None
    except msgspec.MsgspecError as error:
        raise InputError(f"{path.name} is damaged ({str(error)[:160]})", "a measurement of a run", again) from None
    if found.id != path.stem:
        raise InputError(f"{path.name} says that it is of {found.id[:80]!r}", "the run of its own name", again)
    _check(found, path, again)
    return found


def save(root: Path, cost: Cost) -> Path:
    """Write *cost* under *root*, in place of an older one. Raises InputError when a link stands in its way."""
    path = file_of(root, cost.id)
    check_owned(root, (FOLDER,))
    path.parent.mkdir(parents=True, exist_ok=True)
    check_owned(path.parent, (path.name,))
    write_atomic(path, msgspec.json.format(msgspec.json.encode(cost), indent=0) + b"\n")
    return path


def _check(cost: Cost, path: Path, again: str) -> None:
    """Numbers that a picture can be made of."""
    timed = [*cost.passes, *cost.gpu]
    counts = {len(times) for p in timed for times in p.micros.values()}
    wrong = (any(f.size <= 0 or f.counted < 0 for f in cost.forms) or 0 in counts
             or any(not p.micros or len({len(t) for t in p.micros.values()}) > 1 for p in timed)
             or any(t <= 0 for p in timed for times in p.micros.values() for t in times)
             or any(p.batch < 1 or p.length < 1 for p in timed) or any(v <= 0 for v in cost.memory.values()))
    if wrong:
        raise InputError(f"{path.name} holds sizes or times that are none", "positive numbers, as many of each model",
                         again)
