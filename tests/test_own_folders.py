"""A folder of tables: whichever way its parts lie, the right rows are learned from and scored on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from core.errors import InputError
from core.tasks import own
from core.tasks.loading import load_task
from core.tasks.preparing import prepare
from core.tasks.tables import folders
from core.tasks.tables.files import open_table
from core.tasks.tables.folders import open_tables
from tests.commands import refused

NAMES = ["no", "a bit", "yes"]
LABELS = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})


def part(name: str, n: int = 12, before: int = 0) -> dict[str, list[Any]]:
    """Rows *before*, ... of a part, told by their texts."""
    return {"text": [f"{name} {k}" for k in range(before, before + n)],
            "label": [k % 3 for k in range(before, before + n)]}


def put(path: Path, rows: dict[str, list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows)
    if ".csv" in path.name:
        frame.to_csv(path, index=False)
    elif ".tsv" in path.name:
        frame.to_csv(path, index=False, sep="\t")
    elif ".jsonl" in path.name:
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path, index=False)


def put_all(names: dict[str, str], root: Path) -> None:
    for name, what in names.items():
        put(root / name, part(what))


def saved(root: Path) -> None:
    datasets.DatasetDict({name: datasets.Dataset.from_dict(part(name), features=LABELS)
                          for name in ("train", "test", "validation")}).save_to_disk(str(root))


LAYOUTS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "plain": (lambda r: put_all({"train.csv": "train", "validation.jsonl": "validation"}, r), ()),
    "valid": (lambda r: put_all({"train.csv": "train", "valid.csv": "validation"}, r), ()),
    "dev": (lambda r: put_all({"train.tsv": "train", "dev.tsv": "validation", "test.tsv": "x"}, r), ("test.tsv",)),
    "only test": (lambda r: put_all({"train.csv.gz": "train", "test.csv.gz": "validation"}, r), ()),
    "capitals": (lambda r: put_all({"Train.csv": "train", "VALIDATION.csv": "validation"}, r), ()),
    "hub": (lambda r: put_all({"data/train-00000-of-00001.parquet": "train",
                               "data/validation-00000-of-00001-0a1b2c3d4e5f6071.parquet": "validation",
                               "data/test-00000-of-00001.parquet": "x"}, r), ("test-00000-of-00001.parquet",)),
    "hub, one configuration": (lambda r: put_all({"plain_text/train-00000-of-00001.parquet": "train",
                                                  "plain_text/test-00000-of-00001.parquet": "validation"}, r), ()),
    "hub's conversion": (lambda r: put_all({"default/train/0000.parquet": "train",
                                            "default/validation/0000.parquet": "validation"}, r), ()),
    "folders": (lambda r: put_all({"train/a.csv": "train", "test/b.csv": "validation"}, r), ()),
    "saved": (saved, ("test",)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_right_rows_are_learned_from_and_scored_on(tmp_path: Path, layout: str) -> None:
    make, unread = LAYOUTS[layout]
    make(tmp_path / "set")
    given = open_tables(tmp_path / "set")
    data = prepare("mine", given.train, text="text", label="label", validation=given.validation)
    assert data.train.text == part("train")["text"] and data.validation.text == part("validation")["text"]
    assert data.train.labels.tolist() == data.validation.labels.tolist() == part("")["label"]
    assert data.labels == (("no", "a bit", "yes") if layout == "saved" else ("0", "1", "2"))
    assert given.unread == unread and data.split.startswith("all of ")


def test_a_table_in_several_files_is_one_table_in_their_order(tmp_path: Path) -> None:
    for k in range(3):
        put(tmp_path / "set" / f"train-0000{k}-of-00003.parquet", part("train", 5, before=5 * k))
    given = open_tables(tmp_path / "set")
    assert given.validation is None
    data = prepare("mine", given.train, text="text", label="label", validation=given.train)
    assert data.train.text == part("train", 15)["text"] and data.train.labels.tolist() == part("", 15)["label"]
    assert data.split == "all of train (3 files)"
    rows = part("train", 5, before=10) | {"text": ["a", "b", "", "d", "e"]}
    put(tmp_path / "set" / "train-00002-of-00003.parquet", rows)
    with pytest.raises(InputError, match=r"train \(3 files\), row 13: 'text' is empty"):
        prepare("mine", open_tables(tmp_path / "set").train, text="text", label="label")
    put(tmp_path / "set" / "train-00002-of-00003.parquet", {"text": ["a"], "tag": [1]})
    with pytest.raises(InputError, match=r"Unknown column of train-00002-of-00003\.parquet 'label'"):
        prepare("mine", open_tables(tmp_path / "set").train, text="text", label="label")
    (tmp_path / "set" / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(InputError, match=r"holds 2 of 3 files train-\*\. Expected all of them"):
        open_tables(tmp_path / "set")


def test_one_saved_data_set_alone_and_in_several_files(tmp_path: Path) -> None:
    rows = part("train", 40)
    datasets.Dataset.from_dict(rows, features=LABELS).save_to_disk(str(tmp_path / "one"), num_shards=3)
    assert len(list((tmp_path / "one").glob("*.arrow"))) == 3
    given = open_tables(tmp_path / "one")
    data = prepare("mine", given.train, text="text", label="label", validation=given.train)
    assert data.train.text == rows["text"] and data.train.labels.tolist() == rows["label"]
    assert data.labels == ("no", "a bit", "yes") and given.validation is None and given.unread == ()
    datasets.Dataset.from_dict(rows, features=LABELS).to_parquet(tmp_path / "t.parquet")
    same = prepare("mine", open_tables(tmp_path / "t.parquet").train, text="text", label="label")
    assert same.digest == prepare("mine", given.train, text="text", label="label").digest


def state(**changes: Any) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        saved(root)
        file = root / "train" / "state.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return make


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        saved(root)
        (root / "train" / name).write_bytes(content)
    return make


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing": (lambda r: r.mkdir(), "holds no files train.*. Expected train.csv (or .tsv"),
    "only a table": (lambda r: put(r / "reviews.csv", part("x")), "Name the file itself: the last 20 % of its rows"),
    "texts": (lambda r: (r / "train" / "pos").mkdir(parents=True), "holds no files train.*"),
    "two trains": (lambda r: put_all({"train.csv": "a", "train.parquet": "b"}, r), "holds 2 files train.*"),
    "two validations": (lambda r: put_all({"train.csv": "a", "dev.csv": "b", "val.csv": "c"}, r), "holds val and dev"),
    "two configurations": (lambda r: put_all({"en/train.csv": "a", "de/train.csv": "b"}, r),
                           "holds 2 data sets: 'de, en'. Expected one. Name the folder of one"),
    "several kinds": (lambda r: put_all({"train/a.csv": "a", "train/b.jsonl": "b"}, r), "tables of several kinds"),
    "files elsewhere": (state(_data_files=[{"filename": "../../t.arrow"}]), "it names files elsewhere"),
    "a pickle": (state(_data_files=[{"filename": "t.pkl"}]), "it names files elsewhere"),
    "no rows": (state(_data_files=[]), "is a saved data set without rows"),
    "a choice of rows": (state(_indices_files=[{"filename": "i.arrow"}]), "it chooses rows of another"),
    "a file that is gone": (state(_data_files=[{"filename": "gone.arrow"}]), "There is no file"),
    "a list as state": (written("state.json", b"[]"), "state.json is not as `save_to_disk` writes it"),
    "no state": (written("state.json", b"{"), "state.json is not as `save_to_disk` writes it"),
    "deep state": (written("state.json", b"[" * 100_000), "state.json is not as `save_to_disk` writes it"),
    "a long state": (written("state.json", b" " * (1 << 20) + b"{}"), "too long"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_with_a_folder_is_said_in_one_line(cli: Any, tmp_path: Path, what: str) -> None:
    make, words = BAD[what]
    make(tmp_path / "set")
    text = refused(cli("task", "add", "mine", str(tmp_path / "set"), "--text", "text", "--label", "label"))
    assert words in text and text.count("\n") == 1


def test_the_files_of_a_table_are_held_to_the_size_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(3):
        put(tmp_path / "set" / f"train-0000{k}-of-00003.csv.gz", part("train", 300))
    packed = sum(path.stat().st_size for path in (tmp_path / "set").iterdir())
    unpacked = sum(len(file.data) for k in range(3)
                   if (file := open_table(tmp_path / "set" / f"train-0000{k}-of-00003.csv.gz")))
    for largest, words in ((packed - 1, "are larger than"), (unpacked - 1, "unpack to more than")):
        monkeypatch.setattr(folders, "LARGEST", largest)
        with pytest.raises(InputError, match=words):
            open_tables(tmp_path / "set")
    monkeypatch.setattr(folders, "LARGEST", unpacked)
    assert len(open_tables(tmp_path / "set").train.more) == 2
    monkeypatch.setattr(folders, "FILES", 2)
    with pytest.raises(InputError, match="train is 3 files"):
        open_tables(tmp_path / "set")


def test_a_folder_goes_all_the_way_from_the_command_line(cli: Any, tmp_path: Path) -> None:
    saved(tmp_path / "set")
    made = json.loads(cli("task", "add", "mine", str(tmp_path / "set"), "--text", "text", "--label", "label",
                          "--json").stdout)
    assert made["labels"] == ["no", "a bit", "yes"] and (made["train"], made["validation"]) == (12, 12)
    assert made["kind"] == "classes" and "Not read: test." in made["remarks"]
    data = load_task("mine")
    assert data.train.text == part("train")["text"] and data.evaluation.text == part("validation")["text"]
    assert own.find("mine").split == "all of validation"
    os.mkfifo(tmp_path / "set" / "pipe.csv")  # not looked into
    put(tmp_path / "v.csv", {"text": ["a", "b"], "label": ["yes", "no"]})
    said = cli("task", "add", "mine", str(tmp_path / "set"), "--text", "text", "--label", "label", "--validation",
               str(tmp_path / "v.csv")).stdout
    assert "all of v.csv" in said and "Not read: validation, test." in said
    assert load_task("mine").evaluation.labels.tolist() == [2, 0]
