"""The store: run folders under one or more roots.

A run folder holds `run.json` (header), `trace.jsonl` (one object per logged step), `arrays.safetensors`, and, while it
is at hand, `checkpoint/` (never committed except for `tiny`). Listing reads headers only. A folder that cannot be read
is listed as damaged with the reason; it never stops the list and is never deleted.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs import arrays as enc
from core.runs.gridded import expand
from core.runs.owned import check_owned
from core.runs.records import ID_RULE, SCHEMA, RunRecord
from core.runs.roots import LIVE, RECORDED, named
from core.runs.rows import row_of
from core.runs.signatures import as_it_stands

REPOSITORY = Path(__file__).resolve().parents[2]
HEADER, TRACE, ARRAYS, CHECKPOINT = "run.json", "trace.jsonl", "arrays.safetensors", "checkpoint"
CORRECTION = "correction"  # a folder of the checkpoint: what stands beside its weights (`core.models.corrected`)
MAX_HEADER = 4 << 20  # a header larger than this is not ours
MAX_TRACE = 64 << 20  # a trace: half a million steps


@dataclass(frozen=True)
class Entry:
    """One folder of the store: a record, or the reason why it cannot be read."""

    id: str
    path: Path
    recorded: bool  # True: from cached_runs (committed); False: made on this machine
    record: RunRecord | None
    damage: str | None = None


def file_times(path: Path, names: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """(time in ns, size) of the files *names* in the folder *path*; (0, 0) for one that is not there. Changes whenever
    one of them is written: what was made from them can be kept under it."""
    out = []
    for name in names:
        try:
            status = (path / name).stat()
            out.append((status.st_mtime_ns, status.st_size))
        except OSError:
            out.append((0, 0))
    return tuple(out)


def read_header(path: Path) -> RunRecord:
    """Read `run.json` of the folder *path*. Raises InputError with the reason when it cannot be used, and when a file
    of the run is none of its own."""
    file = path / HEADER
    check_owned(path, (HEADER, TRACE, ARRAYS, CHECKPOINT))
    try:
        if file.stat().st_size > MAX_HEADER:
            raise InputError(f"{file.name} of {path.name} is over {MAX_HEADER >> 20} MB", "a run header", "Remove it.")
        raw = file.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name} has no readable {HEADER} ({error.strerror})", "a run folder",
                         "It may be half-written; run the command again with --resume, or remove it.") from None
    try:
        schema = msgspec.json.decode(raw, type=dict[str, Any]).get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise InputError(f"{path.name} has schema {schema}", f"schema {SCHEMA} or older",
                             "It was written by a newer SparseScope: update this one.")
        record = msgspec.json.decode(raw, type=RunRecord)
    except msgspec.MsgspecError as error:
        raise InputError(f"{HEADER} of {path.name} is damaged ({error})", "a run header",
                         "Make the run again.") from None
    if record.parent is not None and not (ID_RULE.fullmatch(record.parent) and ".." not in record.parent):
        raise InputError(f"{HEADER} of {path.name} is damaged (its parent {record.parent[:80]!r} is no run id)",
                         "a run header", "Make the run again.")
    if record.id != path.name:
        raise InputError(f"{path.name} says that it is {record.id!r}", "the folder's own name", "Rename the folder.")
    return record


def write_atomic(path: Path, data: bytes) -> None:
    """Write *data* so that *path* holds either the old bytes or the new ones, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_header(path: Path, record: RunRecord) -> None:
    """Write `run.json` into the folder *path*."""
    plain = msgspec.json.encode(record)
    write_atomic(path / HEADER, msgspec.json.format(plain, indent=1) + b"\n")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays.safetensors` into the folder *path*."""
    from safetensors.numpy import save

    write_atomic(path / ARRAYS, save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))


def now() -> str:
    """The present moment, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass
class Run:
    """A run folder opened for reading. `parent` is the dense run it started from, when the store holds it."""

    record: RunRecord
    path: Path
    recorded: bool
    parent: Run | None = None
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def trace(self) -> list[dict[str, Any]]:
        """The logged steps, as `core.runs.rows` reads them. Raises InputError when the file is larger than a trace of
        ours can be."""
        try:
            if (self.path / TRACE).stat().st_size > MAX_TRACE:
                raise InputError(f"{TRACE} of {self.record.id} is over {MAX_TRACE >> 20} MB", "a run's trace",
                                 "Remove it.")
            lines = (self.path / TRACE).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return [row for line in lines if (row := row_of(line)) is not None]

    @cached_property
    def keys(self) -> frozenset[str]:
        """Names of the arrays this run holds. Raises InputError when the file is damaged."""
        file = self.path / ARRAYS
        if not file.exists():
            return frozenset()
        with self._open() as handle:
            return frozenset(handle.keys())

    def _open(self) -> Any:
        from safetensors import SafetensorError, safe_open

        try:
            return safe_open(self.path / ARRAYS, framework="np")
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{ARRAYS} of {self.record.id} cannot be read ({error})", "a whole safetensors file",
                             "Make the run again, or fetch the file anew.") from None

    def array(self, key: str) -> np.ndarray | None:
        """One array, or None when this run does not hold it."""
        if key not in self.keys:
            return None
        with self._open() as handle:
            return handle.get_tensor(key)

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays in one go: opening the file once per array costs more than reading it."""
        return self.several(self.keys)

    def several(self, keys: Iterable[str]) -> dict[str, np.ndarray]:
        """Those of *keys* that this run holds, in one go."""
        held = [key for key in keys if key in self.keys]
        if not held:
            return {}
        with self._open() as handle:
            return {key: handle.get_tensor(key) for key in held}

    def width(self, matrix: str) -> int:
        """Input dimension of *matrix*."""
        return self.shape(matrix)[1]

    def shape(self, matrix: str) -> tuple[int, int]:
        """`[out, in]` of *matrix*. Raises InputError when the run has no such matrix."""
        for m in self.record.matrices:
            if m.name == matrix:
                return m.shape
        raise InputError(f"{self.record.id} has no matrix {matrix[:80]!r}", "one of its prunable matrices",
                         "Choose one from the list.")

    def mask(self, matrix: str) -> NDArray[np.uint8] | None:
        """0/1 `[out, in]`; None when only its SHA-256 was kept (or the run is dense)."""
        bits = self.array(f"mask/{matrix}")
        return None if bits is None else enc.unpack_mask(bits, self.width(matrix))

    def weight(self, matrix: str) -> NDArray[np.float32] | None:
        """The final weights, float32 `[out, in]`: exact when they lie on a grid, else to within int8 rounding. None
        when not kept."""
        code, steps = self.array(f"code/{matrix}"), self.array(f"grid/{matrix}")
        if code is not None and steps is not None:
            return expand(code, steps, self.mask(matrix), self.shape(matrix))
        codes, scale = self.array(f"weight/{matrix}"), self.array(f"scale/{matrix}")
        if codes is None or scale is None:
            return None
        return enc.expand_weight(codes, scale, self.mask(matrix))

    def snapshot(self, k: int, what: str, matrix: str) -> NDArray[Any] | None:
        """*what*: "w", "u" (float32 `[out, in]`) or "mask" (0/1) at snapshot *k*."""
        key = f"snapshot/{k}/{what}/{matrix}"
        return enc.moment(self.several([key, f"{key}.scale"]), f"snapshot/{k}", what, matrix, self.width(matrix))

    def activation(self, probe: str, layer: int) -> NDArray[np.float32] | None:
        """Output of *layer* (0 = embeddings) for *probe*, float32 `[tokens, hidden]`."""
        key = f"activation/{probe}/{layer}"
        codes, scale = self.array(key), self.array(f"{key}.scale")
        return None if codes is None or scale is None else codes.astype(np.float32) * float(scale[0])

    def attention(self, probe: str, layer: int) -> NDArray[np.float32] | None:
        """Attention of *layer* (1 = first) for *probe*, float32 `[heads, tokens, tokens]`."""
        codes = self.array(f"attention/{probe}/{layer}")
        return None if codes is None else codes.astype(np.float32) / 255.0

    def region(self, k: int, kind: str, probe: str, layer: int) -> NDArray[np.float32] | None:
        """Region norms of feature map *kind* of *layer* (1 = first) at moment *k* for *probe*: `[tokens, regions]`."""
        norms = self.array(f"region/{k}/{kind}/{probe}/{layer}")
        return None if norms is None else norms.astype(np.float32)


@dataclass(frozen=True)
class Store:
    """Run folders under `recorded` (committed, only read) and `live` (made here). A live run hides its recorded one."""

    recorded: Path
    live: Path

    def entries(self) -> list[Entry]:
        """All folders, newest first, damaged ones with their reason."""
        found: dict[str, Entry] = {}
        for root, recorded in ((self.live, False), (self.recorded, True)):
            for path in _folders(root):
                if path.name not in found:
                    found[path.name] = _entry(path, root, recorded)
        return sorted(found.values(), key=lambda e: (e.record.created if e.record else "", e.id), reverse=True)

    def records(self) -> list[RunRecord]:
        """Records of all readable runs, newest first."""
        return [e.record for e in self.entries() if e.record is not None]

    def find(self, run_id: str) -> Entry | None:
        """The entry of *run_id*, or None. Raises InputError when it is no run id at all."""
        if not ID_RULE.fullmatch(run_id) or ".." in run_id:
            raise InputError(f"Run id {run_id[:80]!r} has characters that no run id has",
                             "letters a-z, digits, '.', '_' and '-'", "See `python -m core list`.")
        for root, recorded in ((self.live, False), (self.recorded, True)):
            if (root / run_id).is_dir():
                return _entry(root / run_id, root, recorded)
        return None

    def open(self, run_id: str) -> Run:
        """Open *run_id* for reading, its parent with it. Raises InputError when there is none or it is damaged."""
        entry = self.find(run_id)
        if entry is None:
            raise InputError(f"There is no run {run_id!r}", f"a run under {self.recorded.name}/ or {self.live.name}/",
                             "See `python -m core list`.")
        if entry.record is None:
            raise InputError(f"Run {run_id!r} is damaged: {entry.damage}", "a whole run folder", "Make the run again.")
        parent = None
        if entry.record.parent and entry.record.parent != run_id:
            found = self.find(entry.record.parent)
            if found is not None and found.record is not None:
                parent = Run(found.record, found.path, found.recorded)
        return Run(entry.record, entry.path, entry.recorded, parent)


def _folders(root: Path) -> Iterable[Path]:
    try:
        return sorted(p for p in root.iterdir() if not p.name.startswith(".") and p.is_dir())
    except OSError:
        return []


def _entry(path: Path, root: Path, recorded: bool) -> Entry:
    if path.is_symlink() or path.resolve().parent != root.resolve():
        return Entry(path.name, path, recorded, None, "a link out of the store")
    if not ID_RULE.fullmatch(path.name):
        return Entry(path.name, path, recorded, None, "the folder's name is no run id")
    try:
        return Entry(path.name, path, recorded, as_it_stands(read_header(path)))
    except InputError as error:
        return Entry(path.name, path, recorded, None, str(error))


def default_store() -> Store:
    """`cached_runs/` of this repository and `runs/` beside it, or what SPARSESCOPE_CACHED and SPARSESCOPE_RUNS name."""
    return Store(recorded=named(RECORDED, REPOSITORY / "cached_runs"), live=named(LIVE, REPOSITORY / "runs"))
