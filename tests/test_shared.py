"""What runs of one sweep have in common is worked out once, and no bit of their results tells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from core.cli.group import main
from core.inside import calibration
from core.methods.straight_through import holding
from core.models.encoding import Encoded
from core.models.prunable import prunable
from core.models.tiny import tiny_model
from core.running import calibrating, preparing
from core.running.pipeline import resolve, run
from core.running.shared import Shared, digest_of, state_of
from core.runs.checks.folder_check import check
from core.runs.store import Store
from core.specs.recipes import read_sweep

SWEEP = """
[defaults]
task = "agreement"
model = "tiny"
train_examples = 160
dev_examples = 60
dense_epochs = 1
calibration = 16
pattern = "2:4"
distill = 0.5

[[runs]]
method = ["magnitude", "admm-layer", "sparsegpt"]

[[runs]]
method = ["asp", "admm", "pattern-admm"]
epochs = 1

[[runs]]
method = "magnitude"
pattern = "1:4"
seed = [0, 1]
"""


@dataclass
class Made:
    """A store of runs, their ids in the order of making, and how often the dense model was worked with."""

    store: Store
    ids: list[str]
    calibrated: int = 0
    answered: int = 0

    def folder(self, run_id: str) -> Path:
        return self.store.live / run_id


def counted(patch: pytest.MonkeyPatch, made: Made) -> None:
    """Count into *made* how often a calibration and a model's answers are worked out."""
    def calibrate(*rest: Any) -> Any:
        made.calibrated += 1
        return calibration.calibrate(*rest)

    def predict(*rest: Any) -> Any:
        made.answered += 1
        return original(*rest)

    original = preparing.predict
    patch.setattr(calibrating, "calibrate", calibrate)
    patch.setattr(preparing, "predict", predict)


def made_in(root: Path) -> Made:
    (root / "cached_runs").mkdir()
    return Made(Store(recorded=root / "cached_runs", live=root / "runs"), [])


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "some.toml"
    file.write_text(SWEEP, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, recipe: Path) -> Made:
    """Each run by itself, and nothing kept for it, not even from its own first half."""
    made = made_in(tmp_path_factory.mktemp("alone"))
    with pytest.MonkeyPatch.context() as patch:
        counted(patch, made)
        for given in read_sweep(recipe).runs:
            made.ids.append(run(resolve(given), store=made.store, given=given, shared=Shared(limit=-1)).id)
    return made


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, recipe: Path, alone: Made) -> Made:
    """The same runs, made by the command."""
    made = made_in(tmp_path_factory.mktemp("together"))
    with pytest.MonkeyPatch.context() as patch:
        counted(patch, made)
        patch.setenv("SPARSESCOPE_RUNS", str(made.store.live))
        patch.setenv("SPARSESCOPE_CACHED", str(made.store.recorded))
        done: Result = CliRunner().invoke(main, ["sweep", str(recipe)], prog_name="python -m core")
    assert done.exit_code == 0, done.output
    made.ids = [resolve(given).run_id for given in read_sweep(recipe).runs]
    return made


def header(made: Made, run_id: str) -> dict[str, Any]:
    """All that the header says but when, where and how long."""
    record = msgspec.to_builtins(made.store.open(run_id).record)
    return {k: v for k, v in record.items() if k not in ("timing", "created", "pid", "host")}


def trace(made: Made, run_id: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in made.store.open(run_id).trace]


def same(one: Made, other: Made, run_id: str) -> None:
    """Raises AssertionError unless the two runs of this id are equal bit for bit."""
    assert header(one, run_id) == header(other, run_id)
    assert trace(one, run_id) == trace(other, run_id)
    for file in ("arrays.safetensors", "checkpoint/model.safetensors"):
        assert (one.folder(run_id) / file).read_bytes() == (other.folder(run_id) / file).read_bytes(), file


def test_a_sweep_gives_the_bits_of_runs_made_one_by_one(alone: Made, together: Made) -> None:
    assert together.ids == alone.ids and len(set(alone.ids)) == 8
    dense = {p.name for p in together.store.live.glob("*-dense-*")}
    assert len(dense) == 2
    for run_id in (*dense, *together.ids):
        same(alone, together, run_id)
        assert not check(together.store.open(run_id)).problems


def test_what_they_have_in_common_was_worked_out_once(alone: Made, together: Made) -> None:
    """Two dense models, each calibrated once. By itself every run calibrates, and asks the dense model and its
    magnitude mask anew."""
    assert (alone.calibrated, together.calibrated) == (8, 2)
    assert together.answered < 0.6 * alone.answered


def test_show_says_how_much_was_found(together: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(together.store.live))
    shared = together.store.open(together.ids[1]).record.timing.shared
    words = CliRunner().invoke(main, ["show", together.ids[1]], prog_name="python -m core").output
    assert f"{shared:.1f} of them were not spent again" in " ".join(words.split())


def test_times_say_what_a_run_costs_and_how_much_of_it_was_found(alone: Made, together: Made) -> None:
    for run_id in alone.ids:
        timing = alone.store.open(run_id).record.timing
        assert timing.shared == 0.0 and timing.phases["calibrate"] > 0
    first, second = (together.store.open(run_id).record.timing for run_id in together.ids[:2])
    # The second run's calibration counts with the seconds that the first one's took.
    assert second.phases["calibrate"] > first.phases["calibrate"] / 2 and second.shared > first.phases["calibrate"] / 2
    assert second.total == pytest.approx(sum(second.phases.values()), abs=0.01) and second.total >= second.shared


@pytest.mark.parametrize("method", ["admm", "asp"])
def test_a_killed_run_of_a_sweep_resumes_to_the_same_bits(alone: Made, method: str, tmp_path: Path) -> None:
    run_id = next(i for i in alone.ids if f"-{method}-2of4-" in i)
    spec, shared = alone.store.open(run_id).record.spec, Shared()
    again = made_in(tmp_path)
    run(msgspec.structs.replace(spec, method="magnitude", epochs=0.0, knobs={}), store=again.store, shared=shared)

    def killed(progress: Any) -> None:
        if progress.phase == "train" and progress.done == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.running.training.Loop.checkpoint_every", 2)
        with pytest.raises(KeyboardInterrupt):
            run(spec, store=again.store, report=killed, shared=shared)
        assert (again.folder(run_id) / "resume.safetensors").exists()
        given = json.loads((alone.folder(run_id) / "run.json").read_text())["spec_given"]
        run(spec, store=again.store, resume=True, given=given, shared=shared)
    same(alone, again, run_id)


def test_memory_is_bounded_and_what_was_used_longest_ago_goes_first() -> None:
    shared, made = Shared(limit=2400), list[str]()

    def ask(keys: str, n: int = 100) -> None:
        for key in keys:
            shared.once((key,), lambda: made.append(key) or np.zeros(n))  # type: ignore[func-returns-value] # noqa: B023

    ask("abca")
    assert shared.held == 2400 and made == ["a", "b", "c"]
    ask("d")  # b goes: a was used since
    ask("acd")
    assert shared.held == 2400 and made == ["a", "b", "c", "d"]
    ask("b")  # a goes
    ask("cdb")
    assert made == ["a", "b", "c", "d", "b"]
    ask("xx", 301)  # larger than all there is room for: not kept, and it pushes nothing out
    ask("cdb")
    assert shared.held == 2400 and made == ["a", "b", "c", "d", "b", "x", "x"]


def test_a_value_counts_each_storage_once_and_can_not_be_written_to() -> None:
    shared, gram = Shared(), torch.zeros(10, 10)
    array = np.ones(5)
    value = shared.once(("k",), lambda: {"query": gram, "key": gram.T, "all": [array, (array, "words")]})
    assert shared.held == 400 + 40 and value["key"].shape == (10, 10)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 2


def test_what_fails_is_not_kept_and_what_is_found_inside_counts_as_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Shared()
    with pytest.raises(ZeroDivisionError):
        shared.once(("k",), lambda: 1 // 0)
    assert shared.once(("k",), lambda: 7) == 7 and shared.saved == 0.0
    clock = iter([0.0, 5.0, 5.0, 5.0, 9.0])
    monkeypatch.setattr("core.running.shared.time.perf_counter", lambda: next(clock))
    assert shared.once(("slow",), lambda: 3) == 3  # 5 seconds
    assert shared.once(("outer",), lambda: shared.once(("slow",), int) + 1) == 4 and shared.saved == 5.0
    assert shared.once(("outer",), int) == 4 and shared.saved == 10.0


def test_a_digest_tells_apart_whatever_could_make_other_bits() -> None:
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    t = torch.from_numpy(a.copy())
    parts = [a, a.reshape(3, 2), a.astype(np.float64), a.astype(np.int32), np.asfortranarray(a), -a, t, t.T,
             t.T.contiguous(), t.to(torch.bfloat16), "1", 1, True, 1.0, None, "", [], ["1"], [["1"]], {"1": "1"},
             ["ab", "c"], ["a", "bc"], {"a": a, "b": a[:1]}, {"b": a, "a": a[:1]}, 0.0, -0.0]
    digests = [digest_of(part) for part in parts]
    assert len(set(digests)) == len(parts)
    assert digest_of(a, "x") == digest_of(a.copy(), "x") != digest_of("x", a)
    with pytest.raises(TypeError):
        digest_of(object())


def test_a_model_s_state_is_its_weights_as_they_are_now() -> None:
    torch.manual_seed(0)
    model = tiny_model(2)
    layers = prunable(model)
    before, threads = state_of(model), torch.get_num_threads()
    assert state_of(model) == before
    name, layer = next(iter(layers.items()))
    other = layer.weight.detach().clone()
    other[3, 5] += 1e-6
    with holding(layers, {n: other if n == name else m.weight.detach() for n, m in layers.items()}):
        assert state_of(model) != before
    assert state_of(model) == before
    model.set_attn_implementation("eager")
    assert state_of(model) != before
    model.set_attn_implementation("sdpa")
    try:
        torch.set_num_threads(threads + 1)
        assert state_of(model) != before
    finally:
        torch.set_num_threads(threads)
    assert state_of(model) == before
    model.forward = model.forward  # wrapped, as accelerate does for another precision
    assert state_of(model) != before


def test_texts_are_told_apart_by_every_token_and_by_where_they_end() -> None:
    labels = np.zeros(2, np.int64)
    texts = [Encoded([[1, 2], [3]], [[0, 0], [0]], labels), Encoded([[1], [2, 3]], [[0], [0, 0]], labels),
             Encoded([[1, 2], [4]], [[0, 0], [0]], labels), Encoded([[1, 2], [3]], [[0, 1], [0]], labels),
             Encoded([[1, 2], [3]], None, labels), Encoded([[3], [1, 2]], [[0], [0, 0]], labels)]
    assert len({t.digest for t in texts}) == len(texts)
    assert texts[0].digest == Encoded([[1, 2], [3]], [[0, 0], [0]], labels + 1).digest
