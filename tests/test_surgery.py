"""A masked model, the shrunk one and an oracle without either, hooks that silence heads and neurons while the dense
model runs, all say the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import surgery
from core.errors import InputError
from core.models.library import quiet_transformers
from core.models.loading import load_model
from core.models.prunable import prunable
from core.models.tiny import tiny_model, tiny_tokenizer
from core.runs.names import part_of
from core.sparsity.units import Anatomy, Kept
from tests.test_families import SMALL, made

CLOSE = 1e-5
FOUR = {**SMALL, "num_attention_heads": 4, "vocab_size": 200}  # a row for every token of the tokenizer
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": FOUR, "roberta": FOUR, "electra": {**FOUR, "embedding_size": 8}, "albert": {**FOUR, "embedding_size": 8},
    "distilbert": {"vocab_size": 200, "dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 32, "num_labels": 2,
                   "max_position_embeddings": 40}}


def loud(model: Any) -> Any:
    """*model* with weights and biases so large that every unit is heard in the logits."""
    generator = torch.Generator().manual_seed(3)
    for value in model.parameters():
        value.data.normal_(0.0, 0.3, generator=generator)
    return model.eval()


def batch(words: int = 60) -> dict[str, Tensor]:
    ids = torch.randint(3, words, (5, 11), generator=torch.Generator().manual_seed(1))
    attention = torch.ones_like(ids)
    attention[0, 6:] = 0
    return {"input_ids": ids, "attention_mask": attention}


@torch.no_grad()
def logits(model: Any, words: int = 60) -> Tensor:
    out: Tensor = model(**batch(words)).logits
    return out


def drawn(anatomy: Anatomy, share: float, gone: tuple[int, ...] = ()) -> Kept:
    """A share of the units, at random; none of the modules in the places *gone*."""
    rng = np.random.default_rng(7)
    return tuple(np.zeros(m.units, dtype=bool) if i in gone else rng.random(m.units) < share
                 for i, m in enumerate(anatomy.modules))


# By what is left: nothing of attention 1; nothing of FFN 2; nothing of layer 1; nothing at all; everything.
CASES: dict[str, tuple[float, tuple[int, ...]]] = {
    "some": (0.5, ()), "no head": (0.6, (0,)), "no neuron": (0.6, (3,)), "no layer": (0.6, (0, 1)),
    "nothing": (0.0, (0, 1, 2, 3)), "all": (2.0, ())}


@contextmanager
def silenced(model: Any, anatomy: Anatomy, kept: Kept) -> Iterator[None]:
    """*model* with what removed units put out set to zero as it passes by, and with modules that are gone taken out of
    the residual connection. Its weights stay."""
    layers, handles = prunable(model), []

    def watch(wide: Tensor, whole: bool) -> Any:
        def before(_: Any, args: tuple[Tensor]) -> tuple[Tensor]:
            return (args[0] * wide,)

        def after(_: Any, args: tuple[Tensor], out: Tensor) -> Tensor | None:
            return None if whole else torch.zeros_like(out)
        return before, after

    for m, stays in zip(anatomy.modules, kept, strict=True):
        before, after = watch(torch.tensor([float(k) for k in stays for _ in range(m.size)]), bool(stays.any()))
        handles += [layers[m.columns].register_forward_pre_hook(before),
                    layers[m.columns].register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("case", CASES)
def test_masked_shrunk_and_silenced_say_the_same(case: str) -> None:
    model = loud(tiny_model(3))
    anatomy = surgery.units(model)
    kept = drawn(anatomy, *CASES[case])
    before = copy.deepcopy(model.state_dict())
    with silenced(model, anatomy, kept):
        expected = logits(model)
    small = surgery.shrink(model, anatomy, kept)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())  # it is left as it was
    masked = copy.deepcopy(model)
    surgery.mask(masked, anatomy, kept)
    assert surgery.problems(masked, anatomy, kept) == []
    for other in (masked, small):
        assert float((logits(other) - expected).abs().max()) <= CLOSE
    assert case == "all" or float((logits(model) - expected).abs().max()) > 100 * CLOSE
    # Counted by hand: 64 wide, heads of 16, and what a module takes with it when it goes.
    left = [int(k.sum()) for k in kept]
    heads, neurons = sum(left[0::2]), sum(left[1::2])
    whole = sum(p.numel() for p in tiny_model(3).parameters())
    other = whole - 2 * (4 * 64 * 64 + 4 * 64 + 2 * 64 * 256 + 256 + 64)
    assert sum(p.numel() for p in small.parameters()) == other + heads * (4 * 16 * 64 + 3 * 16) + neurons * 129 + sum(
        64 for n in left if n)
    counted = surgery.count(masked, anatomy)
    assert (sum(counted.heads), sum(counted.neurons)) == (heads, neurons)
    assert counted.left == heads * 4096 + neurons * 128 == counted.weights - counted.zeros
    assert counted.removed == pytest.approx(1 - counted.left / (2 * 12 * 64 * 64))


@pytest.mark.parametrize("family", FAMILIES)
def test_other_families_are_cut_saved_and_loaded(family: str, tmp_path: Path) -> None:
    model = loud(made(family, FAMILIES[family]))
    anatomy = surgery.units(model)
    kept = drawn(anatomy, 0.6, (0,))
    with silenced(model, anatomy, kept):
        expected = logits(model)
    surgery.save(surgery.shrink(model, anatomy, kept), tiny_tokenizer(), tmp_path / "small")
    loaded = surgery.load(tmp_path / "small").model
    assert float((logits(loaded) - expected).abs().max()) <= CLOSE
    plain = quiet_transformers().AutoModelForSequenceClassification.from_pretrained(tmp_path / "small").eval()
    own = load_model("unread", labels=2, seed=0, checkpoint=tmp_path / "small").model
    assert torch.equal(logits(plain), logits(loaded)) and torch.equal(logits(own), logits(loaded))
    assert json.loads((tmp_path / "small" / "config.json").read_text())["model_type"] == f"shrunk-{family}"
    assert [p.name for p in (tmp_path / "small").glob("*.py")] == []  # no code travels


def test_gates_of_one_and_zero_are_units_kept_and_removed_and_between_them_a_slope() -> None:
    model = loud(tiny_model(2))
    anatomy, layers = surgery.units(model), prunable(model)
    kept = drawn(anatomy, 0.6, (3,))
    masked = copy.deepcopy(model)
    surgery.mask(masked, anatomy, kept)
    before = logits(model)
    gates = [torch.tensor(k, dtype=torch.float32) for k in kept]
    with surgery.gated(layers, anatomy, gates):
        assert float((logits(model) - logits(masked)).abs().max()) <= CLOSE
    assert torch.equal(logits(model), before)
    # The slope of one logit at a gate of 1, by central differences in float64.
    model.double()
    gates = [torch.ones(m.units, dtype=torch.float64, requires_grad=True) for m in anatomy.modules]
    with surgery.gated(layers, anatomy, gates):
        model(**batch()).logits[2, 1].backward()
    for place, unit in ((0, 2), (1, 77), (2, 0)):
        ends = []
        for step in (1e-5, -1e-5):
            moved = [g.detach().clone() for g in gates]
            moved[place][unit] += step
            with surgery.gated(layers, anatomy, moved):
                ends.append(float(logits(model)[2, 1]))
        slope = gates[place].grad
        assert slope is not None and float(slope[unit]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-8)


def test_a_shrunk_model_trains_and_is_saved_again(tmp_path: Path) -> None:
    model = loud(tiny_model(2))
    anatomy = surgery.units(model)
    small = surgery.shrink(model, anatomy, drawn(anatomy, 0.5, (1, 2))).train()
    sizes = [w.shape for w in small.parameters()]
    small(**batch(), labels=torch.zeros(5, dtype=torch.long)).loss.backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in small.parameters())
    torch.optim.SGD(small.parameters(), lr=0.1).step()
    surgery.save(small, tiny_tokenizer(), tmp_path)
    again = surgery.load(tmp_path).model
    assert [w.shape for w in again.parameters()] == sizes and torch.equal(logits(again), logits(small.eval()))


def test_attention_maps_of_a_shrunk_model_are_those_of_its_heads() -> None:
    model = loud(tiny_model(2))
    anatomy = surgery.units(model)
    kept = (np.array([True, False, True, False]), *drawn(anatomy, 2.0)[1:])
    small = surgery.shrink(model, anatomy, kept)
    for each in (model, small):
        each.set_attn_implementation("eager")
    with torch.no_grad():
        dense, cut = (m(**batch(), output_attentions=True).attentions for m in (model, small))
    assert cut[0].shape[1] == 2 and torch.allclose(cut[0], dense[0][:, [0, 2]], atol=1e-6)


def test_what_is_left_of_a_removed_unit_is_found(tmp_path: Path) -> None:
    model = loud(tiny_model(2))
    anatomy = surgery.units(model)
    kept = (np.array([True, False, True, True]), np.arange(256) != 9, np.zeros(4, dtype=bool), np.ones(256, dtype=bool))
    surgery.mask(model, anatomy, kept)
    layers = prunable(model)
    place = {(i // 6, part_of(name)): layer for i, (name, layer) in enumerate(layers.items())}
    place[0, "key"].bias.data[20] = 0.5
    place[0, "FFN out"].weight.data[3, 9] = 0.5
    place[1, "attention output"].bias.data[0] = 0.5
    place[0, "value"].weight.data[:16] = 0.0
    found = surgery.problems(model, anatomy, kept)
    assert [text.partition(":")[0].partition(",")[0] for text in found] == [
        "head 1 of layer 1 is half removed", "head 2 of layer 1 is removed", "neuron 10 of layer 1 is removed",
        "the attention of layer 2 is gone"]
    assert "self.value hold nothing of it" in found[0] and "self.key still hold" in found[1]


@pytest.mark.parametrize(("family", "config", "words"), [
    ("xlnet", {"vocab_size": 60, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32, "num_labels": 2},
     "The attention of XLNetForSequenceClassification cannot be pruned"),
    ("modernbert", FOUR, "layer 1 has no matrix known as query, only FFN gate and in")])
def test_a_model_whose_heads_cannot_be_found_is_refused(family: str, config: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        surgery.units(made(family, config))


def test_a_family_that_does_not_run_on_fewer_heads_is_masked_but_not_cut() -> None:
    """MPNet adds one table of positions a head to the scores of every layer."""
    model = loud(made("mpnet", FOUR))
    anatomy = surgery.units(model)
    kept = drawn(anatomy, 0.5)
    masked = copy.deepcopy(model)
    surgery.mask(masked, anatomy, kept)
    with silenced(model, anatomy, kept):
        assert float((logits(model) - logits(masked)).abs().max()) <= CLOSE
    with pytest.raises(InputError, match=r"'mpnet' cannot be shrunk .*export it without --shrink"):
        surgery.shrink(model, anatomy, kept)


@pytest.mark.parametrize(("change", "words"), [
    ({"shrunk": None}, "does not say how far"), ({"shrunk": {"heads": [1], "neurons": [9, 9]}}, "says heads = \\[1\\]"),
    ({"shrunk": {"heads": [4, 5], "neurons": [9, 9]}}, "says heads"),
    ({"shrunk": {"heads": [2, 2], "neurons": [9, -1]}}, "says neurons"),
    ({"model_type": "shrunk-nobody"}, "A shrunk model of the kind 'nobody'"),
    ({"shrunk": {"heads": [2, 2], "neurons": [9, 8]}}, "lacks [0-9]+ weights")])
def test_a_damaged_folder_is_refused_in_words(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    model = loud(tiny_model(2))
    anatomy = surgery.units(model)
    surgery.save(surgery.shrink(model, anatomy, drawn(anatomy, 0.5)), tiny_tokenizer(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(InputError, match=words):
        surgery.load(tmp_path)


def test_who_does_not_know_the_class_is_told_so(tmp_path: Path) -> None:
    """In a fresh interpreter, without our class, transformers names the model type and loads nothing wrongly."""
    import subprocess
    import sys

    model = loud(tiny_model(2))
    anatomy = surgery.units(model)
    surgery.save(surgery.shrink(model, anatomy, drawn(anatomy, 0.5)), tiny_tokenizer(), tmp_path)
    code = f"import transformers as t; t.AutoModelForSequenceClassification.from_pretrained({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode != 0 and "shrunk-bert" in done.stderr
