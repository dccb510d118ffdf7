"""A recorded run whose weights ship is measured for real; where its measurement lies; what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from core.cost import forms, kernels, records, summary
from core.cost.container import read
from core.cost.measuring import Asked, measure, time_models, weights_of
from core.cost.records import Cost, Passes
from core.cost.summary import left_flops
from core.errors import InputError
from core.models.checkpoints import open_model
from core.running import pipeline
from core.runs.store import REPOSITORY, Store
from core.sparsity.patterns import parse_pattern
from tests import makers
from tests.commands import refused
from tests.costs import small

CACHED = REPOSITORY / "cached_runs"
PRUNED = "entailment-tiny-admm-2of4-e4-s0-4f5bb55f"
DENSE = "entailment-tiny-dense-s0-bf53fd76"
QUICK = Asked((1, 2), (16, 128), passes=7, warm_up=1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Cost]:
    store = Store(CACHED, tmp_path_factory.mktemp("runs"))
    return store, measure(store.open(PRUNED), store, QUICK)


def test_the_forms_of_a_real_run(measured: tuple[Store, Cost]) -> None:
    store, cost = measured
    state = open_model(store.open(PRUNED).record, store).model.state_dict()
    parameters = sum(v.numel() for name, v in state.items() if not name.endswith("position_ids"))
    pruned = 2 * (4 * 64 * 64 + 2 * 64 * 256)
    dense, packed = cost.forms
    assert (dense.name, packed.name) == ("dense", "packed") and dense.same and packed.same and cost.whole
    assert dense.size - dense.parts["header"] == 4 * parameters == dense.counted // 8
    assert packed.parts["values"] == 4 * pruned // 2 and packed.parts["index"] == pruned // 8
    assert packed.size - packed.parts["header"] == packed.counted // 8
    assert cost.memory == {"dense": 4 * parameters, "pruned": 4 * parameters} and cost.dense_from == DENSE


def test_what_was_timed_and_what_was_not(measured: tuple[Store, Cost]) -> None:
    _, cost = measured
    assert [(p.batch, p.length) for p in cost.passes] == [(1, 16), (2, 16)]
    assert all(set(p.micros) == {"dense", "pruned"} and all(len(t) == 7 and min(t) > 0 for t in p.micros.values())
               for p in cost.passes)
    words = " ".join(cost.left_out)
    assert "tiny reads at most 64 tokens: length 128 was left out." in words
    assert "they need an NVIDIA GPU of compute capability 8.0" in words
    assert cost.environment.processor and cost.environment.threads and cost.environment.packages["torch"]


def test_a_dense_run_is_timed_alone(measured: tuple[Store, Cost]) -> None:
    store, _ = measured
    cost = measure(store.open(DENSE), store, Asked((1,), (8,), 6, 0))
    assert [f.name for f in cost.forms] == ["dense"] and list(cost.passes[0].micros) == ["dense"]


def test_the_model_that_is_written_is_the_checkpoint(measured: tuple[Store, Cost], tmp_path: Path) -> None:
    from core.cost.container import write

    store, _ = measured
    model = open_model(store.open(PRUNED).record, store).model
    path = tmp_path / "packed.safetensors"
    write(path, weights_of(model), parse_pattern("2:4"))
    back = read(path)
    state = model.state_dict()
    assert back.other and all(torch.equal(torch.from_numpy(v), state[n]) for n, v in back.other.items())
    assert all(torch.equal(torch.from_numpy(v), state[f"{n}.weight"]) for n, v in back.matrices.items())


@pytest.fixture(scope="module")
def shrunk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    """A run of a hardly trained tiny that lost whole heads and neurons."""
    store = Store(CACHED, tmp_path_factory.mktemp("shrunk"))
    spec = {"task": "agreement", "model": "tiny", "method": "taylor", "pattern": "units:0.6", "epochs": 0,
            "train_examples": 64, "dense_epochs": 1, "calibration": 16, "record": "full"}
    return store, pipeline.run(pipeline.resolve(spec), store=store).id


def test_a_structured_run_is_written_and_timed_shrunk(shrunk: tuple[Store, str]) -> None:
    store, run_id = shrunk
    run = store.open(run_id)
    cost, units = measure(run, store, Asked((2,), (8,), 6, 0)), run.record.units
    assert units is not None and [(f.name, f.same) for f in cost.forms] == [("dense", True), ("shrunk", True)]
    # A head of 16 has rows of three matrices and columns of one, 64 wide; a neuron a row and a column.
    left = 16 * 4 * 64 * sum(units.heads) + 2 * 64 * sum(units.neurons)
    assert 0 < left <= 0.4 * 98304 and sum(a * b for a, b in cost.shapes.values()) == left
    small = cost.forms[1]
    assert small.parts["other"] + 4 * left == small.size - small.parts["header"] == cost.memory["shrunk"]
    assert set(cost.passes[0].micros) == {"dense", "pruned", "shrunk"}
    assert cost.memory["pruned"] == cost.memory["dense"]
    # Once from the shapes that are left, once from the rows of zeros that the header counts.
    assert left_flops(run.record, cost, 8) == left_flops(run.record, None, 8)


def test_without_its_checkpoint_the_matrices_of_a_structured_run_are_cut(shrunk: tuple[Store, str]) -> None:
    store, run_id = shrunk
    whole, weights = measure(store.open(run_id), store, Asked((1,), (4,), 6, 0)), forms.recorded(store.open(run_id))
    assert weights is not None
    made, _ = forms.forms_of(store.open(run_id), weights[0])
    assert made[1].name == "shrunk" and made[1].parts["values"] == summary.own_bytes(whole.forms[1])


class Slow(torch.nn.Module):
    """A model that notes when it is called."""

    def __init__(self, name: str, log: list[str]) -> None:
        super().__init__()
        self.name, self.log = name, log
        self.config = type("Config", (), {"vocab_size": 3})()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> None:
        assert input_ids.shape == attention_mask.shape == (2, 5) and int(input_ids.max()) < 3
        assert torch.is_inference_mode_enabled()
        self.log.append(self.name)


def test_models_take_turns_and_warm_ups_are_not_counted() -> None:
    log: list[str] = []
    found = time_models({"dense": Slow("dense", log), "pruned": Slow("pruned", log)}, 2, 5, Asked(passes=6, warm_up=3))
    assert {n: len(t) for n, t in found.micros.items()} == {"dense": 6, "pruned": 6}
    assert log == (["dense", "pruned", "pruned", "dense"] * 5)[:18]


def test_what_sparse_kernels_need_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    nm = parse_pattern("2:4")
    assert "GPUs have them for 2:4, not for 1:4" in str(kernels.missing(parse_pattern("1:4")))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "an older GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert "an older GPU has 7.5" in str(kernels.missing(nm))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    assert kernels.missing(nm) is None


# -- without a checkpoint, and where a measurement lies ------------------------------------------------------------


@pytest.mark.parametrize(("level", "pattern", "origin", "names"), [
    ("full", "2:4", "recorded weights", ["dense", "packed"]),
    ("masks", "unstructured:0.5", "masks", ["dense", "packed"])])
def test_without_a_checkpoint_the_sizes_come_from_the_folder_and_check_accepts_it(
    empty_store: Store, cli: Any, level: str, pattern: str, origin: str, names: list[str],
) -> None:
    parent = makers.make_dense(empty_store.recorded)
    run = makers.make_run(empty_store.recorded, parent=parent, record=level, pattern=pattern)
    before = {p: hashlib.sha256(p.read_bytes()).digest() for p in empty_store.recorded.rglob("*") if p.is_file()}
    told = cli("cost", run, "--record")
    assert told.exit_code == 0, told.output
    assert "Nothing was timed: there is no checkpoint of the run here." in told.stdout
    cost = records.load(records.file_of(empty_store.recorded, run))
    assert cost.origin == origin and not cost.whole and [f.name for f in cost.forms] == names
    assert all(f.same for f in cost.forms) and cost.forms[1].parts["values"] == cost.forms[0].parts["values"] // 2
    assert {p: hashlib.sha256(p.read_bytes()).digest() for p in before} == before
    assert cli("check", run).exit_code == 0 and len(json.loads(cli("list", "--json").stdout)) == 2


def test_a_quantised_run_is_written_as_codes() -> None:
    store = Store(CACHED, CACHED / "none")
    run = store.open("entailment-tiny-admm-2of4-int4-e4-s0-134fe6ea")
    cost = measure(run, store, QUICK)
    assert [(f.name, f.same) for f in cost.forms] == [("dense", True), ("packed", True), ("quantised", True)]
    assert cost.forms[2].parts["codes"] == cost.forms[1].parts["values"] // 8


def test_a_run_that_keeps_nothing_of_its_matrices_is_refused_with_the_command(empty_store: Store, cli: Any) -> None:
    run = makers.make_run(empty_store.recorded, record="summary")
    text = refused(cli("cost", run))
    assert "There is no checkpoint" in text and "Make it here: python -m core run" in text
    assert "is failed" in refused(cli("cost", makers.make_run(empty_store.live, status="failed")))
    assert "Unknown run" in refused(cli("cost", "nobody"))
    here = makers.make_run(empty_store.live, seed=5)
    assert "is no recorded run" in refused(cli("cost", here, "--record"))
    assert not (empty_store.recorded / records.FOLDER).exists() and not (empty_store.live / records.FOLDER).exists()


def test_this_machine_s_measurement_hides_the_recorded_one(empty_store: Store) -> None:
    assert records.place_of(empty_store, "a-run") is None and records.stamp_of(None) == ("", ())
    first = records.save(empty_store.recorded, small("a-run"))
    assert records.place_of(empty_store, "a-run") == first
    second = records.save(empty_store.live, small("a-run", warm_up=3))
    assert records.place_of(empty_store, "a-run") == second and records.load(second).warm_up == 3
    assert empty_store.entries() == []  # and no measurement is taken for a run


@pytest.mark.parametrize(("change", "words"), [
    ({"id": "other"}, "says that it is of 'other'"), ({"schema": 99}, "schema 99"), ({"forms": 3}, "is damaged"),
    ({"passes": [{"batch": 1, "length": 8, "micros": {"dense": [1, 2], "pruned": [1]}}]}, "sizes or times"),
    ({"passes": [{"batch": 0, "length": 8, "micros": {"dense": [1]}}]}, "sizes or times that are none"),
    ({"passes": [{"batch": 1, "length": 8, "micros": {"dense": []}}]}, "sizes or times that are none"),
    ({"memory": {"dense": -1}}, "sizes or times that are none")])
def test_a_measurement_that_lies_is_refused(empty_store: Store, change: dict[str, Any], words: str) -> None:
    path = records.save(empty_store.live, small("a-run", passes=[Passes(batch=1, length=8, micros={"dense": [5]})]))
    assert records.load(path).passes[0].micros == {"dense": [5]}
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=words):
        records.load(path)


def test_a_link_is_not_followed(empty_store: Store) -> None:
    path = records.save(empty_store.live, small("a-run"))
    outside = empty_store.live.parent / "outside.json"
    path.rename(outside)
    path.symlink_to(outside)
    for attempt in (lambda: records.load(path), lambda: records.save(empty_store.live, small("a-run"))):
        with pytest.raises(InputError, match="is a link"):
            attempt()
    with pytest.raises(InputError, match="characters that no run id has"):
        records.file_of(empty_store.live, "../x")
