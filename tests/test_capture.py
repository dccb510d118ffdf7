"""Capture against plain forward passes and hooks, and through the run folder back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.inside.capture import Captured, capture, to_arrays
from core.models.encoding import collate, encode
from core.models.loading import Loaded, load_model
from core.runs.records import Probe, RunRecord, RunSpec
from core.runs.store import Run, write_arrays
from core.tasks import Examples
from core.tasks.probes import PROBES


@pytest.fixture(scope="module")
def tiny() -> Loaded:
    return load_model("tiny", labels=3, seed=0)


@pytest.fixture(scope="module")
def found(tiny: Loaded) -> Captured:
    return capture(tiny.model, tiny.tokenizer, PROBES["entailment"], 64)


def test_shapes_tokens_and_logits(tiny: Loaded, found: Captured) -> None:
    for text, state in zip(PROBES["entailment"], found.states, strict=True):
        tokens = ["[CLS]", *text.text.split(), "[SEP]", *(text.pair or "").split(), "[SEP]"]
        assert (state.probe.id, state.probe.text, state.probe.text_pair) == (text.id, text.text, text.pair)
        assert state.probe.tokens == tokens and len(state.probe.logits) == 3
        assert [a.shape for a in state.activations] == [(len(tokens), 64)] * 3
        assert [a.shape for a in state.attention] == [(4, len(tokens), len(tokens))] * 2
        assert all(a.dtype == np.float32 for a in (*state.activations, *state.attention))


def test_values_are_those_of_a_plain_pass(tiny: Loaded, found: Captured) -> None:
    """The oracle hooks the layers of a model that computes attention its own fast way."""
    text = PROBES["entailment"][1]
    seen: list[np.ndarray] = []
    watch = [tiny.model.bert.embeddings, *tiny.model.bert.encoder.layer]

    def look(_: torch.nn.Module, __: object, out: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        seen.append((out[0] if isinstance(out, tuple) else out)[0].numpy())

    hooks = [module.register_forward_hook(look) for module in watch]
    examples = Examples([text.text], [text.pair or ""], np.zeros(1, dtype=np.int64))
    with torch.no_grad():
        logits = tiny.model(**collate(encode(tiny.tokenizer, examples, 64), [0], 0)).logits[0]
    for hook in hooks:
        hook.remove()
    state = found.states[1]
    np.testing.assert_allclose(state.probe.logits, logits, atol=1e-5)
    for layer, (got, expected) in enumerate(zip(state.activations, seen, strict=True)):
        np.testing.assert_allclose(got, expected.reshape(got.shape), atol=1e-5, err_msg=f"layer {layer}")
    # Attention of layer 1 by its formula: softmax(q k' / sqrt(16)), four heads of 16.
    own = tiny.model.bert.encoder.layer[0].attention.self
    q, k = (layer(torch.from_numpy(state.activations[0])).detach().reshape(-1, 4, 16).transpose(0, 1)
            for layer in (own.query, own.key))
    np.testing.assert_allclose(state.attention[0], torch.softmax(q @ k.transpose(1, 2) / 4.0, dim=-1), atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_model_leaves_as_it_came(tiny: Loaded, training: bool) -> None:
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    implementation = tiny.model.config._attn_implementation
    assert implementation != "eager"
    tiny.model.train(training)
    capture(tiny.model, tiny.tokenizer, PROBES["agreement"][:1], 64)
    assert tiny.model.training is training and tiny.model.bert.training is training
    with pytest.raises(AttributeError):
        capture(tiny.model, tiny.tokenizer, [object()], 64)  # type: ignore[list-item]
    assert tiny.model.training is training
    assert tiny.model.config._attn_implementation == tiny.model.bert.config._attn_implementation == implementation
    assert all(torch.equal(value, before[name]) for name, value in tiny.model.state_dict().items())
    assert all(p.grad is None for p in tiny.model.parameters())
    tiny.model.eval()


def test_dropout_is_off_even_in_a_model_that_trains() -> None:
    loaded = load_model("tiny", labels=2, seed=0)
    for module in loaded.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    loaded.model.train()
    first, second = (capture(loaded.model, loaded.tokenizer, PROBES["agreement"][:1], 64) for _ in range(2))
    assert first.probes[0].logits == second.probes[0].logits


def test_recorded_probes_can_be_captured_again(tiny: Loaded, found: Captured) -> None:
    again = capture(tiny.model, tiny.tokenizer, found.probes, 64)
    assert again.probes == found.probes


def test_long_probes_are_cut(tiny: Loaded) -> None:
    state = capture(tiny.model, tiny.tokenizer, [Probe(id="p0", text="dog " * 1000)], 16).states[0]
    assert len(state.probe.tokens) == 16 and state.attention[1].shape == (4, 16, 16)


def test_through_the_run_folder_and_back(tmp_path: Path, found: Captured) -> None:
    arrays = to_arrays(found)
    assert len(arrays) == 4 * (3 * 2 + 2)
    assert arrays["activation/p0/2"].dtype == np.int8 and arrays["attention/p3/2"].dtype == np.uint8
    assert arrays["activation/p0/2.scale"].shape == (1,) and arrays["activation/p0/2.scale"].dtype == np.float32
    write_arrays(tmp_path, arrays)
    record = RunRecord(schema=1, id="x", status="succeeded", created="", spec=RunSpec(task="entailment"))
    run = Run(record, tmp_path, recorded=False)
    for state in found.states:
        for layer, values in enumerate(state.activations):
            back = run.activation(state.probe.id, layer)
            assert back is not None and np.abs(back - values).max() <= np.abs(values).max() / 127 / 2 * 1.001
            assert np.abs(arrays[f"activation/{state.probe.id}/{layer}"]).max() == 127
        for layer, weights in enumerate(state.attention, start=1):
            back = run.attention(state.probe.id, layer)
            assert back is not None and np.abs(back - weights).max() <= 0.5 / 255 + 1e-6


def test_zero_activations_stay_zero(found: Captured) -> None:
    state = found.states[0]
    silent = Captured([type(state)(state.probe, [np.zeros((3, 4), dtype=np.float32)], [])])
    arrays = to_arrays(silent)
    assert not arrays["activation/p0/0"].any() and arrays["activation/p0/0.scale"].tolist() == [0.0]
