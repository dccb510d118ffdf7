"""Scoring a finished run again: the recorded score is found, answers are added to old runs and nothing else changes."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import InputError
from core.running import pipeline
from core.running.evaluating import evaluate, keep_answers
from core.runs.answers import flips, read
from core.runs.checks.folder_check import check
from core.runs.store import ARRAYS, CHECKPOINT, Store
from core.runs.writers import alone
from core.tasks.loading import load_task
from tests import makers
from tests.commands import refused
from tests.damage import change_header, replace_arrays

SMALL = {"model": "tiny", "train_examples": 64, "dense_epochs": 1, "calibration": 16, "pattern": "2:4",
         "method": "magnitude", "record": "summary"}
WORDS = ["the", "dog", "dogs", "near", "a", "tree", "sleeps", "sleep", "every", "no", "cat"]


def glue(folder: Path) -> Path:
    """Small files of ours in the columns of STS-B and CoLA: 80 rows to train on, 40 to score on."""
    rng = np.random.default_rng(5)
    for task, columns in (("stsb", ("sentence1", "sentence2")), ("cola", ("sentence",))):
        (folder / task).mkdir(parents=True)
        for split, n in (("train", 80), ("validation", 40)):
            texts = {c: [" ".join(rng.choice(WORDS, 6)) for _ in range(n)] for c in columns}
            label = rng.uniform(0, 5, n).astype(np.float32) if task == "stsb" else rng.integers(0, 2, n)
            parquet.write_table(pa.table({**texts, "label": label}), folder / task / f"{split}.parquet")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Path, dict[str, str]]:
    """A store with a dense and a pruned run of three tasks, the folder of their data, and the pruned runs' ids."""
    root = tmp_path_factory.mktemp("evaluating")
    data = glue(root / "glue")
    store = Store(recorded=root / "cached_runs", live=root / "runs")
    store.recorded.mkdir()
    ids = {}
    for task in ("agreement", "stsb", "cola"):
        dev = {"dev_examples": 60} if task == "agreement" else {}
        ids[task] = pipeline.run(pipeline.resolve({**SMALL, **dev, "task": task}), store=store, data_dir=data).id
    return store, data, ids


@pytest.fixture
def copied(made: tuple[Store, Path, dict[str, str]], tmp_path: Path) -> tuple[Store, Path, dict[str, str]]:
    """The same in a store of the test's own, where `cli` looks."""
    shutil.copytree(made[0].live, tmp_path / "runs")
    (tmp_path / "cached_runs").mkdir()
    return Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs"), *made[1:]


def forget(store: Store, run_id: str) -> None:
    """Make *run_id* as if it had been made before answers were kept."""
    replace_arrays(store.live / run_id, {"answers/logits": None, "answers/labels": None})


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}


def told_by(result: Any) -> dict[str, Any]:
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("task", ["agreement", "stsb", "cola"])
def test_a_run_keeps_the_answers_that_give_its_score(task: str, made: tuple[Store, Path, dict[str, str]]) -> None:
    store, data, ids = made
    run = store.open(ids[task])
    results = run.record.results
    assert results is not None and run.parent is not None and run.parent.record.results is not None
    examples = load_task(task, data_dir=data, train_examples=64, dev_examples=60 if task == "agreement" else 0)
    for one in (run, run.parent):
        answers, said = read(one), one.record.results
        assert said is not None and said.final is not None
        assert np.array_equal(answers.labels, examples.evaluation.labels.astype(answers.labels.dtype))
        assert not check(one).problems
        assert any(said.metric in text and "answers to" in text for text in check(one).verified)
        if task == "agreement":
            right = sum(max(range(2), key=lambda c, row=row: row[c]) == y  # type: ignore[misc]
                        for row, y in zip(answers.logits.tolist(), answers.labels.tolist(), strict=True))
            assert said.final == pytest.approx(right / 60)
    if task == "agreement":
        found = flips(read(run.parent), read(run))
        assert results.final is not None and run.parent.record.results.final is not None
        assert len(found.mended) - len(found.broken) == round(
            60 * (results.final - run.parent.record.results.final))


@pytest.mark.parametrize("task", ["agreement", "stsb", "cola"])
def test_the_checkpoint_scores_what_was_recorded_and_says_the_same(
        task: str, made: tuple[Store, Path, dict[str, str]]) -> None:
    store, data, ids = made
    run = store.open(ids[task])
    found = evaluate(run.record, store, data)
    assert found.reproduced and abs(found.difference) <= 1e-6
    assert np.allclose(found.answers.logits, read(run).logits, atol=1e-5)  # one order of sums, one machine
    assert np.array_equal(found.answers.labels, read(run).labels)
    assert keep_answers(run, found, store) is False


@pytest.mark.parametrize("task", ["agreement", "stsb"])
def test_recording_adds_the_answers_and_changes_nothing_else(
        task: str, copied: tuple[Store, Path, dict[str, str]], cli: Any) -> None:
    store, data, ids = copied
    run_id, folder = ids[task], store.live / ids[task]
    forget(store, run_id)
    files, arrays = digests(folder), load_file(folder / ARRAYS)
    told = told_by(cli("evaluate", run_id, "--data-dir", str(data), "--json"))
    assert told["reproduced"] and told["answers_added"] is None and digests(folder) == files
    told = told_by(cli("evaluate", run_id, "--data-dir", str(data), "--record", "--json"))
    assert told["answers_added"] is True
    after = digests(folder)
    assert {name for name in files if files[name] != after.get(name)} == {ARRAYS} and set(after) == set(files)
    held = load_file(folder / ARRAYS)
    assert set(held) - set(arrays) == {"answers/logits", "answers/labels"}
    assert all(held[k].dtype == v.dtype and held[k].tobytes() == v.tobytes() for k, v in arrays.items())
    assert not check(store.open(run_id)).problems
    again = cli("evaluate", run_id, "--data-dir", str(data), "--record")
    assert again.exit_code == 0 and "has its answers already" in again.stdout and digests(folder) == after


def test_a_run_scored_on_a_part_is_scored_on_that_part_again(made: tuple[Store, Path, dict[str, str]]) -> None:
    store, data, _ = made
    run = store.open(pipeline.run(pipeline.resolve({**SMALL, "task": "cola", "eval_examples": 9}), store=store,
                                  data_dir=data).id)
    found = evaluate(run.record, store, data)
    assert len(found.answers) == 9 and found.reproduced and not check(run).problems
    whole = load_task("cola", data_dir=data).evaluation.labels
    assert found.answers.labels.tolist() == [int(whole[int(i * 40 / 9)]) for i in range(9)]
    assert run.parent is not None
    with pytest.raises(InputError, match="different examples"):
        flips(read(run.parent), read(run))


def test_another_model_than_the_recorded_is_not_reproduced_and_not_kept(
        copied: tuple[Store, Path, dict[str, str]], cli: Any) -> None:
    store, _, ids = copied
    run_id, folder = ids["agreement"], store.live / ids["agreement"]
    forget(store, run_id)
    weights = folder / CHECKPOINT / "model.safetensors"
    changed = load_file(weights)
    changed["classifier.weight"] = changed["classifier.weight"] * -1
    changed["classifier.bias"] = changed["classifier.bias"] * -1
    save_file(changed, weights, metadata={"format": "pt"})
    files = digests(folder)
    told = cli("evaluate", run_id)
    results = store.open(run_id).record.results
    assert results is not None and results.final is not None
    assert told.exit_code == 1 and "NOT reproduced" in told.stdout
    assert f"{1 - results.final:.6f}" in told.stdout  # of two classes the other, every time
    assert "are not added" in refused(cli("evaluate", run_id, "--record"))
    assert digests(folder) == files


def test_what_cannot_be_scored_is_refused_plainly(copied: tuple[Store, Path, dict[str, str]], cli: Any) -> None:
    store, data, ids = copied
    old = makers.make_run(store.recorded)
    failed = makers.make_run(store.live, status="failed", seed=3)
    assert "no checkpoint" in refused(cli("evaluate", old))
    assert "is failed" in refused(cli("evaluate", failed))
    assert "Unknown run" in refused(cli("evaluate", "nobody"))
    both = cli("evaluate", old, ids["agreement"])
    assert both.exit_code == 1 and "refused" in both.stdout and "reproduced" in both.stdout
    rows = parquet.read_table(data / "cola" / "validation.parquet")
    other = store.live.parent / "other"
    (other / "cola").mkdir(parents=True)
    shutil.copyfile(data / "cola" / "train.parquet", other / "cola" / "train.parquet")
    parquet.write_table(rows.slice(0, 30), other / "cola" / "validation.parquet")
    assert "30 examples" in refused(cli("evaluate", ids["cola"], "--data-dir", str(other)))


def test_answers_wait_for_no_other_writer_and_are_not_put_into_another_run(
        copied: tuple[Store, Path, dict[str, str]]) -> None:
    store, _, ids = copied
    run_id = ids["agreement"]
    forget(store, run_id)
    run, files = store.open(run_id), digests(store.live / run_id)
    found = evaluate(run.record, store)
    with alone(store, run_id), pytest.raises(InputError, match="another process"):
        keep_answers(run, found, store)
    assert digests(run.path) == files
    change_header(run.path, created="2026-02-02T00:00:00+00:00")
    files = digests(run.path)
    with pytest.raises(InputError, match="made again"):
        keep_answers(run, found, store)
    assert digests(run.path) == files


def test_a_recorded_run_is_never_written_to(copied: tuple[Store, Path, dict[str, str]]) -> None:
    store, _, ids = copied
    run_id = ids["agreement"]
    shutil.move(store.live / run_id, store.recorded / run_id)
    run = store.open(run_id)
    files = digests(run.path)
    found = evaluate(run.record, store)
    assert found.reproduced
    with pytest.raises(InputError, match="recorded run"):
        keep_answers(run, found, store)
    assert digests(run.path) == files
