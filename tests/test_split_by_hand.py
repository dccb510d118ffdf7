"""W, Z, U and what is told of them, step by step against plain loops: matrices of unequal shape while rho grows, a grid
under inputs of very uneven size, and which of two answers on a grid is kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core import methods
from core.methods import admm_layer
from core.methods.quadratic import QuadraticSplit
from core.running.pipeline import resolve, run
from core.runs.store import Store
from core.sparsity.grids import Grid
from core.sparsity.patterns import parse_pattern

SHAPES = {"a": (4, 8), "b": (6, 16)}
STEPS, INTERVAL, FIRST, LAST = 10, 3, 0.05, 0.8


class Toy:
    """ADMM in training over two layers; what an optimiser would do is a random step, the same for every Toy."""

    def __init__(self, grid: Grid | None = None, pattern: str = "2:4", **knobs: Any) -> None:
        rng = np.random.default_rng(5)
        self.dense = {n: rng.normal(size=s) for n, s in SHAPES.items()}
        self.norms = {n: 10.0 ** rng.uniform(-2, 2, size=s[1]) for n, s in SHAPES.items()}
        self.moves = [{n: 0.3 * rng.normal(size=s) for n, s in SHAPES.items()} for _ in range(STEPS)]
        self.start = {n: w * naive_mask(np.abs(w) * rng.random(w.shape)) for n, w in self.dense.items()}
        self.layers = {n: nn.Linear(s[1], s[0], bias=False).double() for n, s in SHAPES.items()}
        solution = {n: SimpleNamespace(weight=torch.tensor(w), mask=torch.tensor(w != 0), scale=None)
                    for n, w in self.start.items()}
        self.method = methods.build("admm", {"share": 1.0, "rho_start": FIRST, "rho_end": LAST, "interval": INTERVAL,
                                              **knobs}, grid)
        self.method.prepare(self.layers, SimpleNamespace(
            pattern=parse_pattern(pattern), total_steps=STEPS, lr=lambda step: 0.1,
            dense={n: torch.tensor(w) for n, w in self.dense.items()}, solution=solution,
            stats={n: SimpleNamespace(norms=torch.tensor(v)) for n, v in self.norms.items()}))

    def step(self, step: int) -> None:
        for name, layer in self.layers.items():
            layer.weight.data.add_(torch.tensor(self.moves[step][name]))
        self.method.after_step(step)

    def weights(self) -> dict[str, np.ndarray]:
        return {n: layer.weight.detach().numpy().copy() for n, layer in self.layers.items()}


def naive_mask(scores: np.ndarray) -> np.ndarray:
    """The two largest of every four."""
    mask = np.zeros(scores.shape, dtype=bool)
    for i in range(scores.shape[0]):
        for g in range(0, scores.shape[1], 4):
            mask[i, sorted(range(g, g + 4), key=lambda j: -scores[i, j])[:2]] = True
    return mask


def naive_masks(scores: dict[str, np.ndarray], pattern: str) -> dict[str, np.ndarray]:
    """By matrix the two largest of every four, or the larger half of all."""
    if pattern == "2:4":
        return {n: naive_mask(v) for n, v in scores.items()}
    middle = np.median(np.concatenate([v.reshape(-1) for v in scores.values()]))
    return {n: v > middle for n, v in scores.items()}


def length(parts: dict[str, np.ndarray]) -> float:
    return float(np.sqrt(sum(float((v**2).sum()) for v in parts.values())))


@pytest.mark.parametrize(("dual", "metric", "pattern"), [
    (True, "norms", "2:4"), (True, "none", "2:4"), (False, "norms", "2:4"), (False, "none", "2:4"),
    (True, "norms", "global:0.5")])
def test_residuals_flips_and_moved_are_those_of_a_loop_while_rho_grows(dual: bool, metric: str, pattern: str) -> None:
    toy = Toy(dual=dual, metric=metric, pattern=pattern)
    w, z = dict(toy.start), dict(toy.start)
    u = {n: np.zeros(s) for n, s in SHAPES.items()}
    mask = {n: v != 0 for n, v in z.items()}
    plain = naive_masks({n: np.abs(v) for n, v in toy.dense.items()}, pattern)
    size, rho, updates = sum(a * b for a, b in SHAPES.values()), FIRST, 0
    told: dict[str, float] = {}
    for step in range(STEPS):
        toy.step(step)
        w = {n: (v + toy.moves[step][n] + rho * (z[n] - u[n])) / (1 + rho) for n, v in w.items()}
        if (step + 1) % INTERVAL == 0 or step + 1 == STEPS:
            v = {n: w[n] + u[n] for n in w}
            before, old = mask, z
            mask = naive_masks({n: np.abs(v[n]) * (toy.norms[n] if metric == "norms" else 1.0) for n in v}, pattern)
            z = {n: np.where(mask[n], v[n], 0.0) for n in v}
            grown = FIRST * (LAST / FIRST) ** ((step + 1) / STEPS)
            u = {n: (v[n] - z[n]) * (rho / grown if dual else 0.0) for n in v}
            told = {"dual": rho * length({n: z[n] - old[n] for n in z}) / length(w),
                    "flips": sum(int((mask[n] != before[n]).sum()) for n in mask),
                    "moved": sum(int((mask[n] != plain[n]).sum()) for n in mask) / size}
            rho, updates = grown, updates + 1
            assert told["flips"] > 0 and told["moved"] > 0
        measured = toy.method.measures()
        wanted = {"rho": rho, "primal": length({n: w[n] - z[n] for n in w}) / length(w)} | told
        assert measured == pytest.approx(wanted, rel=1e-9)
        for name, now in toy.weights().items():
            assert np.allclose(now, w[name], atol=1e-12)
            assert np.allclose(toy.method.feasible()[name].numpy(), z[name], atol=1e-12)
            assert np.allclose(toy.method.state()[f"u/{name}"].numpy(), u[name], atol=1e-12)
    assert updates == 4 and rho == pytest.approx(LAST)


def test_a_measure_that_was_not_asked_for_after_every_update_is_that_of_the_last_one() -> None:
    asked, silent = Toy(), Toy()
    for step in range(STEPS):
        asked.step(step)
        asked.method.measures()
        silent.step(step)
    assert silent.method.measures() == asked.method.measures()


def test_z_on_a_grid_is_the_nearest_level_and_its_scale_the_best_for_uneven_inputs() -> None:
    """The inputs' norms differ ten thousand times: what is kept, and the scale, depend on them; a code does not."""
    grid = Grid(3, 4)
    toy = Toy(grid)
    u = {n: np.zeros(s) for n, s in SHAPES.items()}
    for step in range(STEPS):
        toy.step(step)
        if (step + 1) % INTERVAL and step + 1 < STEPS:
            continue
        for name, w in toy.weights().items():
            v, norms = w + u[name], toy.norms[name]
            mask = naive_mask(np.abs(v) * norms)
            z, scales = toy.method.feasible()[name].numpy(), toy.method.scales[name].numpy()
            for i in range(v.shape[0]):
                for g in range(0, v.shape[1], 4):
                    s = scales[i, g // 4]
                    for j in range(g, g + 4):
                        levels = [c * s for c in range(-3, 4)] if mask[i, j] else [0.0]
                        assert z[i, j] == pytest.approx(min(levels, key=lambda x: abs(x - v[i, j])), abs=1e-9)
                    if step + 1 == INTERVAL:  # searched for; from then on improved by turns
                        kept, part = v[i, g:g + 4] * mask[i, g:g + 4], norms[g:g + 4] ** 2
                        tried = [lost(kept, part, t) for t in np.linspace(1e-4, 1.2, 3000) * np.abs(kept).max()]
                        assert lost(kept, part, s) <= min(tried) * (1 + 1e-9) + 1e-15
            u[name] = toy.method.state()[f"u/{name}"].numpy().copy()


def lost(v: np.ndarray, metric: np.ndarray, scale: float) -> float:
    """What rounding to whole numbers -3..3 of *scale* loses."""
    codes = [min(range(-3, 4), key=lambda c: abs(c * scale - x)) for x in v]
    return float(sum(d * (x - c * scale) ** 2 for d, x, c in zip(metric, v, codes, strict=True)))


# -- one layer alone ---------------------------------------------------------------------------------------------

def layer() -> tuple[Tensor, Any]:
    """A layer of unequal inputs, and what calibration would say of it."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(100, 16, generator=generator) @ torch.randn(16, 16, generator=generator) * torch.logspace(-1, 1, 16)
    gram = x.T @ x
    return torch.randn(6, 16, generator=generator), SimpleNamespace(norms=gram.diagonal().sqrt(), gram=gram, tokens=100)


@pytest.mark.parametrize("grid", [None, Grid(4, 8)])
def test_w_and_z_of_a_solved_layer_are_the_last_round_s_in_the_units_of_the_weights(grid: Grid | None) -> None:
    (weight, stats), seen = layer(), list[tuple[Tensor, Tensor]]()
    method = methods.build("admm-layer", grid=grid)
    result = method.solve(weight, stats, parse_pattern("2:4"), watch=lambda split, done, scale: (
        seen.append((split.w * (1 / scale), split.z * (1 / scale)))))
    assert torch.allclose(result.w, seen[-1][0], rtol=1e-5) and torch.allclose(result.z, seen[-1][1], rtol=1e-5)


@pytest.mark.parametrize(("rise", "never"), [("stages", "eigh"), ("fixed", "eigh"), ("support", "cholesky")])
def test_only_a_rho_that_follows_the_support_pays_for_an_eigendecomposition(
        monkeypatch: pytest.MonkeyPatch, rise: str, never: str) -> None:
    def refuse(*given: Any) -> None:
        raise AssertionError(never)

    monkeypatch.setattr(torch.linalg, never, refuse)
    weight, stats = layer()
    methods.build("admm-layer", {"rise": rise}).solve(weight, stats, parse_pattern("2:4"))


# -- which answer on a grid is kept ------------------------------------------------------------------------------

class Offers:
    """The keeper of the best answer, for W0 = 0 and A = I: a row of z loses the sum of its squares."""

    def __init__(self) -> None:
        split = QuadraticSplit(torch.eye(4), torch.zeros(3, 4), parse_pattern("2:4"))
        self.best = admm_layer._Best(Grid(4), split, torch.ones(4))
        self.masks = [torch.tensor([m] * 3, dtype=torch.bool) for m in ([1, 1, 0, 0], [1, 0, 1, 0])]

    def offer(self, sizes: list[float], mask: int, scale: float) -> None:
        rows = torch.tensor(sizes)[:, None] * self.masks[mask]
        self.best.offer(rows, torch.full((3, 1), scale), self.masks[mask])

    def holds(self, sizes: list[float], mask: int, scales: list[float]) -> bool:
        kept: Tensor = self.best.z
        return torch.equal(kept, torch.tensor(sizes)[:, None] * self.masks[mask]) \
            and torch.equal(self.best.mask, self.masks[mask]) and self.best.scale[:, 0].tolist() == scales \
            and torch.allclose(self.best.loss, 2 * torch.tensor(sizes) ** 2)


def test_under_another_mask_all_rows_are_taken_or_none() -> None:
    offers = Offers()
    offers.offer([2.0, 2.0, 2.0], 0, 1.0)
    assert offers.holds([2.0, 2.0, 2.0], 0, [1.0] * 3)
    offers.offer([1.0, 1.0, 4.0], 1, 9.0)  # two rows lose less, all together lose more
    assert offers.holds([2.0, 2.0, 2.0], 0, [1.0] * 3)
    offers.offer([2.0, 2.0, 2.0], 1, 9.0)  # as good: what is there stays
    assert offers.holds([2.0, 2.0, 2.0], 0, [1.0] * 3)
    offers.offer([0.5, 0.5, 3.0], 1, 7.0)  # the last row loses more, all together lose less
    assert offers.holds([0.5, 0.5, 3.0], 1, [7.0] * 3)


def test_under_the_same_mask_every_row_keeps_its_own_best() -> None:
    offers = Offers()
    offers.offer([2.0, 2.0, 2.0], 0, 1.0)
    offers.offer([3.0, 1.0, 2.0], 0, 5.0)
    assert offers.holds([2.0, 1.0, 2.0], 0, [1.0, 5.0, 1.0])
    offers.offer([1.0, 1.5, 9.0], 0, 6.0)
    assert offers.holds([1.0, 1.0, 2.0], 0, [6.0, 5.0, 1.0])


# -- the trace of a run solved layer by layer --------------------------------------------------------------------

def test_a_layer_wise_trace_sums_flips_by_size_and_means_the_residuals(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrices of `tiny` have three shapes; every round is watched, its flips counted entry by entry."""
    kind, watched = methods.load("admm-layer"), list[list[tuple[Tensor, float]]]()
    original = kind.solve

    def noting(self: Any, weight: Tensor, stats: Any, pattern: Any, watch: Any = None) -> Any:
        rounds = list[tuple[Tensor, float]]()
        watched.append(rounds)

        def note(split: Any, done: Any, scale: Tensor) -> None:
            rounds.append((split.mask.clone(), float((split.w - split.z).norm() / split.w.norm())))
            watch(split, done, scale)

        return original(self, weight, stats, pattern, watch=note)

    monkeypatch.setattr(kind, "solve", noting)
    store = Store(recorded=tmp_path / "none", live=tmp_path / "runs")
    record = run(resolve({"task": "agreement", "model": "tiny", "method": "admm-layer", "pattern": "1:4",
                          "train_examples": 64, "dev_examples": 40, "dense_epochs": 1, "calibration": 32,
                          "knobs": {"iterations": 3, "stages": 3, "rho_start": 0.1, "rho_end": 0.9}}), store=store)
    rows = store.open(record.id).trace
    assert len({m.shape for m in record.matrices}) == 3 and len(watched) == len(record.matrices) == 12
    assert [row["step"] for row in rows] == [1, 2, 3] and {row["phase"] for row in rows} == {"layer-wise"}
    assert [row["rho"] for row in rows] == pytest.approx([0.1, 0.3, 0.9])
    for k, row in enumerate(rows):
        before = [torch.ones_like(rounds[0][0]) if k == 0 else rounds[k - 1][0] for rounds in watched]
        flips = sum(int((rounds[k][0] != mask).sum()) for rounds, mask in zip(watched, before, strict=True))
        assert row["flips"] == pytest.approx(flips, rel=1e-6) and flips > 0
        assert row["primal"] == pytest.approx(sum(rounds[k][1] for rounds in watched) / 12, rel=1e-4)
