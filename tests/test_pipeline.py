"""Whole runs, end to end, on the smallest model: from a spec to a folder that checks."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification

from core.cli.run import given_of, run_command
from core.errors import InputError
from core.methods import METHODS
from core.models.prunable import prunable
from core.running import pipeline, solving
from core.running.job import Parent
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.records import RunSpec, command_of
from core.runs.store import REPOSITORY, Store, read_header
from core.sparsity.patterns import parse_pattern
from core.specs.resolving import dense_spec
from tests.makers import make_dense

SMALL = {"task": "agreement", "model": "tiny", "train_examples": 320, "dev_examples": 100, "dense_epochs": 1,
         "epochs": 1, "calibration": 32}
PATTERNS = ["2:4", "1:4", "4:8", "3:4", "unstructured:0.6", "global:0.6", "block:4x4:0.5",
            "library:4x4:8:16", "heads:0.5", "neurons:0.6", "modules:0.25", "units:0.7"]
PAIRS = [(method, pattern) for method, entry in METHODS.items() if entry.target
         for pattern in PATTERNS if entry.takes(parse_pattern(pattern))]
UNIT_METHODS = {m for m in METHODS if (m, "units:0.7") in PAIRS}


def usual(method: str, pattern: str) -> bool:
    """Is the pair tried in every run of the tests? 2:4, and a share of the others, another one for the next method: so
    that every method meets several patterns, and all of them meet every pattern."""
    place = list(METHODS).index(method) + PATTERNS.index(pattern)
    return pattern == "2:4" or place % (2 if method in UNIT_METHODS else 3) == 0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("store")
    (root / "cached_runs").mkdir()
    return Store(recorded=root / "cached_runs", live=root / "runs")


def small(**given: object) -> RunSpec:
    values = {**SMALL, **given}
    if METHODS[str(values.get("method", "admm"))].training == "never":
        values.pop("epochs")
    if values.get("method") == "policy-gradient":  # 800 passes by default
        values["knobs"] = {"steps": 40}
    return resolve(values)


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if entry.without])
def test_a_pattern_that_means_nothing_to_a_method_is_refused_before_anything_is_made(method: str) -> None:
    for kind in METHODS[method].without:
        with pytest.raises(InputError, match=f"{method} with the pattern {kind}:0.25.*other than {kind}"):
            small(method=method, pattern=f"{kind}:0.25")
        assert (method, f"{kind}:0.25") not in PAIRS


def test_the_usual_pairs_hold_every_method_and_every_pattern() -> None:
    methods = Counter(m for m, p in PAIRS if usual(m, p))
    assert set(methods) == {m for m, _ in PAIRS} and {p for m, p in PAIRS if usual(m, p)} == set(PATTERNS)
    assert all(n >= 3 for m, n in methods.items() if m not in UNIT_METHODS)


@pytest.mark.parametrize(("method", "pattern"), [
    pytest.param(m, p, marks=[] if usual(m, p) else pytest.mark.slow) for m, p in PAIRS])
def test_every_method_on_every_pattern_leaves_a_run_that_checks(store: Store, method: str, pattern: str) -> None:
    record = run(small(method=method, pattern=pattern), store=store)
    assert record.status == "succeeded"
    assert record.results is not None
    for key in ("dense", "one_shot", "hard_pruned", "final"):
        assert 0.0 <= getattr(record.results, key) <= 1.0
    assert record.environment is not None and record.environment.packages["torch"]
    opened = store.open(record.id)
    report = check(opened)
    assert not report.problems
    assert opened.parent is not None
    steps = SMALL["train_examples"] / 32  # of an epoch
    rows = [row for row in opened.trace if row["phase"] != "layer-wise"]  # rounds without training know no epoch
    assert [row["epoch"] for row in rows] == pytest.approx([row["step"] / steps for row in rows])
    if METHODS[method].training != "never":
        assert (opened.trace[0]["step"], opened.trace[-1]["step"]) == (0, steps) and "score" in opened.trace[0]
    folder = store.live / record.id
    assert not (folder / "resume.safetensors").exists()
    assert not (folder / "partial").exists()


def test_the_exported_model_holds_the_recorded_zeros(store: Store, tmp_path: Path) -> None:
    record = run(small(method="admm", pattern="2:4"), store=store)
    pipeline.export(record.id, store=store, to=tmp_path / "out")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    opened = store.open(record.id)
    for name, layer in prunable(model).items():
        assert np.array_equal(layer.weight.detach().numpy() != 0, opened.mask(name) == 1)
        recorded = opened.weight(name)
        assert recorded is not None
        assert np.allclose(recorded, layer.weight.detach().numpy(), atol=float(np.abs(recorded).max()) / 127)
    with pytest.raises(InputError, match="not empty"):
        pipeline.export(record.id, store=store, to=tmp_path / "out")


def test_admm_records_its_four_accuracies_and_snapshots(store: Store) -> None:
    record = run(small(method="admm", pattern="1:4"), store=store)
    assert record.results is not None
    assert None not in (record.results.admm_w, record.results.admm_z, record.results.hard_pruned, record.results.final)
    trace = store.open(record.id).trace
    assert {"admm", "refine"} <= {row["phase"] for row in trace}
    assert len(record.snapshots) >= 4
    opened = store.open(record.id)
    name = record.matrices[0].name
    w, mask = opened.snapshot(record.snapshots[-1].k, "w", name), opened.snapshot(record.snapshots[-1].k, "mask", name)
    assert w is not None and mask is not None
    assert w.shape == mask.shape == record.matrices[0].shape


def test_a_finished_run_is_not_made_again_unless_asked(store: Store) -> None:
    spec = small(method="magnitude", pattern="2:4")
    first = run(spec, store=store)
    assert run(spec, store=store).created == first.created
    time.sleep(1.1)
    again = run(spec, store=store, again=True)
    assert again.created != first.created
    assert again.results == first.results


@pytest.mark.parametrize("status", ["succeeded", "failed"])
@pytest.mark.parametrize(("how", "kept"), [({"again": True}, set()), ({"resume": True}, {"run.json", "resume"}),
                                           ({"again": True, "resume": True}, {"run.json", "resume"})])
def test_only_a_new_start_empties_the_folder(empty_store: Store, monkeypatch: pytest.MonkeyPatch, status: str,
                                             how: dict[str, bool], kept: set[str]) -> None:
    """What lies there when the run is carried out; a finished one that is only resumed is not carried out at all."""
    spec = dense_spec(small(method="magnitude", pattern="2:4"))
    folder = empty_store.live / make_dense(empty_store.live, id=spec.run_id, status=status)
    (folder / "resume").touch()
    found: list[set[str]] = []
    monkeypatch.setattr(pipeline, "carry_out", lambda spec, parent, at, *rest, **named: found.append(
        {name for name in ("run.json", "resume") if (at / name).exists()}))
    run(spec, store=empty_store, **how)
    assert found == ([kept] if status == "failed" or "again" in how else [])


def test_the_same_spec_gives_the_same_weights(store: Store, tmp_path: Path) -> None:
    other = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    spec = small(method="admm", pattern="4:8")
    one, two = run(spec, store=store), run(spec, store=other)
    assert one.results == two.results
    assert [m.mask_sha256 for m in one.matrices] == [m.mask_sha256 for m in two.matrices]


def test_a_parent_at_hand_is_looked_for_once_and_handed_on(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    spec = small(method="magnitude", pattern="2:4")
    folder = empty_store.recorded / "somewhere"

    def find(of: RunSpec, store: Store) -> Path:
        asked.append(of.run_id)
        return folder

    monkeypatch.setattr(pipeline, "find_checkpoint", find)
    monkeypatch.setattr(pipeline, "carry_out", lambda spec, parent, *rest, **named: (spec, parent))
    assert run(spec, store=empty_store) == (spec, Parent(dense_spec(spec).run_id, folder))
    assert asked == [dense_spec(spec).run_id]
    asked.clear()
    assert run(dense_spec(spec), store=empty_store) == (dense_spec(spec), None)
    assert asked == []


@pytest.mark.slow
def test_a_killed_run_continues_bit_for_bit(store: Store, tmp_path: Path) -> None:
    """SIGKILL in mid-ADMM, then --resume: scores, masks and weights equal those of an uninterrupted run."""
    spec = small(method="admm", pattern="2:4", epochs=12, train_examples=640)
    whole = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "whole")
    expected = run(spec, store=whole)
    env = {**os.environ, "SPARSESCOPE_RUNS": str(tmp_path / "killed"),
           "SPARSESCOPE_CACHED": str(tmp_path / "cached_runs")}
    words = [sys.executable, "-m", "core", "run", "--task", "agreement", "--model", "tiny", "--method", "admm",
             "--pattern", "2:4", "--epochs", "12", "--train-examples", "640", "--dev-examples", "100",
             "--dense-epochs", "1", "--calibration", "32"]
    killed = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "killed")
    process = subprocess.Popen(words, cwd=REPOSITORY, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    resume = killed.live / spec.run_id / "resume.safetensors"
    deadline = time.monotonic() + 100
    while not resume.exists():
        assert process.poll() is None and time.monotonic() < deadline, "the run ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    header = read_header(killed.live / spec.run_id)
    assert header.status == "running"  # nobody was left to say otherwise
    with pytest.raises(InputError, match="--resume"):
        run(spec, store=killed)
    done = run(spec, store=killed, resume=True)
    assert done.results == expected.results
    assert [m.mask_sha256 for m in done.matrices] == [m.mask_sha256 for m in expected.matrices]
    a, b = whole.open(spec.run_id), killed.open(spec.run_id)
    assert a.keys == b.keys
    for key in sorted(a.keys):
        assert np.array_equal(a.array(key), b.array(key)), key  # type: ignore[arg-type]
    steps = [row["step"] for row in b.trace]
    assert steps == [row["step"] for row in a.trace]


def test_a_diverging_run_says_so_and_is_a_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import core.running.training

    monkeypatch.setattr(core.running.training, "task_loss", lambda logits, *rest: logits.sum() * float("nan"))
    dense = {**{k: SMALL[k] for k in ("task", "model", "train_examples", "dev_examples", "epochs")},
             "method": "dense", "seed": 5}
    with pytest.raises(InputError, match="diverged"):
        run(resolve(dense), store=store)
    assert read_header(store.live / resolve(dense).run_id).status == "failed"
    assert "nan" in (read_header(store.live / resolve(dense).run_id).error or "")


def test_a_full_disk_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.running.journal.write_header", full)
    with pytest.raises(InputError, match=r"No space left on device.*Free some space"):
        run(resolve({**SMALL, "method": "dense"}), store=store)


@pytest.mark.parametrize(("given", "words"), [
    ({"task": "colla"}, "Did you mean 'cola'"),
    ({"task": "agreement", "method": "adm"}, "Did you mean 'admm'"),
    ({"task": "agreement", "model": "tiny", "pattern": "5:4"}, "N no larger than M"),
    ({"task": "agreement", "method": "magnitude", "epochs": 3}, "one-shot"),
    ({"task": "agreement", "method": "asp", "epochs": 0}, "more than 0"),
    ({"task": "agreement", "lr": -1.0}, "between 0 and 1"),
    ({"task": "agreement", "pattern": "4:4"}, "keeps every weight"),
    ({"task": "agreement", "batch_size": 0}, "1 to 4096"),
    ({"task": "agreement", "lr": "fast"}, "a number, between 0 and 1"),
    ({"task": "agreement", "knobs": {"rho": 1}}, "Did you mean"),
    ({"task": "agreement", "learning": 1}, "Unknown setting"),
    ({}, "No task")])
def test_a_bad_spec_says_what_to_do(given: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words.replace("'", ".")):
        resolve(given)


def test_a_width_that_no_group_divides_is_refused_before_training(store: Store) -> None:
    with pytest.raises(InputError, match="divisible by 3"):
        run(small(method="magnitude", pattern="1:3"), store=store)


@pytest.mark.parametrize("given", [
    {"method": "admm", "pattern": "1:4", "distill": 0.5, "seed": 3}, {"method": "dense", "lr": 1e-4, "epochs": 2},
    {"method": "asp", "lr": 1e-4, "dense_lr": 1e-4, "freeze_embeddings": True}, {"method": "magnitude"},
    {"method": "admm", "model": "minilm-l6", "knobs": {"rho_end": 0.7, "dual": False}}, {"method": "admm-layer"}])
def test_the_recorded_command_gives_the_spec_back(given: dict[str, object]) -> None:
    spec = resolve({"task": "agreement", "model": "tiny", **given})
    words = shlex.split(command_of(spec))[4:]
    with run_command.make_context("run", words) as context:
        again = resolve(given_of({k: v for k, v in context.params.items() if k in RunSpec.__struct_fields__}))
    assert again == spec


@pytest.mark.parametrize(("status", "found"), [("succeeded", True), ("running", False), ("failed", False)])
def test_only_a_finished_run_lends_its_weights(empty_store: Store, status: str, found: bool) -> None:
    """A run killed while it wrote its checkpoint may have left half a file."""
    name = make_dense(empty_store.live, status=status)
    spec = read_header(empty_store.live / name).spec
    folder = empty_store.live / name / "checkpoint"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"half")
    assert (pipeline.find_checkpoint(spec, empty_store) == folder) is found


@pytest.mark.parametrize(("method", "knobs", "in_order"), [
    ("magnitude", {}, False), ("admm-layer", {}, False), ("admm-layer", {"inputs": "pruned"}, True),
    ("admm", {}, True), ("admm", {"inputs": "dense"}, False)])
def test_a_layer_is_solved_on_the_inputs_that_the_knob_says(store: Store, method: str, knobs: dict[str, str],
                                                            in_order: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dense where a method has no such knob."""
    calls: list[str] = []
    there = solving.solve_in_order
    monkeypatch.setattr(solving, "solve_in_order", lambda *given: (calls.append(method), there(*given))[1])
    assert run(small(method=method, knobs=knobs, calibration=24), store=store).status == "succeeded"
    assert calls == ([method] if in_order else [])
