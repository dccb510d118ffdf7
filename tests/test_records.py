"""The header: what decides a run's name, and that its command makes the same run again."""

from __future__ import annotations

import re
import shlex

import msgspec
import pytest

from core.cli.group import main
from core.cli.run import given_of
from core.runs.levels import RECORD_LEVELS
from core.runs.records import ID_RULE, Matrix, RunRecord, RunSpec, command_of
from core.specs.resolving import resolve

GIVEN = (
    {"task": "cola"},
    {"task": "cola", "method": "dense", "epochs": 3, "lr": 3e-5},
    {"task": "cola", "method": "magnitude", "pattern": "1:4"},
    {"task": "mrpc", "method": "asp", "pattern": "unstructured:0.875", "epochs": 2.5, "distill": 0.9, "dropout": 0.1},
    {"task": "sst2", "method": "admm-layer", "pattern": "block:4x4:0.5", "epochs": 2, "train_examples": 10000},
    {"task": "sst2", "method": "admm-layer", "pattern": "global:0.5", "dev_examples": 500, "calibration": 64},
    {"task": "cola", "method": "nxm-admm", "lr": 0.000123456789, "batch_size": 16, "max_length": 64},
    {"task": "cola", "method": "admm", "knobs": {"dual": False, "rho_end": 0.1234567891, "metric": "none"}},
    {"task": "agreement", "model": "tiny"},
    {"task": "agreement", "model": "tiny", "lr": 1e-4, "freeze_embeddings": True, "record": "masks", "epochs": 2},
    {"task": "agreement", "model": "tiny", "method": "dense"},
    {"task": "agreement", "model": "tiny", "method": "dense", "lr": 1e-4, "epochs": 4, "max_length": 128},
    {"task": "cola", "model": "a folder/with 'quotes' $HOME; and more", "freeze_embeddings": False},
)


def typed(command: str) -> dict:
    """What the command line makes of a shell command."""
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "core", "run"]
    run = main.get_command(None, "run")
    options = run.make_context("run", words[4:]).params
    return given_of({k: v for k, v in options.items() if k in RunSpec.__struct_fields__})


@pytest.mark.parametrize("given", GIVEN, ids=lambda g: "-".join(str(v) for v in g.values())[:50])
def test_the_command_of_a_spec_makes_that_spec_again(given: dict) -> None:
    spec = resolve(given)
    assert resolve(typed(command_of(spec))) == spec


@pytest.mark.parametrize(("given", "wanted"), [
    ({"model": "tiny"}, {"lr": 1e-3, "dense_lr": 1e-3, "epochs": 4.0, "dense_epochs": 18.0, "max_length": 48,
                         "freeze_embeddings": False, "record": "full"}),
    ({"model": "tiny", "method": "dense"}, {"lr": 1e-3, "dense_lr": 0.0, "epochs": 18.0, "dense_epochs": 0.0,
                                            "max_length": 48, "freeze_embeddings": False, "record": "full"}),
    ({"model": "tiny", "method": "wanda"}, {"lr": 1e-4, "dense_lr": 1e-3, "epochs": 0.0, "dense_epochs": 18.0,
                                            "max_length": 48, "freeze_embeddings": False, "record": "full"}),
    ({}, {"lr": 1e-4, "dense_lr": 1e-4, "epochs": 4.0, "dense_epochs": 4.0, "max_length": 128,
          "freeze_embeddings": True, "record": "masks"})], ids=["tiny", "tiny-dense", "tiny-wanda", "pretrained"])
def test_the_settings_that_nobody_gave(given: dict, wanted: dict) -> None:
    """Literal: they are what a short command of the documentation trains, and part of every recorded name."""
    spec = resolve({"task": "agreement", **given})
    assert {name: getattr(spec, name) for name in wanted} == wanted
    assert (spec.seed, spec.batch_size, spec.train_examples, spec.distill, spec.dropout) == (0, 32, None, 0.0, 0.0)


def test_the_name_of_a_run_follows_from_all_that_decides_its_outcome() -> None:
    base = RunSpec(task="cola")
    changes = {"task": "mrpc", "model": "tiny", "method": "asp", "pattern": "1:4", "seed": 1, "epochs": 2.0,
               "dense_epochs": 2.0, "lr": 1e-3, "dense_lr": 1e-3, "batch_size": 16, "max_length": 64,
               "train_examples": 10, "dev_examples": 10, "calibration": 64, "distill": 0.5, "dropout": 0.1,
               "freeze_embeddings": False, "knobs": {"rho": 1.0}, "bits": 4, "chunk": 32, "distill_hidden": 1.0,
               "distill_attention": 1.0, "eval_examples": 100, "unseen_examples": 100}
    assert set(changes) | {"record", "film"} == set(RunSpec.__struct_fields__)
    ids = [base.run_id, *(msgspec.structs.replace(base, **{k: v}).run_id for k, v in changes.items())]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("level", RECORD_LEVELS)
def test_how_much_is_kept_does_not_change_the_name(level: str) -> None:
    assert RunSpec(task="cola", record=level, film=24).run_id == RunSpec(task="cola").run_id


def test_the_order_in_which_knobs_are_given_does_not_change_the_name() -> None:
    one, two = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert RunSpec(task="cola", knobs=one).run_id == RunSpec(task="cola", knobs=two).run_id


@pytest.mark.parametrize("model", ["minilm-l6", "/a/very/long/path/to/Some_Model.v2/", "../../etc", "org/" + "x" * 300,
                                   "模型", "-.-"])
@pytest.mark.parametrize("pattern", ["2:4", "16:32", "unstructured:0.99999", "block:16x16:0.5", "global:0.123456789"])
@pytest.mark.parametrize("method", ["admm-layer", "dense"])
def test_every_name_is_one_that_the_store_accepts(model: str, pattern: str, method: str) -> None:
    name = RunSpec(task="entailment", model=model, method=method, pattern=pattern, epochs=12.5).run_id
    assert ID_RULE.fullmatch(name), name
    assert ".." not in name


def test_a_name_begins_with_what_a_person_looks_for() -> None:
    name = RunSpec(task="cola", method="admm", pattern="2:4", epochs=4, seed=3).run_id
    assert re.fullmatch(r"cola-minilm-l6-admm-2of4-e4-s3-[0-9a-f]{8}", name)


def test_sparsity_weighs_matrices_by_their_size() -> None:
    record = RunRecord(schema=1, id="x", status="succeeded", created="", spec=RunSpec(task="cola"), matrices=[
        Matrix(name="a", shape=(10, 10), density=0.5), Matrix(name="b", shape=(10, 30), density=0.25)])
    assert record.sparsity == pytest.approx(1 - (50 + 75) / 400)
    assert msgspec.structs.replace(record, matrices=[]).sparsity == 0.0
