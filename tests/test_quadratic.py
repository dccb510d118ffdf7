"""The quadratic split against a float64 loop of numpy that shares nothing with it: sorting, solving, counting."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from core.methods.quadratic import QuadraticSplit
from core.sparsity.patterns import parse_pattern

ROWS, WIDTH = 5, 8
Factor = Literal["cholesky", "spectral"]


def problem(seed: int = 0, rank: int = WIDTH) -> tuple[torch.Tensor, torch.Tensor]:
    """(A, W0) in float64; A of *rank*."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rank, WIDTH, generator=generator, dtype=torch.float64)
    return x.T @ x, torch.randn(ROWS, WIDTH, generator=generator, dtype=torch.float64)


def naive_mask(v: np.ndarray, n: int, m: int) -> np.ndarray:
    mask = np.zeros(v.shape, dtype=bool)
    for i in range(v.shape[0]):
        for g in range(0, v.shape[1], m):
            order = sorted(range(m), key=lambda j: (-abs(v[i, g + j]), j))
            mask[i, [g + j for j in order[:n]]] = True
    return mask


@pytest.mark.parametrize("factor", ["cholesky", "spectral"])
def test_rounds_equal_a_naive_loop_while_rho_rises(factor: Factor) -> None:
    """Unscaled dual y = rho u in the loop, so that nothing there has to be rescaled."""
    a_, w0_ = problem()
    split = QuadraticSplit(a_, w0_, parse_pattern("2:4"), factor=factor)
    a, w0 = a_.numpy(), w0_.numpy()
    w, y, mask, z = w0.copy(), np.zeros_like(w0), np.ones_like(w0, dtype=bool), w0.copy()
    for rho in (0.5, 0.5, 0.9, 2.0, 2.0, 7.0):
        split.set_rho(rho)
        done = split.step()
        v, before, old = w + y / rho, mask, z
        mask = naive_mask(v, 2, 4)
        z = np.where(mask, v, 0.0)
        y = rho * (v - z)
        for i in range(ROWS):  # (A + rho I) w_i = A w0_i + rho z_i - y_i, A symmetric
            w[i] = np.linalg.solve(a + rho * np.eye(WIDTH), a @ w0[i] + rho * z[i] - y[i])
        assert np.array_equal(split.mask.numpy(), mask)
        assert np.allclose(split.z.numpy(), z, atol=1e-9)
        assert np.allclose(rho * split.u.numpy(), y, atol=1e-9)
        assert np.allclose(split.w.numpy(), w, atol=1e-9)
        length = np.sqrt((w**2).sum())
        assert done.rho == rho
        assert done.primal == pytest.approx(np.sqrt(((w - z) ** 2).sum()) / length)
        assert done.dual == pytest.approx(rho * np.sqrt(((z - old) ** 2).sum()) / length)
        assert done.flips == pytest.approx((mask != before).mean())


def test_the_spectral_factor_equals_cholesky() -> None:
    a, w0 = problem(1)
    pair = [QuadraticSplit(a, w0, parse_pattern("1:4"), factor=f) for f in ("cholesky", "spectral")]
    for rho in (0.1, 0.1, 0.4, 1.6):
        for split in pair:
            split.set_rho(rho)
            split.step()
        assert torch.allclose(pair[0].inverse, pair[1].inverse, atol=1e-9)
        assert torch.allclose(pair[0].w, pair[1].w, atol=1e-9)


@pytest.mark.parametrize("factor", ["cholesky", "spectral"])
def test_the_w_step_minimises_the_augmented_lagrangian_even_of_a_singular_loss(factor: Factor) -> None:
    """(W - W0) A + rho (W - Z + U) = 0 at the W that a round leaves, with A of rank 3 of 8."""
    a, w0 = problem(2, rank=3)
    split = QuadraticSplit(a, w0, parse_pattern("2:4"), factor=factor)
    for rho in (0.3, 1.2):
        split.set_rho(rho)
        split.step()
        gradient = (split.w - w0) @ a + rho * (split.w - split.z + split.u)
        assert gradient.abs().max() < 1e-9


def test_gradient_steps_equal_a_hand_loop() -> None:
    a, w0 = problem(3)
    split = QuadraticSplit(a, w0, parse_pattern("2:4"))
    split.set_rho(0.7)
    split.step()
    w = split.w.tolist()
    split.step(gradient=(3, 0.01))
    z, u = split.z.tolist(), split.u.tolist()
    for _ in range(3):
        fresh = [row[:] for row in w]
        for i in range(ROWS):
            for j in range(WIDTH):
                slope = sum((w[i][k] - float(w0[i, k])) * float(a[k, j]) for k in range(WIDTH))
                fresh[i][j] = w[i][j] - 0.01 * (slope + 0.7 * (w[i][j] - z[i][j] + u[i][j]))
        w = fresh
    assert np.allclose(split.w.numpy(), w, atol=1e-12)


def test_many_gradient_steps_end_at_the_exact_step() -> None:
    a, w0 = problem(4)
    exact, slow = (QuadraticSplit(a, w0, parse_pattern("2:4")) for _ in range(2))
    rate = 1.0 / (float(torch.linalg.eigvalsh(a)[-1]) + 1.0)
    for split, gradient in ((exact, None), (slow, (4000, rate))):
        split.set_rho(1.0)
        split.step()
        split.step(gradient=gradient)
    assert torch.allclose(exact.w, slow.w, atol=1e-8)
    few = QuadraticSplit(a, w0, parse_pattern("2:4"))
    few.set_rho(1.0)
    few.step()
    few.step(gradient=(2, rate))
    assert not torch.allclose(exact.w, few.w, atol=1e-3)  # two steps are not enough: the test can tell


def test_a_new_rho_keeps_the_force_and_the_same_rho_keeps_all() -> None:
    a, w0 = problem(5)
    split = QuadraticSplit(a, w0, parse_pattern("2:4"))
    split.set_rho(0.5)
    split.step()
    before = split.u.clone()
    assert before.abs().max() > 0.01
    split.set_rho(0.5)
    assert torch.equal(split.u, before)
    split.set_rho(4.0)
    assert torch.allclose(4.0 * split.u, 0.5 * before)


@pytest.mark.parametrize("rho", [0.0, -1.0, float("nan")])
def test_a_rho_that_is_no_penalty_is_refused(rho: float) -> None:
    a, w0 = problem()
    with pytest.raises(ValueError, match="not above 0"):
        QuadraticSplit(a, w0, parse_pattern("2:4")).set_rho(rho)


def test_a_fixed_round_keeps_the_mask_and_another_pattern_holds_for_one_round() -> None:
    a, w0 = problem(6)
    start = w0.flip(0)
    split = QuadraticSplit(a, w0, parse_pattern("2:4"), start=start)
    assert torch.equal(split.w, start)
    split.set_rho(0.2)
    split.step(parse_pattern("3:4"))
    assert split.mask.reshape(-1, 4).sum(1).eq(3).all()
    kept = split.mask
    assert split.step(fixed=True).flips == 0.0
    assert torch.equal(split.mask, kept)
    split.step()
    assert split.mask.reshape(-1, 4).sum(1).eq(2).all()


def test_nothing_pruned_ends_at_the_minimum_of_the_loss() -> None:
    a, w0 = problem(7)
    split = QuadraticSplit(a, w0, parse_pattern("4:4"), start=torch.zeros_like(w0))
    split.set_rho(1.0)
    for _ in range(400):
        split.step()
    assert split.errors(split.w).sum() < 1e-6 * split.errors(torch.zeros_like(w0)).sum()


def test_errors_are_the_quadratic_form_of_every_row() -> None:
    a, w0 = problem(8)
    other = w0.roll(1, 1)
    found = QuadraticSplit(a, w0, parse_pattern("2:4")).errors(other)
    for i in range(ROWS):
        gap = [float(other[i, j] - w0[i, j]) for j in range(WIDTH)]
        want = sum(gap[j] * float(a[j, k]) * gap[k] for j in range(WIDTH) for k in range(WIDTH))
        assert float(found[i]) == pytest.approx(want)
