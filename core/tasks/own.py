"""Own tasks: a table of a person's own becomes a task, kept under the live root.

    <live root>/.tasks/own-<name>-<digest>/task.json            columns, classes, metric, where it came from
                                           train.parquet         text, pair, label (class codes, or numbers)
                                           validation.parquet

The digest (8 hex of SHA-256) is over every text and label, the classes and the metric, so other data are another task
and no run ever mixes two. `own:<name>` and `<name>` mean the version that was added last.
"""

from __future__ import annotations

import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from core import demo
from core.errors import InputError, unknown
from core.runs.disk import ELSEWHERE, in_words, whole_folder
from core.runs.store import default_store, write_atomic
from core.statistics.measures import metric_name
from core.tasks import OWN_TASK, TASKS, Examples, TaskEntry
from core.tasks.preparing import NAME, Prepared, digest_of

MOST = 50  # tasks under one live root
LARGEST_HEADER = 1 << 20
PARTS = ("train", "validation")


class OwnTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`task.json`. `labels`: class names in the order of their codes; empty = regression."""

    schema: int
    name: str
    digest: str
    columns: tuple[str, str | None]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    scale: tuple[float, float]
    examples: tuple[int, int]  # in train, in validation
    split: str  # where validation comes from, in words
    source: str  # the file's name
    created: str

    @property
    def full(self) -> str:
        """The task's name in specs, links and records."""
        return f"own-{self.name}-{self.digest}"

    @property
    def entry(self) -> TaskEntry:
        """The task as lists know it."""
        return TaskEntry(self.full, f"{self.name} (own data)", "Your own data: which label does the text get?", "own",
                         self.columns, self.labels, metric_name(self.metrics), self.metrics, self.scale)


def root() -> Path:
    """The folder of the own tasks."""
    return default_store().live / ".tasks"


def registered() -> list[OwnTask]:
    """All own tasks that can be read, the one added last first."""
    try:
        names = [p.name for p in root().iterdir() if OWN_TASK.fullmatch(p.name)]
    except OSError:
        return []
    found = []
    for name in names:
        try:
            found.append(_header(name))
        except InputError:
            continue  # damaged: said when it is asked for by name
    return sorted(found, key=lambda t: (t.created, t.full), reverse=True)


def _header(full: str) -> OwnTask:
    """`task.json` of the task *full*. Raises InputError when it is not there or is none of ours."""
    folder = root() / full
    file = folder / "task.json"
    remedy = f"Add it again: python -m core task add {full[4:-9]} FILE --text COLUMN --label COLUMN."
    if not folder.is_dir():
        raise InputError(f"The data of {full} are not on this machine", "a task that was added here", remedy)
    try:
        if folder.is_symlink() or file.is_symlink() or file.stat().st_size > LARGEST_HEADER:
            raise ValueError("not written by this command")
        task = msgspec.json.decode(file.read_bytes(), type=OwnTask)
        if task.full != full or task.schema != 1:
            raise ValueError(f"it says that it is {task.full[:80]}, schema {task.schema}")
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise InputError(f"The own task {full} is damaged ({str(error)[:120]})", "its task.json", remedy) from None
    return task


def find(name: str) -> OwnTask:
    """The own task *name*: its full name, or `own:<name>` or `<name>` for the version added last. Raises InputError."""
    short = name.removeprefix("own:")
    if OWN_TASK.fullmatch(short):
        return _header(short)
    tasks = registered()
    if NAME.fullmatch(short):
        for task in tasks:
            if task.name == short:
                return task
    raise unknown("task", name, [*TASKS, *dict.fromkeys(f"own:{task.name}" for task in tasks)])


def add(data: Prepared) -> OwnTask:
    """Keep *data* as a task and return it; the same data under the same name become the latest version again.

    Raises InputError in a demonstration, when there are too many tasks, or when the disk takes no more.
    """
    demo.closed("Own data cannot be added", "a built-in task")
    task = OwnTask(schema=1, name=data.name, digest=data.digest, columns=data.columns, labels=data.labels,
                   metrics=data.metrics, scale=data.scale, examples=(len(data.train), len(data.validation)),
                   split=data.split, source=data.source, created=datetime.now(UTC).isoformat(timespec="microseconds"))
    final = root() / task.full
    if not final.is_dir() and len(registered()) >= MOST:
        raise InputError(f"There are {MOST} own tasks already", f"at most {MOST}",
                         "Remove one: python -m core task remove NAME.")
    with in_words("The task", ELSEWHERE):
        if _whole(task.full):
            write_atomic(final / "task.json", msgspec.json.encode(task))  # the latest version again
        else:
            with whole_folder(final, mode=0o700) as building:
                for part, examples in zip(PARTS, (data.train, data.validation), strict=True):
                    _write(building / f"{part}.parquet", examples)
                write_atomic(building / "task.json", msgspec.json.encode(task))
    return task


def _whole(full: str) -> bool:
    try:
        read(_header(full).entry)
    except InputError:
        return False
    return True


def remove(name: str) -> list[str]:
    """Forget the own task *name*: that version for a full name, every version otherwise. Runs made on it stay. The
    names removed. Raises InputError when there is none."""
    demo.closed("Own data cannot be removed", "a built-in task")
    short = name.removeprefix("own:")
    if OWN_TASK.fullmatch(short):
        gone = [short] if (root() / short).is_dir() and not (root() / short).is_symlink() else []
    else:
        gone = [task.full for task in registered() if task.name == short]
    for full in gone or [find(name).full]:  # which refuses
        with in_words(f"The removal of {full}", ELSEWHERE):
            away = root() / f".gone-{secrets.token_hex(6)}"
            (root() / full).rename(away)  # half a task is never seen
            shutil.rmtree(away)
    return gone


def _write(path: Path, examples: Examples) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    none = pa.nulls(len(examples), pa.string())
    pair = none if examples.pair is None else pa.array(examples.pair, pa.string())
    parquet.write_table(pa.table({"text": pa.array(examples.text, pa.string()), "pair": pair,
                                  "label": pa.array(examples.labels)}), path)


def read(entry: TaskEntry) -> tuple[Examples, Examples]:
    """Train and validation of an own task. Raises InputError when they are not what was added."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    folder, parts = root() / entry.name, []
    try:
        for part in PARTS:
            with parquet.ParquetFile(folder / f"{part}.parquet") as opened:
                table = opened.read(columns=["text", "pair", "label"])
            text, pair, label = (table.column(name).to_pylist() for name in ("text", "pair", "label"))
            codes = np.asarray(label, dtype=np.int64) if entry.labels else np.asarray(label, dtype=np.float32)
            parts.append(Examples(text, pair if entry.columns[1] is not None else None, codes))
        digest = digest_of(entry.labels, entry.metrics, *parts)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
        raise InputError(f"The data of {entry.name} cannot be read ({' '.join(str(error).split())[:120]})",
                         "the files that `task add` wrote", "Add the task again.") from None
    if not entry.name.endswith(f"-{digest}"):
        raise InputError(f"The data of {entry.name} have changed on disk: they are {digest} now",
                         "the files that `task add` wrote", "Add the task again.")
    return parts[0], parts[1]
