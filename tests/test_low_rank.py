"""Sparse plus low rank against oracles: a dense root of the metric, a loop written out, planted matrices."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from core.methods import build
from core.methods.admm_layer import AdmmLayer
from core.methods.base import LayerResult
from core.methods.knob_sets import AdmmLayerKnobs
from core.methods.knobs import make_knobs
from core.methods.low_rank import fit
from core.sparsity.patterns import parse_pattern
from tests.test_methods import layer, output_gap, stats_of


def solved(weight: torch.Tensor, stats: Any, pattern: str, **knobs: Any) -> LayerResult:
    found = build("admm-lowrank", knobs).solve(weight, stats, parse_pattern(pattern))
    assert isinstance(found, LayerResult)
    return found


@pytest.mark.parametrize(("rows", "width"), [(6, 10), (10, 6), (7, 7)])
@pytest.mark.parametrize("tokens", [50, 4])
def test_the_fit_is_the_truncation_under_a_root_of_the_metric(rows: int, width: int, tokens: int) -> None:
    """The oracle takes a root of A by its eigenvalues in float64, truncates D A^(1/2) there, and compares in the
    metric; with 4 tokens A is singular, and what it does not see is free."""
    gap, stats = layer(rows, width, tokens, seed=rows)
    assert stats.gram is not None
    squares, axes = np.linalg.eigh(stats.gram.double().numpy())
    root = axes * np.sqrt(np.maximum(squares, 0))
    u, s, vt = np.linalg.svd(gap.double().numpy() @ root, full_matrices=False)
    for rank in (1, 3, 6):
        low, found = fit(gap, stats.gram, rank)
        assert low.left.shape == (rows, rank) and low.right.shape == (rank, width) and low.rank == rank
        assert found.numpy() == pytest.approx(s**2, rel=1e-4, abs=1e-5 * s[0] ** 2)
        product = (low.left @ low.right).double().numpy()
        best = (u[:, :rank] * s[:rank]) @ vt[:rank]
        assert np.abs(product @ root - best).max() < 1e-4 * s[0]
        assert output_gap(gap, torch.from_numpy(product), stats) == pytest.approx((s[rank:] ** 2).sum(), rel=1e-3,
                                                                                  abs=1e-5 * s[0] ** 2)


@pytest.mark.parametrize(("pattern", "knobs"), [
    ("2:4", {}), ("1:4", {"metric": "inverse", "polish": 3}), ("unstructured:0.6", {"rise": "support"}),
    ("block:2x4:0.5", {"ramp": 6, "settle": 4}), ("2:8", {"rise": "fixed", "scaled": False})])
@pytest.mark.parametrize("shape", [(8, 16), (24, 16)])
def test_rank_0_is_admm_layer_bit_for_bit(pattern: str, knobs: dict[str, Any], shape: tuple[int, int]) -> None:
    weight, stats = layer(*shape, seed=3)
    own = solved(weight, stats, pattern, rank=0, **knobs)
    same = AdmmLayer(make_knobs(AdmmLayerKnobs, knobs)).solve(weight, stats, parse_pattern(pattern))
    assert own.low is None and own.squares is None and own.trace == same.trace
    for part in ("weight", "mask", "w", "z"):
        assert torch.equal(getattr(own, part), getattr(same, part))
    assert own.served() is own.weight


def test_the_rounds_are_those_of_a_loop_written_out() -> None:
    """numpy, float64, explicit inverses and QR; two rhos, four rounds, then least squares on the support."""
    rows, width, rank, damping = 9, 12, 2, 0.01
    weight, stats = layer(rows, width, seed=5)
    assert stats.gram is not None
    gram, w0 = stats.gram.double().numpy(), weight.double().numpy()
    scale = np.sqrt(np.diag(gram))
    a = gram / np.outer(scale, scale) + damping * np.eye(width)
    whole = w0 * scale
    w, u, low, left = whole.copy(), np.zeros_like(whole), np.zeros_like(whole), None
    for i, rho in enumerate((0.2, 0.2, 0.8, 0.8)):
        u = u * (0.25 if i == 2 else 1.0)
        v = w + u
        size = np.abs(v).reshape(rows, -1, 4)
        mask = (size >= np.sort(size, axis=2)[:, :, 2:3]).reshape(rows, width)
        z = v * mask
        u = v - z
        w = ((whole - low) @ a + rho * (z - u)) @ np.linalg.inv(a + rho * np.eye(width))
        gap = whole - w
        if left is None:
            left = np.linalg.eigh(gap @ a @ gap.T)[1][:, -rank:]
        else:
            left = np.linalg.qr(gap @ a @ gap.T @ left)[0]
        low = left @ left.T @ gap
    target, sparse = whole - low, np.zeros_like(whole)
    for row in range(rows):
        on = mask[row]
        sparse[row, on] = np.linalg.solve(a[np.ix_(on, on)], a[on] @ target[row])
    found = solved(weight, stats, "2:4", rank=rank, iterations=4, stages=2, rho_start=0.2, rho_end=0.8,
                   damping=damping, polish=60)
    assert np.array_equal(found.mask.numpy(), mask)
    assert np.abs(found.weight.numpy() - sparse / scale).max() < 1e-4
    # The last fit: the best of rank 2 for what is left, in the metric without damping.
    squares, axes = np.linalg.eigh(gram)
    left_over = np.linalg.svd((w0 - sparse / scale) @ (axes * np.sqrt(squares)), compute_uv=False)[rank:]
    assert output_gap(weight, found.served(), stats) == pytest.approx((left_over**2).sum(), rel=1e-3)


@pytest.mark.parametrize(("rows", "width"), [(8, 16), (24, 12)])
def test_the_error_falls_with_the_rank_and_ends_at_nothing(rows: int, width: int) -> None:
    weight, stats = layer(rows, width, seed=1)
    size = output_gap(weight, torch.zeros_like(weight), stats)
    shares = [output_gap(weight, solved(weight, stats, "1:4", rank=rank).served(), stats) / size
              for rank in (0, 1, 2, 4, min(rows, width), 1024)]
    assert all(b < a for a, b in pairwise(shares[:5]))
    assert shares[0] > 0.05 and max(shares[4:]) < 1e-9


def planted(rows: int, width: int, rank: int) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """A matrix at 1:4 and its sum with one of low rank, inputs that are correlated."""
    draw = torch.Generator().manual_seed(7)
    mix = torch.eye(width) + 0.3 * torch.randn(width, width, generator=draw)
    stats = stats_of(torch.randn(400, width, generator=draw) @ mix)
    sparse = torch.randn(rows, width, generator=draw).reshape(rows, -1, 4)
    sparse = (sparse * (sparse.abs() == sparse.abs().amax(2, keepdim=True))).reshape(rows, width)
    low = torch.randn(rows, rank, generator=draw) @ torch.randn(rank, width, generator=draw)
    return sparse, sparse + 0.7 * low, stats


@pytest.mark.parametrize(("rows", "width", "rank"), [(40, 24, 2), (48, 64, 3)])
def test_a_planted_sum_is_taken_apart_again(rows: int, width: int, rank: int) -> None:
    sparse, weight, stats = planted(rows, width, rank)
    size = output_gap(weight, torch.zeros_like(weight), stats)
    found = solved(weight, stats, "1:4", rank=rank, iterations=150, damping=1e-6, polish=60)
    assert torch.equal(found.mask, sparse != 0)
    assert (found.weight - sparse).abs().max() < 1e-3
    assert output_gap(weight, found.served(), stats) < 1e-7 * size
    alone = solved(weight, stats, "1:4", rank=0, iterations=150, damping=1e-6, polish=60)
    assert output_gap(weight, alone.served(), stats) > 0.05 * size


def test_what_the_correction_leaves_is_told_to_the_last_direction() -> None:
    for rows, width in ((8, 16), (24, 16)):
        weight, stats = layer(rows, width, seed=2)
        found = solved(weight, stats, "1:4", rank=3)
        assert found.squares is not None and found.low is not None and len(found.squares) == min(rows, width)
        assert bool((found.squares[1:] <= found.squares[:-1]).all())
        size = output_gap(weight, torch.zeros_like(weight), stats)
        for values, rest in ((found.weight, found.squares), (found.served(), found.squares[3:])):
            assert float(rest.sum()) == pytest.approx(output_gap(weight, values, stats) / size, rel=1e-3)
