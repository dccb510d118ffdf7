"""The public API on models in memory and on recorded runs."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import sparsescope
from core.errors import InputError
from core.exports import pictures
from core.exports.asked import Asked
from core.models.tiny import tiny_tokenizer
from core.running import pipeline
from core.runs.store import REPOSITORY, Store
from core.tasks.loading import load_task

CACHED = REPOSITORY / "cached_runs"
DENSE = CACHED / "agreement-tiny-dense-s0-62cf933b"
SOLVED = "agreement-tiny-admm-layer-2of4-e0-s0-c9bcc8c3"
TEXTS = ["the old dogs near the river sleep .", "the cat sees the birds .", "no child runs ."] * 8


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def dense() -> Any:
    return transformers.AutoModelForSequenceClassification.from_pretrained(DENSE / "checkpoint")


@pytest.fixture
def model(dense: Any) -> Any:
    return copy.deepcopy(dense)


@pytest.fixture(scope="module")
def pruned(dense: Any, tokenizer: Any) -> sparsescope.Pruned:
    return sparsescope.prune(copy.deepcopy(dense), tokenizer, TEXTS, iterations=4, stages=1)


def decoder() -> Any:
    """A decoder with grouped keys and values in half precision."""
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=len(tiny_tokenizer()), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=64, max_position_embeddings=64)).to(torch.bfloat16)


def state(model: Any) -> dict[str, torch.Tensor]:
    return {name: values.clone() for name, values in model.state_dict().items()}


def largest_two_of_four(weight: np.ndarray) -> np.ndarray:
    """By a loop: in every group the larger sizes stay, of equal ones the earlier."""
    kept = np.zeros(weight.shape, bool)
    for i in range(weight.shape[0]):
        for j in range(0, weight.shape[1], 4):
            for k in sorted(range(4), key=lambda k: (-abs(weight[i, j + k]), k))[:2]:
                kept[i, j + k] = True
    return kept


def test_magnitude_in_place_keeps_the_two_largest_of_four_and_touches_nothing_else(model: Any, tokenizer: Any) -> None:
    before, generator = state(model), torch.get_rng_state()
    model.train()
    result = sparsescope.prune(model, tokenizer, TEXTS, "2:4", "magnitude")
    assert result.model is model
    assert model.training
    assert torch.equal(torch.get_rng_state(), generator)
    assert len(result.masks) == 12
    for name, values in model.state_dict().items():
        mask = result.masks.get(name.removesuffix(".weight")) if name.endswith(".weight") else None
        if mask is None:
            assert torch.equal(values, before[name]), name
        else:
            assert np.array_equal(mask.numpy(), largest_two_of_four(before[name].numpy())), name
            assert torch.equal(values, before[name] * mask), name
    assert result.report.exact
    assert result.report.zeros == sum(int((model.get_submodule(n).weight == 0).sum()) for n in result.masks)
    assert all(row.moved == 0 for row in result.report.matrices)


def test_the_error_is_that_of_the_outputs_sentence_by_sentence(model: Any, tokenizer: Any) -> None:
    """By hooks on the dense model, one sentence at a time: no padding, no Gram matrix."""
    inputs: dict[str, list[torch.Tensor]] = {}
    before = copy.deepcopy(model).eval()
    result = sparsescope.prune(model, tokenizer, TEXTS, "2:4", "wanda")
    for name in result.masks:
        before.get_submodule(name).register_forward_pre_hook(
            lambda layer, args, name=name: inputs.setdefault(name, []).append(args[0][0]))
    with torch.no_grad():
        for text in TEXTS:
            before(**tokenizer(text, return_tensors="pt"))
    for row in result.report.matrices:
        x, w0 = torch.cat(inputs[row.name]).double(), before.get_submodule(row.name).weight.detach().double()
        gap = x @ (w0 - model.get_submodule(row.name).weight.detach().double()).T
        # Sums in float32 on one side.
        assert row.error == pytest.approx(float(gap.square().sum() / (x @ w0.T).square().sum()), rel=1e-4)


def test_the_texts_of_a_run_give_its_masks_bit_for_bit(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    """The API is the pipeline's own way: same dense weights, same sentences, same masks. The recorded run is made again
    here, as another make of processor rounds otherwise; of its masks all but a few near ties are the same."""
    recorded = Store(recorded=CACHED, live=tmp_path).open(SOLVED)
    made = pipeline.run(recorded.record.spec, store=Store(recorded=CACHED, live=tmp_path), again=True)
    assert made.environment.threads == torch.get_num_threads() and made.parent == recorded.record.parent
    train = load_task("agreement").train
    drawn = np.random.default_rng([0, 1]).permutation(len(train))[:recorded.record.spec.calibration]
    result = sparsescope.prune(model, tokenizer, [train.text[i] for i in drawn], max_length=48)
    assert {m.name: m.mask_sha256 for m in result.run.record.matrices} == \
        {m.name: m.mask_sha256 for m in made.matrices}
    for name, mask in result.masks.items():
        was = recorded.mask(name)
        assert was is not None and float((mask.numpy() == was).mean()) > 0.99, name


@pytest.mark.parametrize(("method", "knobs"), [("admm-layer", {"inputs": "pruned", "iterations": 4}), ("besa", {})])
def test_a_decoder_in_half_precision_is_solved_and_left_in_its_type(method: str, knobs: dict[str, Any],
                                                                     tokenizer: Any) -> None:
    model = decoder()
    before = state(model)
    result = sparsescope.prune(model, tokenizer, TEXTS, "unstructured:0.5", method, **knobs)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert model.config.use_cache
    assert {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])} == \
        {f"{n}.weight" for n in result.masks}
    assert [row.zeros for row in result.report.matrices] == \
        [int((model.get_submodule(n).weight == 0).sum()) for n in result.masks]
    assert abs(result.report.sparsity - 0.5) < 0.001  # bfloat16 may round a tiny weight to zero
    assert all(p.grad is None for p in model.parameters())


def test_pairs_and_global_patterns_are_taken(model: Any, tokenizer: Any) -> None:
    result = sparsescope.prune(model, tokenizer, [("no dog runs .", "a dog runs .")] * 4, "global:0.75", "wanda")
    assert result.report.zeros == round(0.75 * sum(m.numel() for m in result.masks.values()))
    assert result.report.exact
    assert len({row.zeros for row in result.report.matrices}) > 1


def test_a_model_that_cannot_be_solved_to_the_end_keeps_its_weights(model: Any, tokenizer: Any) -> None:
    last = model.bert.encoder.layer[1].output.dense.weight
    with torch.no_grad():
        last[0, 0] = torch.nan
    before = state(model)
    with pytest.raises(InputError):
        sparsescope.prune(model, tokenizer, TEXTS, method="besa")
    assert all(torch.equal(values, before[name]) or name == "bert.encoder.layer.1.output.dense.weight"
               for name, values in model.state_dict().items())
    assert int(last.isnan().sum()) == 1


@pytest.mark.parametrize(("change", "words"), [
    ({"texts": "one text"}, "a list of texts"),
    ({"texts": []}, "a list of texts"),
    ({"texts": ["one", ("two", "three")]}, "Calibration text 1 is tuple"),
    ({"texts": ["one", 2]}, "Calibration text 1 is int"),
    ({"method": "admm"}, "core run --task own:NAME --model FOLDER --method admm"),
    ({"method": "taylor", "pattern": "heads:0.5"}, "needs labels"),
    ({"method": "dense"}, "what pruning starts from"),
    ({"method": "wand"}, "Did you mean 'wanda'?"),
    ({"pattern": "2/4"}, "Did you mean '2:4'?"),
    ({"pattern": "2:5"}, "5"),
    ({"pattern": "heads:0.5"}, "single weights"),
    ({"pattern": "dense"}, "keeps every weight"),
    ({"iteration": 3}, "Did you mean 'iterations'?"),
    ({"iterations": 0}, "1 to 300"),
    ({"seed": -1}, "0 to"),
    ({"max_length": 5}, "8 tokens or more"),
    ({"model": {"a": 1}}, "a model of transformers"),
    ({"model": torch.nn.Linear(4, 4)}, "a model of transformers"),
])
def test_what_cannot_be_used_is_refused_in_a_sentence(change: dict[str, Any], words: str, model: Any,
                                                       tokenizer: Any) -> None:
    before = state(model)
    with pytest.raises(InputError) as refused:
        sparsescope.prune(**{"model": model, "tokenizer": tokenizer, "texts": TEXTS} | change)
    assert words in str(refused.value)
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())


def test_models_without_linear_layers_or_in_other_types_are_refused(tokenizer: Any) -> None:
    small = {"vocab_size": len(tokenizer), "n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
    with pytest.raises(InputError, match="Conv1D"):
        sparsescope.prune(transformers.GPT2LMHeadModel(transformers.GPT2Config(**small)), tokenizer, TEXTS)
    with pytest.raises(InputError, match=r"torch\.float64"):
        sparsescope.prune(decoder().double(), tokenizer, TEXTS)
    with torch.device("meta"), pytest.raises(InputError, match="not in memory"):
        sparsescope.prune(transformers.GPT2LMHeadModel(transformers.GPT2Config(**small)), tokenizer, TEXTS)


def test_every_view_of_the_list_draws_a_result_or_a_recorded_run(pruned: sparsescope.Pruned) -> None:
    assert {name.split(".")[0] for name in sparsescope.views()} == {"weights", "activations", "occupancy", "patterns",
                                                                    "trace"}
    recorded = sparsescope.load_run(SOLVED)
    for name in sparsescope.views():
        # Results have no scores and no sentences.
        of_result = name != "trace.waterfall" and not name.startswith("activations.")
        drawn = pruned.view(name) if of_result else sparsescope.view(recorded, name)
        bundle = drawn._repr_mimebundle_()
        assert drawn.claim in bundle["text/plain"], name
        kind = "application/vnd.plotly.v1+json" if drawn.figure is not None else \
            "text/html" if drawn.image is None else "image/png"
        assert bundle.keys() == {"text/plain", kind}, name
    assert pruned.view("trace.waterfall").figure is None
    with pytest.raises(InputError, match="keeps no probe sentences"):
        pruned.view("activations.chain")


def test_a_view_of_a_program_is_the_picture_of_the_page() -> None:
    asked = Asked(Store(CACHED, CACHED), {"run": SOLVED, "layer": "1"})
    for name in ("occupancy.strip", "activations.layer"):
        picture = pictures.still(pictures.called(name), asked)
        choices = {"layer": 1} if name == "activations.layer" else {}
        drawn = sparsescope.view(SOLVED, name, **choices)  # type: ignore[arg-type]
        assert picture.claim == drawn.claim and picture.figure == drawn.figure
    assert drawn.claim != sparsescope.view(SOLVED, "activations.layer").claim


def test_the_figure_in_a_notebook_holds_the_weights_before_and_after(pruned: sparsescope.Pruned, dense: Any) -> None:
    name = "bert.encoder.layer.1.attention.self.value"
    shown = pruned.view("weights.maps", name)._repr_mimebundle_()["application/vnd.plotly.v1+json"]
    assert "went" in shown["layout"]["title"]["text"]
    figure = pruned.view("weights.maps", name).figure
    maps = [np.asarray(trace["z"]) for trace in figure.data if trace.type == "heatmap" and trace.colorbar.thickness]
    before = dense.get_submodule(name).weight.detach().numpy()
    after = pruned.model.get_submodule(name).weight.detach().numpy()
    step = np.abs(before).max(axis=1, keepdims=True) / 127
    assert np.all(np.abs(maps[0] - before) <= 0.51 * step)
    assert np.array_equal(np.isnan(maps[1]), after == 0)
    assert json.dumps(shown)  # all of it is JSON


def test_two_results_of_one_spec_are_two_runs(dense: Any, tokenizer: Any, pruned: sparsescope.Pruned) -> None:
    """Views remember what they have read under the run's id: the second picture must not be the first one's."""
    other = copy.deepcopy(dense)
    with torch.no_grad():
        other.bert.encoder.layer[0].output.dense.weight.mul_(2)
    again = sparsescope.prune(other, tokenizer, TEXTS, iterations=4, stages=1)
    assert again.run.record.id != pruned.run.record.id
    name = "bert.encoder.layer.0.output.dense"
    first, second = (np.nanmax(r.view("weights.maps", name).figure.data[0].z) for r in (pruned, again))
    assert second == pytest.approx(2 * first, rel=1e-6)


def test_the_report_says_it_in_words_and_as_a_table(pruned: sparsescope.Pruned) -> None:
    assert str(pruned).startswith("admm-layer: 12 matrices, 50.0% zeros, all obey 2:4 exactly, mean output error ")
    table = pruned.report.table
    assert float(str(pruned).rstrip(".").rsplit(" ", 1)[1]) == pytest.approx(table.error.mean(), rel=0.05)
    assert list(table.zeros) == [row.shape[0] * row.shape[1] // 2 for row in pruned.report.matrices]
    assert "<table" in pruned._repr_html_()


def test_recorded_runs_are_listed_and_opened_by_id_and_by_folder(good_store: Store, monkeypatch: pytest.MonkeyPatch,
                                                                 tmp_path: Path) -> None:
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(good_store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(good_store.live))
    listed = sparsescope.runs()
    assert list(listed.id) == [record.id for record in good_store.records()]
    found = listed[listed.method == "admm"].iloc[0]
    opened = sparsescope.load_run(found.id)
    assert (opened.record.results.final, opened.record.sparsity) == (found.score, found.sparsity)
    assert sparsescope.load_run(opened.path).parent.record.id == opened.record.parent
    with pytest.raises(InputError, match="Did you mean"):
        sparsescope.load_run(found.id[:-1])
    with pytest.raises(InputError, match="There is no folder"):
        sparsescope.load_run(tmp_path / "nothing")
    for name, matrix, words in (("weights.tiles", None, "Did you mean 'weights.tile'?"),
                                ("trace.timeline", "a", "Leave it out"),
                                ("weights.tile", "layer.9", "Unknown matrix")):
        with pytest.raises(InputError, match=words):
            sparsescope.view(opened, name, matrix)
    with pytest.raises(InputError, match="Unknown figure 'errors'"):
        sparsescope.view(opened, "weights.model", figure="errors")
    with pytest.raises(InputError, match=r"'trace\.timeline' with 'figure'.*Leave it out"):
        sparsescope.view(opened, "trace.timeline", figure="error")
    with pytest.raises(InputError, match=r"Unknown view 'trace\.drop'"):  # it shows all runs of a setting
        sparsescope.view(opened, "trace.drop")


def test_the_page_of_the_api_names_all_of_it() -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    assert [name for name in sparsescope.__all__ if f"`{name}" not in page] == []
    rows = dict(re.findall(r"^\| `([a-z.]+)` \| (.+) \|$", page, flags=re.M))
    assert {name: rows.get(name) for name in sparsescope.views()} == sparsescope.views()
    assert all(f"`{name}`" in page for name in sparsescope.methods())
