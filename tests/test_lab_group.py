"""One group under ADMM against a naive loop, brute force over all supports, and least squares."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from core.errors import InputError
from core.lab import blocks, group
from core.lab import reading_group as reading
from core.lab.results_group import GroupPath
from core.sparsity.patterns import NM, Learned

RNG = np.random.default_rng(7)
CASES = [((1, 2), 0.3, 0.5), ((2, 4), 0.6, 1.0), ((1, 4), 0.9, 0.2), ((3, 6), 0.0, 2.0), ((4, 8), 0.5, 1.0)]


def case(shape: tuple[int, int], coupling: float, rho: float, rounds: int = 15) -> GroupPath:
    weights = tuple(float(v) for v in RNG.standard_normal(shape[1]))
    return group.solve(weights, NM(*shape), coupling, rho, rounds)


def gram(m: int, coupling: float) -> np.ndarray:
    return np.array([[1.0 if i == j else coupling ** abs(i - j) for j in range(m)] for i in range(m)])


@pytest.mark.parametrize(("shape", "coupling", "rho"), CASES)
def test_the_rounds_are_those_of_a_naive_loop(shape: tuple[int, int], coupling: float, rho: float) -> None:
    """W, U, Z written down by hand, the choice by trying every support for the nearest Z."""
    found = case(shape, coupling, rho)
    n, m = shape
    a, w0 = gram(m, coupling), found.weights
    w, u = w0.copy(), np.zeros(m)
    for k in range(found.last + 1):
        v = w + u
        near = min(combinations(range(m), n), key=lambda s: sum(v[i] ** 2 for i in range(m) if i not in s))
        z = np.array([v[i] if i in near else 0.0 for i in range(m)])
        for got, want in ((found.w, w), (found.u, u), (found.v, v), (found.z, z), (found.carried, v - z)):
            np.testing.assert_allclose(got[k], want, atol=1e-10)
        assert tuple(np.flatnonzero(found.mask[k])) == near
        u = u + w - z
        w = np.linalg.solve(a + rho * np.eye(m), a @ w0 + rho * (z - u))


@pytest.mark.parametrize(("shape", "coupling", "rho"), CASES)
def test_the_errors_are_those_of_least_squares_on_every_support(shape: tuple[int, int], coupling: float, rho: float,
                                                                 ) -> None:
    found = case(shape, coupling, rho)
    n, m = shape
    root = np.linalg.cholesky(gram(m, coupling)).T  # A = X'X for this X
    whole = root @ found.weights
    tried = []
    for support in combinations(range(m), n):
        fit = np.linalg.lstsq(root[:, support], whole, rcond=None)[0]
        tried.append(float(((whole - root[:, support] @ fit) ** 2).sum() / (whole @ whole)))
    assert found.choices is not None and found.ways == len(tried)
    np.testing.assert_allclose(found.choices.errors, tried, atol=1e-10)
    assert found.choices.best == int(np.argmin(tried))
    order = list(combinations(range(m), n))
    for mask, error in zip(found.mask, found.error, strict=True):
        want = tried[order.index(tuple(int(i) for i in np.flatnonzero(mask)))]
        assert error == pytest.approx(want, abs=1e-10)
        assert found.choices.rank(float(error)) == 1 + sum(t < want - 1e-9 for t in tried)


def test_kept_energy_and_the_line_by_hand() -> None:
    found = group.solve((3.0, -4.0, 0.0, 1.0), NM(2, 4), 0.0, 1.0, 1)
    assert found.kept_energy[0] == pytest.approx(25 / 26)
    assert found.line[0] == pytest.approx(2.0)  # halfway between 3, the smallest that stays, and 1
    assert not found.tied.any()


def test_ties_are_marked_and_go_to_the_lower_index() -> None:
    found = group.solve((0.5, -0.9, 0.5, -0.5), NM(2, 4), 0.0, 1.0, 0)
    assert found.mask[0].tolist() == [True, True, False, False]
    assert found.tied[0].tolist() == [True, False, True, True]
    assert found.line[0] == 0.5
    inside = group.solve((0.5, 0.5, 0.1, 0.1), NM(2, 4), 0.0, 1.0, 0)
    assert not inside.tied.any()  # alike, but on the same side of the line


@pytest.mark.parametrize(("shape", "turns"), [((2, 4), [6]), ((2, 8), [1, 8]), ((4, 8), [1])])
def test_the_defaults_show_a_loser_that_crosses_and_ends_at_the_best_choice(shape: tuple[int, int],
                                                                            turns: list[int]) -> None:
    found = group.solve(reading.DEFAULT[:shape[1]], NM(*shape), 0.6, 1.0, 20)
    magnitude = sorted(range(shape[1]), key=lambda i: -abs(reading.DEFAULT[i]))[:shape[0]]
    assert sorted(np.flatnonzero(found.mask[0])) == sorted(magnitude)
    assert found.turns == turns
    assert found.choices is not None
    assert (found.mask[-1] == found.choices.supports[found.choices.best]).all()
    assert found.error[-1] < 0.7 * found.error[0]
    assert (found.u[turns[-1]][found.mask[-1] & ~found.mask[0]] != 0).all()  # its dual brought it there


def test_without_coupling_the_largest_are_the_right_ones_and_nothing_moves() -> None:
    for _ in range(20):
        found = case((2, 6), 0.0, 1.0)
        assert found.choices is not None and found.turns == []
        assert found.choices.rank(float(found.error[0])) == 1
        assert found.error[0] == pytest.approx(1 - found.kept_energy[0])


def test_all_zero_keeps_the_first_and_has_no_energy() -> None:
    found = group.solve((0.0,) * 4, NM(2, 4), 0.6, 1.0, 5)
    assert found.blank and np.isnan(found.kept_energy).all()
    assert (found.mask == [True, True, False, False]).all()
    assert (found.error == 0).all()


def test_keeping_everything_leaves_nothing_to_choose() -> None:
    found = group.solve((1.0, -2.0, 0.5), NM(3, 3), 0.5, 1.0, 5)
    assert found.mask.all() and (found.line == 0).all() and not found.tied.any()
    np.testing.assert_array_equal(found.z, found.v)
    assert found.ways == 1 and found.error == pytest.approx(0)


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e6])
def test_the_scale_of_the_weights_does_not_matter(scale: float) -> None:
    plain = group.solve(reading.DEFAULT[:4], NM(2, 4), 0.6, 1.0, 20)
    other = group.solve(tuple(scale * v for v in reading.DEFAULT[:4]), NM(2, 4), 0.6, 1.0, 20)
    assert (plain.mask == other.mask).all()
    np.testing.assert_allclose(plain.error, other.error, atol=1e-10)


def test_too_many_choices_are_not_tried() -> None:
    weights = tuple(float(v) for v in RNG.standard_normal(18))
    assert group.solve(weights, NM(9, 18), 0.5, 1.0, 3).choices is None
    most = group.solve(weights[:16], NM(8, 16), 0.5, 1.0, 3).choices
    assert most is not None and len(most.errors) == 12_870


def test_results_are_shared_and_cannot_be_changed() -> None:
    found = case((2, 4), 0.5, 1.0)
    for array in (found.w, found.u, found.v, found.z, found.mask, found.error, found.weights):
        with pytest.raises(ValueError):
            array[0] = 1


def test_a_group_of_another_size_is_refused() -> None:
    with pytest.raises(InputError):
        group.solve((1.0, 2.0, 3.0), NM(2, 4), 0.5, 1.0, 3)


def test_drawn_blocks_are_the_same_again_and_libraries_learned_from_them_keep_what_is_asked() -> None:
    np.testing.assert_array_equal(blocks.drawn(3, 4, 4, 5), blocks.drawn(3, 4, 4, 5))
    assert (blocks.drawn(3, 4, 4, 5) != blocks.drawn(3, 4, 4, 6)).any()
    library = blocks.learned(4, 4, 8, 16)
    assert library.supports.shape == (16, 16) and library.keep == 8
    fresh = blocks.drawn(500, 4, 4, 99)
    assert blocks.learned(4, 4, 8, 32).kept_energy(fresh).mean() > library.kept_energy(fresh).mean() > 0.85


# -- what a person may ask -----------------------------------------------------------------------------------------


def test_patterns_are_read() -> None:
    assert reading.pattern("3:6") == NM(3, 6)
    assert reading.pattern("library:4x4:8:16") == Learned(4, 4, 8, 16)
    for text in reading.CHOICES:
        kind = reading.pattern(text)
        assert len(reading.values(reading.start(kind, 3), reading.size(kind))) == reading.size(kind)
        assert reading.title(text) != text
    assert reading.title("9:4") == "9:4"


@pytest.mark.parametrize(("text", "words"), [
    ("9:4", "did you mean '4:9'"), ("8:32", "at most 16"), ("unstructured:0.5", "no small groups"),
    ("library:4x4", "not complete"), ("library:4x4:8:9999", "there are 12870"), ("library:1x2:1:5", "has 5 supports"),
    ("library:5x5:3:8", "groups of 25"), ("library:2x2:5:2", "keeps 5 of 4"),
    ("library:4x4:8:65", "at most 64"), ("block:4x4:0.5", "no small groups"), ("library:0x4:1:1", "blocks of 0 x 4"),
    ("", "Unknown pattern"), ("*" * 999, "Unknown pattern")])
def test_bad_patterns_are_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        reading.pattern(text)


def test_values_are_read_as_they_are_written() -> None:
    assert reading.values(" 1, -2.5 3e-1;4 ", 4) == (1.0, -2.5, 0.3, 4.0)
    assert reading.values(reading.text(reading.DEFAULT), 16) == reading.DEFAULT
    assert reading.replaced((1.0, 2.0, 3.0), "2", 9.0) == (1.0, 9.0, 3.0)
    assert reading.at((1.0, 2.0, 3.0), "3") == 3.0


@pytest.mark.parametrize("top", [0.0, 0.5, 1.0, 1.01, 7.0, 10.0, 999.0, 1e6])
def test_the_slider_reaches_the_largest_value(top: float) -> None:
    low, high, step = reading.span((0.1, -top))
    assert low == -high and high >= max(top, 1.0) and high <= max(3 * top, 1.0) and 0 < step < high


@pytest.mark.parametrize(("text", "words"), [
    ("1,2,3", "3 values for a group of 4"), ("1,2,3,4,5", "Leave out"), ("", "0 values"), ("1,x,3,4", "'x'"),
    ("1,nan,3,4", "'nan'"), ("1,inf,3,4", "'inf'"), ("1,2,3,1e9", "1e9"), ("1," * 999, "999 values")])
def test_bad_values_are_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        reading.values(text, 4)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "much", "", "1e-9"])
def test_bad_rho_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="rho"):
        reading.rho(text)


@pytest.mark.parametrize("text", ["-1", "100", "x", "²"])
def test_bad_seeds_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="seed"):
        reading.seed(text)
