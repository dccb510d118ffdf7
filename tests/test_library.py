"""Pattern libraries against counting and choosing one by one."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from core.errors import InputError
from core.sparsity.library import Library, learn, strongest


def slow_strongest(block: np.ndarray, keep: int) -> tuple[int, ...]:
    """The support with the most squared weight, over all supports; ties to the lexicographically first."""
    ways = list(combinations(range(len(block)), keep))
    return max(ways, key=lambda s: (sum(abs(block[i]) for i in s), [-i for i in s]))


def as_sets(supports: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(int(i) for i in np.flatnonzero(s)) for s in supports]


def planted(rng: np.random.Generator, count: int, size: int, keep: int) -> np.ndarray:
    ways = rng.permutation(list(combinations(range(size), keep)))[:count]
    supports = np.zeros((count, size), bool)
    np.put_along_axis(supports, ways, True, axis=1)
    return supports


@pytest.mark.parametrize("sides", [(1, 4), (2, 2), (2, 3), (4, 4)])
def test_the_best_pattern_is_the_one_that_trying_all_finds(sides: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    size = sides[0] * sides[1]
    library = Library(*sides, planted(rng, min(6, size), size, size // 2))
    blocks = rng.standard_normal((200, size))
    for block, best, kept in zip(blocks, library.best(blocks), library.kept_energy(blocks), strict=True):
        tried = [sum(float(w) ** 2 for w, s in zip(block, support, strict=True) if s) for support in library.supports]
        assert best == tried.index(max(tried))
        assert kept == pytest.approx(max(tried) / sum(float(w) ** 2 for w in block))


def test_ties_go_to_the_lower_index_also_when_the_sums_are_rounded_differently() -> None:
    library = Library(1, 4, np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 0]], bool))
    assert library.best(np.array([[1.0, 2, 2, 1], [0, 0, 0, 0], [0, 1, 1, 3]])).tolist() == [2, 0, 1]
    sizes = np.random.default_rng(3).random(8)
    twins = Library(1, 16, np.repeat(np.eye(2, dtype=bool), 8, axis=1)[::-1])
    for seed in range(50):  # the same eight weights on both sides, added up in another order
        block = np.concatenate([sizes, np.random.default_rng(seed).permutation(sizes)])
        assert twins.best(block[None])[0] == 0


def test_learning_counts_the_strongest_supports() -> None:
    blocks = np.random.default_rng(0).integers(-3, 4, (300, 5)).astype(float)  # small numbers: many ties
    counted = Counter(slow_strongest(block, 2) for block in blocks)
    expected = sorted(counted, key=lambda s: (-counted[s], s))
    assert as_sets(strongest(blocks, 2)) == [slow_strongest(block, 2) for block in blocks]
    for count in (1, 3, len(expected)):
        assert as_sets(learn(blocks, 1, 5, 2, count).supports) == expected[:count]


def test_equally_common_supports_come_in_lexicographic_order() -> None:
    blocks = np.array([[0, 0, 1, 1], [1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0.0], [0, 1, 1, 0]])
    assert as_sets(learn(blocks, 2, 2, 2, 4).supports) == [(1, 2), (0, 1), (0, 3), (2, 3)]


def test_a_planted_library_is_found_again() -> None:
    rng = np.random.default_rng(5)
    supports = planted(rng, 4, 16, 8)
    blocks = np.concatenate([np.where(s, 1.0, 0.01) * (1 + rng.random((50 - 5 * i, 16))) * rng.choice([-1, 1], 16)
                             for i, s in enumerate(supports)])
    found = learn(rng.permutation(blocks), 4, 4, 8, 4)
    assert as_sets(found.supports) == as_sets(supports)
    assert found.keep == 8
    assert (found.kept_energy(blocks) > 0.99).all()


def test_scale_does_not_matter_and_zeros_have_no_energy() -> None:
    library = Library(1, 3, np.eye(3, dtype=bool))
    for scale in (1e-200, 1.0, 1e200):
        assert library.energies(scale * np.array([[1.0, 2, 2]]))[0] == pytest.approx([1 / 9, 4 / 9, 4 / 9])
    assert library.energies(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_a_library_keeps_its_own_copy() -> None:
    mine = np.eye(3, dtype=bool)
    library = Library(1, 3, mine)
    mine[:] = True
    assert library.keep == 1
    with pytest.raises(ValueError):
        library.supports[0, 0] = False


@pytest.mark.parametrize(("supports", "words"), [
    (np.eye(3, dtype=bool), "blocks of 2 x 2"),
    (np.zeros((0, 4), bool), "at least one support"),
    (np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool), "keep 1, 2 entries"),
    (np.zeros((1, 4), bool), "keep 0 entries"),
    (np.array([[1, 0, 0, 0], [1, 0, 0, 0]], bool), "twice")])
def test_a_library_that_is_none_is_refused(supports: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Library(2, 2, supports)


@pytest.mark.parametrize(("blocks", "keep", "count", "words"), [
    (np.ones((9, 4)), 2, 2, "A library of 2 supports. Expected 1 to 1"), (np.ones((9, 4)), 2, 0, "library of 0"),
    (np.ones((9, 5)), 2, 1, r"shape \[9, 5\]"), (np.ones((9, 4)), 5, 1, "keeps 5 of 4"),
    (np.full((1, 4), np.nan), 2, 1, "no number"), (np.full((1, 4), np.inf), 2, 1, "infinity")])
def test_what_cannot_be_learned_is_refused(blocks: np.ndarray, keep: int, count: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        learn(blocks, 2, 2, keep, count)
