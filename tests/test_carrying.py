"""A run as a zip: it opens in a second store and passes the check there; planted bad ones leave nothing behind."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load, save

from core.cli.zip import unzip_command, zip_command
from core.errors import InputError
from core.runs import carrying
from core.runs.checks.folder_check import check
from core.runs.records import OPENED
from core.runs.store import ARRAYS, HEADER, TRACE, Store
from tests.makers import empty_store, make_dense, make_run

LINK = 0o120777 << 16


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a dense run and a pruned one."""
    store = empty_store(tmp_path_factory.mktemp("first"))
    make_run(store.recorded, method="admm", parent=make_dense(store.recorded))
    return store


@pytest.fixture(scope="module")
def ids(first: Store) -> tuple[str, str]:
    """The dense run and the pruned one."""
    pruned = next(r for r in first.records() if r.parent)
    return str(pruned.parent), pruned.id


@pytest.fixture(scope="module")
def good(first: Store, ids: tuple[str, str]) -> bytes:
    stream = io.BytesIO()
    assert carrying.written(first, ids[1], stream) == list(ids)
    return stream.getvalue()


def rewritten(good: bytes, change: Callable[[zipfile.ZipFile, dict[str, bytes]], None]) -> io.BytesIO:
    """The files of *good*, as *change* leaves them, in a new zip; it may write entries of its own too."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        change(archive, files)
        for name, data in files.items():
            archive.writestr(name, data)
    stream.seek(0)
    return stream


def test_a_run_opens_in_a_second_store_and_passes_the_check(good: bytes, ids: tuple[str, str], first: Store,
                                                            tmp_path: Path) -> None:
    second = empty_store(tmp_path)
    assert carrying.taken_in(second, io.BytesIO(good)) == list(ids)
    run = second.open(ids[1])
    assert check(run).ok and run.parent is not None and run.record.notes == [OPENED]
    for run_id in ids:
        for name in (TRACE, ARRAYS):
            there, here = first.recorded / run_id / name, second.live / run_id / name
            assert there.exists() == here.exists() and (not there.exists() or there.read_bytes() == here.read_bytes())
    assert carrying.taken_in(second, io.BytesIO(good)) == list(ids)  # once more changes nothing
    assert sorted(p.name for p in second.live.iterdir()) == sorted([".writers", *ids])
    again = io.BytesIO()
    carrying.written(first, ids[1], again)
    assert again.getvalue() == good  # the same run, the same bytes


def named(name: str, attributes: int = 0) -> Callable[[zipfile.ZipFile, dict[str, bytes]], None]:
    """An entry *name* in place of a trace, with the *attributes* of a file system."""
    def change(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
        del files[next(path for path in files if path.endswith(TRACE))]
        entry = zipfile.ZipInfo(name)
        entry.external_attr = attributes
        archive.writestr(entry, b"/etc/passwd")

    return change


def without(part: str) -> Callable[[zipfile.ZipFile, dict[str, bytes]], None]:
    def change(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
        for name in [name for name in files if part in name]:
            del files[name]

    return change


def damaged(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    """One group of one mask keeps all four."""
    name = next(name for name in files if name.endswith(ARRAYS) and "admm" in name)
    arrays = load(files[name])
    key = next(key for key in arrays if key.startswith("mask/"))
    arrays[key] = arrays[key] | np.eye(*arrays[key].shape, dtype=np.uint8) * 0xF0
    files[name] = save(arrays)


def another(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.endswith(HEADER) and "admm" in name)
    files[name] = files[name].replace(b'"succeeded"', b'"running"')


@pytest.mark.parametrize(("change", "said"), [
    (named("../../evil/run.json"), "The zip holds '../../evil/run.json'"),
    (named("/etc/run.json"), "The zip holds '/etc/run.json'"),
    (named("..\\evil\\run.json"), "The zip holds"),
    (named("a..b/run.json"), "The zip holds 'a..b/run.json'"),
    (named("cola-run/checkpoint/model.bin"), "The zip holds"),
    (named("cola-run/run.json", LINK), "is a link"),
    (named("a/run.json"), "The zip holds 3 runs"),
    (without(HEADER), "The zip holds"),
    (lambda archive, files: files.clear(), "The zip holds 0 runs"),
    (damaged, "does not pass the check: .*keep"),
    (another, "is (running|failed)"),
])
def test_a_bad_zip_is_refused_and_leaves_nothing(change: Callable[[zipfile.ZipFile, dict[str, bytes]], None], said: str,
                                                 good: bytes, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    store = empty_store(tmp_path / "store")
    with pytest.raises(InputError, match=said):
        carrying.taken_in(store, rewritten(good, change))
    assert store.entries() == [] and list(store.live.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(("file", "said"), [
    (b"", "no zip"), (b"PK\x05\x06", "no zip"), (b"x" * 4000, "no zip"),
    (b"PK\x05\x06" + bytes(6) + struct.pack("<HII", 65535, 100, 0) + bytes(2), "more than 6 files"),
    (b"PK\x05\x06" + bytes(6) + struct.pack("<HII", 2, 1 << 24, 0) + bytes(2), "more than 6 files"),
])
def test_what_is_no_zip_is_said_in_a_sentence(file: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        carrying.taken_in(empty_store(tmp_path), io.BytesIO(file))


def test_a_zip_cut_short_or_with_a_flipped_byte_is_refused(good: bytes, tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    flipped = bytearray(good)
    flipped[len(good) // 3] ^= 255
    for bad in (good[:len(good) // 2], bytes(flipped)):
        with pytest.raises(InputError):
            carrying.taken_in(store, io.BytesIO(bad))
    assert list(store.live.iterdir()) == []


def test_a_bomb_is_stopped_by_what_it_unpacks_to(good: bytes, ids: tuple[str, str], tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    """The zip's own list is made to lie: it says ten bytes where three megabytes of zeros come out."""
    bomb = rewritten(good, lambda archive, files: files.update({f"{ids[1]}/{TRACE}": bytes(3 << 20)})).getvalue()
    lying = bomb.replace(struct.pack("<I", 3 << 20), struct.pack("<I", 10))
    store = empty_store(tmp_path)
    with pytest.raises(InputError):
        carrying.taken_in(store, io.BytesIO(lying))
    monkeypatch.setitem(carrying.MOST, TRACE, 1 << 20)
    with pytest.raises(InputError, match=r"3145728 bytes. Expected at most 1048576"):
        carrying.taken_in(store, io.BytesIO(bomb))
    monkeypatch.setitem(carrying.MOST, TRACE, 1 << 30)
    monkeypatch.setattr(carrying, "MOST_BYTES", 1 << 21)
    with pytest.raises(InputError, match="unpacks to more"):
        carrying.taken_in(store, io.BytesIO(bomb))
    assert list(store.live.iterdir()) == []


def test_another_run_of_the_same_name_is_not_replaced(good: bytes, ids: tuple[str, str], tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    carrying.taken_in(store, io.BytesIO(good))
    header = store.live / ids[1] / HEADER
    header.write_text(header.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(InputError, match="Another run is called"):
        carrying.taken_in(store, io.BytesIO(good))
    assert '"seed": 1' in header.read_text()


def test_the_commands_carry_a_run(first: Store, ids: tuple[str, str], tmp_path: Path,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    call, to = CliRunner().invoke, str(tmp_path / "run.zip")
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(first.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(first.live))
    assert call(zip_command, [ids[1], "--to", to]).exit_code == 0
    assert "is there already" in str(call(zip_command, [ids[1], "--to", to]).exception)
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(tmp_path / "none"))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(tmp_path / "second"))
    assert f"{ids[1]} is here" in call(unzip_command, [to]).output
    assert "no file" in str(call(unzip_command, [str(tmp_path / "no.zip")]).exception)
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    assert "demonstration" in str(call(unzip_command, [to]).exception)
