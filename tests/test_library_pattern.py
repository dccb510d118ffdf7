"""Patterns that take their supports from a library: chosen like trying all, learned like counting, kept like written.

The oracles are loops over all supports in exact fractions; nothing here uses the library's own arithmetic.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.errors import InputError
from core.sparsity.occupancy import distance, occupancy
from core.sparsity.patterns import NM, Given, Learned, Pattern, parse_pattern
from core.sparsity.select import select, select_all
from core.sparsity.verify import Violation, verify, verify_all

INF = math.inf


def all_supports(rows: int, columns: int, keep: int, most: int = 256, seed: int | None = None) -> Given:
    """All supports of a block in lexicographic order, or *most* of them in the order of *seed*."""
    size = rows * columns
    codes = [sum(1 << 63 - i for i in ways) for ways in itertools.combinations(range(size), keep)]
    if seed is not None:
        random.Random(seed).shuffle(codes)
    return Given(rows, columns, tuple(codes[:most]))


def blocks_of(matrix: np.ndarray, rows: int, columns: int) -> list[list[float]]:
    """The blocks of a matrix one by one, row by row of blocks."""
    return [[float(matrix[i + a, j + b]) for a in range(rows) for b in range(columns)]
            for i in range(0, matrix.shape[0], rows) for j in range(0, matrix.shape[1], columns)]


def naive_choice(block: list[float], supports: list[list[bool]]) -> int:
    """The support of most energy, in exact fractions, infinities counted first; ties to the lower index."""
    def energy(support: list[bool]) -> tuple[int, Fraction]:
        kept = [v for v, s in zip(block, support, strict=True) if s]
        ends = sum((v == INF) - (v == -INF) for v in kept)
        return ends, sum((Fraction(v) * abs(Fraction(v)) for v in kept if math.isfinite(v)), Fraction(0))
    energies = [energy(support) for support in supports]
    return energies.index(max(energies))


def naive_mask(scores: np.ndarray, pattern: Given) -> list[list[bool]]:
    supports = pattern.library.supports.tolist()
    return [supports[naive_choice(block, supports)] for block in blocks_of(scores, pattern.rows, pattern.columns)]


def cut(mask: Tensor, pattern: Pattern) -> list[list[bool]]:
    assert pattern.grouping.cell is not None
    return [[bool(v) for v in block] for block in blocks_of(mask.numpy(), *pattern.grouping.cell)]


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -- choosing ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("rows", "columns", "keep", "count"), [
    (4, 4, 8, 16), (1, 8, 4, 8), (2, 2, 1, 4), (3, 3, 4, 30), (2, 3, 2, 15), (8, 8, 32, 9), (1, 1, 1, 1), (5, 1, 2, 7)])
def test_every_block_takes_the_support_that_trying_all_finds(rows: int, columns: int, keep: int, count: int) -> None:
    size = rows * columns
    rng = np.random.default_rng(size)
    codes = dict.fromkeys(sum(1 << 63 - int(i) for i in rng.permutation(size)[:keep]) for _ in range(4 * count))
    pattern = Given(rows, columns, tuple(codes)[:count])
    for scores in (seeded(6 * rows, 5 * columns).abs(), seeded(2 * rows, 7 * columns, seed=1).mul(2).round()):
        mask = select(pattern, scores)
        assert mask.dtype == torch.bool and mask.shape == scores.shape
        assert cut(mask, pattern) == naive_mask(scores.numpy(), pattern)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_ties_infinities_and_negatives_equal_the_naive_choice(data: st.DataObject) -> None:
    rows, columns = data.draw(st.sampled_from([(1, 4), (2, 2), (2, 3), (1, 5)]))
    keep = data.draw(st.integers(1, rows * columns))
    pattern = all_supports(rows, columns, keep, data.draw(st.integers(1, 12)), data.draw(st.integers(0, 99)))
    values = st.sampled_from([-INF, -3.0, -0.1, -0.0, 0.0, 0.1, 0.7, 3.0, INF])
    scores = torch.tensor([data.draw(st.lists(values, min_size=2 * columns, max_size=2 * columns))
                           for _ in range(2 * rows)])
    assert cut(select(pattern, scores), pattern) == naive_mask(scores.double().numpy(), pattern)


@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 4), (1, 4), (3, 4), (4, 8), (3, 6), (4, 4)])
def test_all_supports_of_1_x_m_are_n_of_m(n: int, m: int) -> None:
    pattern = all_supports(1, m, n)
    few = torch.tensor([0.1, 0.7, 0.3, -0.0, 0.0, INF, -0.7])
    tied = few[torch.randint(0, 7, (40, 6 * m), generator=torch.Generator().manual_seed(3))]
    for scores in (seeded(64, 8 * m).abs(), seeded(64, 8 * m, seed=1), seeded(32, 4 * m).mul(3).round(), tied,
                   torch.zeros(2, m)):
        assert torch.equal(select(pattern, scores), select(NM(n, m), scores))


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_very_large_and_small_scores_are_compared_like_others(scale: float) -> None:
    pattern, scores = all_supports(2, 2, 2, seed=5), seeded(8, 12).double().abs()
    assert torch.equal(select(pattern, scores * scale), select(pattern, scores))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_every_floating_type_is_widened_before_it_is_squared(dtype: torch.dtype) -> None:
    pattern, scores = all_supports(1, 6, 3, seed=2), (seeded(20, 12) * 300).to(dtype)  # 300^2 is over float16's range
    assert cut(select(pattern, scores), pattern) == naive_mask(scores.double().numpy(), pattern)


def test_the_same_weights_added_in_another_order_tie() -> None:
    pattern = Given(1, 16, (0xFF << 48, 0xFF << 56))  # the right half stands first
    sizes = torch.rand(8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)  # sums of these are rounded
    for seed in range(60):
        order = torch.randperm(8, generator=torch.Generator().manual_seed(seed))
        mask = select(pattern, torch.cat([sizes, sizes[order]])[None])
        assert mask.tolist() == [[False] * 8 + [True] * 8]


def test_pieces_join_without_a_seam_and_views_are_read_right(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.sparsity import select as module

    pattern, scores = all_supports(2, 2, 2), seeded(16, 24)
    before, whole = scores.clone(), select(pattern, scores)
    monkeypatch.setattr(module, "ENERGIES", 30)  # five blocks a piece
    assert torch.equal(select(pattern, scores), whole)
    assert torch.equal(select(pattern, scores.T), select(pattern, scores.T.contiguous()))
    assert torch.equal(scores, before) and not select(pattern, scores.clone().requires_grad_()).requires_grad


# -- learning ----------------------------------------------------------------------------------------------------

def model(seed: int = 0, rows: int = 12, columns: int = 16) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: (rng.standard_normal((rows * k, columns)) * rng.lognormal(0, 1, columns)).astype(np.float32)
            for k, name in enumerate(("query", "value", "down"), 1)}


def counted(matrices: list[np.ndarray], rows: int, columns: int, keep: int, count: int) -> list[tuple[int, ...]]:
    """The *count* most common supports of the largest, by Counter; equally common ones in lexicographic order."""
    tally = Counter(tuple(sorted(sorted(range(len(b)), key=lambda i: (-abs(b[i]), i))[:keep]))
                    for matrix in matrices for b in blocks_of(matrix, rows, columns))
    return sorted(tally, key=lambda s: (-tally[s], s))[:count]


def as_sets(supports: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(np.flatnonzero(s).tolist()) for s in supports]


@pytest.mark.parametrize(("rows", "columns", "keep", "count"), [(4, 4, 8, 5), (1, 8, 4, 20), (2, 2, 2, 6)])
def test_a_shared_library_counts_over_all_matrices(rows: int, columns: int, keep: int, count: int) -> None:
    weights = model()
    pattern = Learned(rows, columns, keep, count).bound(weights)
    assert as_sets(pattern.library.supports) == counted(list(weights.values()), rows, columns, keep, count)
    assert pattern.of("query") == pattern and pattern.name == f"library:{rows}x{columns}:{keep}:{count}"


def test_each_matrix_learns_its_own() -> None:
    weights = model()
    pattern = parse_pattern("library:2x4:3:7:each").bound(weights)
    for name, weight in weights.items():
        assert as_sets(pattern.of(name).library.supports) == counted([weight], 2, 4, 3, 7)
    with pytest.raises(InputError, match="has a library for each matrix"):
        pattern.library  # noqa: B018
    with pytest.raises(InputError, match="No library was learned for matrix 'key'"):
        pattern.of("key")
    scores = {name: torch.from_numpy(np.abs(weight)) for name, weight in weights.items()}
    masks, shared = select_all(pattern, scores), select_all(Learned(2, 4, 3, 7).bound(weights), scores)
    assert any(not torch.equal(masks[n], shared[n]) for n in weights)
    assert all(v.ok and not v.short for v in verify_all({n: m.numpy() for n, m in masks.items()}, pattern).values())


@pytest.mark.parametrize("text", ["library:4x4:8:16", "library:2x3:2:5:each", "library:1x8:4:8", "library:3x1:2:3"])
def test_what_was_learned_comes_back_from_its_arrays(text: str) -> None:
    weights = model(columns=24)
    bound = parse_pattern(text).bound(weights)
    arrays = bound.arrays()
    assert all(a.dtype == np.uint8 and a.ndim == 2 for a in arrays.values())
    assert sorted(arrays) == (sorted(f"library/{n}" for n in weights) if text.endswith("each") else ["library"])
    again = parse_pattern(text).restored({**arrays, "mask/query": np.zeros((3, 1), np.uint8)})
    assert again == bound
    for name in weights:
        assert again.of(name).library.supports.tolist() == bound.of(name).library.supports.tolist()
    assert parse_pattern(text).arrays() == {}


def test_a_given_library_keeps_no_arrays() -> None:
    pattern = parse_pattern("given:1x4:c,a,9")
    assert pattern.arrays() == {} and pattern.restored({}) is pattern and pattern.bound(model()) is pattern
    assert pattern.library.supports.tolist() == [[True, True, False, False], [True, False, True, False],
                                                 [True, False, False, True]]


@pytest.mark.parametrize(("arrays", "words"), [
    ({}, "The library of pattern 'library:1x8:4:2' is missing"),
    ({"library": np.zeros((2, 2), np.uint8)}, "uint8 [2, 2]. Expected uint8 [2, 1]"),
    ({"library": np.array([[0xF0], [0x0F]], np.int64)}, "int64"),
    ({"library": np.array([[0xF0], [0xF0]], np.uint8)}, "twice"),
    ({"library": np.array([[0xF0], [0xF8]], np.uint8)}, "keep 4, 5 entries"),
    ({"library": np.array([[0xE0], [0x07]], np.uint8)}, "holds supports of 3 weights"),
])
def test_a_damaged_library_is_refused(arrays: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_pattern("library:1x8:4:2").restored(arrays)
    assert words in str(caught.value)


def test_bits_beyond_the_block_are_refused() -> None:
    with pytest.raises(InputError, match="bits beyond the block"):
        parse_pattern("library:1x3:1:1").restored({"library": np.array([[0x90]], np.uint8)})


def test_what_cannot_be_learned_is_said() -> None:
    same = {"a": np.tile(np.float32([3, 2, 1, 0]), (4, 2)), "b": np.tile(np.float32([0, 1, 2, 3]), (4, 2))}
    with pytest.raises(InputError) as caught:
        Learned(1, 4, 2, 3).bound(same)
    assert str(caught.value) == ("A library of 3 supports. Expected 1 to 2: as many as occur among the 16 blocks it is "
                                 "learned from. Take a smaller library, or more blocks.")
    with pytest.raises(InputError, match=r"Matrix 'a': a library of 2 supports\. Expected 1 to 1"):
        Learned(1, 4, 2, 2, each=True).bound(same)
    with pytest.raises(InputError, match="Matrix 'odd' is 3 x 4"):
        Learned(2, 2, 2, 2).bound({"odd": np.ones((3, 4), np.float32)})
    with pytest.raises(InputError, match="Matrix 'bad' holds an infinity"):
        Learned(2, 2, 2, 2).bound({"bad": np.full((2, 4), np.nan, np.float32)})


@pytest.mark.parametrize("use", [
    lambda p: select(p, torch.ones(4, 8)), lambda p: select_all(p, {"a": torch.ones(4, 8)}),
    lambda p: verify(np.ones((4, 8)), p, "a"), lambda p: distance(np.ones((4, 8)), p)])
@pytest.mark.parametrize("text", ["library:4x4:8:16", "library:4x4:8:16:each"])
def test_a_library_that_was_not_learned_yet_says_so(use: object, text: str) -> None:
    with pytest.raises(InputError, match=f"Pattern '{text}' has not learned its supports yet"):
        use(parse_pattern(text))  # type: ignore[operator]


# -- the exact check ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", ["library:4x4:8:16", "library:1x8:4:8:each", "library:2x2:1:2", "given:1x4:c,a,9"])
def test_what_select_keeps_is_exact(text: str) -> None:
    weights = model()
    pattern = parse_pattern(text).bound(weights)
    for name, weight in weights.items():
        for scores in (torch.from_numpy(np.abs(weight)), torch.zeros(weight.shape)):
            verdict = verify(select(pattern.of(name), scores).numpy(), pattern.of(name), name)
            rows, columns = pattern.grouping.cell or (0, 0)
            assert (verdict.violations, verdict.short, verdict.groups) == (0, 0, weight.size // (rows * columns))


def test_the_right_number_on_no_support_is_a_violation() -> None:
    pattern = Given(2, 2, (0b1100 << 60, 0b0011 << 60))  # rows
    mask = np.zeros((6, 8), np.uint8)
    mask[::2] = 1
    assert verify(mask, pattern, "x").ok
    mask[2:4, 4:6] = [[1, 0], [1, 0]]  # a column
    verdict = verify(mask, pattern, "x")
    assert verdict.examples == (Violation("x", 2, 4, 6, 2, 2, 2, 1),)
    assert str(verdict.examples[0]) == "x: rows 2..3, inputs 4..5 keep 2, allowed 2; the nearest support leaves out 1"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_mask_is_judged_like_a_naive_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    keep = int(rng.integers(1, rows * columns + 1))
    pattern = all_supports(rows, columns, keep, int(rng.integers(1, 9)), seed)
    mask = select(pattern, torch.from_numpy(rng.random((3 * rows, 4 * columns)))).numpy()
    mask = mask ^ (rng.random(mask.shape) < 0.05)
    supports = [{i for i, s in enumerate(support) if s} for support in pattern.library.supports]
    bad, short = [], 0
    for number, block in enumerate(blocks_of(mask, rows, columns)):
        kept = {i for i, v in enumerate(block) if v}
        if not any(kept <= support for support in supports):
            bad.append((number // 4 * rows, number % 4 * columns, len(kept), min(len(kept - s) for s in supports)))
        else:
            short += len(kept) < keep
    verdict = verify(mask, pattern, "x")
    assert [(v.row, v.start, v.kept, v.outside) for v in verdict.examples] == bad
    assert (verdict.violations, verdict.short, verdict.groups) == (len(bad), short, 12)


def test_a_block_of_64_uses_all_bits() -> None:
    pattern = all_supports(8, 8, 1)
    mask = np.zeros((8, 16), bool)
    mask[0, 0] = mask[7, 15] = True
    assert verify(mask, pattern, "x").ok
    mask[0, 1] = True
    assert [(v.start, v.kept, v.outside) for v in verify(mask, pattern, "x").examples] == [(0, 2, 1)]


# -- occupancy ---------------------------------------------------------------------------------------------------

def test_occupancy_counts_blocks_and_knows_what_is_allowed() -> None:
    pattern = parse_pattern("library:2x2:2:3")
    mask = np.array([[1, 1, 0, 0], [0, 1, 0, 0]])
    found = occupancy(mask, pattern)
    assert (found.map.tolist(), found.allowed, found.over) == ([[3, 0]], 2, 1)
    assert pattern.counts(mask).tolist() == [[3, 0]]


def test_distance_is_the_least_energy_over_the_library() -> None:
    pattern, weight = all_supports(2, 3, 3, 7, seed=4), seeded(6, 9).numpy()
    gone, total = [], []
    for block in blocks_of(weight, 2, 3):
        squares = [v * v for v in block]
        gone.append(min(sum(q for q, s in zip(squares, support, strict=True) if not s)
                        for support in pattern.library.supports))
        total.append(sum(squares))
    found = distance(weight, pattern)
    assert found.share == pytest.approx(sum(gone) / sum(total), rel=1e-6)
    assert found.map.reshape(-1) == pytest.approx(np.divide(gone, total), rel=1e-5)
    held = weight * select(pattern, torch.from_numpy(np.abs(weight))).numpy()
    assert distance(held, pattern).share == 0 and not distance(held, pattern).map.any()
