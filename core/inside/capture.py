"""What a model feels of the probe sentences: every layer's output and attention.

One sentence at a time, so that no padding is in any picture. Dropout is off and attention is computed the plain way
("eager"), the only way that gives its weights back; the model leaves as it came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.models.encoding import collate, encode
from core.runs.records import Probe
from core.tasks import Examples

Floats = NDArray[np.float32]


class ProbeLike(Protocol):
    """A sentence or a pair of them, with its id: what `core.tasks.probes` lists, or `core.runs.records.Probe`."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class ProbeState:
    """One probe inside one model. `activations[l]` `[tokens, hidden]`, layer 0 = the embedding's output;
    `attention[l - 1]` `[heads, tokens, tokens]`, row = the token that looks, each row sums to 1."""

    probe: Probe
    activations: list[Floats]
    attention: list[Floats]


@dataclass(frozen=True)
class Captured:
    """All probes inside one model."""

    states: list[ProbeState]

    @property
    def probes(self) -> list[Probe]:
        """The probes for a run's header: texts, tokens, logits."""
        return [state.probe for state in self.states]


@torch.no_grad()
def capture(model: Any, tokenizer: Any, probes: Sequence[ProbeLike], max_length: int) -> Captured:
    """Run every probe through *model* and keep tokens, logits, activations and attention.

    Raises InputError for a *max_length* that `core.models.encoding.encode` refuses.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        with plain_attention(model):
            return Captured([_one(model, tokenizer, probe, max_length, device) for probe in probes])
    finally:
        model.train(training)


@contextmanager
def plain_attention(model: Any) -> Iterator[None]:
    """Have *model* compute its attention the plain way, which gives its weights back."""
    implementation = model.config._attn_implementation
    if implementation != "eager":
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        if implementation != "eager":
            model.set_attn_implementation(implementation)


def pair_of(probe: ProbeLike) -> str | None:
    """The second text of a probe that is a pair."""
    return getattr(probe, "pair", None) or getattr(probe, "text_pair", None)


def batch_of(tokenizer: Any, probe: ProbeLike, max_length: int, device: torch.device) -> dict[str, Tensor]:
    """One probe alone, ready for the model: no padding."""
    pair = pair_of(probe)
    examples = Examples([probe.text], None if pair is None else [pair], np.zeros(1, dtype=np.int64))
    encoded = encode(tokenizer, examples, max_length)
    return {key: value.to(device) for key, value in collate(encoded, [0], tokenizer.pad_token_id).items()}


def _one(model: Any, tokenizer: Any, probe: ProbeLike, max_length: int, device: torch.device) -> ProbeState:
    batch = batch_of(tokenizer, probe, max_length, device)
    out = model(**batch, output_hidden_states=True, output_attentions=True)
    return ProbeState(
        Probe(id=probe.id, text=probe.text, text_pair=pair_of(probe),
              tokens=tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist()),
              logits=[float(value) for value in out.logits[0]]),
        [layer[0].float().cpu().numpy() for layer in out.hidden_states],
        [layer[0].float().cpu().numpy() for layer in out.attentions])


def to_arrays(captured: Captured) -> dict[str, np.ndarray]:
    """Return the arrays of a run folder, keyed as `core.runs.arrays` says: int8 activations with one scale a layer
    (largest magnitude -> 127), attention as uint8 of 255."""
    found: dict[str, np.ndarray] = {}
    for state in captured.states:
        for layer, values in enumerate(state.activations):
            scale = np.abs(values).max(initial=0.0) / 127.0
            key = f"activation/{state.probe.id}/{layer}"
            found[key] = np.rint(values / (scale or 1.0)).astype(np.int8)
            found[f"{key}.scale"] = np.array([scale], dtype=np.float32)
        for layer, weights in enumerate(state.attention, start=1):
            found[f"attention/{state.probe.id}/{layer}"] = np.rint(255.0 * weights).astype(np.uint8)
    return found
