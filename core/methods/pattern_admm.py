"""Pattern ADMM: ADMM under a pattern, while the feature maps are reshaped until whole regions of
them go quiet. Weights are pruned exactly, activations become regionally sparse: blocks of 16
features of a token that carry next to nothing.

    min over W:  f(W) + lambda mean_b cost(a_b)    W has the pattern
    a_b = A_b / s                                  a region in the map's own unit
    cost(a) = min over v:  |v| + rho_a/2 |a - v|^2
    prox(a) = a max(0, 1 - 1 / (rho_a |a|))        that v
    at every optimiser step:
        g_b = lambda rho_a (a_b - prox(a_b)) / n
        gradient of f + (g_b - a_b mean_c g_c a_c) / s
        then the proximal pull, Z and U of `admm`
    start, layer by layer:
        min |S (W0 - W)^T|^2                       W0 stays the optimum
        S^T S = (1 - mix) X^T X + mix P^T P        P = m prox(X / m)

A_b is one token's run of 16 features of a watched map, s the root mean square of the n region norms
of a batch's real tokens, m the dense model's median region norm; the mean is taken for every map
and layer, then over these. So lambda has no unit, and shrinking the whole map gains nothing: with s
fixed (`unit=dense`) on the tiny model, that is all that happens. The cost is the Moreau envelope of
the group norm (`reshaping`): quadratic up to 1 / rho_a, linear beyond.

Prunes: single weights, as `admm`; every pattern: N:M, libraries, blocks. Activations are not cut:
they go quiet.
Source: Wang 2024 (arXiv 2407.08334): a fixed number of weights in each block by ADMM, and an
activation map reshaped from dense to regionally sparse. Only its abstract and its summaries could
be read.
Our formulation: the regions and their size, the group norm and its envelope, the map's own unit,
the term's course over the run (`until`), and the reshaped inputs of the start solution, in which
regions that will go quiet count less; the rest is our `admm`.
Cost: that of `admm`, one pass over the watched maps forward and backward at every step, and with
mix > 0 one more pass of the calibration text. With strength 0 it is `admm`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.inside.calibration import calibrate
from core.inside.statistics import LayerStats
from core.inside.watching import (
    Place,
    Watch,
    by_text,
    maps_named,
    median_norms,
    places_named,
    places_of,
    quiet,
    region_squares,
    sample_of,
)
from core.methods.admm import Admm
from core.methods.base import Context
from core.methods.knob_sets import PatternAdmmKnobs
from core.methods.knobs import Knobs
from core.methods.reshaping import mean_cost, shrink
from core.runs.regions import MAPS
from core.sparsity.grids import Grid

SAMPLE = 64  # calibration examples behind the dense medians
Batches = Sequence[dict[str, Tensor]]


class PatternAdmm(Admm):
    """See the module's text."""

    splits = False  # its term counts the regions of the whole batch
    knobs: PatternAdmmKnobs

    def __init__(self, knobs: Knobs, grid: Grid | None = None) -> None:
        super().__init__(knobs, grid)
        self.watch: Watch | None = None
        self.share: Tensor | None = None  # of quiet regions in the last batch
        self.medians: dict[str, dict[int, float]] = {}  # the dense model's, by map and layer

    def _set_watch(self, model: nn.Module, batches: Batches) -> list[Place]:
        """Find the maps and measure the dense model's medians; the model must hold the dense
        weights."""
        places = places_named(places_of(model), self.knobs.layers)
        if self.watch is None:
            maps = maps_named(self.knobs.maps)
            self.medians = median_norms(model, places, maps, sample_of(batches, SAMPLE))
            for kind, layers in self.medians.items():
                for layer, median in layers.items():
                    if not median > 0.0:
                        raise InputError(
                            f"Half of the regions of the map {kind!r} of layer {layer} are zero in "
                            "the dense model", "a map that is not regionally sparse already",
                            f"Choose another of {', '.join(MAPS)}, or other layers.")
            self.watch = Watch(places, maps)
        return places

    def calibrated(self, model: nn.Module, layers: dict[str, nn.Linear], batches: Batches,
                   stats: dict[str, LayerStats]) -> dict[str, LayerStats]:
        """X^T X of the matrices that read a watched map, mixed with that of their reshaped
        inputs."""
        k = self.knobs
        if not k.strength or not k.mix:
            return stats
        places = self._set_watch(model, batches)
        reshape = self._readers(layers, places_of(model), {p.layer for p in places})
        watched = {name: layers[name] for name in reshape}
        mixed = dict(stats)
        for name, other in calibrate(model, watched, batches, reshape=reshape).items():
            own = stats[name]
            assert own.gram is not None and other.gram is not None
            gram = torch.lerp(own.gram, other.gram, k.mix)
            norms = gram.diagonal().clamp_min(0).sqrt()
            mixed[name] = LayerStats(norms=norms, tokens=own.tokens, gram=gram)
        return mixed

    def _readers(self, layers: dict[str, nn.Linear], places: Sequence[Place],
                 chosen: set[int]) -> dict[str, Callable[[Tensor], Tensor]]:
        """By matrix that reads a watched map: what reshapes its input."""
        names = {id(module): name for name, module in layers.items()}
        threshold = 1.0 / self.knobs.rho_a
        found: dict[str, Callable[[Tensor], Tensor]] = {}
        for place, after in zip(places, [*places[1:], None], strict=True):
            # A block's map is read by the layer after it, that of the last block by none.
            readers = {"attention": (place.attention,), "ffn": (place.ffn,),
                       "block": after.entry if after else ()}
            for kind in self.medians:
                if place.layer in chosen:
                    bound = threshold * self.medians[kind][place.layer]
                    shown = partial(shrink, threshold=bound)
                    found |= {names[id(m)]: shown for m in readers[kind] if id(m) in names}
        return found

    def prepare(self, layers: dict[str, nn.Linear], context: Context) -> None:
        """Measure the dense model's medians, then set the starting point of `admm`. Without a model
        to watch there is no activation term."""
        if self.knobs.strength and context.model is not None:
            self._set_watch(context.model, context.batches)
        super().prepare(layers, context)

    def before_forward(self, step: int) -> None:
        """Choose a mask that moves, as `admm` does, and watch the pass that follows."""
        super().before_forward(step)
        if self.watch is not None and not (self.masks and self.knobs.until == "prune"):
            self.watch.start()

    def penalty(self, batch: dict[str, Tensor]) -> Tensor | None:
        """lambda times the cost of the watched maps' regions; padding has no part in it."""
        k = self.knobs
        other = super().penalty(batch)
        real = batch["attention_mask"].bool()
        seen = {} if self.watch is None else by_text(self.watch.stop(), real)
        if not seen:
            self.share = None
            return other
        costs, shares = [], []
        for kind, layers in seen.items():
            for layer, values in layers.items():
                squares, median = region_squares(values), self.medians[kind][layer]
                unit = median if k.unit == "dense" else None
                costs.append(mean_cost(squares, real, k.rho_a, unit))
                shares.append(quiet(squares.detach(), median, real))
        self.share = torch.stack(shares).mean()
        term = k.strength * torch.stack(costs).mean()
        return term if other is None else other + term

    def measures(self) -> dict[str, float]:
        """What `admm` measures, and the share of quiet regions in the last batch."""
        return super().measures() | ({} if self.share is None else {"quiet": float(self.share)})
