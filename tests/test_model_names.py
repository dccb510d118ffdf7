"""What a matrix's name says: layer, part, place and heads, in the names that real models give their matrices."""

from __future__ import annotations

from typing import Any

import pytest

from core.cli.browse import layer_table
from core.runs.grams import worth_keeping
from core.runs.names import (
    heads_of,
    in_order,
    layer_name,
    layer_of,
    matrix_name,
    matrix_words,
    natural,
    part_of,
    place_of,
)
from core.runs.records import Matrix
from core.runs.store import Store
from core.views.drawing import style
from tests.sources import ROOT

ENCODER = ("query", "key", "value", "attention output", "FFN in", "FFN out")
CROSS = ("cross-attention query", "cross-attention key", "cross-attention value", "cross-attention output")
FUSED = ("query, key and value", "attention output", "FFN in", "FFN out")
GATED = (*ENCODER[:4], "FFN gate", "FFN in", "FFN out")

# The state dict's names of one layer ({} = its number from 0) as Hugging Face's models have them, with their parts.
FAMILIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "BERT, RoBERTa, ELECTRA": (
        "electra.encoder.layer.{}.", "attention.self.query attention.self.key attention.self.value "
        "attention.output.dense intermediate.dense output.dense", ENCODER),
    "MPNet": (
        "mpnet.encoder.layer.{}.", "attention.attn.q attention.attn.k attention.attn.v attention.attn.o "
        "intermediate.dense output.dense", ENCODER),
    "DistilBERT": (
        "distilbert.transformer.layer.{}.", "attention.q_lin attention.k_lin attention.v_lin attention.out_lin "
        "ffn.lin1 ffn.lin2", ENCODER),
    "ALBERT": (
        "albert.encoder.albert_layer_groups.{}.", "albert_layers.0.attention.query albert_layers.0.attention.key "
        "albert_layers.0.attention.value albert_layers.0.attention.dense albert_layers.0.ffn "
        "albert_layers.0.ffn_output", ENCODER),
    "XLM, attention": ("transformer.attentions.{}.", "q_lin k_lin v_lin out_lin", ENCODER[:4]),
    "XLM, feed-forward": ("transformer.ffns.{}.", "lin1 lin2", ENCODER[4:]),
    "DeBERTa": (
        "deberta.encoder.layer.{}.", "attention.self.query_proj attention.self.key_proj attention.self.value_proj "
        "attention.self.pos_key_proj attention.output.dense intermediate.dense output.dense",
        (*ENCODER[:3], "attention.self.pos_key_proj", *ENCODER[3:])),
    "GPT-2": (
        "transformer.h.{}.", "attn.c_attn attn.c_proj crossattention.c_attn crossattention.q_attn "
        "crossattention.c_proj mlp.c_fc mlp.c_proj",
        (*FUSED[:2], "cross-attention key and value", "cross-attention query", "cross-attention output", *FUSED[2:])),
    "GPT-Neo": (
        "transformer.h.{}.", "attn.attention.q_proj attn.attention.k_proj attn.attention.v_proj "
        "attn.attention.out_proj mlp.c_fc mlp.c_proj", ENCODER),
    "GPT-J": (
        "transformer.h.{}.", "attn.q_proj attn.k_proj attn.v_proj attn.out_proj mlp.fc_in mlp.fc_out", ENCODER),
    "GPT-NeoX": (
        "gpt_neox.layers.{}.", "attention.query_key_value attention.dense mlp.dense_h_to_4h mlp.dense_4h_to_h", FUSED),
    "BLOOM": (
        "transformer.h.{}.", "self_attention.query_key_value self_attention.dense mlp.dense_h_to_4h "
        "mlp.dense_4h_to_h", FUSED),
    "OPT": (
        "model.decoder.layers.{}.", "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.out_proj fc1 fc2",
        tuple(f"decoder {part}" for part in ENCODER)),
    "BART, encoder": (
        "model.encoder.layers.{}.", "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.out_proj fc1 fc2",
        ENCODER),
    "BART, decoder": (
        "model.decoder.layers.{}.", "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.out_proj "
        "encoder_attn.q_proj encoder_attn.k_proj encoder_attn.v_proj encoder_attn.out_proj fc1 fc2",
        (*(f"decoder {part}" for part in ENCODER[:4]), *CROSS, "decoder FFN in", "decoder FFN out")),
    "T5, encoder": (
        "encoder.block.{}.", "layer.0.SelfAttention.q layer.0.SelfAttention.k layer.0.SelfAttention.v "
        "layer.0.SelfAttention.o layer.1.DenseReluDense.wi_0 layer.1.DenseReluDense.wi_1 layer.1.DenseReluDense.wo",
        GATED),
    "T5, decoder": (
        "decoder.block.{}.", "layer.0.SelfAttention.q layer.0.SelfAttention.k layer.0.SelfAttention.v "
        "layer.0.SelfAttention.o layer.1.EncDecAttention.q layer.1.EncDecAttention.k layer.1.EncDecAttention.v "
        "layer.1.EncDecAttention.o layer.2.DenseReluDense.wi layer.2.DenseReluDense.wo",
        (*(f"decoder {part}" for part in ENCODER[:4]), *CROSS, "decoder FFN in", "decoder FFN out")),
    "Llama, Qwen": (
        "model.layers.{}.", "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj mlp.gate_proj "
        "mlp.up_proj mlp.down_proj", GATED),
    "Mixtral": (
        "model.layers.{}.", "self_attn.q_proj block_sparse_moe.gate block_sparse_moe.experts.7.w1",
        ("query", "block_sparse_moe.gate", "block_sparse_moe.experts.7.w1")),
    "Phi": (
        "model.layers.{}.", "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.dense mlp.fc1 mlp.fc2",
        ENCODER),
    "Phi-3": (
        "model.layers.{}.", "self_attn.qkv_proj self_attn.o_proj mlp.gate_up_proj mlp.down_proj",
        (*FUSED[:2], "FFN gate and in", "FFN out")),
    "ModernBERT": (
        "model.layers.{}.", "attn.Wqkv attn.Wo mlp.Wi mlp.Wo", (*FUSED[:2], "FFN gate and in", "FFN out")),
    "ViT": (
        "vit.encoder.layer.{}.", "attention.attention.query attention.attention.key attention.attention.value "
        "attention.output.dense intermediate.dense output.dense", ENCODER),
    "any other": ("model.tower.{}.", "mixer.in_proj experts.3.up", ("mixer.in_proj", "experts.3.up")),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("number", [0, 11])
def test_the_names_of_a_family(family: str, number: int) -> None:
    layer, rest, parts = FAMILIES[family]
    names = [layer.format(number) + name for name in rest.split()]
    assert tuple(map(part_of, names)) == parts
    for name, part in zip(names, parts, strict=True):
        assert (layer_of(name), layer_name(name)) == (number + 1, layer.format(number).removesuffix("."))
        assert place_of(name) == place_of(f"{name}.weight") == "layers"
        assert matrix_words(name) == f"layer {number + 1} · {part}"


def test_no_two_matrices_of_a_model_are_called_alike() -> None:
    for model in (("XLM, attention", "XLM, feed-forward"), ("BART, encoder", "BART, decoder"),
                  ("T5, encoder", "T5, decoder"), *((family,) for family in FAMILIES)):
        parts = [part for family in model for part in FAMILIES[family][2]]
        assert len(set(parts)) == len(parts), model


@pytest.mark.parametrize(("place", "names"), [
    ("embeddings", ("bert.embeddings.word_embeddings", "transformer.wte", "transformer.wpe.weight", "shared.weight",
                    "model.embed_tokens", "albert.encoder.embedding_hidden_mapping_in",
                    "encoder.block.0.layer.0.SelfAttention.relative_attention_bias")),
    ("head", ("lm_head", "embed_out.weight", "classifier", "classifier.0.weight", "bert.pooler.dense", "pre_classifier",
              "score.1", "cls.predictions.transform.dense", "head.proj", "qa_head.0.dense")),
    ("layers", ("encoder.layers.0.weight", "0.weight", "h.0.attn.c_attn.weight", "part.3.x"))])
def test_places(place: str, names: tuple[str, ...]) -> None:
    assert [place_of(name) for name in names] == [place] * len(names)


@pytest.mark.parametrize("name", ["classifier.0", "bert.pooler.dense", "head.proj", "layer.norm", "m", ""])
def test_a_name_of_no_layer_stands_for_itself(name: str) -> None:
    assert (layer_of(name), layer_name(name)) == (None, None)
    assert matrix_words(name) == part_of(name) == name


def test_a_layer_that_is_one_matrix() -> None:
    assert matrix_words("encoder.layers.3") == "layer 4 · weight"


def test_a_number_of_a_hostile_length_is_no_layer() -> None:
    name = f"encoder.layer.{'9' * 5000}.query"
    assert layer_of(name) is None and place_of(name) == "head" and part_of(name) == name
    assert len(natural(name)) > 500


def test_names_lose_their_weight_and_sort_by_number() -> None:
    assert matrix_name("layer.0.query.weight") == matrix_name("layer.0.query") == "layer.0.query"
    assert sorted(["a.10.b", "a.9.b", "a.9.a"], key=natural) == ["a.9.a", "a.9.b", "a.10.b"]


# -- heads -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "count", "axis"), [
    ("bert.encoder.layer.0.attention.self.query", "num_attention_heads", 0),
    ("bert.encoder.layer.0.attention.output.dense", "num_attention_heads", 1),
    ("distilbert.transformer.layer.0.attention.k_lin", "n_heads", 0),
    ("distilbert.transformer.layer.0.attention.out_lin", "n_heads", 1),
    ("albert.encoder.albert_layer_groups.0.albert_layers.0.attention.value", "num_attention_heads", 0),
    ("albert.encoder.albert_layer_groups.0.albert_layers.0.attention.dense", "num_attention_heads", 1),
    ("transformer.attentions.0.out_lin", "n_heads", 1), ("gpt_neox.layers.0.attention.dense", "num_attention_heads", 1),
    ("transformer.h.0.self_attention.dense", "n_head", 1), ("encoder.block.0.layer.0.SelfAttention.q", "num_heads", 0),
    ("decoder.block.0.layer.1.EncDecAttention.o", "num_heads", 1), ("model.layers.0.attn.Wo", "num_attention_heads", 1),
    ("model.decoder.layers.0.encoder_attn.v_proj", "num_attention_heads", 0)])
def test_heads_of_a_family(name: str, count: str, axis: int) -> None:
    assert heads_of(name, (64, 32), {count: 8}) == (8, axis)
    assert heads_of(name, (64, 32), {count: 8, "num_key_value_heads": None}) == (8, axis)


@pytest.mark.parametrize("name", [
    "bert.encoder.layer.0.output.dense", "bert.encoder.layer.0.intermediate.dense", "bert.pooler.dense",
    "transformer.h.0.attn.c_attn", "transformer.h.0.attn.c_proj", "gpt_neox.layers.0.attention.query_key_value",
    "encoder.block.0.layer.1.DenseReluDense.wo", "model.layers.0.mlp.Wo", "model.layers.0.mlp.down_proj"])
def test_other_matrices_have_no_heads(name: str) -> None:
    assert heads_of(name, (64, 64), {"num_attention_heads": 8, "n_head": 8, "num_heads": 8}) is None


def test_grouped_heads_and_strange_counts() -> None:
    config = {"num_attention_heads": 8, "num_key_value_heads": 2}
    assert heads_of("model.layers.0.self_attn.q_proj", (64, 64), config) == (8, 0)
    assert heads_of("model.layers.0.self_attn.k_proj", (16, 64), config) == (2, 0)
    assert heads_of("model.layers.0.self_attn.o_proj", (64, 64), config) == (8, 1)
    bad: list[dict[str, Any]] = [{}, {"num_attention_heads": 0}, {"num_attention_heads": True},
                                 {"num_attention_heads": "8"}, {"num_attention_heads": 7}]
    for counts in bad:
        assert heads_of("model.layers.0.self_attn.q_proj", (64, 64), counts) is None


# -- the recorded runs -------------------------------------------------------------------------------------------

WORDS = {"attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
         "attention.output.dense": "attention output", "intermediate.dense": "FFN in", "output.dense": "FFN out"}


def test_every_matrix_of_the_recorded_runs_is_called_what_it_was_called() -> None:
    known = {f"bert.encoder.layer.{i}.{rest}": (f"bert.encoder.layer.{i}", i + 1, part, f"layer {i + 1} · {part}")
             for i in range(6) for rest, part in WORDS.items()}
    store = Store(recorded=ROOT / "cached_runs", live=ROOT / "no-such-folder")
    records = list(store.records())
    names = {m.name for record in records for m in record.matrices}
    assert names == set(known)
    for name in names:
        layer, number, part, words = known[name]
        assert (layer_name(name), layer_of(name), part_of(name), matrix_words(name)) == (layer, number, part, words)
        assert style.matrix_words(name) == words and place_of(name) == "layers"
    for record in (r for r in records if r.matrices):
        layers = len(record.matrices) // 6
        assert [row[:2] for row in layer_table(record)] == [(f"bert.encoder.layer.{i}", "6") for i in range(layers)]


def test_layers_are_one_row_and_choose_gram_matrices_in_any_family() -> None:
    names = [FAMILIES["GPT-NeoX"][0].format(i) + rest for i in (10, 2, 0) for rest in FAMILIES["GPT-NeoX"][1].split()]
    matrices = [Matrix(name=name, shape=(8, 8), gram=name) for name in [*names, "gpt_neox.layers.7.mlp.dense_h_to_4h"]]
    kept = worth_keeping(matrices)
    assert {layer_of(name) for name in kept} == {1, 8, 11} and len(kept) == 9


@pytest.mark.parametrize("names", [
    ["bert.encoder.layer.2.attention.self.query", "bert.encoder.layer.2.attention.self.key",
     "bert.encoder.layer.2.attention.self.value", "bert.encoder.layer.2.attention.output.dense",
     "bert.encoder.layer.2.intermediate.dense", "bert.encoder.layer.2.output.dense", "bert.encoder.layer.2.adapter",
     "bert.encoder.layer.10.attention.self.query", "bert.encoder.layer.10.output.dense", "bert.pooler.dense"],
    ["decoder.layers.0.self_attn.q_proj", "decoder.layers.0.self_attn.out_proj", "decoder.layers.0.encoder_attn.q_proj",
     "decoder.layers.0.encoder_attn.k_proj", "decoder.layers.0.encoder_attn.out_proj", "decoder.layers.0.fc1",
     "decoder.layers.0.fc2", "decoder.layers.1.self_attn.q_proj"],
    ["h.0.attn.c_attn", "h.0.attn.c_proj", "h.0.mlp.c_fc", "h.0.mlp.c_proj"]])
def test_matrices_stand_in_the_order_in_which_a_pass_comes_to_them(names: list[str]) -> None:
    for shuffled in (names[::-1], sorted(names), names[1::2] + names[::2]):
        assert sorted(shuffled, key=in_order) == names
