"""A typed sentence inside a dense and a pruned model, against plain passes of transformers and masks by sorting."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from core.errors import InputError
from core.lab import sentence
from core.runs.records import RunRecord
from core.runs.store import CHECKPOINT, REPOSITORY, Store, read_header
from core.views.activations import all_layers, attention_map, one_layer
from core.views.activations import typed as views
from tests import makers

RECORDED = REPOSITORY / "cached_runs"
DENSE = {"agreement": "agreement-tiny-dense-s0-62cf933b", "entailment": "entailment-tiny-dense-s0-bf53fd76"}
STORE = Store(RECORDED, Path("/nonexistent"))


def dense_of(task: str) -> RunRecord:
    return read_header(RECORDED / DENSE[task])


@pytest.fixture(scope="module")
def readers() -> Iterator[dict[str, sentence.Reader]]:
    yield {task: sentence.prune_here(dense_of(task), STORE, "2:4") for task in DENSE}


class Oracle:
    """The checkpoint as anybody would load it; of every *of* weights of the layers only the *keep* largest stay."""

    def __init__(self, task: str, keep: int = 0, of: int = 4) -> None:
        folder = RECORDED / DENSE[task] / CHECKPOINT
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, attn_implementation="eager").eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        for name, weight in self.model.named_parameters():
            if keep and ".layer." in name and weight.ndim == 2:
                groups = weight.data.numpy().reshape(-1, of)
                smallest = np.argsort(-np.abs(groups), axis=1, kind="stable")[:, keep:]
                np.put_along_axis(groups, smallest, 0.0, axis=1)

    def __call__(self, *texts: str, most: int = 48) -> transformers.modeling_outputs.SequenceClassifierOutput:
        with torch.no_grad():
            return self.model(**self.tokenizer(*texts, return_tensors="pt", truncation=True, max_length=most),
                              output_hidden_states=True, output_attentions=True)


oracle_of = cache(Oracle)  # nobody changes one of these


@pytest.mark.parametrize(("task", "texts"), [
    ("agreement", ("the dog near the trees sleeps",)), ("entailment", ("all small dogs run", "no cats talk"))])
def test_both_models_say_what_a_plain_forward_pass_says(readers: dict[str, sentence.Reader], task: str,
                                                        texts: tuple[str, ...]) -> None:
    reading = sentence.read(readers[task], *texts)
    run, dense = reading.run, reading.run.parent
    assert dense is not None
    for side, oracle in ((dense, oracle_of(task)), (run, oracle_of(task, 2))):
        out = oracle(*texts)
        np.testing.assert_allclose(side.record.probes[0].logits, out.logits[0], atol=1e-5)
        for layer, wanted in enumerate(out.hidden_states):
            np.testing.assert_allclose(side.activation(reading.probe, layer), wanted[0], atol=1e-5)
        for layer, wanted in enumerate(out.attentions, 1):
            np.testing.assert_allclose(side.attention(reading.probe, layer), wanted[0], atol=1e-5)
    assert not np.allclose(run.record.probes[0].logits, dense.record.probes[0].logits, atol=1e-3)
    ids = oracle.tokenizer(*texts)["input_ids"]
    assert [w.text for w in reading.words] == oracle.tokenizer.convert_ids_to_tokens(ids)
    assert reading.cut == 0 and reading.unknown == []
    assert sum(w.second for w in reading.words) == (len(texts[1].split()) if len(texts) > 1 else 0)


def test_a_run_with_a_checkpoint_of_its_own_answers_with_it(tmp_path: Path) -> None:
    """The pruned run's checkpoint is the dense one with its classifier turned round: so must be the answer."""
    store = Store(RECORDED, tmp_path / "runs")
    parent = dense_of("agreement")
    name = makers.make_run(store.live, parent=parent.id, task="agreement")
    oracle = Oracle("agreement")
    oracle.model.classifier.weight.data.neg_()
    oracle.model.save_pretrained(store.live / name / CHECKPOINT)
    oracle.tokenizer.save_pretrained(store.live / name / CHECKPOINT)
    reader = sentence.open_reader(read_header(store.live / name), parent, store)
    reading = sentence.read(reader, "her dogs often laugh")
    np.testing.assert_allclose(reading.run.record.probes[0].logits, oracle("her dogs often laugh").logits[0], atol=1e-5)


def test_unknown_words_are_shown_as_typed_and_what_does_not_fit_is_counted(readers: dict[str, sentence.Reader]) -> None:
    reader = readers["agreement"]
    reading = sentence.read(reader, "The  zebra near\tthe <b> tree sleeps")
    assert reading.unknown == ["zebra", "<", "b", ">"]
    assert [w.text for w in reading.words if w.kind == "word"] == ["the", "near", "the", "tree", "sleeps"]
    assert [w.text for w in reading.words if w.kind == "special"] == ["[CLS]", "[SEP]"]
    long = sentence.read(reader, "dog " * 100)
    assert len(long.words) == 48 and long.cut == 100 + 2 - 48
    assert len(long.run.record.probes[0].tokens) == 48
    np.testing.assert_allclose(long.run.record.probes[0].logits, oracle_of("agreement", 2)("dog " * 100).logits[0],
                               atol=1e-5)
    assert "dog" in sentence.words_known(reader.dense.tokenizer)
    assert not {"[CLS]", ",", "zebra"} & set(sentence.words_known(reader.dense.tokenizer))


@pytest.mark.parametrize(("text", "words"), [
    ("x" * 1_000_000, "has 1000000 characters"), ("x" * 2001, "at most 2000"), ("", "is empty"), (" \t\n ", "is empty"),
    ("the \x07 dog", "U+0007"), ("a\x00b", "U+0000"), ("a\ud800b", "U+D800"), ("a\u202eb", "U+202E")])
def test_what_no_tokenizer_should_see_is_refused(text: str, words: str) -> None:
    class Untouched:
        def __call__(self, *_: object, **__: object) -> None:
            raise AssertionError("the tokenizer saw it")

    record, model = dense_of("agreement"), sentence.Loaded(None, Untouched(), "")
    reader = sentence.Reader(record, record, model, model)
    for texts in ((text,), ("the dog sleeps", text)):
        with pytest.raises(InputError, match=words.replace("+", r"\+")) as caught:
            sentence.read(reader, *texts)
        assert len(str(caught.value)) < 200  # the text is not repeated


def test_a_demonstration_takes_less(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sentence.checked("x" * 2000) and sentence.longest() == 2000
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    with pytest.raises(InputError, match="at most 300"):
        sentence.checked("x" * 301)
    assert sentence.checked("x" * 300)


@pytest.mark.parametrize(("pattern", "words"), [
    ("2:5", "divisible by 5"), ("4:4", "keeps every weight"), ("dense", "keeps every weight"),
    ("round", "read|nknown")])
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        sentence.prune_here(dense_of("agreement"), STORE, pattern)


@pytest.mark.parametrize("pattern", ["1:4", "unstructured:0.75", "global:0.75", "library:4x4:4:8"])
def test_a_quarter_stays_whatever_the_pattern_and_the_dense_model_is_left_alone(pattern: str) -> None:
    reader = sentence.prune_here(dense_of("agreement"), STORE, pattern)
    for model, density in ((reader.pruned.model, 0.25), (reader.dense.model, 1.0)):
        layers = [w for n, w in model.named_parameters() if ".layer." in n and w.ndim == 2]
        assert len(layers) == 12
        assert sum(int(w.count_nonzero()) for w in layers) == round(density * sum(w.numel() for w in layers))


def test_the_answer_is_drawn_as_it_is(readers: dict[str, sentence.Reader]) -> None:
    texts = ("all small dogs run", "no cats talk")
    reading = sentence.read(readers["entailment"], *texts)
    view = views.answer(reading.run, reading.probe)
    chances = [torch.softmax(oracle_of("entailment", keep)(*texts).logits[0], 0).numpy() for keep in (0, 2)]
    traces = {t.name: t for t in view.figure.data}
    assert len(view.figure.data) == 2 and "xaxis2" not in view.figure.to_dict()["layout"], "one chart, a bar a model"
    np.testing.assert_allclose(traces["dense"].x, chances[0], atol=1e-5)
    np.testing.assert_allclose(traces["pruned"].x, chances[1], atol=1e-5)
    top = int(chances[0].argmax())
    leads = [100 * (c[top] - max(np.delete(c, top))) for c in chances]
    assert list(view.table["answer"]) == ["entailment", "neutral", "contradiction"]
    np.testing.assert_allclose(view.table["pruned logit"], oracle_of("entailment", 2)(*texts).logits[0], atol=1e-5)
    moved = view.heading.partition("; its lead moves by ")[2].removesuffix(" points.")
    assert float(moved.replace("−", "-")) == pytest.approx(leads[1] - leads[0], abs=0.06)


def test_the_house_s_pictures_of_the_inside_take_a_sentence_from_memory(readers: dict[str, sentence.Reader]) -> None:
    reader = readers["agreement"]
    one, two = (sentence.read(reader, text) for text in ("the dog sleeps", "my <i>cat</i> often sees her horses"))
    for reading in (one, two):  # one after the other: nothing of the first may be shown for the second
        tokens = len(reading.words)
        view = one_layer.one_layer(reading.run, reading.probe, "block", 2)
        np.testing.assert_allclose(view.figure.data[1].z, reading.run.activation(reading.probe, 2))
        assert all_layers.glance(reading.run, reading.probe, "block", 2).figure is not None
        look = attention_map.attention(reading.run, reading.probe, 1, 3)
        np.testing.assert_allclose(look.figure.data[1].z, reading.run.attention(reading.probe, 1)[2])
        assert look.figure.data[1].z.shape == (tokens, tokens)
        assert "<i>" not in look.figure.to_json() and "<i>" not in view.figure.to_json()
    crowd = sentence.read(reader, "dog " * 46)
    wide = attention_map.attention(crowd.run, crowd.probe, 1, 1)
    assert wide.figure.data[0].z.shape == (32, 32)


def test_an_answer_that_is_no_number_is_said(readers: dict[str, sentence.Reader]) -> None:
    reader = sentence.prune_here(dense_of("agreement"), STORE, "2:4")
    reader.pruned.model.classifier.bias.data.fill_(float("nan"))
    with pytest.raises(InputError, match="no number"):
        sentence.read(reader, "the dog sleeps")
