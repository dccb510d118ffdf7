"""Whole runs to patterns of units: what they keep, what the check finds when they are damaged, the smaller model that
comes out of them, and the method that chooses by a first-order estimate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from core import methods, surgery
from core.cost.measuring import Asked, measure
from core.cost.summary import savings
from core.errors import InputError
from core.inspecting.looking import inspect
from core.methods.unit_base import UnitContext
from core.models.loading import load_model
from core.models.prunable import prunable
from core.models.tiny import tiny_model
from core.running import pipeline
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.records import RunRecord
from core.runs.store import CHECKPOINT, Store, read_header, write_arrays, write_header
from core.sparsity.patterns import parse_pattern
from core.sparsity.storage import storage_of_record
from core.views.patterns.certificate import certificate
from tests.opening import open_page, said
from tests.test_surgery import logits, loud

SMALL = {"task": "agreement", "model": "tiny", "train_examples": 64, "dev_examples": 40, "dense_epochs": 1,
         "calibration": 32, "method": "taylor"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, RunRecord]:
    """One run that has lost a whole FFN, trained on under the masks."""
    root = tmp_path_factory.mktemp("store")
    (root / "cached_runs").mkdir()
    store = Store(recorded=root / "cached_runs", live=root / "runs")
    return store, run(resolve({**SMALL, "pattern": "modules:0.25", "epochs": 1}), store=store)


def test_the_run_says_what_is_left_and_the_check_agrees(made: tuple[Store, RunRecord]) -> None:
    store, record = made
    report = check(store.open(record.id))
    assert report.problems == [] and "520 heads and neurons: gone from or left in all their matrices" in report.verified
    assert record.units is not None
    sizes = [*record.units.heads, *record.units.neurons]
    assert sorted((n > 0) for n in sizes) == [False, True, True, True]
    state = load_model("tiny", labels=2, seed=0, checkpoint=store.live / record.id / CHECKPOINT).model.state_dict()
    gone = [name for name, w in state.items() if name.endswith("weight") and w.ndim == 2 and not w.any()]
    # Its last bias stayed zero through the training.
    assert gone and all(not state[name.replace("weight", "bias")].any() for name in gone)


@pytest.mark.parametrize("page", ["occupancy", "weights", "activations", "accuracy", "compare", "cost"])
def test_pages_show_a_run_of_units(page: str, made: tuple[Store, RunRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a matrix that is gone as a whole: nothing breaks, nothing is nan."""
    store, record = made
    assert record.units is not None
    gone = next(m.name for m in record.matrices if m.density == 0.0)
    app = open_page(monkeypatch, store, page, run=record.id, matrix=gone)
    words = said(app) + " ".join(str(text.value) for text in app.markdown)
    assert not app.error and "nan" not in words.split()
    if page == "occupancy":
        heads, neurons = sum(record.units.heads), sum(record.units.neurons)
        assert f"{heads} of 8 heads and {neurons} of 512 neurons are left" in words


def test_the_certificate_is_counted_module_by_module(made: tuple[Store, RunRecord]) -> None:
    store, record = made
    assert record.units is not None
    table = certificate(store.open(record.id)).table
    left = [n for pair in zip(record.units.heads, record.units.neurons, strict=True) for n in pair]
    assert table["left"].tolist() == left and table["units"].tolist() == [4, 256, 4, 256]
    assert table["half removed"].tolist() == [0] * 4 and set(table["from"]) == {"mask"}


def write(store: Store, run_id: str, change: Callable[[dict[str, Any], RunRecord], None]) -> list[str]:
    """The problems that the check finds once *change* was made to the arrays and header; then all is put back."""
    folder = store.live / run_id
    before = {p: p.read_bytes() for p in (folder / "run.json", folder / "arrays.safetensors")}
    arrays = {k: v.copy() for k, v in store.open(run_id).arrays().items()}
    record = read_header(folder)
    change(arrays, record)
    write_arrays(folder, arrays)
    write_header(folder, record)
    found = check(store.open(run_id)).problems
    for path, content in before.items():
        path.write_bytes(content)
    return found


def flip(key: str, at: int) -> Callable[[dict[str, Any], RunRecord], None]:
    def change(arrays: dict[str, Any], record: RunRecord) -> None:
        arrays[key].reshape(-1)[at] ^= 0x80
    return change


def test_damage_is_found_whatever_of_the_three_it_is_in(made: tuple[Store, RunRecord]) -> None:
    store, record = made
    assert record.units is not None
    layer = 1 + record.units.neurons.index(0) if 0 in record.units.neurons else 1 + record.units.heads.index(0)
    noun = "neuron" if 0 in record.units.neurons else "head"
    found = write(store, record.id, flip(f"unit/{noun}/{layer}", 0))
    assert f"layer {layer}: 1 {noun}s are marked as left, the header counts 0" in found[0]
    other = "head" if noun == "neuron" else "neuron"
    found = write(store, record.id, flip(f"unit/{other}/{layer}", 0))
    assert any(f"layer {layer}: {other} 1 is removed, but " in text for text in found)
    part = "output.dense" if noun == "neuron" else "attention.output.dense"
    matrix = f"bert.encoder.layer.{layer - 1}.{part}"
    found = write(store, record.id, flip(f"mask/{matrix}", 0))
    assert any(f"{noun} 1 of layer {layer} is half removed" in text for text in found)
    assert any(f"layer {layer}: {noun} 1 is removed, but {matrix} keep 1 of its weights" in text for text in found)

    def silent(arrays: dict[str, Any], header: RunRecord) -> None:
        header.units = None
    assert "the header does not say which heads and neurons are left" in write(store, record.id, silent)

    def shifted(arrays: dict[str, Any], header: RunRecord) -> None:
        assert header.units is not None
        header.units = msgspec.structs.replace(header.units, neurons=[1, 2, 3])
    assert any("counts neurons of 3 layers, not of 2" in text for text in write(store, record.id, shifted))

    def lacking(arrays: dict[str, Any], header: RunRecord) -> None:
        del arrays["unit/head/2"]
    assert any("layer 2: which heads are left is missing" in text for text in write(store, record.id, lacking))
    assert check(store.open(record.id)).problems == []


@pytest.mark.parametrize("level", ["answers", "summary"])
def test_lower_levels_say_what_they_cannot_verify(level: str, made: tuple[Store, RunRecord]) -> None:
    store = made[0]
    record = run(resolve({**SMALL, "pattern": "heads:0.5", "record": level}), store=store, again=True)
    report = check(store.open(record.id))
    assert report.problems == []
    words = "not verified: which units are left was not kept" if level == "answers" else "counted as in the header"
    assert any(words in text for text in report.verified)


def test_it_is_exported_shrunk_inspected_and_stored(made: tuple[Store, RunRecord], tmp_path: Path, cli: Any,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    store, record = made
    monkeypatch.setattr("core.cli.export.default_store", lambda: store)
    for name, flags in (("whole", ()), ("small", ("--shrink",))):
        done = cli("export", record.id, "--to", str(tmp_path / name), *flags, "--json")
        assert done.exit_code == 0, done.output
        assert "model.safetensors" in json.loads(done.stdout)["files"]
    whole, small = (surgery.load(tmp_path / name).model for name in ("whole", "small"))
    assert float((logits(whole) - logits(small)).abs().max()) <= 1e-5
    assert small.config.id2label == whole.config.id2label
    # Stored: the weights and biases that are left, as a shrunk file holds them.
    stored = storage_of_record(record)
    assert stored.model_bits == 32 * sum(p.numel() for p in small.parameters()) and stored.indices == 0
    sizes = [sum(f.stat().st_size for f in (tmp_path / name).glob("*.safetensors")) for name in ("whole", "small")]
    assert sizes[1] < 0.9 * sizes[0]
    report = inspect(tmp_path / "small")
    assert record.units is not None
    heads, neurons = (", ".join(map(str, n)) for n in (record.units.heads, record.units.neurons))
    assert report.remarks == (f"Shrunk: its layers have {heads} of 4 heads and {neurons} of 256 neurons left. What is "
                              "gone was cut out and takes no room.",)
    assert all(m.sparsity == 0 for m in report.matrices)


def test_what_it_costs_is_measured_on_the_smaller_model(made: tuple[Store, RunRecord]) -> None:
    store, record = made
    cost = measure(store.open(record.id), store, Asked((1,), (16,), passes=6, warm_up=1))
    forms = {form.name: form for form in cost.forms}
    assert set(forms) == {"dense", "shrunk"} and all(form.same for form in cost.forms)
    assert forms["shrunk"].size < 0.9 * forms["dense"].size
    assert set(cost.passes[0].micros) == {"dense", "pruned", "shrunk"}
    assert sum(a * b for a, b in cost.shapes.values()) == storage_of_record(record).values // 32
    assert any(s.form == "shrunk" for s in savings(record, cost))


def test_single_weights_cannot_be_shrunk(made: tuple[Store, RunRecord], tmp_path: Path) -> None:
    store = made[0]
    record = run(resolve({**SMALL, "method": "magnitude", "pattern": "2:4"}), store=store)
    with pytest.raises(InputError, match="at 2:4 cannot be shrunk: single weights leave every matrix its size"):
        pipeline.export(record.id, store=store, to=tmp_path / "out", shrink=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("given", "words"), [
    ({"method": "wanda", "pattern": "heads:0.5"},
     "wanda with the pattern heads:0.5. Expected a method that prunes units. Choose one of .*taylor"),
    *(({"method": name, "pattern": f"{kind}:0.25"}, f"{name} with the pattern {kind}:0.25. Expected a pattern of units "
       f"other than {kind}. Choose units:0.5, or one of .*policy-gradient, taylor")
      for name, kind in (("pip", "modules"), ("mlpruning", "modules"), ("identity-prior", "neurons"))),
    ({"pattern": "2:4"}, "taylor with the pattern 2:4. Expected a method that prunes single weights"),
    ({"pattern": "heads:0.5", "bits": 4}, "taylor with 4 bits")])
def test_methods_and_patterns_that_do_not_fit_are_refused_before_any_work(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        resolve({**SMALL, **given})


def test_a_ratio_that_leaves_a_layer_without_heads_is_refused(made: tuple[Store, RunRecord]) -> None:
    with pytest.raises(InputError, match=r"'heads:0\.9' leaves 1 of 8 heads to 2 layers"):
        run(resolve({**SMALL, "pattern": "heads:0.9"}), store=made[0])


def test_a_method_of_units_begins_with_a_pattern_of_units() -> None:
    assert resolve(SMALL).pattern == "heads:0.5"


# -- first-order importance -----------------------------------------------------------------------------------------

def context(pattern: str = "units:0.5") -> UnitContext:
    """A tiny model with three batches of made-up tokens and labels."""
    model = loud(tiny_model(3))
    for value in model.parameters():
        value.data.mul_(0.5)
    generator = torch.Generator().manual_seed(5)
    batches = [{"input_ids": torch.randint(3, 60, (4, 9), generator=generator)} for _ in range(3)]
    labels = [torch.randint(0, 3, (4,), generator=generator) for _ in range(3)]

    def loss(i: int) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(model(**batches[i]).logits, labels[i])
    return UnitContext(model, prunable(model), parse_pattern(pattern).joined(surgery.units(model)), batches, loss, 0)


def test_a_units_worth_is_the_slope_of_the_loss_as_it_grows() -> None:
    """d loss / d s with all of a unit's weights times 1 + s, at s = 0: central differences in float64."""
    told = context()
    found = methods.build("taylor").choose(told)
    told.model.double()
    rng = np.random.default_rng(0)
    for place, m in enumerate(told.pattern.known().modules):
        for unit in rng.choice(m.units, 2, replace=False).tolist():
            slopes = []
            for i in range(len(told.batches)):
                ends = []
                for s in (1e-4, -1e-4):
                    scale(told, m, unit, 1 + s)
                    with torch.no_grad():
                        ends.append(float(told.loss(i)))
                    scale(told, m, unit, 1 / (1 + s))
                slopes.append(abs(ends[0] - ends[1]) / 2e-4)
            # float32 gradients, a few thousand products added up
            assert found.worth[place][unit] == pytest.approx(np.mean(slopes), rel=2e-3, abs=2e-6)
    left = [k.tolist() for k in told.pattern.choose(found.worth)]
    assert [k.tolist() for k in found.kept] == left


def scale(told: UnitContext, m: Any, unit: int, factor: float) -> None:
    rows = slice(unit * m.size, (unit + 1) * m.size)
    for name in m.rows:
        told.layers[name].weight.data[rows] *= factor
    told.layers[m.columns].weight.data[:, rows] *= factor


def test_magnitude_and_layers_in_relation() -> None:
    told = context("heads:0.5")
    plain = methods.build("taylor", {"score": "magnitude"}).choose(told).worth
    related = methods.build("taylor", {"score": "magnitude", "level": "layer"}).choose(told).worth
    query, key, value, output = (told.layers[name].weight.detach().abs() for name in list(told.layers)[:4])
    by_hand = [float(query[r].sum() + key[r].sum() + value[r].sum() + output[:, r].sum())
               for r in (slice(16 * h, 16 * h + 16) for h in range(4))]
    assert plain[0] == pytest.approx(by_hand, rel=1e-5)
    for m, a, b in zip(told.pattern.known().modules, plain, related, strict=True):
        assert b / m.weights == pytest.approx(a / np.sqrt((a**2).mean()), rel=1e-6)
    with pytest.raises(InputError, match="level = 'none': a module is compared"):
        methods.build("taylor", {"level": "layer"}).choose(context("modules:0.5"))
