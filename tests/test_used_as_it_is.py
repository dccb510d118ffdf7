"""0 dense epochs: a model that somebody else fine-tuned is pruned as it is, and its export answers as it did. What has
no head for the task is refused, and told how to get one."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf

from core.cli.run import given_of, run_command
from core.errors import InputError
from core.live import asking
from core.models.loading import load_model
from core.runs.records import RunRecord, RunSpec
from core.runs.store import Store, default_store, read_header
from core.specs.resolving import dense_spec, resolve
from tests import planted_models
from tests.commands import refused

WORDS = {"blame": "bad", "neither": "so", "praise": "good"}
CLASSES = tuple(WORDS)
AS_IT_IS = ("--method", "admm-layer", "--pattern", "2:4", "--dense-epochs", "0", "--calibration", "16")


@pytest.fixture
def rows(cli: Any, tmp_path: Path) -> list[tuple[str, str]]:
    """The task `own:rev`; the rows of its validation part, which are those of its table."""
    made = planted_models.table(tmp_path / "t.csv", WORDS)
    assert cli("task", "add", "rev", str(tmp_path / "t.csv"), "--validation", str(tmp_path / "t.csv"), "--text", "text",
               "--label", "label").exit_code == 0
    return made


def done(tmp_path: Path, result: Any) -> RunRecord:
    assert result.exit_code == 0, result.output
    return read_header(tmp_path / "runs" / result.stdout.partition(":")[0])


def test_a_fine_tuned_folder_is_pruned_and_answers_with_its_own_names(cli: Any, tmp_path: Path,
                                                                      rows: list[tuple[str, str]]) -> None:
    saved = planted_models.save(tmp_path / "m", WORDS, CLASSES[::-1], [name.title() for name in CLASSES[::-1]])
    record = done(tmp_path, cli("run", "--task", "own:rev", "--model", str(tmp_path / "m"), *AS_IT_IS))
    assert record.results is not None and record.parent is not None
    assert (record.results.dense, record.results.final, record.sparsity) == (1.0, 1.0, 0.5)
    # the dense model is the checkpoint bit for bit, its outputs in the table's order
    parent = read_header(tmp_path / "runs" / record.parent)
    dense = tf.AutoModelForSequenceClassification.from_pretrained(tmp_path / "runs" / parent.id / "checkpoint")
    for name, value in saved.state_dict().items():
        assert torch.equal(dense.state_dict()[name], value.flip(0) if name.startswith("classifier") else value), name
    assert [row["score"] for row in default_store().open(parent.id).trace] == [1.0]
    assert "train" not in parent.timing.phases
    for run in (parent.id, record.id):
        assert cli("check", run).exit_code == cli("evaluate", run).exit_code == 0
    # the export: the recorded answers, the table's labels, two of every four
    assert cli("export", record.id, "--to", str(tmp_path / "out")).exit_code == 0
    model = tf.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    tokenizer, recorded = tf.AutoTokenizer.from_pretrained(tmp_path / "out"), default_store().open(record.id)
    with torch.no_grad():
        logits = [model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text, _ in rows]
    kept = recorded.array("answers/logits")
    assert kept is not None and np.allclose(logits, kept, atol=1e-5)  # float32, padded and not
    answers = tf.pipeline("text-classification", model=str(tmp_path / "out"))([text for text, _ in rows])
    assert [answer["label"] for answer in answers] == [label for _, label in rows]
    for matrix in record.matrices:
        weight = model.state_dict()[f"{matrix.name}.weight"].numpy()
        assert all(np.count_nonzero(row[k:k + 4]) <= 2 for row in weight for k in range(0, len(row), 4))
    # the commands that make both again
    for one in (record, parent):
        with run_command.make_context("run", shlex.split(one.command)[4:]) as context:
            typed = given_of({k: v for k, v in context.params.items() if k in RunSpec.__struct_fields__})
        assert resolve(typed).run_id == one.id
    assert resolve({"task": "own:rev", "model": str(tmp_path / "m"), "method": "dense", "epochs": 0, "record": "full",
                    "lr": 0.5}) == dense_spec(record.spec)


def test_a_head_for_other_classes_is_told_how_to_be_trained(cli: Any, tmp_path: Path,
                                                            rows: list[tuple[str, str]]) -> None:
    saved = planted_models.save(tmp_path / "m", WORDS, CLASSES, ["joy", "fear", "anger"])
    words = ("run", "--task", "own:rev", "--model", str(tmp_path / "m"))
    text = refused(cli(*words, *AS_IT_IS))
    assert "has a head for joy, fear, anger, not for the classes blame, neither, praise" in text
    assert "Train a new head: --dense-epochs 2" in text and text.count("\n") == 1
    saved.bert.save_pretrained(tmp_path / "bare")
    planted_models.tokenizer(list(WORDS.values())).save_pretrained(tmp_path / "bare")
    text = refused(cli("run", "--task", "own:rev", "--model", str(tmp_path / "bare"), *AS_IT_IS))
    assert "it has no head" in text and text.count("\n") == 1
    record = done(tmp_path, cli(*words, "--method", "magnitude", "--pattern", "2:4", "--dense-epochs", "2",
                                "--record", "answers"))
    assert "a new one with 3 outputs is drawn from seed 0" in record.notes[0]


@pytest.mark.parametrize(("model", "name"), [("tiny", "tiny"), ("minilm-l6", "minilm-l6"), (None, "minilm-l6")])
def test_a_model_of_the_list_has_no_head_to_use(cli: Any, tmp_path: Path, model: str | None, name: str) -> None:
    words = ("--model", model) if model else ()
    for method in (("--dense-epochs", "0"), ("--method", "dense", "--epochs", "0")):
        text = refused(cli("run", "--task", "agreement", *words, *method))
        assert f"0 dense epochs with the model {name}, which has no head of its own" in text
        assert f"Train a head: {method[-2]} 2." in text and text.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_hub_id_is_used_as_it_is_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    home = tmp_path / "models--some--one"
    planted_models.save(home / "snapshots" / "abc", WORDS, CLASSES[::-1])
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc")
    loaded = load_model("some/one", labels=3, seed=0, classes=CLASSES, own_head=True)
    assert loaded.source == "hub cache some/one" and "put into the task's order" in loaded.note
    assert [int(row.argmax()) for row in loaded.model.classifier.weight] == [0, 1, 2]
    with pytest.raises(InputError, match="Train a new head"):
        load_model("some/one", labels=2, seed=0, classes=("no", "yes"), own_head=True)
    assert resolve({"task": "agreement", "model": "some/one", "dense_epochs": "0"}).model == "some/one"


def test_a_regression_is_used_as_it_is(cli: Any, tmp_path: Path) -> None:
    """One output, no names: the recorded answers are those of the model that was brought."""
    with (tmp_path / "t.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *((f"the film was {'very ' * (k % 5)}good", k / 4)
                                                           for k in range(20))])
    assert cli("task", "add", "near", str(tmp_path / "t.csv"), "--text", "text", "--label", "label").exit_code == 0
    torch.manual_seed(0)
    saved = tf.BertForSequenceClassification(tf.BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=1,
        max_position_embeddings=32)).eval()
    saved.save_pretrained(tmp_path / "m")
    tokenizer = planted_models.tokenizer(["good"])
    tokenizer.save_pretrained(tmp_path / "m")
    record = done(tmp_path, cli("run", "--task", "own:near", "--model", str(tmp_path / "m"), *AS_IT_IS))
    assert (record.labels, record.notes, record.parent is None) == ([], [], False)
    dense = default_store().open(str(record.parent))
    own = json.loads((dense.path / "checkpoint" / "config.json").read_text())
    assert own.get("id2label", {"0": "LABEL_0"}) == {"0": "LABEL_0"} and own["problem_type"] == "regression"
    from core.tasks.loading import load_task

    with torch.no_grad():
        said = [float(saved(**tokenizer(text, return_tensors="pt")).logits) for text in
                load_task("own:near").evaluation.text]
    kept = dense.array("answers/logits")
    assert kept is not None and np.allclose(kept[:, 0], said, atol=1e-5)


def test_the_form_offers_it(empty_store: Store, tmp_path: Path) -> None:
    planted_models.save(tmp_path / "m", WORDS, CLASSES)
    said = {"task": "agreement", "model": str(tmp_path / "m"), "method": "admm-layer", "dense_epochs": "0",
            "dense_lr": "0.3"}
    spec = asking.checked(asking.given_of(said))
    assert (spec.dense_epochs, spec.dense_lr) == (0.0, 1e-4)
    assert "--dense-epochs 0 " in asking.command(asking.given_of(said))
    with pytest.raises(InputError, match="no head of its own"):
        asking.submit(empty_store, asking.given_of(said | {"model": "tiny"}), "a")
