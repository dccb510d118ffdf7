"""A run as one zip, that another store takes in: its folder, and the folder of its dense parent.

    written(store, "cola-...", Path("run.zip"))
    taken_in(store, Path("run.zip"))             # -> the ids that are here now

A zip comes from anybody. Only what this module itself would have written is read: one or two folders named by run ids,
in them the three files of a run, as regular files, each no larger than a run's may be. Sizes are counted while they are
read, whatever the zip says of them. All of it lands in a folder of its own, and becomes part of the store only after
the ordinary check (`core.runs.checks`) found no problem. Checkpoints do not travel: they may be a person's own model.
"""

from __future__ import annotations

import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from core.errors import InputError
from core.runs.checks.folder_check import check
from core.runs.disk import ELSEWHERE, in_words
from core.runs.owned import check_owned
from core.runs.records import ID_RULE, OPENED, RunRecord
from core.runs.store import ARRAYS, HEADER, MAX_HEADER, MAX_TRACE, TRACE, Run, Store, read_header, write_header
from core.runs.writers import alone

MOST = {HEADER: MAX_HEADER, TRACE: MAX_TRACE, ARRAYS: 1 << 29}  # bytes; a whole BERT-base in int8 with masks is 120 MB
MOST_FILES = 2 * len(MOST)
MOST_BYTES = 3 << 28  # of a zip, and of all that comes out of it
CHUNK = 1 << 20
SAME_TIME = (1980, 1, 1, 0, 0, 0)  # in the zip: the same run gives the same bytes on every day
OURS = "a zip written by `python -m core zip`"
AGAIN = "Ask for the file again."


def written(store: Store, run_id: str, to: Path | IO[bytes]) -> list[str]:
    """Write the finished run *run_id*, and its dense parent where the store holds it, into the zip *to*; their ids.

    Raises InputError when the run is not finished, or a file of it is none of its own.
    """
    run = store.open(run_id)
    if run.record.status != "succeeded":
        raise InputError(f"{run_id} is {run.record.status}", "a finished run", "Finish it first: run it with --resume.")
    runs = [*([run.parent] if run.parent is not None else []), run]
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for one in runs:
            check_owned(one.path, MOST)
            for name in MOST:
                if (one.path / name).exists():
                    entry = zipfile.ZipInfo(f"{one.record.id}/{name}", SAME_TIME)
                    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
                    archive.writestr(entry, (one.path / name).read_bytes())
    return [one.record.id for one in runs]


def taken_in(store: Store, file: Path | IO[bytes]) -> list[str]:
    """Take the runs of the zip *file* into the live root of *store*; the ids of all, the asked-for one last.

    A run that is here already, the same in every word, stays as it is. Raises InputError for a file that is no zip of
    ours, for a run that does not pass the check, and for another run of the same name; nothing of it is then kept.
    """
    with in_words("The run", ELSEWHERE), _archive(file) as archive:
        members = _members(archive)
        store.live.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".opening-", dir=store.live))
        try:
            _unpack(archive, members, staging)
            runs = _checked(staging, store)
            for run in runs:
                _keep(run, store)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return [run.record.id for run in runs]


@contextmanager
def _archive(file: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The zip, opened; its list of contents is looked at before the library reads it whole."""
    try:
        with (file.open("rb") if isinstance(file, Path) else file) as stream:
            if _listed(stream) > MOST_FILES:
                raise InputError(f"The zip holds more than {MOST_FILES} files", OURS, AGAIN)
            with zipfile.ZipFile(stream) as archive:
                yield archive
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, struct.error, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"The zip cannot be read ({str(error)[:120]})", OURS, AGAIN) from None


def _listed(stream: IO[bytes]) -> int:
    """How many files the zip says that it holds. Raises InputError for what is larger than a run can be."""
    size = stream.seek(0, 2)
    if size > MOST_BYTES:
        raise InputError(f"The file has {size} bytes", f"at most {MOST_BYTES}", AGAIN)
    stream.seek(max(0, size - (1 << 16) - 22))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise InputError("The file is no zip", OURS, AGAIN)
    count, length = struct.unpack_from("<HI", tail, at + 10)
    stream.seek(0)
    return int(count) if length < CHUNK else MOST_FILES + 1  # a list of a megabyte is no list of six files


def _members(archive: zipfile.ZipFile) -> dict[str, dict[str, zipfile.ZipInfo]]:
    """The files of the zip by run and name. Raises InputError for the first that no zip of ours has."""
    found: dict[str, dict[str, zipfile.ZipInfo]] = {}
    for entry in archive.infolist():
        run_id, _, name = entry.filename.partition("/")
        shown, mode = repr(entry.filename[:80]), entry.external_attr >> 16
        if name not in MOST or not ID_RULE.fullmatch(run_id) or ".." in run_id:
            raise InputError(f"The zip holds {shown}", f"RUN/{HEADER}, RUN/{TRACE} and RUN/{ARRAYS}", AGAIN)
        if name in found.setdefault(run_id, {}):
            raise InputError(f"The zip holds {shown} twice", "every file once", AGAIN)
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise InputError(f"{shown} in the zip is a link, or no regular file", "a file", AGAIN)
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{shown} in the zip is locked, or packed in a way of its own", OURS, AGAIN)
        if entry.file_size > MOST[name]:
            raise InputError(f"{shown} in the zip has {entry.file_size} bytes", f"at most {MOST[name]}", AGAIN)
        found[run_id][name] = entry
    if not found or len(found) > 2 or any(HEADER not in files for files in found.values()):
        raise InputError(f"The zip holds {len(found)} runs", "a run, and its dense parent", AGAIN)
    return found


def _unpack(archive: zipfile.ZipFile, members: dict[str, dict[str, zipfile.ZipInfo]], to: Path) -> None:
    """Write the *members* under *to*, counting: no size that the zip names is believed."""
    left = MOST_BYTES
    for run_id, files in members.items():
        (to / run_id).mkdir()
        for name, entry in files.items():
            room = min(MOST[name], left)
            with archive.open(entry) as source, (to / run_id / name).open("xb") as target:
                while data := source.read(CHUNK):
                    room, left = room - len(data), left - len(data)
                    if room < 0:
                        raise InputError(f"{name} of {run_id} unpacks to more than it says", OURS, AGAIN)
                    target.write(data)


def _checked(staging: Path, store: Store) -> list[Run]:
    """The runs under *staging*, a parent before its run. Raises InputError for the first that does not pass."""
    lone = Store(recorded=staging, live=staging)
    runs = [lone.open(path.name) for path in sorted(staging.iterdir())]
    runs.sort(key=lambda run: run.record.parent is not None)
    if len(runs) == 2 and runs[1].record.parent != runs[0].record.id:
        raise InputError("The zip holds two runs that do not belong together", "a run, and its dense parent", AGAIN)
    for run in runs:
        if run.record.status != "succeeded":
            raise InputError(f"{run.record.id} is {run.record.status}", "a finished run", AGAIN)
        if run.parent is None and run.record.parent:
            entry = store.find(run.record.parent)
            if entry is not None and entry.record is not None:
                run.parent = Run(entry.record, entry.path, entry.recorded)
        report = check(run)
        if not report.ok:
            more = f" (and {len(report.problems) - 1} more)" if len(report.problems) > 1 else ""
            raise InputError(f"{run.record.id} does not pass the check: {report.problems[0][:200]}{more}",
                             "a run that does", AGAIN)
    return runs


def _keep(run: Run, store: Store) -> None:
    """Move *run* under the live root; one that is there already stays."""
    there = store.find(run.record.id)
    if there is not None:
        if there.record is None or _plain(there.record) != _plain(read_header(run.path)):
            raise InputError(f"Another run is called {run.record.id} here", "a name that is free, or the same run",
                             "Remove the one in runs/, if it is not needed.")
        return
    write_header(run.path, msgspec.structs.replace(run.record, notes=[*run.record.notes, OPENED]))
    with alone(store, run.record.id):
        run.path.rename(store.live / run.record.id)


def _plain(record: RunRecord) -> bytes:
    """What a run says, without where it came from."""
    return msgspec.json.encode(msgspec.structs.replace(record, notes=[n for n in record.notes if n != OPENED]))
