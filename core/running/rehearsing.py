"""A rehearsal before the run: two examples of the task go through the model once, and what the run will rely on is
looked at. A model that this work cannot be done with is refused in a sentence, before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.inside.capture import plain_attention
from core.models.encoding import Encoded, collate
from core.models.prunable import layer_count, layer_stack, token_table

ENCODER = "an encoder such as BERT"
REMEDY = "Choose a model such as 'minilm-l6' or 'bert-base-uncased'."


@dataclass(frozen=True)
class Rehearsed:
    """What was seen: attention heads of a layer, as many as the layers really have."""

    heads: int


@torch.no_grad()
def rehearse(model: Any, texts: Encoded, pad: int, outputs: int) -> Rehearsed:
    """Send the shortest and the longest of *texts* through *model*, which is on its device and is left at rest;
    *outputs*: of the task.

    Raises InputError when a token or a type of token has no row in its table, when the model fails, when its logits are
    not finite or of another shape, and when what passes through its layers does not have one row a token.
    """
    order = np.argsort(texts.lengths, kind="stable")
    device = next(model.parameters()).device
    batch = {key: value.to(device) for key, value in collate(texts, order[[0, -1]], pad).items()}
    _refuse_unknown(model, batch)
    with _stages_of(model) as seen:
        logits = asked(model, batch).logits
    if tuple(logits.shape) != (2, outputs):
        raise _refused(model, f"answers 2 examples with logits of the shape {list(logits.shape)}", f"[2, {outputs}]")
    if not bool(logits.isfinite().all()):
        raise InputError(f"{type(model).__name__} answers two examples of the task with NaN or infinity",
                         "finite logits", "Its weights are damaged or too large: take another checkpoint.")
    tokens = batch["input_ids"].shape[1]
    for name, shape in seen:
        if shape[:2] != (2, tokens) or len(shape) != 3:
            raise _refused(model, f"passes states of the shape {list(shape)} through {name!r} for 2 texts of {tokens} "
                                  "tokens", "one row a token")
    alone = {key: value.to(device) for key, value in collate(texts, order[:1], pad).items()}
    return Rehearsed(_heads(model, alone))


def asked(model: Any, batch: Mapping[str, Tensor], read: str = "two examples of the task", **what: bool) -> Any:
    """The outputs of *model* for *batch*, which is in words what it is to *read*.

    Raises InputError for whatever a foreign model raises: it is a model that cannot be used here.
    """
    # Some models (BigBird) rebuild parts of themselves for short texts: what is new in them does not rest yet.
    model.eval()
    try:
        return model(**batch, **what)
    except Exception as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise  # the machine's fault, not the model's
        said = (str(error).strip().splitlines() or [""])[0][:160]
        raise _refused(model, f"cannot read {read} ({type(error).__name__}: {said})",
                       ENCODER) from error


def _refused(model: Any, what: str, expected: str) -> InputError:
    return InputError(f"{type(model).__name__} {what}", expected, REMEDY)


def _refuse_unknown(model: Any, batch: Mapping[str, Tensor]) -> None:
    tables = {"input_ids": token_table(model), "token_type_ids": next(
        (m for name, m in model.named_modules() if name.endswith("token_type_embeddings")), None)}
    for key, table in tables.items():
        rows = getattr(getattr(table, "weight", None), "shape", (None,))[0]
        if key in batch and rows is not None and (largest := int(batch[key].max())) >= rows:
            raise InputError(f"The tokenizer gives {key} up to {largest}, {type(model).__name__} has {rows} rows for "
                             "them", "a row for each", "Take the tokenizer that the model was trained with.")


@contextmanager
def _stages_of(model: Any) -> Iterator[list[tuple[str, Sequence[int]]]]:
    """What passes in and out of the repeated layers while the model works: the layer's name and the shape."""
    seen: list[tuple[str, Sequence[int]]] = []
    handles = []

    def note(name: str) -> Any:
        def hook(module: nn.Module, args: Any, named: Mapping[str, Any], output: Any) -> None:
            first = args[0] if args else next((v for v in named.values() if isinstance(v, Tensor)), None)
            last = output if isinstance(output, Tensor) else output[0] if isinstance(output, tuple | list) else None
            seen.extend((name, tuple(v.shape)) for v in (first, last) if isinstance(v, Tensor))
        return hook

    for layer in layer_stack(model):
        for name, part in layer.items():
            handles.append(part.register_forward_hook(note(name), with_kwargs=True))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _heads(model: Any, batch: Mapping[str, Tensor]) -> int:
    """The attention heads of a layer; the recording needs what each layer puts out and where its heads look."""
    with plain_attention(model):
        out = asked(model, batch, output_hidden_states=True, output_attentions=True)
    tokens, layers = batch["input_ids"].shape[1], layer_count(model)
    states, looks = getattr(out, "hidden_states", None) or (), getattr(out, "attentions", None) or ()
    if len(states) <= layers or any(s.ndim != 3 or s.shape[1] != tokens for s in states):
        raise _refused(model, "does not tell what each of its layers puts out", f"hidden states of {layers} layers")
    maps = [a for a in looks if isinstance(a, Tensor) and a.ndim == 4 and tuple(a.shape[2:]) == (tokens, tokens)]
    if len(maps) < layers or len(maps) != len(looks) or len({a.shape for a in maps}) != 1:
        raise _refused(model, "does not tell where its attention looks", "attention from every token to every token")
    return int(maps[0].shape[1])
