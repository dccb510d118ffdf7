"""Occupancy, the free mask and the distance to a pattern: naive loops and brute force, planted cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from core.errors import InputError
from core.sparsity.occupancy import above, distance, distance_all, downsample, free_mask, groups_of, occupancy
from core.sparsity.patterns import NM, Blocks, Dense, GlobalUnstructured, Pattern, Unstructured, kept_number

CUT = [NM(2, 4), NM(3, 6), NM(5, 32), Blocks(3, 4, 0.5), Blocks(1, 96, 0.5), Unstructured(0.5),
       GlobalUnstructured(0.5), Dense()]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("pattern", CUT, ids=lambda p: p.name)
def test_map_and_histogram_equal_a_naive_loop(pattern: Pattern) -> None:
    weight = np.where(noise(6, 96) > 0, noise(6, 96, seed=1), 0)
    rows, columns = pattern.grouping.cell or (1, 8)
    expected = [[sum(weight[i + a, j + b] != 0 for a in range(rows) for b in range(columns))
                 for j in range(0, 96, columns)] for i in range(0, 6, rows)]
    found = occupancy(weight, pattern)
    assert found.map.tolist() == expected
    assert found.map.dtype == np.int8
    flat = [count for row in expected for count in row]
    assert found.histogram.tolist() == [flat.count(k) for k in range(rows * columns + 1)]
    assert found.histogram.dtype == np.int64
    assert found.groups == len(flat)


def test_allowed_over_and_exact() -> None:
    mask = np.array([[1, 1, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1, 1]])
    found = occupancy(mask, NM(2, 4))
    assert found.map.tolist() == [[2, 3], [1, 4]]
    assert (found.allowed, found.over, found.exact) == (2, 2, 0.25)
    assert occupancy(mask, Blocks(2, 4, 0.5)).allowed == 8
    assert occupancy(mask, Unstructured(0.5), strip=4).allowed == 4


def test_large_groups_do_not_overflow() -> None:
    for side, kind in ((15, np.int16), (200, np.int32)):
        found = occupancy(np.ones((side, side)), Blocks(side, side, 0.5))
        assert found.map.tolist() == [[side * side]]
        assert found.map.dtype == kind


def test_the_last_strip_of_a_row_may_be_shorter() -> None:
    found = occupancy(np.ones((2, 10)), Unstructured(0.5), strip=4)
    assert found.map.tolist() == [[4, 4, 2]] * 2
    assert found.histogram.tolist() == [0, 0, 2, 0, 4]
    assert groups_of(Unstructured(0.5), 4) == (1, 4)
    assert groups_of(Blocks(2, 3, 0.5), 4) == (2, 3)


def test_above_counts_magnitudes_over_the_threshold() -> None:
    weight = np.array([[0.1, -0.5, 0.5, 0.6, 0.0, -0.7, 0.2, 0.3]])
    assert above(weight, 0.5, NM(2, 4)).map.tolist() == [[1, 1]]  # 0.5 itself is not above 0.5
    assert above(weight, 0.0, NM(2, 4)).map.tolist() == [[4, 3]]


@pytest.mark.parametrize("density", [0.0, 0.25, 0.5, 2 / 3, 1.0])
def test_the_free_mask_holds_the_largest_anywhere(density: float) -> None:
    weight = noise(6, 8)
    mask = free_mask(weight, density)
    assert mask.sum() == round(48 * density)
    if 0 < density < 1:
        assert np.abs(weight[mask]).min() > np.abs(weight[~mask]).max()


def test_the_free_mask_breaks_ties_to_the_lower_index() -> None:
    assert free_mask(np.array([[1.0, -1.0, 1.0, 1.0]]), 0.5).tolist() == [[True, True, False, False]]
    with pytest.raises(InputError) as caught:
        free_mask(np.ones((2, 2)), 50)
    assert str(caught.value) == "Density 50 is out of range. Expected a share from 0 to 1. Write 50 % as 0.5."


def test_the_free_histogram_is_ragged_where_the_patterns_is_a_spike() -> None:
    weight = noise(64, 64)
    free = occupancy(free_mask(weight, 0.5), NM(2, 4))
    assert free.over > 0
    assert (free.histogram > 0).all()


@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 4), (1, 4), (4, 8), (3, 6), (4, 4)])
def test_distance_is_the_least_energy_over_all_supports(n: int, m: int) -> None:
    weight = noise(5, 3 * m, seed=m).astype(np.float64)
    groups = np.square(weight).reshape(5, 3, m)
    best = np.max([groups[:, :, list(keep)].sum(axis=2) for keep in itertools.combinations(range(m), n)], axis=0)
    found = distance(weight, NM(n, m))
    assert found.share == pytest.approx(1 - best.sum() / groups.sum(), abs=1e-6)
    assert found.map == pytest.approx(1 - best / groups.sum(axis=2), abs=1e-6)
    assert found.map.dtype == np.float32


@pytest.mark.parametrize("pattern", [NM(2, 4), Blocks(2, 4, 0.5), Unstructured(0.5), Dense()], ids=lambda p: p.name)
def test_distance_is_zero_where_the_pattern_holds(pattern: Pattern) -> None:
    weight = noise(4, 16)
    if isinstance(pattern, NM):
        weight.reshape(4, 4, 4)[:, :, 1:3] = 0
    elif isinstance(pattern, Blocks):
        weight[:2] = 0
    elif isinstance(pattern, Unstructured):
        weight[:, 3:11] = 0
    found = distance(weight, pattern)
    assert found.share == 0
    assert not found.map.any()
    assert distance(np.zeros((4, 16)), pattern).share == 0  # no energy, nothing to remove


def test_distance_to_unstructured_and_blocks_equals_a_naive_sort() -> None:
    weight = noise(4, 12, seed=7)
    squares = np.square(weight.astype(np.float64))
    free = distance(weight, Unstructured(0.25), strip=6)
    gone = np.sort(squares, axis=None)[:12]
    assert free.share == pytest.approx(gone.sum() / squares.sum(), rel=1e-5)
    assert free.map.shape == (4, 2)
    whole = squares.reshape(4, 2, 6).sum(axis=2)
    assert (free.map * whole).sum() == pytest.approx(gone.sum(), rel=1e-5)

    blocks = distance(weight, Blocks(2, 3, 0.5))
    energy = squares.reshape(2, 2, 4, 3).sum(axis=(1, 3))
    order = np.sort(energy, axis=None)
    assert blocks.share == pytest.approx(order[:4].sum() / squares.sum(), rel=1e-5)
    assert sorted(blocks.map.ravel().tolist()) == [0.0] * 4 + [1.0] * 4
    assert energy[blocks.map == 1].max() < energy[blocks.map == 0].min()


def test_distance_of_a_global_pattern_is_chosen_over_all_matrices() -> None:
    weights = {"small": 0.01 * noise(4, 8), "large": 1 + np.abs(noise(4, 8, seed=1))}
    found = distance_all(weights, GlobalUnstructured(0.5))
    assert found["small"].share == pytest.approx(1)
    assert found["large"].share == 0
    assert found["small"].map.tolist() == [[1.0]] * 4
    apart = distance_all(weights, NM(2, 4))
    assert apart["large"].share == distance(weights["large"], NM(2, 4)).share
    assert distance_all({}, GlobalUnstructured(0.5)) == {}
    with pytest.raises(InputError, match="chooses over all matrices at once"):
        distance(weights["small"], GlobalUnstructured(0.5))


def test_distance_agrees_with_the_kept_number_on_odd_sizes() -> None:
    weight = np.ones((1, 5))
    assert distance(weight, Unstructured(0.5)).share == pytest.approx((5 - kept_number(0.5, 5)) / 5)


@pytest.mark.parametrize(("shape", "target"), [((7, 10), 3), ((4, 4), 8), ((1, 9), 2), ((12, 6), 6)])
def test_downsample_is_the_mean_of_every_cell(shape: tuple[int, int], target: int) -> None:
    values = noise(*shape)
    steps = [-(-side // target) for side in shape]
    expected = [[values[i:i + steps[0], j:j + steps[1]].mean() for j in range(0, shape[1], steps[1])]
                for i in range(0, shape[0], steps[0])]
    found = downsample(values, target)
    assert found == pytest.approx(np.array(expected), abs=1e-6)
    assert max(found.shape) <= target
    assert found.dtype == np.float32


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="10 wide"):
        occupancy(np.ones((2, 10)), NM(2, 4))
    with pytest.raises(InputError, match="10 wide"):
        distance(np.ones((2, 10)), NM(2, 4))
