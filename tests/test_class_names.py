"""Class names travel: whatever order a checkpoint names its classes in, output i is the task's class i; names that are
other ones cost the head; and what is saved answers with the task's own names."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from safetensors.torch import load_file, save_file

from core.errors import InputError
from core.models.class_names import Names, order_of, output_layer, put_into, said_by
from core.models.encoding import encode
from core.models.loading import load_model
from core.running.training import predict
from core.runs.records import RunRecord
from core.runs.store import read_header
from core.tasks import TASKS, Examples
from tests import planted_models

WORDS = {"blame": "bad", "neither": "so", "praise": "good"}
CLASSES = tuple(WORDS)


# --- names against names ----------------------------------------------------------------------------------------------

def test_any_order_of_names_is_found_again() -> None:
    draw = random.Random(0)
    for count in (2, 3, 5, 20, 300):
        classes = [f"Class {k}" for k in range(count)]
        for change in (str, str.upper, lambda name: name.replace(" ", "_"), lambda name: f" {name.lower()} "):
            names = draw.sample(classes, count)
            order = order_of(Names(tuple(map(change, names))), classes)
            assert order is not None and [names[k] for k in order] == classes


@pytest.mark.parametrize(("names", "classes", "order"), [
    (("NEGATIVE", "POSITIVE"), TASKS["sst2"].labels, [0, 1]),
    (("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), TASKS["mnli"].labels, [2, 1, 0]),
    (("not entailment", "Entailment"), TASKS["rte"].labels, [1, 0]),
    (("LABEL_0", "LABEL_1"), ("no", "yes"), [0, 1]), (("LABEL_1", "LABEL_0"), ("no", "yes"), [1, 0]),
    (("label_0", "label_1"), ("0", "1"), [0, 1]), (("1", "0"), ("0", "1"), [1, 0]), (None, ("no", "yes"), [0, 1]),
    (("LABEL_2", "LABEL_0", "LABEL_1"), ("no", "perhaps", "yes"), [1, 2, 0]),
    (("LABEL_2", "LABEL_10"), ("LABEL_10", "LABEL_2"), [1, 0]),  # names after all
    (("a", "A"), ("A", "a"), [1, 0]),  # told apart by capitals alone, and they are
    (("cafe\u0301", "the"), ("caf\u00e9", "the"), [0, 1]),
    (("True", "False"), ("false", "true"), [1, 0])])
def test_names_that_mean_the_classes(names: tuple[str, ...] | None, classes: tuple[str, ...], order: list[int]) -> None:
    assert order_of(Names(names), classes) == order


@pytest.mark.parametrize(("names", "classes"), [
    (("joy", "anger"), ("negative", "positive")), (("negative", "positive", "neutral"), ("negative", "positive")),
    (("0", "1"), ("negative", "positive")), (("LABEL_1", "LABEL_2"), ("no", "yes")), (("LABEL_0",), ("no", "yes")),
    (("a", "A"), ("a", "b")), (("a", "b"), ("a", "A")), (("pos", "neg"), ("negative", "positive"))])
def test_names_that_mean_something_else(names: tuple[str, ...], classes: tuple[str, ...]) -> None:
    assert order_of(Names(names), classes) is None


@pytest.mark.parametrize(("config", "found"), [
    ({}, Names(None)), ({"id2label": None, "num_labels": 3}, Names(None)), ({"id2label": ["a", "b"]}, Names(None)),
    ({"id2label": {"1": "b", "0": "a"}, "label2id": {"x": 0}}, Names(("a", "b"))),
    ({"label2id": {"b": 1, "a": 0}}, Names(("a", "b"))), ({"label2id": {"b": 1, "a": 1}}, Names(None)),
    ({"id2label": {0: 5, 1: True}}, Names(("5", "True"))),
    ({"id2label": {"0": "a", "2": "b"}}, Names(("a", "b"), False)),
    ({"id2label": {"0": "a", "1": "a"}}, Names(("a", "a"), False)),
    ({"id2label": {"0": "a", "1": "b"}, "num_labels": 3}, Names(("a", "b"), False)),
    ({"id2label": {"0": "", "1": "b"}}, Names(("", "b"), False))])
def test_what_a_configuration_says(config: dict[str, Any], found: Names) -> None:
    assert said_by(config) == found
    assert found.usable or order_of(found, found.names or ()) is None


# --- models -----------------------------------------------------------------------------------------------------------

def right(loaded: Any, classes: tuple[str, ...], rows: list[tuple[str, str]]) -> float:
    """The share of *rows* whose class the largest output is."""
    codes = np.array([classes.index(label) for _, label in rows])
    said = predict(loaded.model, encode(loaded.tokenizer, Examples([t for t, _ in rows], None, codes), 32), 0)
    return float((said.argmax(1) == codes).mean())


def test_a_model_that_is_right_stays_right_under_every_order_of_its_labels(tmp_path: Path) -> None:
    rows = planted_models.table(tmp_path / "t.csv", WORDS)
    for k, outputs in enumerate(itertools.permutations(CLASSES)):
        folder = tmp_path / f"m{k}"
        planted_models.save(folder, WORDS, outputs, [name.upper() for name in outputs] if k % 2 else None)
        loaded = load_model(str(folder), labels=3, seed=0, classes=CLASSES, own_head=True)
        assert right(loaded, CLASSES, rows) == 1.0, outputs
        assert loaded.model.config.id2label == dict(enumerate(CLASSES))
        assert ("put into the task's order" in loaded.note) == (outputs != CLASSES)
    planted_models.save(tmp_path / "unnamed", WORDS, CLASSES, [])
    loaded = load_model(str(tmp_path / "unnamed"), labels=3, seed=0, classes=CLASSES, own_head=True)
    assert right(loaded, CLASSES, rows) == 1.0
    assert loaded.note == "The checkpoint does not name its classes: its outputs are taken for blame, neither, " \
                          "praise, in this order."


SMALL = {"vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 20,
         "max_position_embeddings": 40}
GPT = {"vocab_size": 40, "n_embd": 12, "n_layer": 1, "n_head": 3, "n_positions": 40, "pad_token_id": 0}
DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0, "pooler_hidden_size": 12,
           "max_relative_positions": 8, "position_biased_input": False}
FAMILIES: dict[str, Callable[[], Any]] = {
    "bert": lambda: tf.BertConfig(**SMALL),
    "roberta": lambda: tf.RobertaConfig(**SMALL, pad_token_id=0),
    "as wide as it has classes": lambda: tf.RobertaConfig(**SMALL | {"hidden_size": 3}, pad_token_id=0),
    "xlm-roberta": lambda: tf.XLMRobertaConfig(**SMALL, pad_token_id=0),
    "distilbert": lambda: tf.DistilBertConfig(vocab_size=40, dim=12, n_layers=1, n_heads=3, hidden_dim=20),
    "electra": lambda: tf.ElectraConfig(**SMALL, embedding_size=8),
    "deberta": lambda: tf.DebertaConfig(**SMALL, **DEBERTA),
    "deberta-v2": lambda: tf.DebertaV2Config(**SMALL, **DEBERTA),
    "albert": lambda: tf.AlbertConfig(**SMALL, embedding_size=8),
    "mpnet": lambda: tf.MPNetConfig(**SMALL, pad_token_id=0),
    "modernbert": lambda: tf.ModernBertConfig(**SMALL, pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2,
                                              sep_token_id=3),
    "convbert": lambda: tf.ConvBertConfig(**SMALL | {"num_attention_heads": 2}, head_ratio=1, conv_kernel_size=3),
    "mobilebert": lambda: tf.MobileBertConfig(**SMALL | {"num_attention_heads": 2}, intra_bottleneck_size=12,
                                              embedding_size=8),
    "gpt2": lambda: tf.GPT2Config(**GPT),
    "gpt-neox": lambda: tf.GPTNeoXConfig(**SMALL | {"num_attention_heads": 2}, pad_token_id=0),
    "llama": lambda: tf.LlamaConfig(**SMALL | {"num_attention_heads": 2}, pad_token_id=0),
    "qwen2": lambda: tf.Qwen2Config(**SMALL | {"num_attention_heads": 2}, num_key_value_heads=2, pad_token_id=0),
    "opt": lambda: tf.OPTConfig(vocab_size=40, hidden_size=12, num_hidden_layers=1, num_attention_heads=2, ffn_dim=20,
                                max_position_embeddings=40, word_embed_proj_dim=12, pad_token_id=0),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_in_every_family_an_answer_is_found_under_its_name(tmp_path: Path, family: str) -> None:
    """The oracle is the checkpoint itself as transformers opens it, asked by name."""
    config = FAMILIES[family]()
    names = ("praise", "blame", "neither")
    config.num_labels = 3
    config.id2label, config.label2id = dict(enumerate(names)), {name: k for k, name in enumerate(names)}
    torch.manual_seed(0)
    saved = tf.AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in saved.parameters():
            parameter.normal_(0.0, 0.3)
    saved.save_pretrained(tmp_path)
    planted_models.tokenizer(["bad"], types="bert" in family).save_pretrained(tmp_path)
    ids = torch.tensor([[2, 5, 7, 9, 3], [2, 8, 6, 4, 3]])
    with torch.no_grad():
        theirs = saved(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        loaded = load_model(str(tmp_path), labels=3, seed=0, classes=CLASSES, own_head=True)
        ours = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    assert theirs.std(1).min() > 1e-3
    for k, name in enumerate(CLASSES):
        torch.testing.assert_close(ours[:, k], theirs[:, names.index(name)], rtol=1e-5, atol=1e-6)
    found = output_layer(loaded.model, 3)
    assert found is not None and found[1].weight.shape[0] == 3


def test_the_output_layer_is_no_part_of_the_base_model() -> None:
    """Wherever it stands: a head of before."""
    class Turned(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.score, self.base_model = torch.nn.Linear(8, 3), torch.nn.Sequential(torch.nn.Linear(8, 3))

    model = Turned()
    assert output_layer(model, 3) == ("score", model.score)
    assert output_layer(model, 8) is None and output_layer(tf.BertModel(tf.BertConfig(**SMALL)), 3) is None


def test_a_model_whose_pooler_is_missing_cannot_be_used_as_it_is(tmp_path: Path) -> None:
    """Its head is for the task's classes, and would read random numbers."""
    planted_models.save(tmp_path, WORDS, CLASSES)
    weights = load_file(tmp_path / "model.safetensors")
    save_file({name: value for name, value in weights.items() if "pooler" not in name}, tmp_path / "model.safetensors",
              metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"it lacks 2 weights \('bert\.pooler\.dense\.bias' first\)"):
        load_model(str(tmp_path), labels=3, seed=0, classes=CLASSES, own_head=True)
    assert load_model(str(tmp_path), labels=3, seed=0, classes=CLASSES).note == ""


def test_a_head_for_other_classes_is_drawn_anew_from_the_seed(tmp_path: Path) -> None:
    saved = planted_models.save(tmp_path / "m", WORDS, CLASSES, ["joy", "anger", "fear"])
    one, again, other = (load_model(str(tmp_path / "m"), labels=3, seed=seed, classes=CLASSES) for seed in (1, 1, 2))
    assert one.note == ("The checkpoint has a head for joy, anger, fear, not for the classes blame, neither, praise: "
                        "a new one with 3 outputs is drawn from seed 1.")
    head = one.model.classifier.weight
    assert torch.equal(head, again.model.classifier.weight) and not torch.equal(head, other.model.classifier.weight)
    assert not torch.equal(head, saved.classifier.weight) and 0.01 < head.std() < 0.04
    assert not one.model.classifier.bias.any()
    for name, value in saved.bert.state_dict().items():
        assert torch.equal(one.model.bert.state_dict()[name], value), name
    saved.bert.save_pretrained(tmp_path / "bare")
    planted_models.tokenizer(list(WORDS.values())).save_pretrained(tmp_path / "bare")
    bare = load_model(str(tmp_path / "bare"), labels=3, seed=1, classes=CLASSES)
    assert bare.note == "The checkpoint has no head: a new one with 3 outputs is drawn from seed 1."
    two = load_model(str(tmp_path / "m"), labels=2, seed=1, classes=("no", "yes"))
    assert two.note == ("The checkpoint has a head of 3 outputs (joy, anger, fear), not one for the classes no, yes: "
                        "a new one with 2 outputs is drawn from seed 1.")


@pytest.mark.parametrize(("names", "labels", "classes", "words"), [
    (["joy", "anger", "fear"], 3, CLASSES, "it has a head for joy, anger, fear, not for the classes blame"),
    (None, 2, ("no", "yes"), "it has a head of 3 outputs (blame, neither, praise), not one for the classes no, yes"),
    (None, 1, (), "it has a head of 3 outputs (blame, neither, praise), not one for one number")])
def test_a_head_that_does_not_fit_cannot_be_used_as_it_is(tmp_path: Path, names: list[str] | None, labels: int,
                                                          classes: tuple[str, ...], words: str) -> None:
    planted_models.save(tmp_path / "m", WORDS, CLASSES, names)
    with pytest.raises(InputError) as caught:
        load_model(str(tmp_path / "m"), labels=labels, seed=0, classes=classes, own_head=True)
    assert words in str(caught.value) and "Train a new head: --dense-epochs 2" in str(caught.value)
    assert ("correct id2label" in str(caught.value)) == (names is not None)


def test_a_head_of_one_number_stays_and_has_no_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    saved = tf.BertForSequenceClassification(tf.BertConfig(**SMALL, num_labels=1))
    saved.save_pretrained(tmp_path)
    planted_models.tokenizer(["bad"]).save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), labels=1, seed=0, own_head=True)
    assert torch.equal(loaded.model.classifier.weight, saved.classifier.weight) and loaded.note == ""
    assert loaded.model.config.id2label == {0: "LABEL_0"}
    two = load_model(str(tmp_path), labels=2, seed=0, classes=("no", "yes"))
    assert "a head of 1 output, not one for the classes no, yes" in two.note


# --- runs -------------------------------------------------------------------------------------------------------------

def made(cli: Any, tmp_path: Path, *words: str) -> RunRecord:
    result = cli("run", "--task", "own:rev", "--model", str(tmp_path / "m"), "--method", "magnitude", "--pattern",
                 "2:4", "--record", "answers", "--dense-lr", "0.0001", *words)
    assert result.exit_code == 0, result.output
    record = read_header(tmp_path / "runs" / result.stdout.partition(":")[0])
    assert [line.removeprefix("Note: ") for line in result.stdout.splitlines() if line.startswith("Note: ")] == \
        record.notes
    return record


def test_every_saved_model_answers_with_the_names_of_the_table(cli: Any, tmp_path: Path) -> None:
    """Dense and final checkpoint and the export; the pipeline of transformers says what the table says."""
    rows = planted_models.table(tmp_path / "t.csv", WORDS)
    assert cli("task", "add", "rev", str(tmp_path / "t.csv"), "--text", "text", "--label", "label").exit_code == 0
    planted_models.save(tmp_path / "m", WORDS, CLASSES[::-1])
    record = made(cli, tmp_path, "--dense-epochs", "1")
    assert record.results is not None and record.results.dense == record.results.final == 1.0
    assert record.notes == ["The checkpoint's outputs are praise, neither, blame: they were put into the task's order, "
                            "blame, neither, praise."]
    assert record.notes[0] in cli("show", record.id).stdout and record.parent is not None
    folders = [tmp_path / "runs" / run / "checkpoint" for run in (record.parent, record.id)]
    assert cli("export", record.id, "--to", str(tmp_path / "out")).exit_code == 0
    for folder in (*folders, tmp_path / "out"):
        config = json.loads((folder / "config.json").read_text())
        assert config["id2label"] == {"0": "blame", "1": "neither", "2": "praise"}
        assert config["label2id"] == {"blame": 0, "neither": 1, "praise": 2}
    answers = tf.pipeline("text-classification", model=str(tmp_path / "out"))([text for text, _ in rows])
    assert [answer["label"] for answer in answers] == [label for _, label in rows]
    # weights of an older version, which knew no names
    config = json.loads((folders[1] / "config.json").read_text())
    del config["id2label"], config["label2id"]
    (folders[1] / "config.json").write_text(json.dumps(config))
    assert cli("export", record.id, "--to", str(tmp_path / "old")).exit_code == 0
    assert tf.AutoConfig.from_pretrained(tmp_path / "old").id2label == dict(enumerate(CLASSES))
    assert "id2label" not in json.loads((folders[1] / "config.json").read_text())  # the run's own stays as it is


def test_names_are_written_once_and_a_damaged_configuration_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"id2label": {"0": "no", "1": "yes"}}')
    before = file.stat().st_mtime_ns, file.read_bytes()
    put_into(tmp_path, ["no", "yes"])
    put_into(tmp_path, [])
    assert (file.stat().st_mtime_ns, file.read_bytes()) == before
    put_into(tmp_path, ["n\u00e9", 'a "b"'])
    assert json.loads(file.read_text())["id2label"] == {"0": "n\u00e9", "1": 'a "b"'}
    for raw in (b"{", b"[1]", b"\xff", b"[" * 100_000):
        file.write_bytes(raw)
        with pytest.raises(InputError, match=r"config\.json is damaged"):
            put_into(tmp_path, ["no", "yes"])
