"""Corrections beside pruned matrices, from the layer to the folder that a stranger opens."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from core.cost import forms
from core.cost.flops import dense_flops, sparse_flops
from core.cost.measuring import weights_of
from core.engines.arriving import files_of
from core.errors import InputError
from core.evidence.groups import stored_bits
from core.inspecting.folder import open_checkpoint
from core.models import corrected
from core.models.checkpoints import open_model
from core.models.loading import load_model
from core.models.prunable import prunable, prunable_words
from core.running import pipeline
from core.running.evaluating import evaluate
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.records import RunRecord
from core.runs.store import Store, read_header, write_arrays, write_header
from core.surgery import load
from core.tasks.loading import load_task

RANK = 4
GIVEN = {"task": "agreement", "model": "tiny", "method": "admm-lowrank", "pattern": "1:4", "train_examples": 64,
         "dev_examples": 40, "dense_epochs": 12, "calibration": 32, "knobs": {"rank": RANK}, "record": "full"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(recorded=tmp_path_factory.mktemp("none"), live=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def record(store: Store) -> RunRecord:
    return run(resolve(GIVEN), store=store)


@pytest.fixture(scope="module")
def out(store: Store, record: RunRecord, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline.export(record.id, store=store, to=tmp_path_factory.mktemp("exported") / "out")


def texts() -> list[str]:
    """The sentences that the runs were scored on."""
    return list(load_task("agreement", train_examples=64, dev_examples=40).evaluation.text)


def logits(model: Any, tokenizer: Any, said: list[str]) -> np.ndarray:
    with torch.no_grad():
        return model.eval()(**tokenizer(said, padding=True, truncation=True, max_length=48,
                                        return_tensors="pt")).logits.numpy()


def recorded_logits(store: Store, record: RunRecord) -> np.ndarray:
    found = store.open(record.id).array("answers/logits")
    assert found is not None
    return found


def test_a_layer_puts_out_what_weight_and_factors_make_of_its_input() -> None:
    layer = torch.nn.Linear(6, 5)
    before = layer.weight.detach().clone()
    left, right, x = torch.randn(5, 2), torch.randn(2, 6), torch.randn(3, 4, 6)
    corrected.attach({"a": layer}, {"a": (left, right)})
    for model in (layer, copy.deepcopy(layer)):
        assert torch.allclose(model(x), x @ (before + left @ right).T + layer.bias, atol=1e-5)
    assert torch.equal(layer.weight, before) and isinstance(layer, torch.nn.Linear)


def test_a_stranger_gets_the_recorded_answers_with_plain_transformers(store: Store, record: RunRecord,
                                                                      out: Path) -> None:
    """Base and factors put together by hand, as the card says; the base alone is another model."""
    said, held = texts(), recorded_logits(store, record)
    tokenizer = AutoTokenizer.from_pretrained(out)
    base = AutoModelForSequenceClassification.from_pretrained(out)
    assert np.abs(logits(base, tokenizer, said) - held).max() > 1e-3
    settings = json.loads((out / "correction" / "adapter_config.json").read_bytes())
    assert (settings["peft_type"], settings["lora_alpha"] / settings["r"], settings["r"]) == ("LORA", 1.0, RANK)
    assert set(settings["target_modules"]) == {m.name for m in record.matrices}
    factors = load_file(out / "correction" / "adapter_model.safetensors")
    modules = dict(base.named_modules())
    for name in settings["target_modules"]:
        a, b = (factors.pop(f"base_model.model.{name}.lora_{side}.weight") for side in "AB")
        assert a.shape[0] == b.shape[1] == RANK
        modules[name].weight.data += b @ a
    assert not factors
    assert np.abs(logits(base, tokenizer, said) - held).max() < 1e-5
    card = (out / "README.md").read_text(encoding="utf-8")
    code = card.partition("Without PEFT")[2].partition("```python\n")[2].partition("```")[0]
    assert 'key + "A.weight" in factors' in code and "alone is another model" in card
    assert "hold 9,216 numbers more" in card  # 4 (64 + 64) of 8 matrices, 4 (64 + 256) of 4


def test_our_own_loaders_bring_the_correction_and_the_pattern_is_that_of_the_weight(
        store: Store, record: RunRecord, out: Path) -> None:
    said, held = texts(), recorded_logits(store, record)
    for loaded in (open_model(record, store), load(out)):
        assert np.abs(logits(loaded.model, loaded.tokenizer, said) - held).max() < 1e-5
        for name, layer in prunable(loaded.model).items():
            zeros = (layer.weight == 0).reshape(-1, 4).sum(1)
            assert bool((zeros == 3).all()) and corrected.factors_of(loaded.model)[name][0].shape[1] == RANK
        assert prunable_words(loaded.model, prunable(loaded.model)) == ""
    assert evaluate(record, store).reproduced
    merged = pipeline.export(record.id, store=store, to=out.parent / "merged", merge=True)
    assert not (merged / "correction").exists()
    plain = AutoModelForSequenceClassification.from_pretrained(merged)
    assert np.abs(logits(plain, AutoTokenizer.from_pretrained(merged), said) - held).max() < 1e-5
    assert "the correction fills the zeros" in (merged / "README.md").read_text(encoding="utf-8")


def test_the_header_counts_the_factors_in_bits_and_not_in_zeros(store: Store, record: RunRecord) -> None:
    weights = sum(m.shape[0] * m.shape[1] for m in record.matrices)
    numbers = sum(RANK * sum(m.shape) for m in record.matrices)
    assert {m.rank for m in record.matrices} == {RANK} and record.sparsity == 0.75
    # 1:4 in float32: a weight in four, and two bits to say which.
    assert stored_bits(record) == pytest.approx((weights // 4 * 34 + 32 * numbers) / weights)
    assert sparse_flops(record.matrices, 10).matrices == 2 * 10 * (weights // 4 + numbers)
    opened, model = store.open(record.id), open_model(record, store).model
    found = weights_of(model)
    assert not any("lora" in name for name in found.other) and len(found.factors) == len(record.matrices)
    written, why = forms.forms_of(opened, forms.with_recorded(opened, found))
    dense, packed = written
    assert not why and dense.same and packed.same and "factors" not in dense.parts
    assert packed.parts["factors"] == 4 * numbers and dense.parts["values"] == 4 * weights
    assert dense_flops([(m.name, m.shape) for m in record.matrices], 10).matrices == 2 * 10 * weights
    without = forms.recorded(opened)
    assert without is not None and forms.forms_of(opened, without[0])[0][1].parts["factors"] == 4 * numbers


def test_the_check_counts_what_the_correction_leaves_again(store: Store, record: RunRecord, tmp_path: Path) -> None:
    report = check(store.open(record.id))
    assert report.ok and any("corrections beside 12 matrices" in words for words in report.verified)
    name = record.matrices[0].name
    for what, words in (("error", "the header says"), ("rank", "where 64 is the most"), ("factor", "left factor"),
                        ("squares", "that fall to 0 or above")):
        other = Store(recorded=tmp_path / what / "none", live=tmp_path / what / "runs")
        for run_id in (record.id, record.parent or ""):
            shutil.copytree(store.live / run_id, other.live / run_id)
        folder, arrays = other.live / record.id, dict(store.open(record.id).arrays())
        changed = read_header(folder)
        if what == "error":
            changed.matrices[0].error = (changed.matrices[0].error or 0.0) * 1.1 + 0.001
        elif what == "rank":
            changed.matrices[0].rank = 65
        elif what == "factor":
            arrays[f"correction/left/{name}"] = arrays[f"correction/left/{name}"][:, 1:]
        else:
            arrays[f"method/squares/{name}"] = arrays[f"method/squares/{name}"][::-1].copy()
        write_header(folder, changed)
        write_arrays(folder, arrays)
        problems = check(other.open(record.id)).problems
        assert any(name in problem and words in problem for problem in problems), (what, problems)


@pytest.mark.slow
def test_layers_in_order_see_what_the_corrected_ones_before_them_put_out(store: Store) -> None:
    """At full rank every layer is exact with its correction, so the next one sees what it sees in the dense model, and
    is solved the same; its pruned weight alone would put out something else. The answers are the dense model's."""
    given = {**GIVEN, "record": "masks"}
    made = [run(resolve({**given, "knobs": {"rank": 64, "inputs": inputs}}), store=store)
            for inputs in ("dense", "pruned")]
    opened = [store.open(one.id) for one in made]
    assert all(check(one).ok for one in opened) and "on its own inputs" in " ".join(check(opened[1]).verified)
    for name in (m.name for m in made[0].matrices):
        masks = [one.mask(name) for one in opened]
        assert np.mean(masks[0] != masks[1]) < 0.01
    dense = recorded_logits(store, read_header(store.live / (made[0].parent or "")))
    assert all(np.abs(recorded_logits(store, one) - dense).max() < 1e-4 for one in made)


def test_the_folder_travels_with_its_correction(store: Store, record: RunRecord) -> None:
    names = [file.name for file in files_of(store.live / record.id)]
    assert {"checkpoint/correction/adapter_config.json", "checkpoint/correction/adapter_model.safetensors"} < set(names)


@pytest.mark.parametrize("how", ["shape", "nan", "half", "stray", "damaged", "link"])
def test_a_correction_that_does_not_fit_is_refused(out: Path, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(out, folder)
    file = folder / "correction" / "adapter_model.safetensors"
    tensors = load_file(file)
    key = next(k for k in tensors if k.endswith("lora_A.weight"))
    if how == "shape":
        tensors[key] = tensors[key][:, 1:].contiguous()
    elif how == "nan":
        tensors[key][0, 0] = torch.nan
    elif how == "half":
        del tensors[key]
    elif how == "stray":
        tensors["base_model.model.nothing.lora_A.weight"] = torch.zeros(1, 1)
    save_file(tensors, file)
    if how == "damaged":
        file.write_bytes(b"no safetensors")
    elif how == "link":
        file.unlink()
        file.symlink_to(out / "correction" / "adapter_model.safetensors")
    with pytest.raises(InputError, match="link" if how == "link" else "correction"):
        load(folder)


def test_what_cannot_carry_a_correction_says_so(store: Store, record: RunRecord, out: Path) -> None:
    with pytest.raises(InputError, match=r"holds a correction beside its weights.*--merge"):
        load_model(str(out), labels=2, seed=0)
    assert any("the model is both" in remark for remark in open_checkpoint(out).remarks)
    with pytest.raises(InputError, match="0 epochs: it is one-shot"):
        resolve({**GIVEN, "epochs": 1})
    with pytest.raises(InputError, match="no correction to merge"):
        pipeline.export(record.parent or "", store=store, to=out.parent / "none", merge=True)


@pytest.mark.slow
def test_a_run_at_rank_0_is_one_of_admm_layer_byte_for_byte(store: Store) -> None:
    alone = run(resolve({**GIVEN, "knobs": {"rank": 0}, "record": "summary"}), store=store)
    same = run(resolve({**GIVEN, "method": "admm-layer", "knobs": {}, "record": "summary"}), store=store)
    assert [m.mask_sha256 for m in alone.matrices] == [m.mask_sha256 for m in same.matrices]
    assert [m.error for m in alone.matrices] == [m.error for m in same.matrices]
    weights = [(store.live / one.id / "checkpoint" / "model.safetensors").read_bytes() for one in (alone, same)]
    assert weights[0] == weights[1] and not (store.live / alone.id / "checkpoint" / "correction").exists()
