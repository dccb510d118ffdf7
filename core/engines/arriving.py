"""A run folder on its way between two machines: as named files in chunks of bytes, and in place only when all of it has
come and was found to be what it says. Bytes and msgspec; nothing here unpickles anything."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from pathlib import Path

import msgspec

from core.errors import InputError
from core.runs.checks.folder_check import check
from core.runs.disk import move_whole
from core.runs.owned import owned
from core.runs.records import ID_RULE, RunRecord, RunSpec
from core.runs.store import (
    ARRAYS,
    CHECKPOINT,
    CORRECTION,
    HEADER,
    MAX_HEADER,
    MAX_TRACE,
    TRACE,
    Run,
    Store,
    read_header,
)
from core.runs.writers import alone

CHUNK = 8 << 20  # bytes
LARGEST = 64 << 30  # bytes of one file: no model of ours comes near
TOP = {HEADER: MAX_HEADER, TRACE: MAX_TRACE, ARRAYS: LARGEST}
PLACES = (CHECKPOINT, f"{CHECKPOINT}/{CORRECTION}")  # the folders of a run folder
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")  # a file of a checkpoint
MOST = 64  # files of a folder
REMEDY = "Start Ray on that node from the same version of SparseScope, and give the command again."


class File(msgspec.Struct, frozen=True):
    """One file of a run folder: its name there, its bytes and their SHA-256."""

    name: str
    size: int
    sha256: str


def files_of(folder: Path) -> list[File]:
    """The files of the finished run in *folder*, the header last: what is there without it is no run to anybody."""
    found = [name for name in TOP if (folder / name).is_file() and name != HEADER]
    found += sorted(f"{place}/{path.name}" for place in PLACES for path in (folder / place).glob("*") if path.is_file())
    out = []
    for name in [*found, HEADER]:
        with (folder / name).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        out.append(File(name, (folder / name).stat().st_size, digest))
    return out


def piece(folder: Path, name: str, start: int) -> bytes:
    """At most CHUNK bytes of file *name* in *folder*, from byte *start* on."""
    check_name(name, 0)
    with (folder / name).open("rb") as stream:
        stream.seek(start)
        return stream.read(CHUNK)


def check_name(name: str, size: int) -> None:
    """Raise InputError when *name*, of *size* bytes, is no file of a run folder."""
    place, slash, part = name.rpartition("/")
    limit = TOP.get(name, 0) if not slash else LARGEST if place in PLACES and PART.fullmatch(part) else 0
    if not 0 <= size <= limit or limit == 0:
        raise InputError(f"A node sent a file {name[:80]!r} of {size} bytes", "the files of a run folder", REMEDY)


class Arrival:
    """The run *run_id* arriving under *root*, in a folder that no list shows. Use as a context: what has not been
    settled at its end is removed."""

    def __init__(self, root: Path, run_id: str, files: list[File]) -> None:
        if not ID_RULE.fullmatch(run_id) or ".." in run_id:
            raise InputError(f"A node sent a run {run_id[:80]!r}", "a run id", REMEDY)
        names = [file.name for file in files]
        if len(files) > MOST or len(set(names)) < len(names) or HEADER not in names:
            raise InputError(f"A node sent {len(files)} files of {run_id}", "those of a run folder, each once", REMEDY)
        for file in files:
            check_name(file.name, file.size)
        self.root, self.run_id, self.files = root, run_id, {file.name: file for file in files}
        self.around = root / f".arriving-{secrets.token_hex(6)}"
        self.folder = self.around / run_id

    def __enter__(self) -> Arrival:
        self.folder.mkdir(parents=True)
        for name in self.files:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.around, ignore_errors=True)

    def add(self, name: str, data: bytes) -> None:
        """The next bytes of file *name*. Raises InputError for one that was not announced, or for too many bytes."""
        file = self.files.get(name)
        place = self.folder / name
        held = place.stat().st_size if file is not None and place.exists() else 0
        if file is None or held + len(data) > file.size:
            raise InputError(f"A node sent more of {name[:80]!r} than it announced", "what it announced", REMEDY)
        with place.open("ab") as stream:
            stream.write(data)

    def whole(self) -> RunRecord:
        """The header, when every byte has come and the run has succeeded. Raises InputError else."""
        for file in self.files.values():
            place = self.folder / file.name
            if file.size == 0:
                place.touch()
            with place.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != file.sha256:
                raise InputError(f"{file.name} of {self.run_id} changed on its way", "the bytes that were sent", REMEDY)
        record = read_header(self.folder)
        if record.status != "succeeded" or not owned(self.folder):
            raise InputError(f"{self.run_id} came as {record.status}", "a finished run", REMEDY)
        return record

    def settle(self, store: Store, spec: RunSpec) -> RunRecord:
        """Put the run in its place under the live root of *store*, after the checks of `core check`, or leave what
        stands there when that is finished already. The record of what stands there then.

        Raises InputError when it is not the run of *spec*, when the check finds a problem, or when somebody writes it.
        """
        record = self.whole()
        if record.spec != spec or record.id != spec.run_id:
            raise InputError(f"{self.run_id} came with other settings than were asked for", "the run asked for", REMEDY)
        parent = store.find(record.parent) if record.parent else None
        opened = None if parent is None or parent.record is None else Run(parent.record, parent.path, parent.recorded)
        problems = check(Run(record, self.folder, False, opened)).problems
        if problems:
            raise InputError(f"{self.run_id} came damaged: {problems[0]}", "a run that `check` passes", REMEDY)
        with alone(store, self.run_id):
            place = store.live / self.run_id
            there = _finished(place)
            if there is not None and all((place / name).exists() for name in self.files):
                return there
            move_whole(self.folder, place)
        return record


def _finished(place: Path) -> RunRecord | None:
    try:
        record = read_header(place)
    except InputError:
        return None
    return record if record.status == "succeeded" else None
