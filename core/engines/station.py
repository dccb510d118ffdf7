"""What works on a node of a cluster: it makes cells in a folder of its own, hands their files out in chunks, and takes
the dense parents that it is sent. It knows no Ray: whatever calls its methods from afar will do."""

from __future__ import annotations

import hashlib
import platform
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from core.engines.arriving import Arrival, File, files_of, piece
from core.engines.cells import Cell, End
from core.runs.disk import move_whole
from core.runs.store import REPOSITORY, Store

PACKAGES = ("torch", "transformers", "accelerate", "safetensors", "numpy", "scipy", "msgspec")


class Versions(msgspec.Struct, frozen=True):
    """All that must be the same on every node: *source*, a digest of this project's code, Python and packages."""

    source: str
    python: str
    packages: dict[str, str]


def versions() -> Versions:
    """Those of this process."""
    digest = hashlib.sha256()
    for path in sorted((REPOSITORY / "core").rglob("*.py")):
        digest.update(str(path.relative_to(REPOSITORY)).encode() + b"\0" + path.read_bytes() + b"\0")
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return Versions(digest.hexdigest()[:12], platform.python_version(), found)


def differs(here: Versions, there: Versions) -> str:
    """What differs between two, in words; "" when nothing does."""
    parts = []
    if here.source != there.source:
        parts.append("another version of SparseScope")
    if here.python != there.python:
        parts.append(f"Python {there.python} instead of {here.python}")
    parts += [f"{name} {there.packages.get(name, 'none')} instead of {have}"
              for name, have in here.packages.items() if there.packages.get(name, "none") != have]
    return ", ".join(parts)


class Station:
    """Makes cells with *threads* threads of torch. Whatever goes in and out is bytes (msgspec), numbers and names."""

    def __init__(self, data_dir: str | None, threads: int) -> None:
        self.data_dir, self.threads = None if data_dir is None else Path(data_dir), threads
        self.root = Path(tempfile.mkdtemp(prefix="sparsescope-"))
        # Nothing but what was sent here counts as there: a parent of another day could differ.
        self.store = Store(recorded=self.root / "none", live=self.root / "runs")
        self.store.live.mkdir()
        self.shared: object = None
        self.coming: Arrival | None = None

    def hello(self) -> bytes:
        """The versions here."""
        return msgspec.msgpack.encode(versions())

    def carry(self, order: bytes) -> bytes:
        """Make a cell; its end."""
        import torch

        from core.engines.carrying import carry
        from core.running.shared import Shared

        cell = msgspec.msgpack.decode(order, type=Cell)
        if self.data_dir is not None and not self.data_dir.is_dir():
            return msgspec.msgpack.encode(End(cell.id, error=f"there is no folder {self.data_dir}", unused=True))
        torch.set_num_threads(self.threads)
        if not isinstance(self.shared, Shared):
            self.shared = Shared()
        return msgspec.msgpack.encode(carry(cell, store=self.store, data_dir=self.data_dir, shared=self.shared))

    def holds(self, run_id: str) -> bool:
        """Is the run here?"""
        return self.store.find(run_id) is not None

    def files(self, run_id: str) -> bytes:
        """The files of a finished run."""
        return msgspec.msgpack.encode(files_of(self.store.open(run_id).path))

    def piece(self, run_id: str, name: str, start: int) -> bytes:
        """Some bytes of one of them."""
        return piece(self.store.open(run_id).path, name, start)

    def expect(self, run_id: str, files: bytes) -> None:
        """A dense parent is about to come."""
        if self.coming is not None:  # one that broke off
            self.coming.__exit__()
        self.coming = Arrival(self.store.live, run_id, msgspec.msgpack.decode(files, type=list[File])).__enter__()

    def add(self, name: str, data: bytes) -> None:
        """The next bytes of one of its files."""
        assert self.coming is not None
        self.coming.add(name, data)

    def arrived(self) -> None:
        """It has come as a whole. Raises InputError when it has not."""
        assert self.coming is not None
        self.coming.whole()
        move_whole(self.coming.folder, self.store.live / self.coming.run_id)
        self.coming.__exit__()
        self.coming = None

    def forget(self, run_id: str) -> None:
        """The run is where it belongs: its copy goes. Dense parents are kept, their children will ask for them."""
        entry = self.store.find(run_id)
        if entry is not None and (entry.record is None or entry.record.spec.method != "dense"):
            shutil.rmtree(entry.path, ignore_errors=True)

    def close(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.root, ignore_errors=True)
