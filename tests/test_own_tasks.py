"""Own tasks from the command line to the score: kept, found again, run, never mixed, refused in words."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as parquet
import pytest
import torch
import transformers

from core.errors import InputError
from core.models.tiny import tiny_tokenizer
from core.runs.store import REPOSITORY, read_header
from core.specs.resolving import resolve
from core.tasks import TASKS, own, title_of
from core.tasks.loading import entry_of, load_task
from core.tasks.probes import PROBES, probes_of
from tests.commands import refused

GOOD, BAD = ("good", "great", "lovely"), ("bad", "awful", "dull")
ADD = ("--text", "review", "--label", "verdict")


def reviews(path: Path, n: int, seed: int) -> list[tuple[str, str]]:
    """A CSV of *n* reviews in words that `tiny` knows, with markup here and there; its rows."""
    draw = random.Random(seed)
    rows = []
    for k in range(n):
        label = "praise" if draw.random() < 0.5 else "blame"
        words = f"the {draw.choice(('film', 'song'))} was {draw.choice(GOOD if label == 'praise' else BAD)}"
        rows.append((f"<b>{words}</b>" if k % 7 == 0 else words, label))
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("review", "verdict"))
        writer.writerows(rows)
    return rows


def test_a_table_becomes_a_task_and_its_run_scores_what_a_plain_loop_counts(cli: Any, tmp_path: Path) -> None:
    reviews(tmp_path / "t.csv", 60, 0)
    held = reviews(tmp_path / "v.csv", 23, 1)
    made = json.loads(cli("task", "add", "mine", str(tmp_path / "t.csv"), *ADD, "--validation", str(tmp_path / "v.csv"),
                          "--json").stdout)
    full = made["task"]
    assert (made["train"], made["validation"], made["labels"]) == (60, 23, ["blame", "praise"])
    result = cli("run", "--task", "own:mine", "--model", "tiny", "--method", "magnitude", "--dense-epochs", "2",
                 "--record", "masks", "--json")
    assert result.exit_code == 0, result.output
    record = read_header(tmp_path / "runs" / json.loads(result.stdout)["id"])
    assert record.spec.task == full == entry_of("mine").name and record.labels == ["blame", "praise"]
    assert f"--task {full}" in record.command
    folder = tmp_path / "runs" / record.id / "checkpoint"
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer, right = tiny_tokenizer(), 0
    with torch.no_grad():
        for text, label in held:  # one at a time: no batches, no padding
            answer = model(**tokenizer(text, return_tensors="pt")).logits.argmax().item()
            right += ("blame", "praise")[answer] == label
    assert record.results is not None and record.results.n_eval == 23
    assert record.results.final == pytest.approx(right / 23, abs=1e-12)
    kept = (tmp_path / "runs" / record.id / "run.json").read_text()
    assert [p.text for p in record.probes] == [p.text for p in PROBES["sst2"]] and "<b>" not in kept


def test_other_data_are_another_task_and_another_run_and_the_old_ones_stay(cli: Any, tmp_path: Path) -> None:
    fulls = []
    for seed in (0, 1):
        reviews(tmp_path / "t.csv", 60, seed)
        fulls.append(json.loads(cli("task", "add", "mine", str(tmp_path / "t.csv"), *ADD, "--json").stdout)["task"])
        assert entry_of("mine").name == entry_of("own:mine").name == fulls[-1]
    specs = [resolve({"task": full, "model": "tiny"}) for full in fulls]
    assert specs[0].digest != specs[1].digest and resolve({"task": "mine", "model": "tiny"}) == specs[1]
    assert load_task(fulls[0]).train.text != load_task(fulls[1]).train.text
    assert title_of(fulls[0]) == f"mine (own data, {fulls[0][-8:-4]})" != title_of(fulls[1])
    reviews(tmp_path / "t.csv", 60, 0)
    cli("task", "add", "mine", str(tmp_path / "t.csv"), *ADD)  # the first version again: it is the latest now
    assert entry_of("mine").name == fulls[0] and len(own.registered()) == 2
    assert [line.split()[0] for line in cli("tasks").stdout.splitlines()[2:]] == [*TASKS, fulls[0], fulls[1]]
    assert [o["task"] for o in json.loads(cli("task", "list", "--json").stdout)] == [fulls[0], fulls[1]]
    assert json.loads(cli("task", "remove", fulls[1], "--json").stdout) == [fulls[1]]
    assert "not on this machine" in refused(cli("run", "--task", fulls[1]))
    assert cli("task", "remove", "mine").exit_code == 0 and own.registered() == []
    assert "Unknown task 'own:mine'" in refused(cli("run", "--task", "own:mine"))
    assert "No task was added" in cli("task", "list").stdout


def test_pairs_and_numbers_come_back_as_they_were(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("".join(
        json.dumps({"a": f"one {k}", "b": f"two {k}", "y": k / 4}) + "\n" for k in range(20)))
    assert cli("task", "add", "near", str(tmp_path / "t.jsonl"), "--text", "a", "--pair", "b", "--label", "y",
               "--metric", "spearman").exit_code == 0
    data = load_task("near", train_examples=5)
    assert data.entry.outputs == 1 and data.entry.metric == "spearman" and len(data.train) == 5
    for part in (data.train, data.evaluation, load_task("near", dev_examples=3).evaluation):
        assert part.pair == [text.replace("one", "two") for text in part.text]
        assert [float(v) * 4 for v in part.labels] == [float(text.split()[1]) for text in part.text]
    assert [p.text for p in probes_of("near")] == [p.text for p in PROBES["mrpc"]]


def test_a_regression_is_called_one_and_the_other_way_is_open(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",text,y,\n" + "".join(f"{k},text {k},{k % 4}.0,\n" for k in range(20)))
    add = ("task", "add", "near", str(tmp_path / "t.csv"), "--text", "text", "--label", "y")
    said = cli(*add)
    assert said.exit_code == 0 and "Regression: the labels are numbers, from 0 to 3" in said.stdout
    assert "16 rows to learn from, 4 to score on, a regression\n" in said.stdout
    assert "choose that (--as classes)" in said.stdout and load_task("near").entry.outputs == 1
    assert json.loads(cli(*add, "--json").stdout)["kind"] == "regression"
    said = cli(*add, "--as", "classes")
    assert said.exit_code == 0 and "Regression" not in said.stdout and load_task("near").entry.outputs == 4
    assert "regression" in json.loads(cli(*add, "--as", "regression", "--json").stdout)["kind"]


def test_many_classes_are_counted_and_not_all_printed(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,y\n" + "".join(f"text {k},intent {k % 77:02d}\n" for k in range(770)))
    said = cli("task", "add", "bank", str(tmp_path / "t.csv"), "--text", "text", "--label", "y").stdout
    assert "and 57 more classes" in said and "intent 19" in said and "intent 20 " not in said
    assert "and 67 more" in cli("task", "list").stdout
    entry = load_task("bank").entry
    assert entry.outputs == 77 and entry.labels == tuple(f"intent {k:02d}" for k in range(77))


@pytest.mark.parametrize(("words", "message"), [
    (("Mine",), "Task name 'Mine'"), (("../x",), "Task name"), (("own-x",), "not beginning with - or own-"),
    (("mrpc",), "taken by a task of the list"), (("x" * 32,), "1 to 31"), ((), "add without NAME")])
def test_a_bad_name_is_refused(cli: Any, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    reviews(tmp_path / "t.csv", 20, 0)
    file = (str(tmp_path / "t.csv"), *ADD) if words else ()
    assert message in refused(cli("task", "add", *words, *file))
    assert not (tmp_path / "runs" / ".tasks").exists()


@pytest.mark.parametrize(("options", "message"), [
    (("--label", "verdict"), "add without --text COLUMN"), (("--text", "review"), "add without --label COLUMN"),
    (("--text", "review", "--label", "review"), "a different column for each"),
    (("--text", "reviw", "--label", "verdict"), "Did you mean 'review'?"),
    ((*ADD, "--metric", "acuracy"), "Unknown metric"), ((*ADD, "--validation", "gone.csv"), "no file 'gone.csv'")])
def test_bad_options_are_refused_in_one_line(cli: Any, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    reviews(tmp_path / "t.csv", 20, 0)
    text = refused(cli("task", "add", "mine", str(tmp_path / "t.csv"), *options))
    assert message in text and text.count("\n") == 1


def test_a_bad_row_and_hostile_words_are_refused_in_one_line(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "evil\n\x1b[2J.csv").write_text("review,verdict\n" + "fine,a\nfine,b\n" * 6 + ",a\n")
    text = refused(cli("task", "add", "mine", str(tmp_path / "evil\n\x1b[2J.csv"), *ADD))
    assert "row 13: 'review' is empty" in text and text.count("\n") == 1 and "\x1b" not in text


@pytest.fixture
def kept(cli: Any, tmp_path: Path) -> Path:
    """The folder of an own task."""
    reviews(tmp_path / "t.csv", 20, 0)
    assert cli("task", "add", "mine", str(tmp_path / "t.csv"), *ADD).exit_code == 0
    return tmp_path / "runs" / ".tasks" / own.registered()[0].full


def test_data_changed_on_disk_are_noticed(kept: Path, tmp_path: Path, cli: Any) -> None:
    table = parquet.read_table(kept / "train.parquet")
    texts = table.column("text").to_pylist()
    parquet.write_table(table.set_column(0, "text", [[texts[0] + "!", *texts[1:]]]), kept / "train.parquet")
    with pytest.raises(InputError, match="have changed on disk"):
        load_task("mine")
    cli("task", "add", "mine", str(tmp_path / "t.csv"), *ADD)  # adding it again mends it
    assert load_task("mine").train.text == texts


@pytest.mark.parametrize("damage", ["cut", "other", "extra", "link", "gone", "parquet", "missing"])
def test_a_damaged_own_task_is_said_and_stops_no_list(kept: Path, cli: Any, damage: str) -> None:
    header, plain = kept / "task.json", json.loads((kept / "task.json").read_text())
    full = kept.name
    if damage == "cut":
        header.write_bytes(header.read_bytes()[:50])
    elif damage == "other":
        header.write_text(json.dumps(plain | {"name": "another"}))
    elif damage == "extra":
        header.write_text(json.dumps(plain | {"run": "rm"}))
    elif damage == "link":
        header.rename(kept.parent / "outside.json")
        header.symlink_to(kept.parent / "outside.json")
    elif damage == "gone":
        header.unlink()
    elif damage == "parquet":
        (kept / "validation.parquet").write_bytes(b"\x80\x04\x95" + b"c" * 90)
    else:
        (kept / "train.parquet").unlink()
    with pytest.raises(InputError, match=r"damaged|cannot be read"):
        load_task(full)
    assert cli("tasks").exit_code == 0 and cli("task", "list").exit_code == 0
    assert cli("task", "remove", full).exit_code == 0 and not kept.exists()


def test_there_is_an_end_to_the_room_and_a_demonstration_takes_nothing_in(
        kept: Path, cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "MOST", 1)
    reviews(tmp_path / "t.csv", 30, 5)
    assert "1 own tasks already" in refused(cli("task", "add", "more", str(tmp_path / "t.csv"), *ADD))
    monkeypatch.setattr(own, "MOST", 50)
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    for words in (("add", "more", str(tmp_path / "t.csv"), *ADD), ("remove", "mine")):
        assert "in this demonstration" in refused(cli("task", *words))
    assert [p.name for p in kept.parent.iterdir()] == [kept.name]


@pytest.mark.parametrize("name", ["own:../../x", "own:", "own-../x-00000000", "", "own-x-0000000g", "a/b"])
def test_a_name_never_leads_out_of_the_folder(kept: Path, name: str) -> None:
    (kept.parent / "own-x-00000000").symlink_to(kept)
    for asked in (name, "own-x-00000000"):
        with pytest.raises(InputError):
            entry_of(asked)


def test_recorded_runs_keep_their_ids_beside_own_tasks(kept: Path) -> None:
    recorded = {header.spec.task: header for folder in sorted((REPOSITORY / "cached_runs").glob("[a-z]*"))
                if (header := read_header(folder)).spec.method != "dense"}
    assert len(recorded) >= 4
    for header in recorded.values():
        assert resolve(msgspec.to_builtins(header.spec)).run_id == header.id
