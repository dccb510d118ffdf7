"""Methods on a grid: against plain rounding, hand-written loops and the numbers themselves. No models here."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.inside.statistics import LayerStats
from core.methods import METHODS, build
from core.methods.admm import Admm
from core.methods.admm_layer import AdmmLayer
from core.methods.base import Context, LayerMethod, LayerResult, TrainingMethod
from core.methods.knob_sets import AdmmKnobs, AdmmLayerKnobs
from core.methods.knobs import Knobs
from core.methods.magnitude import Magnitude
from core.methods.masked import Masked
from core.methods.quadratic import QuadraticSplit
from core.running.pipeline import resolve
from core.sparsity.grids import Grid
from core.sparsity.patterns import parse_pattern
from core.sparsity.verify import verify

PATTERNS = ["dense", "2:4", "unstructured:0.5", "block:4x4:0.5"]


def layer(seed: int, rows: int = 12, width: int = 32) -> tuple[Tensor, LayerStats]:
    """A random layer with correlated inputs of unequal size, and its statistics."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(300, width, generator=generator) @ torch.randn(width, width, generator=generator)
    x = x * torch.logspace(0, 1, width)
    gram = x.T @ x
    return torch.randn(rows, width, generator=generator), LayerStats(gram.diagonal().sqrt(), len(x), gram)


def lost(weight: Tensor, other: Tensor, stats: LayerStats) -> float:
    assert stats.gram is not None
    gap = (weight - other).double()
    return float(((gap @ stats.gram.double()) * gap).sum())


def on_levels(values: Tensor, scale: Tensor, top: int) -> bool:
    """By a loop over numpy scalars: is every value a float32 product of a whole number within top and its scale?"""
    length = values.shape[1] // scale.shape[1]
    for i, row in enumerate(values.numpy()):
        for k in range(scale.shape[1]):
            levels = {np.float32(c) * np.float32(scale[i, k]) for c in range(-top, top + 1)}
            if not set(row[k * length:(k + 1) * length]) <= levels:
                return False
    return True


@pytest.mark.parametrize("bits", [8, 4, 3, 2])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_layerwise_admm_on_a_grid_loses_no_more_than_rounding(bits: int, pattern: str) -> None:
    """And obeys grid and pattern bit for bit, both of them."""
    rule, grid = parse_pattern(pattern), Grid(bits, 16)
    for seed in range(2):
        weight, stats = layer(seed)
        ours = AdmmLayer(AdmmLayerKnobs(), grid).solve(weight, stats, rule)
        plain = Magnitude(Knobs(), grid).solve(weight, None, rule)
        for result in (ours, plain):
            assert result.scale is not None and result.scale.shape == (12, 2)
            assert on_levels(result.weight, result.scale, grid.top)
            assert verify((result.weight != 0).numpy(), rule, "it").ok and verify(result.mask.numpy(), rule, "it").ok
            assert not result.weight[~result.mask].any()
        assert lost(weight, ours.weight, stats) < 0.9 * lost(weight, plain.weight, stats)


def test_more_bits_lose_less_and_eight_lose_little_beyond_the_pattern() -> None:
    weight, stats = layer(4)
    rule = parse_pattern("2:4")
    free = lost(weight, AdmmLayer(AdmmLayerKnobs()).solve(weight, stats, rule).weight, stats)
    found = [lost(weight, AdmmLayer(AdmmLayerKnobs(), Grid(b, 16)).solve(weight, stats, rule).weight, stats)
             for b in (2, 3, 4, 8)]
    assert found == sorted(found, reverse=True) and found[-1] < 1.1 * free


@pytest.mark.parametrize("settings", [{"rise": "support"}, {"settle": 5}, {"iterations": 2}, {"scaled": False},
                                      {"ramp": 10}, {"polish": 0}])
def test_every_form_of_the_solver_ends_on_the_grid(settings: dict) -> None:
    weight, stats = layer(5)
    result = AdmmLayer(AdmmLayerKnobs(**settings), Grid(4, 8)).solve(weight, stats, parse_pattern("2:4"))
    assert result.scale is not None and on_levels(result.weight, result.scale, 7)
    assert verify(result.mask.numpy(), parse_pattern("2:4"), "it").short == 0


def test_a_round_puts_z_on_the_nearest_levels_of_the_masked_point() -> None:
    """Against the point itself: W + U before the round, its two largest of four, the nearest level by a loop."""
    weight, stats = layer(6, rows=4, width=8)
    assert stats.gram is not None
    columns = torch.logspace(-1, 1, 8)
    split = QuadraticSplit(stats.gram / stats.gram.diagonal().mean(), weight * columns, parse_pattern("2:4"),
                           grid=Grid(3, 4), columns=columns)
    split.set_rho(0.5)
    for _ in range(3):
        point = (split.w + split.u).clone()
        split.step()
        assert split.scale is not None
        for i in range(4):
            for j in range(8):
                group = point[i, j // 4 * 4:j // 4 * 4 + 4].abs()
                kept = int((group > point[i, j].abs()).sum()) < 2
                s = float(split.scale[i, j // 4])
                z = float(split.z[i, j]) / float(columns[j])
                v = float(point[i, j]) / float(columns[j])
                want = min((c * s for c in range(-3, 4)), key=lambda x: abs(x - v)) if kept else 0.0
                assert z == pytest.approx(want, abs=1e-5 * s)
        assert torch.allclose(split.u, point - split.z, atol=1e-5)


class Toy:
    """One linear layer, a few batches, SGD, and the calls of the training loop in its order."""

    def __init__(self, make: type[TrainingMethod], knobs: object, pattern: str = "2:4", steps: int = 12) -> None:
        torch.manual_seed(0)
        self.steps, self.x = steps, torch.randn(steps, 20, 16)
        self.y = self.x @ torch.randn(16, 4)
        self.model = nn.Linear(16, 4, bias=False)
        dense = self.model.weight.detach().clone()
        gram = self.x.reshape(-1, 16).T @ self.x.reshape(-1, 16)
        stats = LayerStats(gram.diagonal().sqrt(), 20 * steps, gram)
        grid = Grid(3, 8)
        solution: LayerResult = AdmmLayer(AdmmLayerKnobs(), grid).solve(dense, stats, parse_pattern(pattern))
        self.method = make(knobs, grid)  # type: ignore[arg-type]
        self.method.prepare({"a": self.model}, Context(parse_pattern(pattern), steps, {"a": dense}, {"a": stats},
                                                       {"a": solution}, lambda step: 0.05))
        self.solution = solution
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05)
        self.seen: list[Tensor] = []

    def run(self, first: int, last: int) -> None:
        m = self.method
        for step in range(first, last):
            if not m.masks and step == m.hard_step:
                m.hard_prune(m.choose_masks())
            m.before_forward(step)
            self.seen.append(self.model.weight.detach().clone())
            loss = (self.model(self.x[step]) - self.y[step]).square().mean()
            loss.backward()
            m.after_backward(step)
            self.optimizer.step()
            self.optimizer.zero_grad()
            m.after_step(step)

    def finish(self) -> Tensor:
        if not self.method.masks:
            self.method.hard_prune(self.method.choose_masks())
        self.method.finish()
        return self.model.weight.detach().clone()


def test_masked_training_on_a_grid_sees_levels_and_moves_what_is_behind_them() -> None:
    """The latent weights follow a hand loop: the gradient at the levels, taken off the latent ones, then the mask."""
    toy = Toy(Masked, Knobs())
    latent = toy.solution.weight.clone()
    mask = toy.solution.mask
    assert toy.solution.scale is not None
    toy.run(0, 1)
    assert torch.allclose(toy.seen[0], toy.solution.weight, atol=1e-6)
    for step in range(1, 12):
        shown = toy.seen[-1]
        gradient = 2 * (shown @ toy.x[step - 1].T - toy.y[step - 1].T) @ toy.x[step - 1] / (20 * 4)
        latent = (latent - 0.05 * gradient) * mask
        assert torch.allclose(toy.model.weight.data, latent, atol=1e-5)
        toy.run(step, step + 1)
        scale = toy.method.scales["a"]
        assert on_levels(toy.seen[-1], scale, 3) and not toy.seen[-1][~mask].any()
        step_size = scale.repeat_interleave(8, 1)
        inside = (latent.abs() <= 3.5 * step_size) & mask
        assert ((toy.seen[-1] - latent).abs() <= 0.5 * step_size + 1e-5)[inside].all()
    final = toy.finish()
    assert on_levels(final, toy.method.scales["a"], 3) and not torch.equal(final, toy.solution.weight)
    assert not np.signbit(final[final == 0].numpy()).any()


def test_admm_in_training_keeps_z_on_the_grid_and_ends_there() -> None:
    toy = Toy(Admm, AdmmKnobs(interval=2, share=0.5))
    for step in range(6):
        toy.run(step, step + 1)
        z = toy.method.feasible()
        assert z is not None and on_levels(z["a"], toy.method.scales["a"], 3)
        assert verify((z["a"] != 0).numpy(), parse_pattern("2:4"), "a").ok
    assert not on_levels(toy.model.weight.data, toy.method.scales["a"], 3)  # W is free until the hard prune
    cut = toy.method.pruned(toy.method.choose_masks())["a"]
    toy.run(6, 7)
    assert torch.equal(toy.seen[-1], cut)  # what is scored as hard-pruned is what refinement starts from
    toy.run(7, 12)
    assert on_levels(toy.finish(), toy.method.scales["a"], 3)


@pytest.mark.parametrize("at", [3, 6, 9])
def test_a_killed_training_on_a_grid_goes_on_bit_for_bit(at: int) -> None:
    """Before, at and after the hard prune: weights and `state()` alone are carried over."""
    whole, first, second = (Toy(Admm, AdmmKnobs(interval=2, share=0.5)) for _ in range(3))
    whole.run(0, 12)
    first.run(0, at)
    second.model.weight.data.copy_(first.model.weight.data)
    second.method.load_state(copy.deepcopy({k: v.clone() for k, v in first.method.state().items()}))
    second.run(at, 12)
    assert torch.equal(whole.model.weight, second.model.weight)
    assert torch.equal(whole.finish(), second.finish())
    assert torch.equal(whole.method.scales["a"], second.method.scales["a"])


def test_without_a_grid_nothing_is_swapped_nor_served() -> None:
    method = Masked(Knobs())
    weight, _ = layer(0)
    module = nn.Linear(32, 12, bias=False)
    module.weight.data.copy_(weight)
    method.prepare({"a": module}, Context(parse_pattern("2:4"), 1, {"a": weight}, {},
                                          {"a": LayerResult(weight, torch.ones_like(weight, dtype=torch.bool))},
                                          lambda step: 0.1))
    method.hard_prune(method.choose_masks())
    before = module.weight.data
    method.before_forward(0)
    assert module.weight.data is not None and module.weight.data.data_ptr() == before.data_ptr()
    assert method.served() is None and method.state().keys() == {"mask/a"}


@pytest.mark.parametrize(("given", "words"), [
    ({"bits": 1}, "A grid of 1 bits. Expected 2 to 8 bits"), ({"bits": 9}, "bits = 9. Expected 0 to 8 bits"),
    ({"bits": 4, "chunk": -1}, "chunk = -1. Expected 0 to 65536 weights"),
    ({"bits": 4, "method": "wanda"}, "wanda with 4 bits")])
def test_a_grid_that_cannot_be_is_said_in_plain_words(given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        resolve({"task": "agreement", "model": "tiny", "method": "magnitude", "pattern": "2:4", **given})


@pytest.mark.parametrize("name", [name for name, entry in METHODS.items()
                                  if entry.target and not entry.block and entry.prunes != "units"])
def test_the_list_says_which_methods_put_weights_on_a_grid(name: str) -> None:
    """By what they do with one: the solution of a layer, or what a model under training is served."""
    weight, stats = layer(3)
    method, grid = build(name, grid=Grid(3, 8)), Grid(3, 8)
    if isinstance(method, LayerMethod):
        found = method.solve(weight, stats, parse_pattern("2:4"))
        values, scale = found.weight, found.scale
    else:
        module = nn.Linear(32, 12, bias=False)
        module.weight.data.copy_(weight)
        solution = {} if method.start is None else {"a": build(method.start).solve(weight, stats, parse_pattern("2:4"))}
        method.prepare({"a": module}, Context(parse_pattern("2:4"), 8, {"a": weight}, {"a": stats}, solution,
                                              lambda step: 0.1))
        method.hard_prune(method.choose_masks())
        values = (method.served() or {"a": module.weight.data})["a"]
        scale = method.scales.get("a")
    on_grid = scale is not None and scale.shape == (12, 4) and on_levels(values, scale, grid.top)
    assert on_grid == METHODS[name].grids
