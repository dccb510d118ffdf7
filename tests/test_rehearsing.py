"""What a model, its tokenizer and a task must be to each other: tiny random models of many families either run, with
the right heads, shares and answers, or are refused in a sentence before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from core.cli.run import summary
from core.errors import InputError
from core.inside.watching import by_text
from core.models.encoding import Encoded, collate, encode
from core.models.library import quiet_transformers
from core.models.loading import Loaded, load_model
from core.models.prunable import layer_stack, prunable, prunable_words
from core.models.tiny import tiny_tokenizer
from core.running.pipeline import run
from core.running.rehearsing import rehearse
from core.running.training import predict, set_dropout
from core.runs.checks.folder_check import check
from core.runs.store import Store
from core.specs.resolving import dense_spec, resolve
from core.tasks import Examples

ROWS = len(tiny_tokenizer())
SMALL: dict[str, Any] = {"vocab_size": ROWS, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
                         "intermediate_size": 32, "max_position_embeddings": 64, "num_labels": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {}, "electra": {"embedding_size": 8}, "convbert": {"embedding_size": 8, "head_ratio": 2,
                                                              "conv_kernel_size": 3},
    "xlm": {"emb_dim": 16, "n_layers": 2, "n_heads": 4, "use_lang_emb": False, "pad_index": 0, "bos_index": 2,
            "eos_index": 3, "unk_index": 1, "mask_index": 1},
    "llama": {"num_key_value_heads": 2, "pad_token_id": None}, "gpt_neox": {"pad_token_id": None},
    "opt": {"word_embed_proj_dim": 8, "ffn_dim": 32, "pad_token_id": None},
    "qwen2": {"vocab_size": ROWS + 4, "num_key_value_heads": 2, "pad_token_id": None},
    "qwen2_moe": {"num_key_value_heads": 2, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8,
                  "shared_expert_intermediate_size": 16, "pad_token_id": None},
}
OWN_NAMES = ("xlnet", "funnel", "xlm")
LAST_TOKEN = ("llama", "gpt_neox", "opt", "qwen2", "qwen2_moe")


def saved(folder: Path, family: str, tokenizer: Any = None, **config: Any) -> Path:
    """A random model of *family*, with norms and biases that are no zeros and ones, and its tokenizer."""
    library = quiet_transformers()
    torch.manual_seed(5)
    # Some families refuse to be told the sizes by their usual names.
    sizes = {"vocab_size": ROWS, "num_labels": 2} if family in OWN_NAMES else SMALL
    model = library.AutoModelForSequenceClassification.from_config(
        library.AutoConfig.for_model(family, **{**sizes, **config}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2)
    model.save_pretrained(folder)
    (tokenizer or tiny_tokenizer()).save_pretrained(folder)
    return folder


def loaded_of(folder: Path, family: str, **config: Any) -> Loaded:
    return load_model(str(saved(folder, family, **config)), labels=2, seed=0)


def texts(tokenizer: Any, pair: bool = False) -> Encoded:
    words = ["all dogs run", "no cats move and some dogs move too", "all cats run", "dogs"]
    return encode(tokenizer, Examples(words, words[::-1] if pair else None, np.zeros(4, dtype=np.int64)), 64)


# --- families that run ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_is_answered_alike_alone_and_among_longer_ones(tmp_path: Path, family: str) -> None:
    loaded = loaded_of(tmp_path, family, **FAMILIES[family])
    found = texts(loaded.tokenizer)
    pad = loaded.tokenizer.pad_token_id
    assert rehearse(loaded.model, found, pad, 2).heads == (2 if family == "convbert" else 4)
    with torch.no_grad():
        alone = torch.cat([loaded.model(**collate(found, [i], pad)).logits for i in range(len(found))])
    if family != "convbert":  # its convolutions reach into the padding
        np.testing.assert_allclose(predict(loaded.model, found, pad), alone.numpy(), atol=1e-5)
    if family in LAST_TOKEN:
        assert loaded.model.config.pad_token_id == pad


def test_what_a_generating_model_ends_with_pads_its_batches(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token, tokenizer.eos_token = None, "[SEP]"
    folder = saved(tmp_path / "a", "llama", tokenizer, **FAMILIES["llama"])
    loaded = load_model(str(folder), labels=2, seed=0)
    assert loaded.tokenizer.pad_token == "[SEP]" and loaded.model.config.pad_token_id == tokenizer.eos_token_id
    loaded.model.save_pretrained(tmp_path / "b")
    loaded.tokenizer.save_pretrained(tmp_path / "b")
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "b")
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "b")
    words = ["all dogs run", "no cats move and some dogs move too"]
    with torch.no_grad():
        out = theirs(**again(words, padding=True, return_tensors="pt")).logits.numpy()
    ours = encode(loaded.tokenizer, Examples(words, None, np.zeros(2, dtype=np.int64)), 64)
    np.testing.assert_allclose(out, predict(loaded.model, ours, loaded.tokenizer.pad_token_id), atol=1e-5)


@pytest.mark.parametrize(("family", "config"), [
    ("bert", {"type_vocab_size": 1}), ("distilbert", {"dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 32}),
    ("roberta", {"type_vocab_size": 1, "pad_token_id": 0}), ("llama", FAMILIES["llama"])])
def test_pairs_are_given_without_types_to_a_model_that_knows_one_type(tmp_path: Path, family: str,
                                                                      config: dict[str, Any]) -> None:
    loaded = loaded_of(tmp_path / "a", family, **config)
    found = texts(loaded.tokenizer, pair=True)
    assert found.types is None and rehearse(loaded.model, found, 0, 2).heads == 4
    loaded.tokenizer.save_pretrained(tmp_path / "b")  # and whoever takes the export need not know
    assert "token_type_ids" not in transformers.AutoTokenizer.from_pretrained(tmp_path / "b")("dogs", "cats")


def test_a_model_with_two_types_is_given_them(tmp_path: Path) -> None:
    loaded = loaded_of(tmp_path, "bert")
    assert [row[-1] for row in texts(loaded.tokenizer, pair=True).types or []] == [1, 1, 1, 1]


def test_maps_laid_out_in_one_row_of_tokens_are_put_by_text() -> None:
    values = torch.arange(24.0).reshape(2, 3, 4)
    real = torch.ones(2, 3, dtype=torch.bool)
    seen = by_text({"ffn": {1: values.reshape(6, 4), 2: values}}, real)
    assert torch.equal(seen["ffn"][1], values) and torch.equal(seen["ffn"][2], values)


# --- what of the layers is prunable -----------------------------------------------------------------------------------

def test_lists_of_modules_side_by_side_are_one_stack(tmp_path: Path) -> None:
    model = loaded_of(tmp_path, "xlm", **FAMILIES["xlm"]).model
    found = prunable(model)
    expected = [name.removesuffix(".weight") for name, value in model.state_dict().items()
                if value.ndim == 2 and (".attentions." in name or ".ffns." in name)]
    assert len(found) == 12 and sorted(found) == sorted(expected)
    assert [name.split(".")[2] for name in found] == ["0"] * 6 + ["1"] * 6  # layer by layer
    assert [len(layer) for layer in layer_stack(model)] == [4, 4] and prunable_words(model, found) == ""


def test_a_model_of_which_part_stays_dense_says_how_much(tmp_path: Path) -> None:
    model = loaded_of(tmp_path, "qwen2_moe", **FAMILIES["qwen2_moe"]).model
    linear = sum(m.weight.numel() for n, m in model.named_modules() if isinstance(m, nn.Linear) and "layers." in n)
    whole = sum(p.numel() for n, p in model.named_parameters() if ".layers." in n and p.ndim > 1)
    words = prunable_words(model, prunable(model))
    assert linear < whole and words.startswith(f"{linear:,} of the {whole:,} weights of the layers are prunable; left")
    assert words.endswith("left out: model.layers.*.mlp.gate, model.layers.*.mlp.experts.gate_up_proj, "
                          "model.layers.*.mlp.experts.down_proj.")


@pytest.mark.parametrize("family", ["bert", "electra", "llama", "gpt_neox", "opt"])
def test_a_model_that_is_prunable_whole_says_nothing(tmp_path: Path, family: str) -> None:
    model = loaded_of(tmp_path, family, **FAMILIES[family]).model
    assert prunable_words(model, prunable(model)) == ""


GPT = {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64}


@pytest.mark.parametrize(("family", "config", "said"), [
    ("gpt2", GPT, r"GPT2.* cannot be pruned: its weights \('transformer\.h\.0\.attn\.c_attn' first\) are Conv1D"),
    ("openai-gpt", GPT, r"OpenAIGPT.*are Conv1D"),
    ("xlnet", {"d_model": 16, "n_layer": 2, "n_head": 4, "d_inner": 32}, r"XLNet.*rel_attn\.q' first\) are bare param"),
    ("squeezebert", {"embedding_size": 16}, r"SqueezeBert.*are Conv1d"), ("ibert", {}, r"IBert.*are QuantLinear")])
def test_a_model_whose_attention_cannot_be_reached_is_refused(tmp_path: Path, family: str, config: dict[str, Any],
                                                              said: str) -> None:
    model = loaded_of(tmp_path, family, **config).model
    with pytest.raises(InputError, match=said):
        prunable(model)


# --- refused at the rehearsal -----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("family", "config", "said"), [
    ("fnet", {}, r"FNet.*does not tell where its attention looks"),
    ("funnel", {"block_sizes": [1, 1], "d_model": 16, "n_head": 4, "d_head": 4, "d_inner": 32}, r"Funnel.*puts out"),
    ("longformer", {"attention_window": [8, 8], "type_vocab_size": 1}, r"Longformer.*states of the shape \[2, 16"),
    ("nystromformer", {"num_landmarks": 4, "segment_means_seq_len": 64}, r"cannot read two examples of the task \(R")])
def test_a_model_that_the_recording_cannot_read_is_refused(tmp_path: Path, family: str, config: dict[str, Any],
                                                           said: str) -> None:
    loaded = loaded_of(tmp_path, family, **config)
    with pytest.raises(InputError, match=said) as caught:
        rehearse(loaded.model, texts(loaded.tokenizer), loaded.tokenizer.pad_token_id, 2)
    assert "\n" not in str(caught.value) and not any(m._forward_hooks for m in loaded.model.modules())


def test_tokens_and_types_without_a_row_are_refused(tmp_path: Path) -> None:
    loaded = loaded_of(tmp_path, "bert")
    sound, labels = texts(loaded.tokenizer, pair=True), np.zeros(4, dtype=np.int64)
    for ids, types, said in ((ROWS, 0, rf"input_ids up to {ROWS}, .*has {ROWS} rows"), (3, 2, "type_ids up to 2")):
        odd = Encoded([*sound.ids[:3], [ids]], [*(sound.types or [])[:3], [types]], labels)
        with pytest.raises(InputError, match=said):
            rehearse(loaded.model, odd, 0, 2)


def test_answers_that_are_no_numbers_or_too_many_are_refused(tmp_path: Path) -> None:
    loaded = loaded_of(tmp_path, "bert")
    with pytest.raises(InputError, match=r"logits of the shape \[2, 2\]\. Expected \[2, 3\]"):
        rehearse(loaded.model, texts(loaded.tokenizer), 0, 3)
    with torch.no_grad():
        loaded.model.classifier.weight.fill_(3e38)
    with pytest.raises(InputError, match=r"answers two examples of the task with NaN or infinity"):
        rehearse(loaded.model, texts(loaded.tokenizer), 0, 2)


def test_a_tokenizer_larger_than_the_embeddings_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["lampshade"])
    saved(tmp_path, "bert", tokenizer)
    with pytest.raises(InputError, match=rf"'lampshade' has the number {ROWS}, they have {ROWS} rows.*resize_token"):
        load_model(str(tmp_path), labels=2, seed=0)


def test_a_rehearsal_changes_nothing(tmp_path: Path) -> None:
    loaded = loaded_of(tmp_path, "bert")
    set_dropout(loaded.model, 0.5)
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    torch.manual_seed(1)
    drawn: Tensor = torch.rand(2)
    torch.manual_seed(1)
    kind = loaded.model.config._attn_implementation
    found = texts(loaded.tokenizer)
    rehearse(loaded.model, found, 0, 2)
    assert torch.equal(torch.rand(2), drawn) and loaded.model.config._attn_implementation == kind
    assert all(torch.equal(value, before[name]) for name, value in loaded.model.state_dict().items())
    assert set(collate(found, [0], 0)) == {"input_ids", "attention_mask", "token_type_ids"}


# --- whole runs -------------------------------------------------------------------------------------------------------

@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "cached_runs").mkdir()
    return Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")


def short(folder: Path, **given: Any) -> Any:
    return resolve({"task": "agreement", "model": str(folder), "method": "magnitude", "pattern": "2:4",
                    "train_examples": 64, "dev_examples": 40, "dense_epochs": 1.0, "calibration": 8, **given})


@pytest.mark.parametrize(("family", "heads", "left"), [
    ("convbert", 2, "key_conv_attn_layer"), ("opt", 4, ""), ("qwen2_moe", 4, "mlp.experts"), ("xlm", 4, "")])
def test_a_run_of_another_family_checks_and_says_what_it_left_out(tmp_path: Path, store: Store, family: str, heads: int,
                                                                  left: str) -> None:
    record = run(short(saved(tmp_path / "m", family, **FAMILIES[family])), store=store)
    opened = store.open(record.id)
    assert check(opened).problems == [] and (record.layers, record.heads) == (2, heads)
    reached = sum(m.shape[0] * m.shape[1] for m in record.matrices)
    assert left in record.left_out and (not record.left_out or record.left_out.startswith(f"{reached:,} of the "))
    assert bool(left) == bool(record.left_out) == (f"Note: {record.left_out}" in summary(record).splitlines())
    assert record.sparsity == 0.5


def test_a_model_that_is_refused_leaves_no_folder(tmp_path: Path, store: Store) -> None:
    for family in ("fnet", "gpt2"):
        spec = short(saved(tmp_path / family, family, **(GPT if family == "gpt2" else {})))
        with pytest.raises(InputError):
            run(spec, store=store)
        assert not (store.live / spec.run_id).exists() and not (store.live / dense_spec(spec).run_id).exists()
