"""Run folders on their way between machines: what comes is whole and what was asked for, or it does not come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.engines.arriving import CHUNK, Arrival, File, files_of, piece
from core.engines.station import Versions, differs, versions
from core.errors import InputError
from core.runs.store import Store
from tests import damage, makers


def bring(source: Path, arrival: Arrival, spoil: Callable[[str, bytes], bytes] = lambda name, data: data) -> None:
    for name, file in arrival.files.items():
        for start in range(0, file.size, CHUNK):
            arrival.add(name, spoil(name, piece(source, name, start)))


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A finished dense run of another machine, with a file in its checkpoint."""
    root = tmp_path / "away"
    folder = root / makers.make_dense(root)
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "model.safetensors").write_bytes(bytes(range(256)) * 40_000)  # two chunks
    (folder / "checkpoint" / "empty.txt").touch()
    return folder


def spec_of(folder: Path) -> Any:
    return Store(folder.parent, folder.parent).open(folder.name).record.spec


def test_a_folder_arrives_as_it_was_and_replaces_what_was_unfinished(away: Path, empty_store: Store) -> None:
    makers.make_run(empty_store.live, method="dense", pattern="dense", status="failed")
    for _ in range(2):  # the second finds it there and leaves it
        with Arrival(empty_store.live, away.name, files_of(away)) as arrival:
            bring(away, arrival)
            assert arrival.settle(empty_store, spec_of(away)).id == away.name
    home = empty_store.live / away.name
    assert {p.relative_to(home): p.read_bytes() for p in home.rglob("*") if p.is_file()} == \
        {p.relative_to(away): p.read_bytes() for p in away.rglob("*") if p.is_file()}
    assert [p.name for p in empty_store.live.iterdir() if p.name != ".writers"] == [away.name]


def flipped(name: str, data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1]) if name == "arrays.safetensors" else data


def test_what_is_not_whole_or_not_what_was_asked_for_leaves_nothing(away: Path, empty_store: Store) -> None:
    spec, files = spec_of(away), files_of(away)
    with pytest.raises(InputError, match=r"arrays.safetensors of .* changed on its way"), \
            Arrival(empty_store.live, away.name, files) as arrival:
        bring(away, arrival, flipped)
        arrival.settle(empty_store, spec)
    with pytest.raises(InputError, match="other settings than were asked for"), \
            Arrival(empty_store.live, away.name, files) as arrival:
        bring(away, arrival)
        arrival.settle(empty_store, msgspec.structs.replace(spec, seed=5))
    with pytest.raises(InputError, match=r"sent more of 'run\.json' than it announced"), \
            Arrival(empty_store.live, away.name, files) as arrival:
        bring(away, arrival)
        arrival.add("run.json", b" ")
    damage.replace_arrays(away, {"thumbnail/" + Store(away.parent, away.parent).open(away.name).record.matrices[0].name:
                                 None})
    with pytest.raises(InputError, match=r"came damaged: .*thumbnail is missing"), \
            Arrival(empty_store.live, away.name, files_of(away)) as arrival:
        bring(away, arrival)
        arrival.settle(empty_store, spec)
    assert [p.name for p in empty_store.live.iterdir() if p.name != ".writers"] == []


@pytest.mark.parametrize("name", ["../run.json", "checkpoint/../../x", "checkpoint/a/b", "/etc/passwd", "resume",
                                  "checkpoint/.hidden", "checkpoint/", ""])
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="A node sent a file"):
        Arrival(tmp_path, "a-run", [File(name, 1, ""), File("run.json", 1, "")])
    with pytest.raises(InputError, match="A node sent a file"):
        piece(tmp_path, name, 0)
    for run_id in ("../x", "", "a/b"):
        with pytest.raises(InputError, match="A node sent a run"):
            Arrival(tmp_path, run_id, [File("run.json", 1, "")])


def test_what_differs_between_two_machines_is_said() -> None:
    here = versions()
    assert differs(here, versions()) == ""
    there = Versions("other", "3.10.1", {**here.packages, "torch": "1.0"})
    assert differs(here, there) == (f"another version of SparseScope, Python 3.10.1 instead of {here.python}, "
                                    f"torch 1.0 instead of {here.packages['torch']}")
