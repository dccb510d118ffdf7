"""One real layer under any layer method: the path of W, Z and U, and what its outputs lose on the way.

    error of Z = |X (W0 - Z)^T|^2 / |X W0^T|^2 = tr((W0 - Z) G (W0 - Z)^T) / tr(W0 G W0^T),   G = X^T X

Where a correction of low rank stands beside Z, the error is that of both together.

The solving is `core.methods`' own, watched after every round. A path is computed once and then only looked at: the last
few are kept, because a scrubber that solved again at every move would not be one.
Cost: what the method costs, and one product [out, in] x [in, in] for every stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.inside.statistics import LayerStats
from core.lab.choices_layer import LayerChoices, from_text, resolved, title_of
from core.lab.results_layer import Floats, Layer, LayerPath, Stop
from core.lab.source import Source, read_layer
from core.methods import METHODS, build
from core.methods.admm_layer import AdmmLayer
from core.methods.base import LayerMethod, LayerResult
from core.methods.quadratic import QuadraticSplit, Round
from core.runs.arrays import pack_mask
from core.sparsity.grids import Grid
from core.sparsity.patterns import Pattern, parse_pattern
from core.sparsity.rounding import codes, spread

STOPS, FEW_STOPS = 26, 14  # of a path, the answer among them; few where a matrix is LARGE: a path stays near 40 MB
THINNED = 15  # of a path with more rounds than STOPS: every stop costs a product, and a slider waits for them
LARGE = 250_000  # weights
HALF = 6e4  # the largest number that a half-precision float holds, nearly
LAYER_METHODS = tuple(entry.name for entry in METHODS.values() if entry.by_layer)


def stats_of(layer: Layer) -> LayerStats:
    """The layer's statistics as the methods take them."""
    gram = torch.from_numpy(layer.gram)
    return LayerStats(norms=gram.diagonal().clamp_min(0).sqrt(), tokens=layer.tokens, gram=gram)


def solve(layer: Layer, method: str, pattern: str, knobs: Mapping[str, Any] | None = None, title: str = "",
          grid: Grid | None = None) -> LayerPath:
    """Prune *layer*, put it on *grid*, and return the path.

    Raises InputError for a method that solves no single layer or knows no grid, a pattern or a grid that does not fit
    it, or knobs out of range.
    """
    rule = pattern_for(pattern, layer, grid)
    solver = _solver(method, knobs or {}, grid)
    weight, stats = torch.from_numpy(layer.weight), stats_of(layer)
    watch = _Watch(weight, stats, getattr(solver.knobs, "iterations", 1), grid)
    try:
        result = solver.solve(weight, stats, rule, watch) if isinstance(solver, AdmmLayer) else \
            solver.solve(weight, stats, rule)
    except torch.linalg.LinAlgError:
        raise InputError(f"{METHODS[method].title}: the Gram matrix of {layer.name} cannot be factorised",
                         "a larger damping or rho", "Raise damping: the layer saw fewer inputs than it has.") from None
    stops = (*watch.stops, watch.stop(len(watch.seen) + 1, result.weight, result.weight, result.weight, result.mask,
                                     result.scale, result.served()))
    energy = ((weight @ _gram(stats)) * weight).sum(1)
    return LayerPath(layer.name, method, title or METHODS[method].title, rule.name, layer.weight, _numpy(energy), stops,
                **{key: np.array([getattr(done, key) for done in watch.seen], np.float32)
                   for key in ("rho", "primal", "dual", "flips")}, grid=grid)


def pattern_for(pattern: str, layer: Layer, grid: Grid | None = None) -> Pattern:
    """Parse *pattern* for this one layer; a library is learned from this layer's weights.

    Raises InputError when it or *grid* does not fit, when it counts over a whole model, or keeps all without a grid.
    """
    rule = parse_pattern(pattern)
    if grid is not None:
        grid.fits(layer.name, layer.weight.shape)
    if rule.scope == "model" or not (rule.sparsity or grid):
        raise InputError(f"Pattern {rule.name}", "a pattern of a single matrix, such as 2:4 or unstructured:0.5",
                         "Choose one from the list.")
    rule.fits(layer.name, layer.weight.shape)
    return rule.bound({layer.name: layer.weight}).of(layer.name)


def errors(layer: Layer, pattern: str, grid: Grid | None = None) -> dict[str, float]:
    """By layer method (of those that know a grid, when there is one), at its defaults: its answer's relative error.
    Without those that carry a correction: they have more numbers to lose less with, as many as a person likes."""
    weight, stats = torch.from_numpy(layer.weight), stats_of(layer)
    rule, total = pattern_for(pattern, layer, grid), float(((weight @ _gram(stats)) * weight).sum()) or 1.0
    out = {}
    for name in LAYER_METHODS:
        if METHODS[name].corrects or (grid is not None and not METHODS[name].grids):
            continue
        result: LayerResult = _solver(name, {}, grid).solve(weight, stats, rule)
        out[name] = float(_rows(weight - result.weight, stats).sum()) / total
    return out


@lru_cache(maxsize=4)
def layer_of(source: Source) -> Layer:
    """The layer behind *source*, kept. Raises what `read_layer` raises."""
    return read_layer(source.run, source.matrix)


@lru_cache(maxsize=4)
def path_of(source: Source, choices: LayerChoices) -> LayerPath:
    """`solve` with *choices*, kept. Raises what `solve` and `read_layer` raise."""
    return solve(layer_of(source), choices.method, choices.pattern, resolved(choices), title_of(choices),
                 choices.grid)


def pinned(source: Source, pin: str | None) -> LayerPath | None:
    """The path of a pin's text; None without one. Raises InputError for a bad one, or one that does not fit."""
    return None if pin is None else path_of(source, from_text(pin))


@lru_cache(maxsize=32)
def errors_of(source: Source, pattern: str, grid: Grid | None = None) -> tuple[tuple[str, float], ...]:
    """`errors`, kept, as pairs."""
    return tuple(errors(layer_of(source), pattern, grid).items())


class _Watch:
    """Notes every round, and keeps those that are stops."""

    def __init__(self, weight: Tensor, stats: LayerStats, rounds: int, grid: Grid | None = None) -> None:
        self.weight, self.stats, self.grid = weight, stats, grid
        room = (STOPS if weight.numel() <= LARGE else FEW_STOPS) - 1
        most = rounds if rounds <= room else min(room, THINNED)
        self.marks = set(np.linspace(0, rounds - 1, most).round().astype(int).tolist())
        self.seen: list[Round] = []
        self.stops: list[Stop] = []

    def __call__(self, split: QuadraticSplit, done: Round, scale: Tensor) -> None:
        if len(self.seen) in self.marks:
            z = split.z / scale
            served = z if split.w0 is split.whole else z + (split.whole - split.w0) / scale
            self.stops.append(self.stop(len(self.seen) + 1, split.w / scale, z, z + split.u / scale, split.mask,
                                        split.scale, served))
        self.seen.append(done)

    def stop(self, number: int, w: Tensor, z: Tensor, v: Tensor, mask: Tensor, scale: Tensor | None,
             served: Tensor) -> Stop:
        """A stop; all tensors `[out, in]`, in the units of the layer's weights, but *scale* `[out, chunks]`. *served*:
        *z* and what stands beside it."""
        held = {}
        if self.grid is not None and scale is not None:
            whole = codes(self.grid, z, spread(self.grid, scale, z.shape[1]))
            held = {"codes": whole.to(torch.int8).numpy(), "scale": scale.numpy()}
        rows = _rows(self.weight - served, self.stats)
        return Stop(number, _half(w), _half(v), pack_mask(mask.numpy()), _numpy(rows), **held)


def _solver(method: str, knobs: Mapping[str, Any], grid: Grid | None) -> LayerMethod:
    if method not in LAYER_METHODS:
        raise InputError(f"Method {method[:40]!r}", f"one that solves a single layer: {', '.join(LAYER_METHODS)}",
                         "Choose one from the list.")
    if grid is not None and not METHODS[method].grids:
        raise InputError(f"{METHODS[method].title} with a grid of {grid.bits} bits", "a method that knows a grid",
                         "Choose ADMM, layer by layer, or magnitude.")
    return build(method, knobs, grid)


def _rows(gap: Tensor, stats: LayerStats) -> Tensor:
    """|X gap^T|^2 of every row of *gap* `[out, in]`: `[out]`."""
    return (gap @ _gram(stats)).mul_(gap).sum(1).clamp_min_(0)


def _gram(stats: LayerStats) -> Tensor:
    assert stats.gram is not None
    return stats.gram


def _half(values: Tensor) -> Any:
    return values.clamp(-HALF, HALF).half().numpy()


def _numpy(values: Tensor) -> Floats:
    return values.numpy()
