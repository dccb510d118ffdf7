"""The list of tasks, GLUE from a folder (our own small parquet files), metrics against hand counts, probes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from core.errors import InputError
from core.tasks import TASKS
from core.tasks.loading import entry_of, load_task
from core.tasks.metrics import score
from core.tasks.probes import PROBES, probes_of

GLUE = [name for name, entry in TASKS.items() if entry.kind == "glue"]


@pytest.fixture(autouse=True)
def _no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.delenv("SPARSESCOPE_GLUE_DIR", raising=False)


def write(folder: Path, task: str, split: str, rows: int = 10, **change: object) -> Path:
    """Write a table in the task's columns; *change* replaces columns (None drops one)."""
    entry = TASKS[task]
    columns: dict[str, object] = {c: [f"{split} {c} {i}" for i in range(rows)] for c in entry.columns if c}
    columns["label"] = [i % len(entry.labels) if entry.labels else i / 2 for i in range(rows)]
    columns["idx"] = list(range(rows))
    columns.update(change)
    (folder / task).mkdir(parents=True, exist_ok=True)
    file = folder / task / f"{split}.parquet"
    parquet.write_table(pa.table({k: v for k, v in columns.items() if v is not None}), file)
    return file


def both(folder: Path, task: str, rows: int = 10) -> Path:
    write(folder, task, "train", rows)
    write(folder, task, "validation", rows=5)
    return folder


def test_list_covers_glue_and_ours() -> None:
    assert GLUE == ["cola", "sst2", "mrpc", "stsb", "rte", "wnli", "qnli", "qqp", "mnli"]
    assert [n for n, e in TASKS.items() if e.kind == "built-in"] == ["agreement", "sentiment", "entailment"]
    for entry in TASKS.values():
        assert ("synthetic" in entry.title) == (entry.kind == "built-in")
        assert entry.question.endswith(("?", "5?"))
    assert (TASKS["mrpc"].metric, TASKS["cola"].metric) == ("accuracy_f1_mean", "matthews_correlation")
    assert TASKS["stsb"].outputs == 1 and TASKS["mnli"].outputs == 3


def test_list_imports_nothing_heavy() -> None:
    code = ("import sys, core.tasks, core.tasks.probes, core.models.loading\n"
            "print([m for m in ('torch','datasets','pandas','pyarrow','transformers','sklearn') if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                         cwd=Path(__file__).parents[1])
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("task", GLUE)
def test_reads_every_glue_task(tmp_path: Path, task: str) -> None:
    data = load_task(task, data_dir=both(tmp_path, task))
    first, second = TASKS[task].columns
    assert data.train.text == [f"train {first} {i}" for i in range(10)]
    assert data.evaluation.text[4] == f"validation {first} 4" and data.split == "validation"
    assert data.train.pair == (None if second is None else [f"train {second} {i}" for i in range(10)])
    if task == "stsb":
        assert data.train.labels.dtype == np.float32 and data.train.labels[3] == 1.5
    else:
        assert data.train.labels.dtype == np.int64 and data.train.labels[1] == 1


@pytest.mark.parametrize(("task", "held"), [("rte", "validation"), ("mnli", "validation_matched")])
def test_reads_the_files_as_the_hub_keeps_them(tmp_path: Path, task: str, held: str) -> None:
    plain = load_task(task, data_dir=both(tmp_path / "plain", task))
    for k, rows in enumerate((range(4), range(4, 10))):
        table = parquet.read_table(tmp_path / "plain" / task / "train.parquet").take(list(rows))
        (tmp_path / "hub" / task).mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, tmp_path / "hub" / task / f"train-0000{k}-of-00002.parquet")
    file = tmp_path / "hub" / task / f"{held}-00000-of-00001.parquet"
    (tmp_path / "plain" / task / "validation.parquet").rename(file)
    found = load_task(task, data_dir=tmp_path / "hub")
    assert found.train.text == plain.train.text and found.train.labels.tolist() == plain.train.labels.tolist()
    assert found.evaluation.text == plain.evaluation.text and found.split == "validation"
    (tmp_path / "hub" / task / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(InputError, match=r"holds 1 of 2 files train-\*\. Expected all of them"):
        load_task(task, data_dir=tmp_path / "hub")


def test_folder_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_GLUE_DIR", str(both(tmp_path, "rte")))
    assert len(load_task("rte").train) == 10


def test_subset_is_nested_and_disjoint_from_the_held_out(tmp_path: Path) -> None:
    folder = both(tmp_path, "sst2", rows=40)
    small, large = (load_task("sst2", data_dir=folder, train_examples=n, dev_examples=12) for n in (5, 20))
    assert large.train.text[:5] == small.train.text and len(large.train) == 20
    assert small.split == "held out of train" and len(small.evaluation) == 12
    assert small.evaluation.text == large.evaluation.text
    assert not set(large.train.text) & set(large.evaluation.text)
    assert all(text.startswith("train") for text in large.evaluation.text)
    for text, label in zip(large.train.text, large.train.labels, strict=True):
        assert label == int(text.split()[-1]) % 2  # a label travels with its text
    rest = load_task("sst2", data_dir=folder, dev_examples=12)
    assert sorted(rest.train.text + rest.evaluation.text) == sorted(load_task("sst2", data_dir=folder).train.text)
    assert load_task("sst2", data_dir=folder, train_examples=5).train.text == small.train.text
    assert len(load_task("sst2", data_dir=folder, train_examples=999).train) == 40


def test_held_out_needs_no_validation_file(tmp_path: Path) -> None:
    write(tmp_path, "qqp", "train")
    assert len(load_task("qqp", data_dir=tmp_path, dev_examples=3).evaluation) == 3
    with pytest.raises(InputError, match=r"qqp/validation\.parquet is missing.*--dev-examples"):
        load_task("qqp", data_dir=tmp_path)


@pytest.mark.parametrize(("task", "change", "message"), [
    ("cola", {"sentence": None}, r"cola/train\.parquet has no column 'sentence'; it has label, idx\. Expected the"),
    ("mrpc", {"label": None}, r"mrpc/train\.parquet has no column 'label'"),
    ("rte", {"label": [-1] * 10}, r"rte/train\.parquet, column 'label', row 0 is unlabelled \(-1\)"),
    ("rte", {"label": [0, 1, None] + [0] * 7}, r"column 'label', row 2 is unlabelled \(None\)"),
    ("cola", {"label": [0, 1, 2] + [0] * 7}, r"row 2 holds '2'\. Expected a code: 0 unacceptable, 1 acceptable"),
    ("cola", {"label": ["no"] * 10}, r"row 0 holds 'no'"),
    ("stsb", {"label": [float("nan")] * 10}, r"row 0 holds 'nan'\. Expected a number from 0 to 5"),
    ("stsb", {"label": [5.5] * 10}, r"row 0 holds '5\.5'"),
    ("mrpc", {"sentence2": ["x"] * 9 + [None]}, r"mrpc/train\.parquet, column 'sentence2', row 9 holds no text"),
    ("sst2", {"sentence": list(range(10))}, r"column 'sentence', row 0 holds no text \('0'\)"),
])
def test_bad_tables_are_named(tmp_path: Path, task: str, change: dict[str, object], message: str) -> None:
    both(tmp_path, task)
    write(tmp_path, task, "train", **change)
    with pytest.raises(InputError, match=message):
        load_task(task, data_dir=tmp_path)


def test_empty_or_broken_file(tmp_path: Path) -> None:
    both(tmp_path, "cola")
    file = tmp_path / "cola" / "train.parquet"
    parquet.write_table(parquet.read_table(file).slice(0, 0), file)
    with pytest.raises(InputError, match=r"cola/train\.parquet is empty"):
        load_task("cola", data_dir=tmp_path)
    file.write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"cola/train\.parquet cannot be read .*a parquet file"):
        load_task("cola", data_dir=tmp_path)
    file.unlink()
    with pytest.raises(InputError, match=r"cola/train\.parquet is missing"):
        load_task("cola", data_dir=tmp_path)


def test_nothing_reachable_says_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the hub\nsecond line")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(InputError) as caught:
        load_task("mrpc")
    text = str(caught.value)
    for part in ("SPARSESCOPE_GLUE_DIR (not set)", "nyu-mll/glue", "no route to the hub", "--data-dir",
                 "agreement, sentiment, entailment"):
        assert part in text
    assert "\n" not in text
    with pytest.raises(InputError, match="no such folder"):
        load_task("mrpc", data_dir=tmp_path)
    with pytest.raises(InputError, match=r"--data-dir names .*which is no folder"):
        load_task("mrpc", data_dir=tmp_path / "gone")


def test_hub_is_asked_for_the_matched_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked = []

    def give(path: str, name: str, split: str) -> datasets.Dataset:
        asked.append((path, name, split))
        return datasets.Dataset.from_dict({"premise": ["a", "b"], "hypothesis": ["c", "d"], "label": [0, 2]})

    monkeypatch.setattr(datasets, "load_dataset", give)
    data = load_task("mnli")
    assert asked == [("nyu-mll/glue", "mnli", "train"), ("nyu-mll/glue", "mnli", "validation_matched")]
    assert data.train.pair == ["c", "d"] and data.evaluation.labels.tolist() == [0, 2]


def test_numbers_and_names_out_of_range(tmp_path: Path) -> None:
    folder = both(tmp_path, "cola")
    for wrong, message in (({"train_examples": 0}, "train_examples is 0"), ({"dev_examples": -1}, "dev_examples is -1"),
                           ({"dev_examples": 10}, "cola has 10 to train on")):
        with pytest.raises(InputError, match=message):
            load_task("cola", data_dir=folder, **wrong)
    with pytest.raises(InputError, match=r"Unknown task 'mprc'.*Did you mean 'mrpc'"):
        entry_of("mprc")


# --- metrics ----------------------------------------------------------------------------------------------------------

def logits_for(codes: list[int], classes: int) -> np.ndarray:
    return np.eye(classes)[codes] * 3.0 - 1.0


def test_accuracy_f1_and_matthews_against_counts() -> None:
    labels, guessed = np.array([1, 1, 1, 0, 0, 1]), [1, 1, 0, 0, 1, 1]
    tp, fp, fn, tn = 3, 1, 1, 1
    pair = score(TASKS["mrpc"], logits_for(guessed, 2), labels)
    assert pair["accuracy"] == pytest.approx((tp + tn) / 6)
    assert pair["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert pair["score"] == pytest.approx((pair["accuracy"] + pair["f1"]) / 2)
    bottom = ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    assert score(TASKS["cola"], logits_for(guessed, 2), labels)["score"] == pytest.approx((tp * tn - fp * fn) / bottom)


def test_correlations_against_their_definition() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(50).astype(np.float32) * 5
    guessed = labels**3 + rng.random(50)
    found = score(TASKS["stsb"], guessed[:, None], labels)
    ranks = [np.argsort(np.argsort(v)) for v in (guessed, labels)]
    assert found["pearson"] == pytest.approx(np.corrcoef(guessed, labels)[0, 1])
    assert found["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert found["score"] == pytest.approx((found["pearson"] + found["spearman"]) / 2)


@pytest.mark.filterwarnings("error")
def test_constant_predictions_score_zero() -> None:
    labels = np.array([0, 1, 1, 1])
    assert score(TASKS["cola"], logits_for([1, 1, 1, 1], 2), labels)["score"] == 0.0
    assert score(TASKS["mrpc"], logits_for([0, 0, 0, 0], 2), labels)["f1"] == 0.0
    assert score(TASKS["stsb"], np.full((4, 1), 2.5), labels.astype(np.float32))["score"] == 0.0


def test_scores_that_cannot_be() -> None:
    with pytest.raises(FloatingPointError, match="NaN"):
        score(TASKS["rte"], np.array([[np.nan, 0.0]]), np.array([0]))
    with pytest.raises(ValueError, match="3 classes"):
        score(TASKS["mnli"], np.zeros((2, 2)), np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="1 predictions for 2"):
        score(TASKS["rte"], np.zeros((1, 2)), np.zeros(2, dtype=np.int64))


# --- probes -----------------------------------------------------------------------------------------------------------

def test_every_task_has_four_probes_of_its_kind() -> None:
    assert list(PROBES) == list(TASKS)
    for name, probes in PROBES.items():
        assert [probe.id for probe in probes] == ["p0", "p1", "p2", "p3"]
        assert len({(probe.text, probe.pair) for probe in probes}) == 4
        assert all((probe.pair is not None) == (TASKS[name].columns[1] is not None) for probe in probes)
    with pytest.raises(InputError, match="Unknown task"):
        probes_of("nope")
