"""Streams calibration batches through a model and keeps, per prunable layer, X^T X and the column norms of its input.

One pass of the dense model; layers that read the same tensor (query, key, value) share one Gram matrix. Padding tokens
are left out: they are not data. A layer may be shown its input reshaped (`core.methods.pattern_admm`): what will be
quiet then counts less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.inside.arguments import first_argument
from core.inside.statistics import LayerStats
from core.models.encoding import Encoded, collate, encode
from core.runs.records import RunSpec
from core.tasks import Examples

BATCH = 32  # calibration examples at a time


def text_of(train: Examples, spec: RunSpec, tokenizer: Any, pad_id: int) -> list[dict[str, Tensor]]:
    """The calibration text of a run: `spec.calibration` of the training examples, drawn by its seed, in padded batches
    of similar length."""
    return labelled_text_of(train, spec, tokenizer, pad_id)[0]


def labelled_text_of(train: Examples, spec: RunSpec, tokenizer: Any, pad_id: int,
                     ) -> tuple[list[dict[str, Tensor]], list[Tensor]]:
    """The same with the labels `[batch]` of every batch."""
    order = np.random.default_rng([spec.seed, 1]).permutation(len(train))
    texts = encode(tokenizer, train.take(order[: spec.calibration]), spec.max_length)
    parts = by_length(texts)
    return ([collate(texts, part, pad_id) for part in parts],
            [torch.from_numpy(np.asarray(texts.labels)[part]) for part in parts])


def by_length(texts: Encoded) -> list[NDArray[np.int64]]:
    """The indices of *texts* in batches of similar length, the shortest first."""
    index = np.argsort(texts.lengths, kind="stable")
    return [index[i : i + BATCH] for i in range(0, len(index), BATCH)]


@torch.no_grad()
def calibrate(model: nn.Module, layers: dict[str, nn.Linear], batches: Iterable[dict[str, Tensor]],
              reshape: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
              ) -> dict[str, LayerStats]:
    """Return `LayerStats` by matrix. *batches* hold input_ids and attention_mask `[batch, tokens]`; *reshape*, by
    matrix, is applied to the input `[rows, in]` before it is summed.

    Raises ValueError when a layer never saw an input. float32 sums: a Gram matrix of 256 sentences stays far from the
    range where that would matter.
    """
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    seen: dict[tuple[int, int, int], str] = {}  # (address of the input, version, reshaping) -> who summed it first
    owners: dict[str, str] = {}  # by matrix: who summed its input
    keep: Tensor | None = None
    alive: list[Tensor] = []  # inputs of this batch stay alive, so that an address names one tensor

    def watch(name: str) -> Any:
        def hook(layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            x, *_ = first_argument(layer, args, named)
            key = (x.data_ptr(), x._version, id((reshape or {}).get(name)))
            if key in seen:
                owners[name] = seen[key]
                return
            seen[key] = name
            owners[name] = name
            alive.append(x)
            rows = x.reshape(-1, x.shape[-1])  # [batch * tokens, in]
            if keep is not None and rows.shape[0] == keep.shape[0]:
                rows = rows[keep]
            rows = rows.float()
            if reshape and name in reshape:
                rows = reshape[name](rows)
            part = rows.T @ rows
            sums[name] = sums[name] + part if name in sums else part
            counts[name] = counts.get(name, 0) + rows.shape[0]
        return hook

    handles = [layer.register_forward_pre_hook(watch(name), with_kwargs=True) for name, layer in layers.items()]
    training = model.training
    model.eval()
    try:
        for batch in batches:
            keep = batch["attention_mask"].reshape(-1).bool()
            model(**batch)
            seen.clear()
            alive.clear()
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    stats = {}
    for name in layers:
        if name not in owners:
            raise ValueError(f"{name} saw no calibration input")
        total, count = sums[owners[name]], counts[owners[name]]
        stats[name] = LayerStats(norms=total.diagonal().clamp_min(0).sqrt(), tokens=count, gram=total)
    return stats
