"""A model is what is in it: the content of a folder decides which run it is, wherever the command is given; names of
the list and hub ids keep their ids."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import InputError
from core.live import asking, workers
from core.live.serving import serve_once
from core.models import identity
from core.models.identity import digest_of, settled
from core.models.loading import load_model
from core.runs.model_names import title_of
from core.runs.records import RunSpec, command_of
from core.runs.store import Store, read_header
from core.specs.resolving import resolve
from tests import planted_models
from tests.commands import refused
from tests.live_workers import running

WORDS = {"blame": "bad", "praise": "good"}
RIGHT, WRONG = ("blame", "praise"), ("praise", "blame")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that is right on every sentence."""
    planted_models.save(tmp_path / "m", WORDS, RIGHT)
    return tmp_path / "m"


def scored(cli: Any, *words: str) -> tuple[str, str, float]:
    """Run the model in `m` as it is: run, parent, score."""
    made = json.loads(cli("run", "--task", "own:rev", "--model", "m", "--method", "magnitude", "--pattern", "2:4",
                          "--dense-epochs", "0", "--record", "answers", *words, "--json").stdout)
    return made["id"], made["parent"], made["results"]["final"]


def test_the_same_path_in_two_places_and_other_weights_in_one_are_other_runs(
        cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted_models.table(tmp_path / "t.csv", WORDS)
    assert cli("task", "add", "rev", str(tmp_path / "t.csv"), "--text", "text", "--label", "label").exit_code == 0
    found = []
    for place, outputs in (("a", RIGHT), ("b", WRONG), ("a", WRONG)):  # the classes are named alike, rows are not
        planted_models.save(tmp_path / place / "m", WORDS, outputs, RIGHT)
        monkeypatch.chdir(tmp_path / place)
        found.append(scored(cli))
    assert [score for _, _, score in found] == [1.0, 0.0, 0.0]
    assert len({run for run, _, _ in found}) == len({parent for _, parent, _ in found}) == 3
    now = settled("m")
    for given in ("m", now):  # the table is that of what the folder holds now
        made = json.loads(cli("table", "--task", "own:rev", "--model", given, "--json").stdout)
        assert made["model"] == now and [row["runs"] for row in made["rows"]] == [[found[2][1]], [found[2][0]]]
    planted_models.save(tmp_path / "a" / "m", WORDS, RIGHT)  # what was in it first
    assert scored(cli) == found[0]
    listed = [o["id"] for o in json.loads(cli("list", "--model", "m", "--method", "magnitude", "--json").stdout)]
    assert set(listed) == {found[0][0], found[2][0]}  # all that this folder held
    again = read_header(tmp_path / "runs" / found[0][0]).command
    monkeypatch.chdir(tmp_path)
    shown = cli(*shlex.split(again)[3:])
    assert shown.exit_code == 0 and shown.stdout.startswith(f"{found[0][0]}: succeeded")
    planted_models.save(tmp_path / "a" / "m", WORDS, WRONG, RIGHT)
    text = refused(cli(*shlex.split(again)[3:]))
    assert "has changed" in text and text.count("\n") == 1
    shutil.rmtree(tmp_path / "a")
    text = refused(cli(*shlex.split(again)[3:], "--resume"))
    assert "is gone" in text and text.count("\n") == 1
    assert json.loads(cli("table", "--task", "own:rev", "--model", now, "--json").stdout)["rows"] == made["rows"]


def test_a_folder_is_named_by_its_whole_path_and_what_is_in_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{folder.resolve()}@{digest_of(folder)}"
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    (folder.parent / "link").symlink_to(folder)
    for given in ("m", "./m/", "~/m", str(folder), "link", name):
        assert settled(given) == name
        spec = resolve({"task": "agreement", "model": given, "method": "asp"})
        assert spec.model == name and spec.run_id.startswith("agreement-m-asp-2of4-e4-s0-")
    assert title_of(name) == f"m (folder, {name[-8:-4]})"
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir("/")
        assert resolve({"task": "agreement", "model": name, "method": "asp"}) == spec
    assert f"--model {name}" in command_of(spec)


def test_names_of_the_list_and_hub_ids_are_what_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where a folder of that name stands beside; a recorded folder without a digest keeps its id."""
    planted_models.save(tmp_path / "minilm-l6", WORDS, RIGHT)
    monkeypatch.chdir(tmp_path)
    for name in ("minilm-l6", "tiny", "bert-base-uncased", "sentence-transformers/all-MiniLM-L6-v2"):
        assert settled(name) == name == resolve({"task": "agreement", "model": name}).model
    assert RunSpec(task="cola").run_id == "cola-minilm-l6-admm-2of4-e4-s0-3d377be6"
    assert RunSpec(task="sst2", model="/a/m").run_id == "sst2-m-admm-2of4-e4-s0-" + RunSpec(
        task="sst2", model="/a/m").digest


def flip(file: Path, place: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)
        stream.seek(place)
        stream.write(bytes([byte[0] ^ 1]))


def test_all_that_decides_what_a_model_does_is_in_its_digest_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    before = digest_of(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert digest_of(tmp_path / "copy") == before and len(before) == 8
    for name in ("README.md", "optimizer.pt", "training_args.bin", "pytorch_model.bin"):
        (folder / name).write_bytes(b"other")
    os.utime(folder / "model.safetensors")
    (folder / "tokenizer").mkdir()
    assert digest_of(folder) == before
    seen = {before}
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        flip(folder / name, (folder / name).stat().st_size // 2)
        seen.add(digest_of(folder))
    for name in ("added_tokens.json", "spiece.model", "model.safetensors.index.json", "adapter_config.json"):
        (folder / name).write_text("{}")
        seen.add(digest_of(folder))
    assert len(seen) == 9


def test_of_a_large_file_every_tensor_is_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends of each, the header and the file's length; and not much more is read."""
    monkeypatch.setattr(identity, "READ_WHOLE", 1 << 14)
    monkeypatch.setattr(identity, "SLICE", 64)
    monkeypatch.setattr(identity, "EDGE", 16)
    rng = np.random.default_rng(0)
    file = folder / "model.safetensors"
    save_file({f"t{k}": rng.normal(size=(100, 100)).astype(np.float32) for k in range(12)}, file)
    identity._file_digest.cache_clear()
    seen = {digest_of(folder)}
    length = int.from_bytes(file.read_bytes()[:8], "little")
    entries = json.loads(file.read_bytes()[8:8 + length])
    places = [8 + length + at for entry in entries.values() for at in (entry["data_offsets"][0],
                                                                       entry["data_offsets"][1] - 1)]
    for place in places:
        flip(file, place)
        identity._file_digest.cache_clear()  # a clock that stands still would hide the change
        seen.add(digest_of(folder))
    assert len(seen) == len(places) + 1 == 25
    tensors = load_file(file)
    save_file({**tensors, "t3": tensors["t3"].reshape(50, 200)}, file)  # the same bytes, under another shape
    assert digest_of(folder) not in seen
    read = sum(end - start for start, end in identity._samples(file.read_bytes()[8:8 + length], 8 + length, 480_000))
    assert read <= 64 * 64 + 24 * 16


def test_a_header_that_is_none_is_hashed_and_not_believed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "READ_WHOLE", 10)
    for raw in (b"\xff" * 200_000, b"[" * 200_000, (8).to_bytes(8, "little") + b'{"a": 1}' + b"x" * 200_000,
                (1 << 60).to_bytes(8, "little") + b"x" * 200_000):
        (folder / "model.safetensors").write_bytes(raw)
        assert len(digest_of(folder)) == 8


def test_a_folder_that_cannot_be_read_is_refused_in_words(folder: Path) -> None:
    strange = folder.parent / os.fsdecode(b"m\xff")
    shutil.copytree(folder, strange)
    with pytest.raises(InputError, match=r"'m.udcff' is no UTF-8 text"):
        settled(str(strange))
    os.mkfifo(folder / "vocab.txt")  # would hold its reader for ever
    assert len(digest_of(folder)) == 8
    (folder / "merges.txt").symlink_to(folder / "gone")
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        resolve({"task": "agreement", "model": str(folder)})


def test_weights_that_change_after_a_run_was_asked_for_are_not_taken(folder: Path, empty_store: Store) -> None:
    given = {"task": "agreement", "model": str(folder), "method": "magnitude", "pattern": "2:4"}
    run = asking.submit(empty_store, given, "a")
    assert asking.submit(empty_store, given, "b") == run  # joined
    name = settled(str(folder))
    planted_models.save(folder, WORDS, WRONG, RIGHT)
    assert asking.submit(empty_store, given, "a") != run
    with pytest.raises(InputError, match=r"has changed: its content is [0-9a-f]{8} now\. Expected [0-9a-f]{8}, "):
        load_model(name, labels=2, seed=0)
    serve_once(empty_store, running())
    end = workers.read_end(workers.folder_of(empty_store, run))
    assert end is not None and end.state == "failed" and "has changed" in end.reason
    for worker in workers.active(empty_store):
        workers.stop(worker)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match=r"The model folder .*m' is gone\. Expected .* Put it back"):
        asking.submit(empty_store, {**given, "model": name}, "a")
