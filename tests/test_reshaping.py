"""The activation term against oracles that share nothing with it: naive loops, a fine search, the optimality condition.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.inside.watching import region_squares
from core.methods.cards import text_of
from core.methods.reshaping import envelope, mean_cost, shrink
from core.runs.regions import EDGES, QUIET, REGION, quiet_share, region_norms, size_counts


def values(rows: int = 3, width: int = 40, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator, dtype=torch.float64) * torch.tensor([[0.1], [1.0], [3.0]])


def regions(row: list[float]) -> list[list[float]]:
    return [row[i : i + REGION] for i in range(0, len(row), REGION)]


def test_regions_are_counted_as_a_loop_counts_them() -> None:
    """Width 40: two whole regions and one of eight. The dense median comes from sorting."""
    dense, pruned = values().numpy(), values(seed=1).numpy() * 0.6
    norms = [[math.sqrt(sum(v * v for v in part)) for part in regions(row)] for row in dense.tolist()]
    assert np.allclose(region_norms(dense), norms, rtol=1e-6)
    assert np.allclose(region_squares(torch.from_numpy(dense)).sqrt(), norms, rtol=1e-6)
    median = sorted(n for row in norms for n in row)[4]
    quiet = [math.sqrt(sum(v * v for v in part)) < QUIET * median for row in pruned.tolist() for part in regions(row)]
    assert 0 < sum(quiet) < len(quiet)
    assert quiet_share(pruned, dense) == pytest.approx(sum(quiet) / len(quiet))


def test_magnitudes_fall_into_their_bins() -> None:
    found = size_counts(np.array([[0.0, -1e-5, 1e-4], [0.5, -2.0, 100.0]]))
    bins = [0, 0, 1, *(next(i for i, e in enumerate(EDGES) if e > v) for v in (0.5, 2.0)), len(EDGES)]
    assert found.sum() == 6
    assert {i: int(c) for i, c in enumerate(found) if c} == {i: bins.count(i) for i in bins}
    near = np.float32(EDGES)
    hard = np.concatenate([near, *(np.nextafter(near, np.float32(to)) for to in (0, np.inf)), -near, [np.inf, np.nan]])
    for given in (hard, hard.astype(np.float64), np.zeros((0, 3), np.float32)):
        one_by_one = np.bincount([sum(not abs(float(v)) < e for e in EDGES) for v in given.ravel()], minlength=50)
        assert np.array_equal(size_counts(given), one_by_one)


@pytest.mark.parametrize("rho", [0.3, 1.0, 4.0])
def test_prox_is_the_best_of_a_fine_search_and_the_envelope_its_price(rho: float) -> None:
    """min over v of |v| + rho/2 |a - v|^2: the best v points along a, so its length is searched, by golden
    section in float64; and no random step away from it is cheaper."""
    generator = np.random.default_rng(2)
    for a in values().tolist():
        for part in regions(a):
            a_b = np.array(part)
            norm = float(np.linalg.norm(a_b))

            def price(v: np.ndarray, a_b: np.ndarray = a_b) -> float:
                return float(np.linalg.norm(v)) + rho / 2 * float(((a_b - v) ** 2).sum())

            low, high, golden = 0.0, 1.0, (math.sqrt(5) - 1) / 2
            for _ in range(80):
                left, right = high - golden * (high - low), low + golden * (high - low)
                low, high = (low, right) if price(left * a_b) < price(right * a_b) else (left, high)
            best = a_b * (low + high) / 2
            found = shrink(torch.from_numpy(a_b), 1 / rho).numpy()
            assert np.allclose(found, best, atol=1e-6 * norm)
            assert all(price(found + step) >= price(found) for step in generator.normal(0, 0.05, (20, len(a_b))))
            cost = envelope(torch.tensor([norm**2], dtype=torch.float64), rho)
            assert float(cost) == pytest.approx(price(found), rel=1e-9)


def test_the_envelopes_gradient_is_rho_times_what_prox_takes_away() -> None:
    """Moreau: the gradient of the envelope is rho (a - prox(a)); for a region of zeros it is zero, not NaN."""
    a = values()
    a[0, :REGION] = 0.0
    a.requires_grad_()
    parts = torch.nn.functional.pad(a, (0, 8)).unflatten(-1, (-1, REGION)).square().sum(-1)
    envelope(parts, 1.75).sum().backward()
    assert a.grad is not None and torch.isfinite(a.grad).all()
    expected = 1.75 * (a - shrink(a, 1 / 1.75)).detach()
    assert torch.allclose(a.grad, expected, atol=1e-12)
    assert float(expected[0, :REGION].abs().sum()) == 0.0 and float(expected.abs().sum()) > 0.0
    silent = shrink(a, 1 / 1.75).detach()[0, REGION : 2 * REGION]  # a region below the threshold vanishes whole
    assert torch.equal(silent, torch.zeros(REGION, dtype=torch.float64))


def own_cost(a: torch.Tensor, real: torch.Tensor, unit: float | None = None) -> torch.Tensor:
    return mean_cost(a.unflatten(-1, (-1, REGION)).square().sum(-1), real, 3.0, unit)


def batch(seed: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """`[2, 3, 48]` in float64, the regions of very different sizes, and four real tokens."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(2, 3, 48, generator=generator, dtype=torch.float64)
    a *= torch.rand(2, 3, 3, generator=generator, dtype=torch.float64).square().repeat_interleave(16, -1) * 4
    return a, torch.tensor([[True, True, False], [True, True, True]])


def test_the_gradient_in_the_maps_own_unit_is_the_formula_of_the_method() -> None:
    """(g_b - a_b mean_c g_c a_c) / s with g_b = rho (a_b - prox(a_b)) / n, in a loop over regions, as its card says."""
    assert "(g_b - a_b mean_c g_c a_c) / s" in " ".join(line.text for line in text_of("pattern-admm").formula)
    a, real = batch()
    a.requires_grad_()
    own_cost(a, real).backward()
    assert a.grad is not None
    parts = [part for token, keep in zip(a.detach().reshape(6, 48), real.reshape(6), strict=True) if keep
             for part in token.reshape(3, 16)]
    n = len(parts)
    s = math.sqrt(sum(float(p.square().sum()) for p in parts) / n)
    units = [p / s for p in parts]
    pulls = [3.0 * u * min(1.0, 1 / (3.0 * float(u.norm()))) / n for u in units]
    assert {float(u.norm()) > 1 / 3.0 for u in units} == {True, False}  # both halves are tried
    radial = sum(float((g * u).sum()) for g, u in zip(pulls, units, strict=True)) / n
    expected = torch.stack([(g - u * radial) / s for g, u in zip(pulls, units, strict=True)])
    assert torch.allclose(a.grad[real].reshape(n, 16), expected, atol=1e-12)
    assert float(a.grad[~real].abs().sum()) == 0.0


def test_shrinking_the_whole_map_gains_nothing_in_its_own_unit() -> None:
    a, real = batch()
    assert float(own_cost(0.01 * a, real)) == pytest.approx(float(own_cost(a, real)), rel=1e-9)
    assert float(own_cost(0.01 * a, real, unit=1.0)) < 0.1 * float(own_cost(a, real, unit=1.0))
    other = a.clone()
    other[~real] *= 1e6  # nor does padding count
    assert float(own_cost(other, real)) == float(own_cost(a, real))


def test_the_same_norm_in_fewer_regions_is_cheaper() -> None:
    real = torch.ones(1, 1, dtype=torch.bool)
    costs = [float(mean_cost(torch.tensor([[squares]], dtype=torch.float64), real, 3.0))
             for squares in ([1.0, 1.0, 1.0, 1.0], [2.0, 1.0, 0.5, 0.5], [2.0, 2.0, 0.0, 0.0], [4.0, 0.0, 0.0, 0.0])]
    assert costs == sorted(costs, reverse=True) and len(set(costs)) == 4
