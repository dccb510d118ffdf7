"""Every way a run folder goes bad that we know of. Each maker gets a root and returns the damaged folder's name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from core.runs import store as st
from tests.makers import make_run


def change_header(folder: Path, **fields: Any) -> None:
    """Rewrite fields of `run.json` as raw JSON (a field that no schema knows may be among them)."""
    file = folder / st.HEADER
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def flip_bit(folder: Path, matrix: str, row: int, column: int) -> None:
    """Flip one entry of the mask of *matrix*, and leave the header as it was."""
    arrays = load_file(folder / st.ARRAYS)
    bits = arrays[f"mask/{matrix}"].copy()
    bits[row, column // 8] ^= np.uint8(128 >> column % 8)
    st.write_arrays(folder, arrays | {f"mask/{matrix}": bits})


def replace_arrays(folder: Path, arrays: dict[str, np.ndarray | None]) -> None:
    """Replace arrays by key, or drop those given as None."""
    held: dict[str, Any] = load_file(folder / st.ARRAYS) | arrays
    st.write_arrays(folder, {k: v for k, v in held.items() if v is not None})


def truncated_arrays(root: Path) -> str:
    """The arrays end in the middle. The header is whole: the run lists, and opening an array says what is wrong."""
    name = make_run(root, id="truncated-arrays")
    file = root / name / st.ARRAYS
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return name


def half_trace(root: Path) -> str:
    """The trace ends in half a line (killed while writing). Still a whole run: the half line is left out."""
    name = make_run(root, id="half-trace", status="failed")
    file = root / name / st.TRACE
    file.write_bytes(file.read_bytes() + b'{"step": 999, "loss": 0.')
    return name


def foreign_json(root: Path) -> str:
    """`run.json` is somebody else's."""
    folder = root / "foreign-json"
    folder.mkdir()
    (folder / st.HEADER).write_text('{"name": "a package", "version": "1.0.0"}')
    return folder.name


def half_header(root: Path) -> str:
    """`run.json` ends in the middle."""
    folder = root / make_run(root, id="half-header")
    raw = (folder / st.HEADER).read_bytes()
    (folder / st.HEADER).write_bytes(raw[: len(raw) // 2])
    return folder.name


def newer_schema(root: Path) -> str:
    """Written by a later version, with a field that this one does not know."""
    folder = root / make_run(root, id="newer-schema")
    change_header(folder, schema=99, invented_later=True)
    return folder.name


def id_mismatch(root: Path) -> str:
    """The folder was copied under another name."""
    folder = root / make_run(root, id="original-name")
    folder.rename(root / "id-mismatch")
    return "id-mismatch"


def no_header(root: Path) -> str:
    """A folder with arrays and no `run.json`."""
    folder = root / make_run(root, id="no-header")
    (folder / st.HEADER).unlink()
    return folder.name


def link_out(root: Path) -> str:
    """A link to a whole run outside the store."""
    outside = root.parent / "elsewhere"
    outside.mkdir(exist_ok=True)
    name = make_run(outside, id="link-out")
    (root / name).symlink_to(outside / name, target_is_directory=True)
    return name


def bad_name(root: Path) -> str:
    """A folder whose name no run can have."""
    folder = root / "Bad Name"
    folder.mkdir()
    return folder.name


def linked(name: str, file: str) -> Callable[[Path], str]:
    """A maker: a whole run *name*, of which *file* (or folder) lies elsewhere, and a link leads there."""

    def make(root: Path) -> str:
        folder = root / make_run(root, id=name)
        (folder / st.CHECKPOINT).mkdir()
        outside = root.parent / f"outside-{name}"
        (folder / file).rename(outside)
        (folder / file).symlink_to(outside)
        return name

    return make


def parent_outside(root: Path) -> str:
    """It names a parent that lies outside the store."""
    folder = root / make_run(root, id="parent-outside")
    change_header(folder, parent="../../etc")
    return folder.name


def pipe(root: Path) -> str:
    """The arrays are a pipe: whoever opens it waits for ever."""
    folder = root / make_run(root, id="pipe")
    (folder / st.ARRAYS).unlink()
    os.mkfifo(folder / st.ARRAYS)
    return folder.name


# name of the folder -> (its maker, words of the reason that the list gives; "" = the run still lists as a run)
DAMAGES: dict[str, tuple[Callable[[Path], str], str]] = {
    "truncated-arrays": (truncated_arrays, ""),
    "half-trace": (half_trace, ""),
    "foreign-json": (foreign_json, "is damaged"),
    "half-header": (half_header, "is damaged"),
    "newer-schema": (newer_schema, "has schema 99"),
    "id-mismatch": (id_mismatch, "says that it is 'original-name'"),
    "no-header": (no_header, "has no readable run.json"),
    "link-out": (link_out, "a link out of the store"),
    "Bad Name": (bad_name, "the folder's name is no run id"),
    "linked-header": (linked("linked-header", st.HEADER), "run.json of linked-header is a link"),
    "linked-trace": (linked("linked-trace", st.TRACE), "trace.jsonl of linked-trace is a link"),
    "linked-arrays": (linked("linked-arrays", st.ARRAYS), "arrays.safetensors of linked-arrays is a link"),
    "linked-checkpoint": (linked("linked-checkpoint", st.CHECKPOINT), "checkpoint of linked-checkpoint is a link"),
    "parent-outside": (parent_outside, "its parent '../../etc' is no run id"),
    "pipe": (pipe, "arrays.safetensors of pipe is no regular file"),
}


def damage_all(store: st.Store) -> None:
    """Add one folder of every damage to the store's live root."""
    for make, _ in DAMAGES.values():
        make(store.live)
