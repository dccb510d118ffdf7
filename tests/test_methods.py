"""Methods against oracles that share nothing with them: enumeration, least squares, float64 loops."""

from __future__ import annotations

import itertools
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import InputError
from core.inside.statistics import LayerStats
from core.methods import METHODS, build, load
from core.methods.admm import Admm
from core.methods.admm_layer import AdmmLayer, polish
from core.methods.base import BlockMethod, Context, LayerMethod, LayerResult, TrainingMethod
from core.methods.knob_sets import AdmmKnobs, AdmmLayerKnobs, NxmAdmmKnobs
from core.methods.knobs import Knobs, make_knobs
from core.methods.magnitude import Magnitude
from core.methods.masked import Masked
from core.methods.nxm_admm import NxmAdmm
from core.methods.unit_base import UnitMethod
from core.sparsity.patterns import parse_pattern
from core.sparsity.verify import verify

PRUNERS = [name for name in METHODS if name != "dense"]
LAYER = [name for name in PRUNERS if issubclass(load(name), LayerMethod)]
BLOCK = [name for name in PRUNERS if issubclass(load(name), BlockMethod)]
TRAINED = [name for name in PRUNERS if issubclass(load(name), TrainingMethod)]
TRAINED_WEIGHTS = [name for name in TRAINED if METHODS[name].prunes != "units"]
UNITS = [name for name in PRUNERS if issubclass(load(name), UnitMethod)]
MATRIX_PATTERNS = ["2:4", "1:4", "4:8", "3:4", "1:2", "unstructured:0.5", "block:4x4:0.5"]


def stats_of(x: torch.Tensor) -> LayerStats:
    gram = x.T @ x
    return LayerStats(norms=gram.diagonal().sqrt(), tokens=len(x), gram=gram)


def layer(rows: int = 8, width: int = 16, tokens: int = 200, seed: int = 0) -> tuple[torch.Tensor, LayerStats]:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=generator)
    x = torch.randn(tokens, width, generator=generator) @ mix  # correlated inputs, as in a real layer
    return torch.randn(rows, width, generator=generator), stats_of(x)


def output_gap(dense: torch.Tensor, pruned: torch.Tensor, stats: LayerStats) -> float:
    gap = (dense - pruned).double()
    assert stats.gram is not None
    return float(((gap @ stats.gram.double()) * gap).sum())


def test_every_method_is_one_of_the_four_kinds() -> None:
    assert sorted(LAYER + BLOCK + TRAINED + UNITS) == sorted(PRUNERS)
    assert {name for name, entry in METHODS.items() if entry.block} == set(BLOCK)
    # One layer at a time knows no head.
    assert all(METHODS[name].prunes == "weights" for name in LAYER + BLOCK)
    assert all(METHODS[name].prunes == "units" for name in UNITS)


@pytest.mark.parametrize("name", LAYER)
@pytest.mark.parametrize("pattern", MATRIX_PATTERNS)
def test_a_layer_method_obeys_every_pattern(name: str, pattern: str) -> None:
    weight, stats = layer()
    method = build(name)
    result = method.solve(weight, stats, parse_pattern(pattern))
    assert result.weight.shape == weight.shape
    assert torch.isfinite(result.weight).all()
    assert torch.equal(result.weight * result.mask, result.weight)
    verdict = verify(result.mask.numpy(), parse_pattern(pattern), name)
    assert (verdict.violations, verdict.short) == (0, 0)


@pytest.mark.parametrize("name", LAYER)
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_layer_method_refuses_what_is_not_finite(name: str, broken: float) -> None:
    weight, stats = layer()
    spoiled = weight.clone()
    spoiled[2, 3] = broken
    with pytest.raises(InputError, match="'weight' holds an infinity, or what is no number"):
        build(name).solve(spoiled, stats, parse_pattern("2:4"))
    if name != "magnitude":  # it reads nothing else
        assert stats.gram is not None
        gram = stats.gram.clone()
        gram[1, 1] = broken
        with pytest.raises(InputError, match="holds an infinity, or what is no number"):
            build(name).solve(weight, LayerStats(norms=gram.diagonal().sqrt(), tokens=stats.tokens, gram=gram),
                              parse_pattern("2:4"))


def test_magnitude_keeps_the_largest() -> None:
    weight = torch.tensor([[0.1, -3.0, 2.0, 0.5]])
    result = Magnitude(Knobs()).solve(weight, None, parse_pattern("2:4"))
    assert result.weight.tolist() == [[0.0, -3.0, 2.0, 0.0]]


@pytest.mark.parametrize("seed", range(4))
def test_layerwise_admm_is_near_the_best_of_all_supports(seed: int) -> None:
    """Width 8, 2:4: all 36 supports with exact least squares on each are the bound; magnitude is far above it."""
    weight, stats = layer(rows=12, width=8, seed=seed)
    assert stats.gram is not None
    gram = stats.gram.double().numpy()
    pairs = list(itertools.combinations(range(4), 2))
    supports = [list(a) + [4 + j for j in b] for a in pairs for b in pairs]
    best = 0.0
    for row in weight.double().numpy():
        gaps = []
        for s in supports:
            v = np.zeros(8)
            v[s] = np.linalg.solve(gram[np.ix_(s, s)], gram[s] @ row)
            gaps.append((row - v) @ gram @ (row - v))
        best += min(gaps)
    knobs = AdmmLayerKnobs(damping=1e-6, polish=20, iterations=60)
    ours = output_gap(weight, AdmmLayer(knobs).solve(weight, stats, parse_pattern("2:4")).weight, stats)
    plain = output_gap(weight, Magnitude(Knobs()).solve(
        weight, stats, parse_pattern("2:4")).weight, stats)
    assert best <= ours * (1 + 1e-5)  # nothing can be below the bound
    assert ours <= 1.6 * best
    assert ours < 0.7 * plain


def test_polish_meets_the_optimality_conditions() -> None:
    """On its support, the gradient of the layer's error is zero: (V - V0) A vanishes where the mask keeps."""
    weight, stats = layer(rows=6, width=16)
    assert stats.gram is not None
    mask = torch.rand(6, 16, generator=torch.Generator().manual_seed(3)) > 0.5
    v = polish(weight * mask, mask, weight, stats.gram, 60)
    gradient = ((v - weight) @ stats.gram) * mask
    assert gradient.abs().max() < 1e-3 * (weight @ stats.gram).abs().max()
    assert torch.equal(v * mask, v)


def test_a_pattern_that_keeps_all_gives_the_layer_back() -> None:
    weight, stats = layer()
    result = AdmmLayer(AdmmLayerKnobs()).solve(weight, stats, parse_pattern("4:4"))
    assert torch.allclose(result.weight, weight, atol=1e-4)


def test_a_rank_deficient_gram_and_dead_inputs_stay_finite() -> None:
    weight, _ = layer(rows=4, width=16)
    x = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))  # rank 3 of 16
    x[:, 5] = 0.0
    stats = stats_of(x)
    result = AdmmLayer(AdmmLayerKnobs()).solve(weight, stats, parse_pattern("2:4"))
    assert torch.isfinite(result.weight).all()
    assert output_gap(weight, result.weight, stats) <= output_gap(weight, weight * result.mask, stats) + 1e-4


def test_layerwise_admm_equals_a_float64_loop() -> None:
    """One stage, no polish: the module's three updates written out with solves instead of a factor."""
    weight, stats = layer(rows=5, width=8)
    assert stats.gram is not None
    scale = stats.gram.diagonal().sqrt().double()
    a = stats.gram.double() / scale.outer(scale) + 0.05 * torch.eye(8, dtype=torch.float64)
    v0 = weight.double() * scale
    v, u, rho = v0.clone(), torch.zeros_like(v0), 0.7
    for _ in range(9):
        z = torch.zeros_like(v)
        for i, g in itertools.product(range(5), range(2)):
            part = (v + u)[i, 4 * g : 4 * g + 4]
            for j in sorted(range(4), key=lambda j: (-abs(float(part[j])), j))[:2]:
                z[i, 4 * g + j] = part[j]
        u = u + v - z
        v = torch.linalg.solve((a + rho * torch.eye(8, dtype=torch.float64)).T, (v0 @ a + rho * (z - u)).T).T
    knobs = AdmmLayerKnobs(iterations=9, stages=1, rho_start=0.7, rho_end=0.7, damping=0.05, polish=0)
    ours = AdmmLayer(knobs).solve(weight, stats, parse_pattern("2:4"))
    assert torch.allclose(ours.weight.double(), z / scale, atol=1e-4)


def context(layers: dict[str, nn.Linear], pattern: str = "2:4", steps: int = 40) -> Context:
    dense = {n: m.weight.detach().clone() for n, m in layers.items()}
    solver = Magnitude(Knobs())
    solution = {n: solver.solve(w, None, parse_pattern(pattern)) for n, w in dense.items()}
    stats = {n: LayerStats(norms=torch.ones(w.shape[1]), tokens=1) for n, w in dense.items()}
    return Context(pattern=parse_pattern(pattern), total_steps=steps, dense=dense, stats=stats,
                   solution=solution, lr=lambda step: 1e-2)


def toy(seed: int = 0) -> tuple[dict[str, nn.Linear], torch.optim.Optimizer]:
    torch.manual_seed(seed)
    layers = {"a": nn.Linear(8, 8), "b": nn.Linear(8, 8)}
    return layers, torch.optim.AdamW([p for m in layers.values() for p in m.parameters()], lr=1e-2)


def drive(method: TrainingMethod, layers: dict[str, nn.Linear], optimizer: torch.optim.Optimizer, start: int,
          stop: int, seed: int = 9) -> None:
    """A stand-in for the training loop on a regression toy; inputs depend on the step alone."""
    for step in range(start, stop):
        if not method.masks and step == method.hard_step:
            method.hard_prune(method.choose_masks())
        x = torch.randn(32, 8, generator=torch.Generator().manual_seed(seed + step))
        method.before_forward(step)
        loss = (layers["b"](torch.tanh(layers["a"](x))) - x.flip(1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        method.after_backward(step)
        optimizer.step()
        method.after_step(step)
        if (step + 1) % 10 == 0:
            method.end_epoch((step + 1) // 10)
    if not method.masks and stop == method.hard_step:
        method.hard_prune(method.choose_masks())
    if stop == method.context.total_steps:
        method.finish()


@pytest.mark.parametrize("name", TRAINED_WEIGHTS)
def test_a_training_method_ends_on_its_pattern(name: str) -> None:
    layers, optimizer = toy()
    method = build(name)
    method.prepare(layers, context(layers))
    drive(method, layers, optimizer, 0, 40)
    for key, module in layers.items():
        verdict = verify((module.weight != 0).numpy(), parse_pattern("2:4"), key)
        assert (verdict.violations, verdict.short) == (0, 0)


@pytest.mark.parametrize("name", TRAINED_WEIGHTS)
@pytest.mark.parametrize("stop", [7, 33])
def test_a_training_method_continues_from_its_state(name: str, stop: int) -> None:
    """State saved at step 7 (in ADMM) or 33 (after the hard prune) and loaded into a fresh method changes nothing."""
    finals = []
    for interrupted in (False, True):
        layers, optimizer = toy()
        ctx = context(layers)
        method = build(name)
        method.prepare(layers, ctx)
        drive(method, layers, optimizer, 0, stop)
        if interrupted:
            state = {k: v.clone() for k, v in method.state().items()}
            weights = {n: m.weight.detach().clone() for n, m in layers.items()}
            method = build(name)
            method.prepare(layers, ctx)
            for n, m in layers.items():
                m.weight.data.copy_(weights[n])
            method.load_state(state)
        drive(method, layers, optimizer, stop, 40)
        finals.append({n: m.weight.detach().clone() for n, m in layers.items()})
    for n in finals[0]:
        assert torch.equal(finals[0][n], finals[1][n])


def test_nxm_admm_equals_a_loop_written_out() -> None:
    """Gradients through Adam, Z and U once before and once an epoch, plain magnitude at the end."""
    layers, optimizer = toy(1)
    method = NxmAdmm(NxmAdmmKnobs(rho=0.3))
    method.prepare(layers, context(layers, steps=20))
    drive(method, layers, optimizer, 0, 20)

    other, optimizer = toy(1)

    def best(w: torch.Tensor) -> torch.Tensor:
        groups = w.abs().reshape(-1, 2, 4)
        return torch.zeros_like(groups).scatter(-1, groups.topk(2, -1).indices, 1.0).reshape(w.shape)

    z = {n: best(m.weight.data) * m.weight.data for n, m in other.items()}
    u = {n: m.weight.data - z[n] for n, m in other.items()}
    for step in range(20):
        x = torch.randn(32, 8, generator=torch.Generator().manual_seed(9 + step))
        task = (other["b"](torch.tanh(other["a"](x))) - x.flip(1)).square().mean()
        penalty = sum(0.15 * (m.weight - (z[n] - u[n])).square().sum() for n, m in other.items())
        optimizer.zero_grad()
        (task + penalty).backward()
        optimizer.step()
        if (step + 1) % 10 == 0:
            for n, m in other.items():
                v = m.weight.data + u[n]
                z[n] = best(v) * v
                u[n] = v - z[n]
    for n, m in other.items():
        assert torch.allclose(layers[n].weight, best(m.weight.data) * m.weight.data, atol=1e-5)


def test_admm_closes_the_gap_before_the_hard_prune() -> None:
    layers, optimizer = toy(2)
    method = Admm(AdmmKnobs(rho_end=1.0))
    method.prepare(layers, context(layers, steps=200))
    drive(method, layers, optimizer, 0, method.hard_step)
    assert method.primal() <= 0.02


def test_admm_pull_is_the_exact_proximal_step() -> None:
    """argmin over w of |w - w_hat|^2 / 2 + rho |w - z + u|^2 / 2, found by a fine grid."""
    layers, _ = toy(3)
    method = Admm(AdmmKnobs(rho_start=0.5, rho_end=0.5, interval=1000))
    method.prepare(layers, context(layers))
    start = layers["a"].weight.detach().clone()
    layers["a"].weight.data.add_(0.25)  # what an optimiser step might do
    hat, target = layers["a"].weight[0, 0].item(), float(method.target["a"][0, 0])
    method.after_step(0)
    grid = torch.linspace(-2, 2, 400_001, dtype=torch.float64)
    best = grid[((grid - hat).square() + 0.5 * (grid - target).square()).argmin()]
    assert layers["a"].weight[0, 0].item() == pytest.approx(float(best), abs=2e-5)
    assert not torch.equal(start, layers["a"].weight)


def test_admm_rescales_the_dual_with_rho() -> None:
    """rho U, the unscaled dual, must not jump when rho grows (the prototype without it wound up beyond W)."""
    layers, optimizer = toy(4)
    method = Admm(AdmmKnobs(rho_start=0.01, rho_end=1.0, interval=5))
    method.prepare(layers, context(layers, steps=100))
    drive(method, layers, optimizer, 0, 4)
    rho = method.rho
    seen: list[torch.Tensor] = []  # W + U - Z, before rho moves
    original = method.update_split

    def spy(rescale: float = 1.0) -> None:
        before = method.u[0].clone()
        original(rescale)
        seen.append(layers["a"].weight.detach() + before - method.z[0])

    method.update_split = spy  # type: ignore[method-assign]
    drive(method, layers, optimizer, 4, 5)
    assert method.rho > rho
    assert float(seen[0].abs().max()) > 0.01
    assert torch.allclose(method.rho * method.u[0], rho * seen[0], atol=1e-6)


@pytest.mark.parametrize("name", PRUNERS)
def test_every_knob_says_what_it_is(name: str) -> None:
    for f in fields(METHODS[name].knobs):
        assert f.metadata["help"]
        assert isinstance(f.default, bool | str) or f.metadata["low"] is not None


@pytest.mark.parametrize(("given", "words"), [
    ({"rho_strat": 1}, "Did you mean 'rho_start'"), ({"rho_start": "many"}, "Expected a number"),
    ({"rho_start": -1.0}, "1e-06"), ({"rho_start": float("nan")}, "rho_start"), ({"metric": "hessian"}, "norms")])
def test_a_bad_knob_says_what_to_do(given: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words.replace("'", ".")):
        make_knobs(AdmmKnobs, given)


def test_masked_training_keeps_the_solution() -> None:
    layers, optimizer = toy()
    ctx = context(layers)
    ctx.solution["a"] = LayerResult(torch.ones(8, 8), torch.eye(8).bool())
    method = Masked(Knobs())
    method.prepare(layers, ctx)
    drive(method, layers, optimizer, 0, 3)
    assert ((layers["a"].weight != 0) == torch.eye(8).bool()).all()
