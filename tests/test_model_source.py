"""What the form says of a model's name before anything is loaded, and that no folder gets to run its code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import InputError
from core.models.loading import load_model, save_checkpoint
from core.models.named import source_of
from core.runs.store import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole model folder, of a kind that transformers knows."""
    loaded = load_model("tiny", labels=2, seed=0)
    save_checkpoint(loaded.model, loaded.tokenizer, tmp_path / "mine")
    return tmp_path / "mine"


def test_a_folder_is_found_and_given_by_its_whole_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    for name in ("mine", "./mine", "~/mine", str(folder)):
        found = source_of(name)
        assert (found.kind, found.name) == ("folder", str(folder.resolve()))
        assert found.words == "Folder found: mine, kind bert."
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "no", "1": "yes"}}))
    assert source_of("mine").words == "Folder found: mine, kind bert. It names its classes: no, yes. " \
                                        "With 0 dense epochs it is pruned as it is."


def test_a_hub_id_is_told_to_be_at_hand_or_to_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "models--some--one" / "snapshots" / "abc").mkdir(parents=True)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert source_of("some/one").kind == "cache"
    assert source_of("some/other").kind == "hub" and "hub id: fetched" in source_of("some/other").words
    assert "Did you mean 'minilm-l6'?" in source_of("minilm-l7").words
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "would fail" in source_of("some/other").words
    assert source_of("tiny").words == source_of("minilm-l6").words == ""


@pytest.mark.parametrize("name", ["no such thing", "../up", "a/b/c", "", "-x", "x" * 2000, "a\0b", "a/../b",
                                  "~nobody/x"])
def test_what_is_neither_folder_nor_id_is_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        source_of(name)
    assert len(str(caught.value)) < 400


def test_a_folder_without_weights_that_can_be_opened_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    for refuses in (source_of, lambda name: load_model(name, labels=2, seed=0)):
        with pytest.raises(InputError, match="pickled weights are not opened"):
            refuses(str(folder))
    with pytest.raises(InputError, match="is a file"):
        source_of(str(folder / "config.json"))
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"no config\.json that can be read"):
        source_of(str(folder))


@pytest.mark.parametrize("kind", ["bert", "stranger"])
def test_a_folder_that_brings_code_is_said_to_and_the_code_never_runs(folder: Path, kind: str) -> None:
    """Of a known kind the folder loads without its code; of an unknown one it is refused. Model and tokenizer alike."""
    (folder / "code.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\n")
    for name, auto_map in (("config.json", {"AutoConfig": "code.C", "AutoModelForSequenceClassification": "code.M"}),
                           ("tokenizer_config.json", {"AutoTokenizer": ["code.T", "code.T"]})):
        kept = json.loads((folder / name).read_text())
        kept |= {"auto_map": auto_map} | ({"model_type": kind} if name == "config.json" else {})
        (folder / name).write_text(json.dumps(kept))
    assert "code of its own, which is never run" in source_of(str(folder)).words
    if kind == "bert":
        assert load_model(str(folder), labels=2, seed=0).source == "folder mine"
    else:
        with pytest.raises(InputError, match="cannot be loaded"):
            load_model(str(folder), labels=2, seed=0)
    assert not (folder / "ran").exists()


def test_weights_that_are_a_pickle_by_another_name_are_refused_and_not_executed(folder: Path) -> None:
    # protocol 0, by hand: calls os.mkdir(folder/ran) when it is unpickled
    target = str(folder / "ran")
    (folder / "model.safetensors").write_bytes(f"cos\nmkdir\n(S{target!r}\ntR.".encode())
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(str(folder), labels=2, seed=0)
    assert not (folder / "ran").exists()


def test_telling_loads_nothing_heavy() -> None:
    code = "import sys\nfrom core.models.named import source_of\nsource_of('some/one')\n" \
           "print(sorted({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60,
                          check=True)
    assert done.stdout.strip() == "[]"
