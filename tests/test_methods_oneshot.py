"""One-shot methods against oracles that share nothing with them: enumeration, float64 loops, planted layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from core.inside.statistics import LayerStats
from core.methods import METHODS, build, load
from core.methods.base import LayerMethod, LayerResult
from core.sparsity.patterns import Pattern, kept_number, parse_pattern
from core.sparsity.verify import verify
from tests.test_methods import layer, output_gap, stats_of

LAYER = [name for name in METHODS if name != "dense" and issubclass(load(name), LayerMethod)]
WIDE_PATTERNS = ["2:4", "1:4", "4:8", "3:6", "unstructured:0.6", "block:2x4:0.5"]


def solve(name: str, weight: torch.Tensor, stats: LayerStats, pattern: str, **knobs: object) -> LayerResult:
    return build(name, knobs).solve(weight, stats, parse_pattern(pattern))


def gram_of(stats: LayerStats) -> np.ndarray:
    assert stats.gram is not None
    return stats.gram.double().numpy()


# -- all layer methods ---------------------------------------------------------------------------------------------

def best_of_all_supports(weight: torch.Tensor, gram: np.ndarray) -> float:
    """Width 8, 2:4: the least error over all 36 supports of every row, with exact least squares on each."""
    pairs = list(itertools.combinations(range(4), 2))
    best = 0.0
    for row in weight.double().numpy():
        gaps = []
        for support in ([*a, *(4 + j for j in b)] for a in pairs for b in pairs):
            v = np.zeros(8)
            v[support] = np.linalg.solve(gram[np.ix_(support, support)], gram[support] @ row)
            gaps.append((row - v) @ gram @ (row - v))
        best += min(gaps)
    return best


@pytest.mark.parametrize("name", LAYER)
@pytest.mark.parametrize("seed", range(4))
def test_no_method_is_below_the_best_of_all_supports(name: str, seed: int) -> None:
    weight, stats = layer(rows=12, width=8, seed=seed)
    bound = best_of_all_supports(weight, gram_of(stats))
    found = output_gap(weight, solve(name, weight, stats, "2:4").weight, stats)
    assert bound <= found * (1 + 1e-5)
    assert found <= output_gap(weight, torch.zeros_like(weight), stats)


@pytest.mark.parametrize("name", LAYER)
def test_a_pattern_that_keeps_all_gives_the_layer_back(name: str) -> None:
    weight, stats = layer()
    for pattern in ("4:4", "dense"):
        result = solve(name, weight, stats, pattern)
        assert result.mask.all()
        assert torch.allclose(result.weight, weight, atol=1e-4)


@pytest.mark.parametrize("name", LAYER)
@pytest.mark.parametrize("pattern", WIDE_PATTERNS)
@pytest.mark.parametrize("inputs", ["few", "dead", "none"])
def test_degenerate_inputs_stay_finite_and_in_the_pattern(name: str, pattern: str, inputs: str) -> None:
    """Three calibration tokens for 24 inputs; inputs that are always zero, whole groups among them; nothing at all."""
    weight, _ = layer(rows=4, width=24)
    x = torch.randn(3 if inputs == "few" else 60, 24, generator=torch.Generator().manual_seed(1))
    if inputs == "dead":
        x[:, [0, 5, 6, 7, 11, 16, 17, 18, 19, 20, 21, 22, 23]] = 0.0
    stats = stats_of(x if inputs != "none" else torch.zeros(9, 24))
    result = solve(name, weight, stats, pattern)
    assert torch.isfinite(result.weight).all()
    assert torch.equal(result.weight * result.mask, result.weight)
    verdict = verify(result.mask.numpy(), parse_pattern(pattern), name)
    assert (verdict.violations, verdict.short) == (0, 0)


def test_the_more_a_method_knows_the_smaller_the_error() -> None:
    """Planted layers with correlated inputs of unequal strength, as in a transformer: the sum over them is ordered."""
    total = dict.fromkeys(("magnitude", "wanda", "sparsegpt", "admm-layer"), 0.0)
    for seed in range(6):
        generator = torch.Generator().manual_seed(seed)
        strength = torch.randn(32, generator=generator).exp()  # some features are many times as large as others
        mix = torch.randn(32, 32, generator=generator)
        x = torch.randn(400, 32, generator=generator) @ (mix * strength)
        weight, stats = torch.randn(24, 32, generator=generator), stats_of(x)
        for pattern in ("2:4", "1:4", "unstructured:0.5"):
            for name in total:
                gap = output_gap(weight, solve(name, weight, stats, pattern).weight, stats)
                total[name] += gap / output_gap(weight, torch.zeros_like(weight), stats)
    assert total["admm-layer"] < 0.9 * total["sparsegpt"]
    assert total["sparsegpt"] < 0.9 * total["wanda"]
    assert total["wanda"] < 0.9 * total["magnitude"]


# -- Wanda ---------------------------------------------------------------------------------------------------------

def test_wanda_keeps_the_largest_weight_times_input() -> None:
    weight, stats = layer(rows=6, width=16, seed=5)
    norms = np.sqrt(np.diag(gram_of(stats)))
    result = solve("wanda", weight, stats, "2:4")
    w = weight.double().numpy()
    for i in range(6):
        for g in range(0, 16, 4):
            order = sorted(range(g, g + 4), key=lambda j: -abs(w[i, j]) * norms[j])
            assert sorted(order[:2]) == [j for j in range(g, g + 4) if result.mask[i, j]]
    assert torch.equal(result.weight, torch.where(result.mask, weight, torch.zeros_like(weight)))  # nothing is updated
    assert not torch.equal(result.mask, solve("magnitude", weight, stats, "2:4").mask)


def test_wanda_with_equal_inputs_is_magnitude() -> None:
    weight, _ = layer(rows=6, width=16)
    stats = LayerStats(norms=torch.full((16,), 3.0), tokens=9)
    for pattern in ("2:4", "unstructured:0.3", "block:2x4:0.5"):
        assert torch.equal(solve("wanda", weight, stats, pattern).mask,
                           solve("magnitude", weight, stats, pattern).mask)


# -- SparseGPT -----------------------------------------------------------------------------------------------------

def naive_sparsegpt(weight: np.ndarray, gram: np.ndarray, pattern: Pattern, damping: float, block: int,
                    ) -> tuple[np.ndarray, np.ndarray]:
    """The paper's equations without its shortcuts: for column i the inverse of what is left of H is computed anew,

        e = w_i / [H_F^-1]_00   for what is dropped,   w_F -= e [H_F^-1]_0:,   score w_j^2 / [H_(j..)^-1]_00

    every update reaches all columns at once, and nothing is factorised.
    """
    w, width = weight.copy(), weight.shape[1]
    h = gram + damping * np.mean(np.diag(gram)) * np.eye(width)
    inverses = [np.linalg.inv(h[i:, i:]) for i in range(width)]
    pivots = np.array([inverse[0, 0] for inverse in inverses])
    mask = np.ones(w.shape, dtype=bool)
    group = pattern.grouping.cell
    for i in range(width):
        if group is not None and group[0] == 1 and i % group[1] == 0:  # N:M: the group that begins here
            here = range(i, i + group[1])
            n = round(pattern.density * group[1])
            for r in range(len(w)):
                order = sorted(here, key=lambda j: -w[r, j] ** 2 / pivots[j])
                mask[r, order[n:]] = False
        if group is None and i % block == 0:  # unstructured: the block that begins here
            end = min(i + block, width)
            keep = kept_number(pattern.sparsity, len(w) * end) - kept_number(pattern.sparsity, len(w) * i)
            cells = sorted(((r, j) for r in range(len(w)) for j in range(i, end)),
                           key=lambda c: -w[c] ** 2 / pivots[c[1]])
            for cell in cells[keep:]:
                mask[cell] = False
        for r in range(len(w)):
            if not mask[r, i]:
                w[r, i:] -= w[r, i] / pivots[i] * inverses[i][0]
    return np.where(mask, w, 0.0), mask


@pytest.mark.parametrize("pattern", ["2:4", "1:4", "4:8", "3:6", "unstructured:0.5", "unstructured:0.9"])
@pytest.mark.parametrize("block", [1, 8, 128])
def test_sparsegpt_equals_a_naive_loop(pattern: str, block: int) -> None:
    weight, stats = layer(rows=7, width=24, seed=2)
    expected, mask = naive_sparsegpt(weight.double().numpy(), gram_of(stats), parse_pattern(pattern), 0.03, block)
    double = LayerStats(stats.norms.double(), stats.tokens, torch.from_numpy(gram_of(stats)))
    for w, s, close in ((weight.double(), double, 1e-9), (weight, stats, 2e-3)):
        result = solve("sparsegpt", w, s, pattern, damping=0.03, block=block)
        assert result.weight.dtype == w.dtype
        assert np.array_equal(result.mask.numpy(), mask)
        assert np.allclose(result.weight.double().numpy(), expected, atol=close)


def test_sparsegpt_chooses_whole_blocks_at_once_and_updates_the_rest() -> None:
    """r x c blocks: the support by w^2 / pivot of the dense weights; the weights by the loop on that support."""
    weight, stats = layer(rows=6, width=16, seed=3)
    h = gram_of(stats)
    h = h + 0.01 * np.mean(np.diag(h)) * np.eye(16)
    inverses = [np.linalg.inv(h[i:, i:]) for i in range(16)]
    w = weight.double().numpy().copy()
    score = w**2 / np.array([inverse[0, 0] for inverse in inverses])
    sums = {(a, b): score[a:a + 2, b:b + 4].sum() for a in range(0, 6, 2) for b in range(0, 16, 4)}
    mask = np.zeros((6, 16), dtype=bool)
    for a, b in sorted(sums, key=lambda k: -sums[k])[:6]:
        mask[a:a + 2, b:b + 4] = True
    for i in range(16):
        w[:, i:] -= np.outer(np.where(mask[:, i], 0.0, w[:, i]) / inverses[i][0, 0], inverses[i][0])
    result = solve("sparsegpt", weight, stats, "block:2x4:0.5")
    assert np.array_equal(result.mask.numpy(), mask)
    assert np.allclose(result.weight.double().numpy(), np.where(mask, w, 0.0), atol=2e-3)


def test_sparsegpt_n_of_m_does_not_depend_on_the_block() -> None:
    weight, stats = layer(rows=7, width=48, seed=4)
    whole = solve("sparsegpt", weight, stats, "3:6", block=4096)
    for block in (1, 7, 12, 40):  # most do not divide the width, or are no multiple of 6
        part = solve("sparsegpt", weight, stats, "3:6", block=block)
        assert torch.equal(part.mask, whole.mask)
        assert torch.allclose(part.weight, whole.weight, atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.37, 0.9, 0.99])
@pytest.mark.parametrize("block", [1, 5, 128])
def test_sparsegpt_keeps_the_exact_number_over_all_blocks(share: float, block: int) -> None:
    weight, stats = layer(rows=5, width=23, seed=6)
    result = solve("sparsegpt", weight, stats, f"unstructured:{share}", block=block)
    assert int(result.mask.sum()) == kept_number(share, 5 * 23)


def test_sparsegpt_zeroes_dead_inputs_and_changes_nothing_else_for_them() -> None:
    weight, _ = layer(rows=6, width=16, seed=7)
    x = torch.randn(80, 16, generator=torch.Generator().manual_seed(7)) @ torch.randn(
        16, 16, generator=torch.Generator().manual_seed(8))
    x[:, [2, 9]] = 0.0
    result = solve("sparsegpt", weight, stats_of(x), "2:4")
    assert result.weight[:, [2, 9]].abs().max() == 0.0
    other = weight.clone()
    other[:, [2, 9]] += 5.0  # what the layer never uses cannot matter
    assert torch.equal(solve("sparsegpt", other, stats_of(x), "2:4").weight, result.weight)


def test_sparsegpt_makes_up_for_what_it_drops() -> None:
    """With its own mask but the dense weights, the error is larger: the updates are what helps."""
    weight, stats = layer(rows=16, width=32, seed=8)
    result = solve("sparsegpt", weight, stats, "2:4")
    assert output_gap(weight, result.weight, stats) < 0.8 * output_gap(weight, weight * result.mask, stats)


def test_sparsegpt_leaves_what_it_was_given_alone() -> None:
    weight, stats = layer()
    assert stats.gram is not None
    before = weight.clone(), stats.gram.clone()
    solve("sparsegpt", weight, stats, "2:4")
    assert torch.equal(weight, before[0])
    assert torch.equal(stats.gram, before[1])
