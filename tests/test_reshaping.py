"""The activation term against oracles that share nothing with it: naive loops, a fine search, the optimality condition.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.regions import EDGES, QUIET, REGION, quiet_share, region_norms, size_counts
from core.reshaping import envelope, region_squares, shrink


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


@pytest.mark.parametrize(("strength", "rho"), [(0.3, 1.0), (2.0, 0.5), (0.05, 4.0)])
def test_prox_is_the_best_of_a_fine_search_and_the_envelope_its_price(strength: float, rho: float) -> None:
    """min over v of lambda |v| + rho/2 |a - v|^2: the best v points along a, so its length is searched, by golden
    section in float64; and no random step away from it is cheaper."""
    generator = np.random.default_rng(2)
    for a in values().tolist():
        for part in regions(a):
            a_b = np.array(part)
            norm = float(np.linalg.norm(a_b))

            def price(v: np.ndarray, a_b: np.ndarray = a_b) -> float:
                return strength * float(np.linalg.norm(v)) + rho / 2 * float(((a_b - v) ** 2).sum())

            low, high, golden = 0.0, 1.0, (math.sqrt(5) - 1) / 2
            for _ in range(80):
                left, right = high - golden * (high - low), low + golden * (high - low)
                low, high = (low, right) if price(left * a_b) < price(right * a_b) else (left, high)
            best = a_b * (low + high) / 2
            found = shrink(torch.from_numpy(a_b), strength / rho).numpy()
            assert np.allclose(found, best, atol=1e-6 * norm)
            assert all(price(found + step) >= price(found) for step in generator.normal(0, 0.05, (20, len(a_b))))
            cost = envelope(torch.tensor([norm**2], dtype=torch.float64), strength, rho)
            assert float(cost) == pytest.approx(price(found), rel=1e-9)


def test_the_envelopes_gradient_is_rho_times_what_prox_takes_away() -> None:
    """Moreau: the gradient of the envelope is rho (a - prox(a)); for a region of zeros it is zero, not NaN."""
    a = values()
    a[0, :REGION] = 0.0
    a.requires_grad_()
    parts = torch.nn.functional.pad(a, (0, 8)).unflatten(-1, (-1, REGION)).square().sum(-1)
    envelope(parts, 0.4, 0.7).sum().backward()
    assert a.grad is not None and torch.isfinite(a.grad).all()
    expected = 0.7 * (a - shrink(a, 0.4 / 0.7)).detach()
    assert torch.allclose(a.grad, expected, atol=1e-12)
    assert float(expected[0, :REGION].abs().sum()) == 0.0 and float(expected.abs().sum()) > 0.0
    silent = shrink(a, 0.4 / 0.7).detach()[0, REGION : 2 * REGION]  # a region below the threshold vanishes whole
    assert torch.equal(silent, torch.zeros(REGION, dtype=torch.float64))
