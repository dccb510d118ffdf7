"""A disk that refuses, at any one step of any writer: one sentence, nothing half-made, and a second try works."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import InputError
from core.live import asking
from core.models.loading import save_checkpoint
from core.running import pipeline
from core.runs.disk import copy_folder, in_words, refused_by_system, whole_folder
from core.runs.keeping import keep
from core.runs.store import REPOSITORY, Store
from core.tasks import own
from core.tasks.preparing import prepare
from core.tasks.tables.files import table_file
from tests import makers
from tests.commands import refused

CALLS = ((os, "fsync"), (os, "mkdir"), (os, "rename"), (os, "replace"), (shutil, "copyfile"), (tempfile, "mkstemp"))
TABLE = b"text,label\n" + b"".join(b"a text %d,%d\n" % (k, k % 2) for k in range(40))


class Refusing:
    """A disk that refuses the call number *at* (from 0) of all that write, with the system's number *code*."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, code: int) -> None:
        self.made, self.at, self.code = 0, at, code
        for module, name in CALLS:
            patch.setattr(module, name, self._counted(getattr(module, name)))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            self.made += 1
            if self.made == self.at + 1:
                raise OSError(self.code, os.strerror(self.code))
            return real(*args, **named)

        return call


def tree(root: Path) -> dict[str, bytes | None]:
    """All that lies under *root*: the bytes of files, None for folders. The queue's folder and lock are no litter."""
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
            for path in sorted(root.rglob("*")) if path.name not in (".queue", ".lock")}


class Weights:
    """What a checkpoint is saved from, in the way of transformers: safetensors, then words."""

    def __init__(self, size: int, words: str) -> None:
        self.size, self.words = size, words

    def named_modules(self) -> list[Any]:
        return []

    def save_pretrained(self, folder: Path, state_dict: None = None) -> None:
        if self.size:
            save_file({"weight": np.ones(self.size, np.float32)}, Path(folder) / "model.safetensors")
        (Path(folder) / f"{self.words}.json").write_text("{}")


@pytest.fixture
def store(small_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Runs of which one has a checkpoint with a folder in it."""
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(small_store.live))
    checkpoint = small_store.live / makers.run_named(small_store) / "checkpoint"
    (checkpoint / "extra").mkdir(parents=True)
    for name, data in (("model.safetensors", b"weights" * 50), ("config.json", b"{}"), ("extra/vocab.txt", b"a\nb")):
        (checkpoint / name).write_bytes(data)
    return small_store


def _export(store: Store, to: str) -> None:
    pipeline.export(makers.run_named(store), store=store, to=store.live.parent / to)


def _checkpoint(store: Store) -> None:
    with in_words("The run"):
        save_checkpoint(Weights(9, "config"), Weights(0, "vocab"), store.live / makers.run_named(store) / "checkpoint")


WRITERS: dict[str, tuple[int, Callable[[Store], Any]]] = {  # how often each of them can be refused at least; itself
    "export to a new folder": (9, lambda store: _export(store, "new")),
    "export under folders that are not there": (11, lambda store: _export(store, "a/b/new")),
    "export into an empty folder": (11, lambda store: _export(store, "there")),
    "keep": (10, lambda store: keep(store, makers.run_named(store), weights=True)),
    "keep once more": (8, lambda store: keep(store, makers.run_named(store, method="magnitude"), "summary")),
    "add a task": (6, lambda store: own.add(prepare("mine", table_file("t.csv", TABLE), text="text", label="label"))),
    "a checkpoint in the place of another": (6, _checkpoint),
    "a ticket": (3, lambda store: asking.submit(store, {"task": "agreement", "model": "tiny", "seed": 7}, "a")),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_refuses_any_one_step_leaves_all_as_it_was(name: str, store: Store,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    steps, write = WRITERS[name]
    root = store.live.parent
    if name == "export into an empty folder":
        (root / "there").mkdir()
    before, refusals = tree(root), 0
    while True:
        with monkeypatch.context() as patch:
            disk = Refusing(patch, refusals, errno.ENOSPC)
            try:
                write(store)
            except InputError as error:
                assert "No space left on device" in str(error) and "\n" not in str(error)
                assert error.expected == "room on the disk"
            if disk.made <= refusals:
                break  # it was never refused: this try went through
        assert tree(root) == before
        refusals += 1
    assert refusals >= steps
    after = tree(root)
    assert after != before and not [path for path in after if "/." in f"/{path}" and ".tasks" not in path
                                    and ".queue" not in path]


@pytest.mark.parametrize(("code", "words"), [
    (errno.EROFS, "Read-only file system). Expected a folder that may be written to"),
    (errno.EACCES, "Permission denied). Expected a folder that may be written to"),
    (errno.EDQUOT, "Disk quota exceeded). Expected room on the disk"),
    (errno.EIO, "Input/output error). Expected a disk that takes it")])
def test_every_refusal_has_its_words(code: int, words: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run as root, to whom nothing is forbidden: the system's answer is made up."""
    Refusing(monkeypatch, 0, code)
    with pytest.raises(InputError) as caught:
        _export(store, "new")
    assert words in str(caught.value) and "Choose another --to" in caught.value.remedy


def test_what_is_written_is_what_was_there(store: Store) -> None:
    run = makers.run_named(store)
    held = tree(store.live / run / "checkpoint")
    _export(store, "a/b/new")
    made = tree(store.live.parent / "a/b/new")
    # The configuration alone is not copied as it is: it is given the names of the run's classes. The card is new.
    assert set(json.loads(made.pop("config.json"))["label2id"]) == set(store.open(run).record.labels)
    assert run in made.pop("README.md").decode()
    assert made == {k: v for k, v in held.items() if k != "config.json"} and held["extra/vocab.txt"] == b"a\nb"
    _checkpoint(store)
    assert set(tree(store.live / run / "checkpoint")) == {"model.safetensors", "config.json", "vocab.json"}


def test_a_mounted_or_linked_folder_stays_the_one_it_is(store: Store, tmp_path: Path) -> None:
    """An empty folder may be a disk of its own: it is filled and not replaced, through a link too."""
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    number = place.stat().st_ino
    _export(store, "link")
    assert place.stat().st_ino == number and (tmp_path / "link").is_symlink()
    assert (place / "model.safetensors").exists() and {p.name for p in place.iterdir()} == {
        "model.safetensors", "config.json", "extra", "README.md"}


def _file(place: Path) -> None:
    place.write_text("mine")


def _loop(place: Path) -> None:
    place.symlink_to(place)


@pytest.mark.parametrize(("to", "make", "words"), [
    ("out", _file, "out is a file"), ("out/deeper", _file, "could not be written"),
    ("out", lambda place: place.symlink_to("nowhere"), "Not a directory"),
    ("out/deeper", lambda place: place.symlink_to("nowhere"), "File exists"),
    ("out", _loop, "Not a directory"), ("out/deeper", _loop, "could not be written"),
    ("x" * 300, lambda place: None, "File name too long"),
    ("out", lambda place: (place.mkdir(), (place / ".hidden").touch()), "is not empty"),
])
def test_a_place_that_can_be_no_folder_is_refused_and_left(to: str, make: Callable[[Path], Any], words: str, cli: Any,
                                                           store: Store, tmp_path: Path) -> None:
    make(tmp_path / "out")
    before = sorted(tmp_path.iterdir())
    message = refused(cli("export", makers.run_named(store), "--to", str(tmp_path / to)))
    assert words in message and message.count("\n") == 1 and "Expected" in message
    assert sorted(tmp_path.iterdir()) == before


def test_home_and_nothing_mean_what_people_expect(cli: Any, store: Store, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli("export", makers.run_named(store), "--to", "~/exported").exit_code == 0
    assert (tmp_path / "exported" / "config.json").exists()
    for nothing, shown in (("", "''"), ("  ", "' '")):
        assert f"--to is {shown}. Expected a path." in refused(
            cli("export", makers.run_named(store), "--to", nothing))
    assert "has no home folder here" in refused(cli("export", makers.run_named(store), "--to", "~nobody-at-all/x"))


def test_the_roots_of_the_environment_mean_what_people_expect(cli: Any, tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    from core.runs.store import default_store

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(tmp_path / "none"))
    for given, place in (("~/mine", tmp_path / "mine"), ("", REPOSITORY / "runs"), ("  ", REPOSITORY / "runs")):
        monkeypatch.setenv("SPARSESCOPE_RUNS", given)
        assert default_store().live == place
        assert cli("list").exit_code == 0  # the fixture's environment is set anew above
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for bad in ("file", "link", "file/below", "x" * 300):
        monkeypatch.setenv("SPARSESCOPE_RUNS", str(tmp_path / bad))
        if bad != "file/below":
            assert "SPARSESCOPE_RUNS names " in refused(cli("list"))
        assert refused(cli("task", "add", "mine", str(REPOSITORY / "README.md"), "--text", "a", "--label", "b"))
    monkeypatch.setenv("SPARSESCOPE_RUNS", "~nobody-at-all/x")
    assert "which is no folder" in refused(cli("list"))


def test_writers_in_other_languages_are_understood() -> None:
    assert refused_by_system(Exception("I/O error: No space left on device (os error 28)")).errno == errno.ENOSPC  # type: ignore[union-attr]
    for ours in (KeyError("os error"), BrokenPipeError(32, "pipe"), TimeoutError(110, "net"), OSError("no number")):
        assert refused_by_system(ours) is None
    with pytest.raises(KeyError), in_words("It"):
        raise KeyError("ours")


def test_a_file_that_may_not_grow_ends_a_real_writer(store: Store) -> None:
    """The limit of the system itself, on safetensors' own writer: 2 kB, of a checkpoint of 40 kB."""
    folder = store.live / makers.run_named(store) / "checkpoint"
    before, limits = tree(folder), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"The run could not be written \(File too large\)"), in_words("The run"):
            save_checkpoint(Weights(10_000, "config"), Weights(0, "vocab"), folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tree(folder) == before and not list(folder.parent.glob(".new-*"))


def test_a_file_that_may_not_grow_is_said_by_the_command(store: Store, tmp_path: Path) -> None:
    """`task add`, whose parquet files are written in C++, in a process that may write 1 kB a file."""
    table = tmp_path / "t.csv"
    table.write_bytes(b"text,label\n" + b"".join(b"%d is a text of its own,%d\n" % (k * 7919, k % 2)
                                                 for k in range(500)))
    words = [sys.executable, "-m", "core", "task", "add", "mine", str(table), "--text", "text", "--label", "label"]
    environment = {**os.environ, "SPARSESCOPE_RUNS": str(store.live)}

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    end = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, preexec_fn=limited)
    assert (end.returncode, end.stdout) == (2, "")
    assert end.stderr.startswith("Error: The task could not be written (File too large)")
    assert end.stderr.count("\n") == 1 and not (store.live / ".tasks").exists()
    end = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert end.returncode == 0 and len(list((store.live / ".tasks").iterdir())) == 1


def test_a_folder_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with whole_folder(place) as building:
        (building / "a").write_text("new")
        assert not place.exists()
    with pytest.raises(KeyboardInterrupt), whole_folder(place) as building:
        (building / "a").write_text("newer")
        raise KeyboardInterrupt
    assert tree(tmp_path) == {"place": None, "place/a": b"new"}


def test_nothing_is_copied_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "config.json").symlink_to("/etc/hostname")
    (tmp_path / "to").mkdir()
    with pytest.raises(InputError, match=r"config\.json of source is a link"):
        copy_folder(tmp_path / "source", tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())
