"""What a model's files must hold: every way in which weights can be incomplete, foreign or damaged is refused by the
name of the tensor; what is harmless is accepted and leaves the weights alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import InputError
from core.models.loading import Loaded, load_model, save_checkpoint
from core.models.named import source_of
from core.models.tiny import tiny_tokenizer
from core.models.weights import of_head

QUERY = "bert.encoder.layer.0.attention.self.query"
NORM = "bert.encoder.layer.1.output.LayerNorm"
TABLE = "bert.embeddings.word_embeddings.weight"
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT of random numbers, norms and biases too, saved with its tokenizer."""
    folder = tmp_path_factory.mktemp("sound")
    tokenizer = tiny_tokenizer()
    torch.manual_seed(3)
    model = transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, num_labels=2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def opened(folder: Path, sound: Path, change: Callable[[State], State],
           config: dict[str, Any] | None = None) -> Loaded:
    """Load a copy of *sound* in *folder*, with its tensors changed and *config* in its configuration."""
    copy = folder / "changed"
    shutil.copytree(sound, copy)
    save_file({k: v.clone() for k, v in change(load_file(sound / "model.safetensors")).items()},
              copy / "model.safetensors", metadata={"format": "pt"})
    if config:
        said = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps(said | config))
    return load_model(str(copy), labels=2, seed=1)


def without(*parts: str) -> Callable[[State], State]:
    return lambda state: {k: v for k, v in state.items() if not any(part in k for part in parts)}


def put(name: str, values: Callable[[Tensor], Tensor]) -> Callable[[State], State]:
    return lambda state: state | {name: values(state[name])}


def adding(**tensors: Tensor) -> Callable[[State], State]:
    return lambda state: state | {name.replace("__", "."): v for name, v in tensors.items()}


def beside(suffix: str, kind: torch.dtype = torch.float32) -> Callable[[State], State]:
    return lambda state: state | {QUERY + suffix: torch.ones(16, 1, dtype=kind)}


def packed(state: State) -> State:
    return without(f"{QUERY}.weight")(state) | {
        f"{QUERY}.qweight": torch.ones(2, 16, dtype=torch.int32), f"{QUERY}.g_idx": torch.ones(16, dtype=torch.int32),
        f"{QUERY}.qzeros": torch.ones(1, 2, dtype=torch.int32), f"{QUERY}.scales": torch.ones(1, 16)}


def masked(state: State) -> State:
    return without(f"{QUERY}.weight")(state) | {f"{QUERY}.weight_orig": state[f"{QUERY}.weight"],
                                                 f"{QUERY}.weight_mask": torch.ones(16, 16)}


def with_lora(state: State) -> State:
    return without(f"{QUERY}.")(state) | {
        f"{QUERY}.base_layer.weight": state[f"{QUERY}.weight"], f"{QUERY}.base_layer.bias": state[f"{QUERY}.bias"],
        f"{QUERY}.lora_A.default.weight": torch.ones(2, 16), f"{QUERY}.lora_B.default.weight": torch.ones(16, 2)}


def damaged(value: float) -> Callable[[Tensor], Tensor]:
    return lambda w: w.index_fill(0, torch.tensor([5]), value)


REFUSED: dict[str, tuple[Callable[[State], State], str]] = {
    "no embeddings": (without("embeddings"), r"lacks 5 weights: 'bert\.embeddings\.LayerNorm\.bias', .* and 2 more"),
    "no table": (without("word_embeddings"), rf"lacks 1 weights: '{TABLE}'.*only head and pooler may be missing"),
    "no norms": (without(NORM), rf"lacks 2 weights: '{NORM}\.bias', '{NORM}\.weight'"),
    "no biases": (without("intermediate.dense.bias"), r"'bert\.encoder\.layer\.0\.intermediate\.dense\.bias'"),
    "no matrix": (without(f"{QUERY}.weight"), rf"lacks 1 weights: '{QUERY}\.weight'"),
    "int8": (put(f"{QUERY}.weight", lambda w: (w * 90).to(torch.int8)), rf"of the type I8: '{QUERY}\.weight'.*unpack"),
    "bool": (put(f"{QUERY}.weight", lambda w: w > 0), rf"of the type BOOL: '{QUERY}\.weight'"),
    "int norms": (put(f"{NORM}.weight", lambda w: w.long()), rf"of the type I64: '{NORM}\.weight'"),
    "fp8": (put(f"{QUERY}.weight", lambda w: w.to(torch.float8_e4m3fn)), rf"of the type F8_E4M3: '{QUERY}\.weight'"),
    "int8, all names begin with module.": (
        lambda s: {f"module.{k}": (v * 9).to(torch.int8) if "query.weight" in k else v for k, v in s.items()},
        rf"of the type I8: '{QUERY}\.weight'"),
    "scales": (beside(".weight_scale"), rf"packed or quantised: '{QUERY}\.weight_scale'.*before it was packed"),
    "scales of inputs": (beside(".input_scale"), r"packed or quantised"),
    "inverse scales": (beside(".weight_scale_inv"), r"packed or quantised"),
    "zero points": (beside(".weight_zero_point", torch.int8), r"packed or quantised: .*zero_point"),
    "a bitmask": (beside(".bitmask", torch.uint8), r"packed or quantised: .*bitmask"),
    "GPTQ": (packed, rf"packed or quantised: '{QUERY}\.g_idx', '{QUERY}\.qweight', '{QUERY}\.qzeros' and 1 more"),
    "compressed": (beside(".weight_packed", torch.int32), r"packed or quantised: .*weight_packed"),
    "masks apart": (masked, rf"torch\.nn\.utils\.prune does: '{QUERY}\.weight_mask', .*prune\.remove"),
    "LoRA inside": (with_lora, rf"adapter.*'{QUERY}\.base_layer\.bias'.*merge_and_unload"),
    "NaN": (put(f"{QUERY}.weight", damaged(float("nan"))), rf"NaN at 16 of the 256 places of '{QUERY}\.weight'"),
    "infinity": (put(f"{NORM}.bias", damaged(float("-inf"))), rf"infinity at 1 of the 16 places of '{NORM}\.bias'"),
    "a matrix too many": (adding(bert__encoder__layer__0__extra__weight=torch.ones(2, 2)),
                          r"1 weights .* no place in the model of its config\.json: 'bert\.encoder\.layer\.0\.extra"),
    "one more layer": (lambda s: s | {k.replace("layer.1", "layer.2"): v for k, v in s.items() if "layer.1" in k},
                       r"16 weights .* no place .*'bert\.encoder\.layer\.2"),
    "another table": (put(TABLE, lambda w: w[:-1]), rf"'{TABLE}' of shape \[\d+, 16\], its config\.json means \["),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_weights_of_a_silent_wrong_answer_are_refused_by_name(tmp_path: Path, sound: Path, kind: str) -> None:
    change, said = REFUSED[kind]
    with pytest.raises(InputError, match=said) as caught:
        opened(tmp_path, sound, change)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


@pytest.mark.parametrize(("config", "said"), [
    ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, r"quantization_config in config\.json: gptq"),
    ({"quantization_config": {"quant_method": "compressed-tensors", "format": "marlin-24"}}, "compressed-tensors"),
    ({"sparsity_config": {"format": "sparse-24-bitmask"}}, r"sparsity_config in config\.json: sparse-24-bitmask"),
    ({"compression_config": True}, r"compression_config in config\.json\)")])
def test_a_configuration_that_tells_of_packed_weights_is_enough(tmp_path: Path, sound: Path, config: dict[str, Any],
                                                                said: str) -> None:
    with pytest.raises(InputError, match=said):
        opened(tmp_path, sound, lambda state: state, config)


def test_an_adapter_is_refused_alone_and_beside_a_model(tmp_path: Path, sound: Path) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"
    alone.mkdir()
    save_file({"base_model.model.x.lora_A.weight": torch.ones(2, 2)}, alone / "adapter_model.safetensors")
    shutil.copytree(sound, both)
    for folder in (alone, both):
        (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
        for refuses in (lambda name: load_model(name, labels=2, seed=0), source_of):
            with pytest.raises(InputError, match=r"holds an adapter \(adapter_config\.json\).*merge_and_unload"):
                refuses(str(folder))


def old_names(state: State) -> State:
    return {k.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): v for k, v in state.items()}


HARMLESS: dict[str, Callable[[State], State]] = {
    "gamma and beta": old_names,
    "module.": lambda s: {f"module.{k}": v for k, v in s.items()},
    "model.": lambda s: {f"model.{k}": v for k, v in s.items()},
    "_orig_mod.module.": lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()},
    "no bert.": lambda s: {k.removeprefix("bert."): v for k, v in s.items()},
    "positions": adding(bert__embeddings__position_ids=torch.arange(64)[None]),
    "other heads": adding(cls__predictions__bias=torch.ones(9), cls__seq_relationship__weight=torch.ones(2, 16),
                          lm_head__weight=torch.ones(9, 16), qa_outputs__weight=torch.ones(2, 16)),
    "states of a training": lambda s: s | {f"ema.{k}": v + 1 for k, v in s.items()} | {"loss.scale": torch.ones(1)},
    "a head that looks like ours": adding(teacher__classifier__weight=torch.ones(2, 16)),
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_is_no_part_of_the_model_leaves_its_weights_alone(tmp_path: Path, sound: Path, kind: str) -> None:
    loaded, state = opened(tmp_path, sound, HARMLESS[kind]), load_file(sound / "model.safetensors")
    assert loaded.drawn == ()
    found = dict(loaded.model.named_parameters())
    assert found.keys() == state.keys() and all(torch.equal(v, state[k]) for k, v in found.items())
    # What is saved of it is read by transformers itself, whatever names it was read under here.
    save_checkpoint(loaded.model, loaded.tokenizer, tmp_path / "saved")
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert all(torch.equal(v, state[k]) for k, v in again.named_parameters())


def test_half_precision_is_read_as_the_numbers_that_it_holds(tmp_path: Path, sound: Path) -> None:
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        loaded = opened(tmp_path / str(kind), sound, lambda state, kind=kind: {k: v.to(kind) for k, v in state.items()})
        state = load_file(sound / "model.safetensors")
        assert all(torch.equal(v, state[k].to(kind).float()) for k, v in loaded.model.named_parameters())


def test_huge_numbers_are_finite(tmp_path: Path, sound: Path) -> None:
    """Their sum is not, which says nothing of them."""
    loaded = opened(tmp_path, sound, put(f"{QUERY}.weight", lambda w: torch.full_like(w, 3e38)))
    assert bool((loaded.model.get_submodule(QUERY).weight == 3e38).all())


def test_head_and_pooler_may_be_missing_and_are_told_by_name(tmp_path: Path, sound: Path) -> None:
    assert opened(tmp_path / "a", sound, without("classifier")).drawn == ("classifier",)
    loaded = opened(tmp_path / "b", sound, without("classifier", "pooler"))
    assert loaded.drawn == ("bert.pooler.dense", "classifier")
    state = load_file(sound / "model.safetensors")
    for name, values in loaded.model.named_parameters():
        head = "pooler" in name or name.startswith("classifier")
        assert head == of_head(loaded.model, name) and torch.equal(values, state[name]) != head


def test_the_folder_of_a_training_names_the_model_in_it(tmp_path: Path, sound: Path) -> None:
    shutil.copytree(sound, tmp_path / "checkpoint-500")
    for refuses in (lambda name: load_model(name, labels=2, seed=0), source_of):
        with pytest.raises(InputError, match=r"no config\.json.*the folder that holds it, such as checkpoint-500\."):
            refuses(str(tmp_path))
