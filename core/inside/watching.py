"""Watching feature maps: for each encoder layer the modules at which a map passes by, and a look at a forward pass.

Where a map is found follows from the order of a layer's matrices, as every encoder here builds them: the matrices that
look at the layer's input, the attention's output matrix, the feed-forward part's first matrices, its second one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import InputError, unknown
from core.inside.arguments import first_argument
from core.models.prunable import repeated_layers
from core.runs.regions import MAPS, QUIET, REGION

ALL = "all"
Seen = dict[str, dict[int, Tensor]]  # by map, by layer (1 = first): `[batch, tokens, features]`


@dataclass(frozen=True)
class Place:
    """The modules of one encoder layer at which its maps are seen, and its name in the base model."""

    layer: int  # 1 = first
    name: str
    block: nn.Module  # its output is the map "block"
    attention: nn.Linear  # its input is the map "attention"
    ffn: nn.Linear  # its input is the map "ffn"
    entry: tuple[nn.Linear, ...]  # the matrices before the attention's output: they read the layer's input

    def module(self, kind: str) -> nn.Module:
        """Where map *kind* passes by."""
        return {"block": self.block, "attention": self.attention, "ffn": self.ffn}[kind]


def places_of(model: Any) -> list[Place]:
    """All encoder layers of *model*, in order. Raises InputError when a map cannot be told from its matrices."""
    prefix, layers = repeated_layers(model)
    prefix = prefix.removeprefix(f"{model.base_model_prefix}.")
    return [_place(layer, f"{prefix}.{k - 1}", k) for k, layer in enumerate(layers, 1)]


def _place(layer: nn.Module, name: str, number: int) -> Place:
    matrices = [m for m in layer.modules() if isinstance(m, nn.Linear)]
    refused = InputError(f"The feature maps of layer {name!r} cannot be told from its {len(matrices)} matrices",
                         "an encoder layer as in BERT: query, key, value, attention output, FFN in, FFN out",
                         "Choose a model such as 'minilm-l6', or a method that does not watch feature maps.")
    if len(matrices) < 4:
        raise refused
    *rest, last = matrices
    hidden, inside = last.out_features, last.in_features
    first = rest.pop()
    if first.in_features != hidden or first.out_features not in (inside, 2 * inside):
        raise refused
    if rest[-1].out_features == inside != hidden:  # a gate beside the first matrix
        rest.pop()
    if len(rest) < 2 or rest[-1].out_features != hidden or rest[0].in_features != hidden:
        raise refused
    return Place(number, name, layer, rest[-1], last, tuple(m for m in rest[:-1] if m.in_features == hidden))


def maps_named(text: str) -> tuple[str, ...]:
    """The maps that *text* names: one of MAPS, or "all". Raises InputError, with a suggestion, for another word."""
    if text == ALL:
        return tuple(MAPS)
    if text not in MAPS:
        raise unknown("feature map", text, [*MAPS, ALL])
    return (text,)


def places_named(places: Sequence[Place], text: str) -> list[Place]:
    """The places that *text* names: "*", or globs over layer names, separated by commas.

    Raises InputError for a glob that matches no layer; it lists the layers there are.
    """
    chosen: set[int] = set()
    for glob in (part.strip() for part in text.split(",")):
        found = {p.layer for p in places if fnmatchcase(p.name, glob)}
        if not found:
            raise InputError(f"layers = {text!r}: {glob!r} names no layer",
                             f"names of {', '.join(p.name for p in places)}; '*' stands for anything",
                             "Separate several by commas.")
        chosen |= found
    return [p for p in places if p.layer in chosen]


class Watch:
    """Looks at *maps* of *places* in every forward pass between `start` and `stop`. A map is seen as the model made it:
    what is computed from it has gradients."""

    def __init__(self, places: Sequence[Place], maps: Sequence[str]) -> None:
        self.places, self.maps = places, maps
        self.seen: Seen = {}
        self._handles: list[Any] = []

    def start(self) -> None:
        """Begin to look; what was seen before is forgotten."""
        self.stop()
        self.seen = {kind: {} for kind in self.maps}
        for kind in self.maps:
            for place in self.places:
                self._handles.append(self._hook(kind, place))

    def stop(self) -> Seen:
        """Look no longer, and return what was seen in the last forward pass."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        seen, self.seen = self.seen, {}
        return seen

    def _hook(self, kind: str, place: Place) -> Any:
        module = place.module(kind)  # a copy of the model (a teacher) may carry this hook: only the original counts

        def before(current: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            if current is module and kind in self.seen:
                self.seen[kind][place.layer], *_ = first_argument(current, args, named)

        def after(current: nn.Module, inputs: Any, output: Any) -> None:
            if current is module and kind in self.seen:
                self.seen[kind][place.layer] = output[0] if isinstance(output, tuple) else output

        if kind == "block":
            return module.register_forward_hook(after)
        return module.register_forward_pre_hook(before, with_kwargs=True)


@contextmanager
def _resting(model: nn.Module) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def look(model: nn.Module, watch: Watch, batches: Iterable[Mapping[str, Tensor]]) -> Iterator[tuple[Seen, Tensor]]:
    """Send *batches* through the resting model; for each: the maps, and which tokens are real (bool `[batch, tokens]`).
    """
    for batch in batches:
        with _resting(model):
            watch.start()
            try:
                model(**batch)
            finally:
                seen = watch.stop()
            real = batch["attention_mask"].bool()
            yield by_text(seen, real), real


def by_text(seen: Seen, real: Tensor) -> Seen:
    """*seen* with every map as `[batch, tokens, features]`; *real* `[batch, tokens]`. Some layers (OPT's) lay all
    tokens of a batch out in one row of them, `[batch * tokens, features]`."""
    return {kind: {layer: v.unflatten(0, tuple(real.shape)) if v.ndim == 2 and len(v) == real.numel() else v
                   for layer, v in layers.items()} for kind, layers in seen.items()}


def sample_of(batches: Sequence[Mapping[str, Tensor]], count: int) -> list[dict[str, Tensor]]:
    """At most *count* examples of *batches*, evenly spaced: batches are sorted by length, so all lengths are there."""
    rows = [(b, i) for b, batch in enumerate(batches) for i in range(len(batch["input_ids"]))]
    if not rows:
        return []
    step = max(len(rows) / count, 1.0)
    chosen = [rows[int(step * k)] for k in range(min(count, len(rows)))]
    return [{key: value[[i for c, i in chosen if c == b]] for key, value in batch.items()}
            for b, batch in enumerate(batches) if any(c == b for c, _ in chosen)]


def median_norms(model: nn.Module, places: Sequence[Place], maps: Sequence[str],
                 batches: Iterable[Mapping[str, Tensor]]) -> dict[str, dict[int, float]]:
    """The median region norm of every map and layer over the real tokens of *batches*, as numpy's median has it."""

    norms: dict[str, dict[int, list[Any]]] = {kind: {p.layer: [] for p in places} for kind in maps}
    for seen, real in look(model, Watch(places, maps), batches):
        for kind, layers in seen.items():
            for layer, values in layers.items():
                norms[kind][layer].append(region_squares(values[real]).sqrt().cpu().numpy().ravel())
    return {kind: {layer: float(np.median(np.concatenate(parts))) for layer, parts in layers.items()}
            for kind, layers in norms.items()}


def quiet(squares: Tensor, median: float, real: Tensor) -> Tensor:
    """Share of quiet regions among the real tokens: *squares* `[batch, tokens, regions]`, *real* `[batch, tokens]`."""
    return ((squares < (QUIET * median) ** 2) & real.unsqueeze(-1)).sum() / (real.sum() * squares.shape[-1])


def region_squares(values: Tensor) -> Tensor:
    """Squared norms of the regions of *values* `[..., features]`: `[..., ceil(features / REGION)]`, float32."""
    return cut(values.float()).square().sum(-1)


def cut(values: Tensor) -> Tensor:
    """`[..., features]` as `[..., regions, REGION]`; the last region is filled with zeros, which no norm sees."""
    lacking = -values.shape[-1] % REGION
    whole = functional.pad(values, (0, lacking)) if lacking else values
    return whole.unflatten(-1, (-1, REGION))
