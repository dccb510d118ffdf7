"""Selection: the best of every group by brute force, exact numbers under ties, one answer for every path."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from core.errors import InputError
from core.sparsity import library, occupancy, rounding
from core.sparsity import select as module
from core.sparsity.grids import Grid
from core.sparsity.patterns import (
    NM,
    Blocks,
    Dense,
    GlobalUnstructured,
    Pattern,
    Unstructured,
    kept_number,
    parse_pattern,
)
from core.sparsity.select import numbers, select, select_all

INF = math.inf
PAIRS = [(n, m) for m in range(1, 7) for n in range(1, m + 1)]


def naive(scores: list[float], count: int) -> list[bool]:
    """The *count* highest, ties to the lower index, by repeated search."""
    kept = [False] * len(scores)
    for _ in range(count):
        best = max((i for i in range(len(scores)) if not kept[i]), key=lambda i: (scores[i], -i))
        kept[best] = True
    return kept


def naive_groups(scores: Tensor, n: int, m: int) -> list[list[bool]]:
    return [[flag for j in range(0, len(row), m) for flag in naive(row[j:j + m], n)] for row in scores.tolist()]


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "m"), PAIRS)
def test_no_other_support_keeps_more_energy(n: int, m: int) -> None:
    scores = seeded(7, 5 * m, seed=m).double().square()
    mask = select(NM(n, m), scores)
    groups, kept = scores.reshape(-1, m), mask.reshape(-1, m)
    assert (kept.sum(dim=1) == n).all()
    supports = torch.tensor(list(itertools.combinations(range(m), n)))
    best = groups[:, supports].sum(dim=2).max(dim=1).values  # over all m-choose-n supports
    assert torch.allclose((groups * kept).sum(dim=1), best, rtol=1e-12)


def test_the_best_4_of_8_is_found_not_the_best_2_of_4() -> None:
    scores = torch.tensor([[9.0, 8.0, 7.0, 6.0, 1.0, 2.0, 3.0, 4.0]])
    assert select(NM(4, 8), scores).tolist() == [[True] * 4 + [False] * 4]
    assert select(NM(2, 4), scores).tolist() == [[True, True, False, False, False, False, True, True]]
    random = seeded(64, 96).abs()
    freed = (random * select(NM(4, 8), random)).sum() - (random * select(NM(2, 4), random)).sum()
    assert freed > 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ties_infinities_and_negatives_equal_the_naive_choice(data: st.DataObject) -> None:
    m = data.draw(st.integers(1, 32))
    n = data.draw(st.integers(1, m))
    values = st.sampled_from([-INF, -2.0, -1.0, -0.0, 0.0, 1.0, 2.0, INF])
    scores = torch.tensor([data.draw(st.lists(values, min_size=2 * m, max_size=2 * m)) for _ in range(3)])
    expected = naive_groups(scores, n, m)
    assert select(NM(n, m), scores).tolist() == expected
    assert module._by_sorting(scores.reshape(-1, m), n).view(scores.shape).tolist() == expected  # what accelerators run


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_on_the_way_the_best_of_every_group_stay_and_one_threshold_rules_the_others(data: st.DataObject) -> None:
    m = data.draw(st.integers(2, 8))
    n, progress = data.draw(st.integers(1, m - 1)), data.draw(st.integers(0, 20)) / 20
    values = st.sampled_from([-INF, -1.0, 0.0, 1.0, 2.0, 3.0, INF])
    scores = torch.tensor([data.draw(st.lists(values, min_size=2 * m, max_size=2 * m)) for _ in range(3)])
    expected = [kept for row in naive_groups(scores, n, m) for kept in row]
    others = [i for i, kept in enumerate(expected) if not kept]
    gone = math.floor(len(others) * (1 - (1 - progress) ** 3) + 1e-9)
    flat = scores.flatten().tolist()
    for i in sorted(others, key=lambda i: (-flat[i], i))[:len(others) - gone]:
        expected[i] = True
    assert select(NM(n, m).eased(progress), scores).flatten().tolist() == expected


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 4), (4, 8), (1, 32), (17, 32), (32, 32)])
def test_all_equal_scores_keep_the_first_n(n: int, m: int) -> None:
    mask = select(NM(n, m), torch.zeros(5, 2 * m))
    assert mask.dtype == torch.bool
    assert mask.tolist() == [([True] * n + [False] * (m - n)) * 2] * 5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize(("n", "m"), [(2, 4), (4, 8), (5, 12)])
def test_every_type_is_compared_exactly(dtype: torch.dtype, n: int, m: int) -> None:
    scores = (seeded(9, 4 * m) * 4).to(dtype)  # in half precision and integers many entries tie
    assert select(NM(n, m), scores).tolist() == naive_groups(scores.double(), n, m)
    expected = naive(scores.double().flatten().tolist(), kept_number(0.7, scores.numel()))
    assert select(Unstructured(0.7), scores).flatten().tolist() == expected


@pytest.mark.parametrize("m", [3, 4, 7, 8, 32])
def test_pieces_join_without_a_seam(m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = seeded(11, 7 * m, seed=3).round()
    whole = select(NM(2, m), scores)
    monkeypatch.setattr(module, "PIECE", 2 * m + 1)  # two groups a piece, and a shorter last one
    assert torch.equal(select(NM(2, m), scores), whole)
    assert whole.tolist() == naive_groups(scores, 2, m)


def test_a_matrix_larger_than_a_piece_and_a_view_of_another() -> None:
    scores = seeded(300, 480)  # 144 000 entries, PIECE is 65 536
    assert torch.equal(select(NM(3, 6), scores), module._by_sorting(scores.reshape(-1, 6), 3).view(scores.shape))
    turned = seeded(24, 16).T
    assert torch.equal(select(NM(2, 4), turned), select(NM(2, 4), turned.contiguous()))
    assert select(NM(2, 4), torch.empty(0, 8)).shape == (0, 8)


def test_scores_are_left_alone_and_may_carry_gradients() -> None:
    weight = seeded(4, 8).requires_grad_()
    before = weight.detach().clone()
    mask = select(NM(2, 4), weight)
    assert not mask.requires_grad
    assert torch.equal(weight, before)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.975, 0.9999])
def test_unstructured_equals_the_naive_choice(share: float) -> None:
    scores = seeded(6, 9).mul(2).round()
    count = kept_number(share, 54)
    mask = select(Unstructured(share), scores)
    assert mask.sum() == count
    assert mask.flatten().tolist() == naive(scores.flatten().tolist(), count)


def test_unstructured_keeps_infinities_first_and_drops_the_lowest_last() -> None:
    scores = torch.tensor([[-INF, 1.0, INF, -INF, INF, 0.0]])
    assert select(Unstructured(0.5), scores).tolist() == [[False, True, True, False, True, False]]
    assert select(Unstructured(1 / 6), scores).tolist() == [[True, True, True, False, True, True]]


def test_global_is_one_choice_over_all_matrices() -> None:
    scores = {"a": seeded(4, 6).round(), "b": seeded(5, 3, seed=1).round() + 1, "c": torch.zeros(2, 2)}
    masks = select_all(GlobalUnstructured(0.6), scores)
    flat = [value for score in scores.values() for value in score.flatten().tolist()]
    assert [flag for mask in masks.values() for flag in mask.flatten().tolist()] == naive(flat, kept_number(0.6, 43))
    assert {name: mask.shape for name, mask in masks.items()} == {name: score.shape for name, score in scores.items()}
    assert select_all(GlobalUnstructured(0.6), {}) == {}


def test_blocks_stay_whole_by_the_sum_of_their_scores() -> None:
    scores = seeded(6, 8, seed=5)
    mask = select(Blocks(3, 2, 0.5), scores)
    sums = [float(scores[i:i + 3, j:j + 2].sum()) for i in (0, 3) for j in range(0, 8, 2)]
    kept = iter(naive(sums, 4))
    expected = torch.zeros(6, 8, dtype=torch.bool)
    for i in (0, 3):
        for j in range(0, 8, 2):
            expected[i:i + 3, j:j + 2] = next(kept)
    assert torch.equal(mask, expected)


def test_block_sums_are_not_rounded_to_half_precision() -> None:
    scores = torch.ones(1, 1024, dtype=torch.bfloat16)
    scores[0, 511] = 0  # 511 against 512: the same number in bfloat16
    assert select(Blocks(1, 512, 0.5), scores).tolist() == [[False] * 512 + [True] * 512]


@pytest.mark.parametrize("pattern", [NM(2, 4), Unstructured(0.5), Blocks(2, 4, 0.5), Dense()], ids=lambda p: p.name)
def test_select_all_is_select_for_each(pattern: Pattern) -> None:
    scores = {"a": seeded(4, 8), "b": seeded(2, 12, seed=1)}
    masks = select_all(pattern, scores)
    assert list(masks) == ["a", "b"]
    assert all(torch.equal(masks[name], select(pattern, scores[name])) for name in scores)
    if isinstance(pattern, Dense):
        assert all(mask.all() for mask in masks.values())


def test_the_same_scores_give_the_same_mask() -> None:
    scores = seeded(64, 64).round()
    for pattern in (NM(2, 4), Unstructured(0.5), Blocks(4, 4, 0.5)):
        assert torch.equal(select(pattern, scores), select(pattern, scores.clone()))


@pytest.mark.parametrize("pattern", [NM(2, 4), NM(4, 4), NM(2, 4).eased(0.5), NM(20, 32), Unstructured(0.5),
                                     Blocks(2, 4, 0.5), GlobalUnstructured(0.5), parse_pattern("given:1x4:c,a,9")],
                         ids=lambda p: p.name)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_score_without_an_order_is_refused_and_extreme_ones_are_not(pattern: Pattern, dtype: torch.dtype) -> None:
    scores = seeded(4, 64, seed=1).to(dtype)
    scores[0, 5], scores[1, 7], scores[3, 1] = INF, torch.finfo(dtype).max, torch.finfo(dtype).max
    kept = select_all(pattern, {"first": scores, "second": scores})
    assert all(mask.any() for mask in kept.values())
    broken = scores.clone()
    broken[2, 11] = math.nan
    with pytest.raises(InputError, match=r"'second' holds what is no number \(NaN\).*have an order"):
        select_all(pattern, {"first": scores, "second": broken})
    if pattern.scope == "matrix":
        with pytest.raises(InputError, match="'scores' holds what is no number"):
            select(pattern, broken)
    with pytest.raises(InputError, match="no number"):
        module.highest(broken[2], 3)


def test_a_block_of_both_infinities_has_no_score() -> None:
    scores = torch.zeros(2, 8)
    scores[0, 0], scores[1, 1] = INF, -INF
    with pytest.raises(InputError, match="no number"):
        select(Blocks(2, 4, 0.5), scores)


@pytest.mark.parametrize("call", [
    lambda w: occupancy.above(w, 0.5, NM(2, 4)), lambda w: occupancy.free_mask(w, 0.5),
    lambda w: occupancy.distance(w, NM(2, 4)), lambda w: occupancy.distance(w, Unstructured(0.5)),
    lambda w: library.strongest(w, 2), lambda w: library.tally(w, 2), lambda w: library.learn(w, 1, 4, 2, 1),
    lambda w: rounding.nearest(Grid(4), torch.from_numpy(w)),
    lambda w: rounding.put(Grid(4), {"a": torch.from_numpy(w)}, {"a": torch.ones(3, 4)})])
def test_no_count_or_order_is_taken_of_what_is_no_number(call: Callable[[NDArray[np.float32]], object]) -> None:
    weight = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    call(weight)
    weight[1, 2] = np.nan
    with pytest.raises(InputError, match=r"no number"):
        call(weight)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"^Matrix 'layer.1.query' is 10 wide. Expected a width divisible by 4"):
        select_all(NM(2, 4), {"layer.0.query": torch.zeros(2, 8), "layer.1.query": torch.zeros(2, 10)})
    with pytest.raises(InputError) as caught:
        select(GlobalUnstructured(0.5), torch.zeros(2, 2))
    assert str(caught.value) == ("Pattern 'global:0.5' chooses over all matrices at once. Expected one matrix at a "
                                 "time. Choose 'unstructured:0.5'.")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_mask_as_numbers_multiplies_to_the_same_bits(dtype: torch.dtype) -> None:
    values = torch.tensor([[1.5, -2.0, 0.0, -0.0], [3e38, -1e-40, 1e-40, -3.0]], dtype=dtype)
    mask = torch.tensor([[True, False, True, True], [True, True, False, True]])
    for kept in (mask, ~mask, mask.T.contiguous().T):
        assert torch.equal((values * numbers(kept)).view(torch.uint8), (values * kept).view(torch.uint8))
