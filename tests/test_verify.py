"""The exact check: it passes what holds, and names matrix, place and count of every planted flip."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.sparsity import verify as module
from core.sparsity.patterns import NM, Blocks, Dense, GlobalUnstructured, Pattern, Unstructured
from core.sparsity.select import select, select_all
from core.sparsity.verify import ALL, EXAMPLES, Violation, verify, verify_all

QUERY = "encoder.layer.0.attention.self.query"


def planted(n: int, m: int, rows: int = 24, groups: int = 6) -> np.ndarray:
    """A mask that keeps the first *n* of every *m*, built by hand."""
    return np.tile(np.arange(m) < n, (rows, groups))


@pytest.mark.parametrize(("n", "m"), [(2, 4), (4, 8), (1, 1), (3, 5), (17, 32), (32, 32)])
def test_a_mask_that_holds_passes(n: int, m: int) -> None:
    verdict = verify(planted(n, m), NM(n, m), QUERY)
    assert verdict.ok
    assert (verdict.groups, verdict.violations, verdict.short, verdict.examples) == (24 * 6, 0, 0, ())
    assert (verdict.matrix, verdict.pattern) == (QUERY, f"{n}:{m}")


def test_a_flipped_bit_is_named_by_row_span_and_count() -> None:
    mask = planted(2, 4)
    mask[17, 10] = True
    verdict = verify(mask, NM(2, 4), QUERY)
    assert not verdict.ok
    assert verdict.examples == (Violation(QUERY, 17, 8, 12, 3, 2),)
    assert str(verdict.examples[0]) == f"{QUERY}: row 17, inputs 8..11 keep 3, allowed 2"


def test_fewer_than_allowed_is_short_and_no_violation() -> None:
    mask = planted(2, 4)
    mask[3, 0] = mask[5, 4] = mask[5, 5] = False
    verdict = verify(mask, NM(2, 4), QUERY)
    assert verdict.ok
    assert (verdict.violations, verdict.short) == (0, 2)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 32), st.integers(0, 2**32 - 1))
def test_any_mask_is_judged_like_a_naive_loop(m: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    n = int(generator.integers(1, m + 1))
    mask = generator.random((4, 3 * m)) < n / m
    broken, short = [], 0
    for i in range(4):
        for j in range(0, 3 * m, m):
            kept = sum(bool(bit) for bit in mask[i, j:j + m])
            short += kept < n
            if kept > n:
                broken.append(Violation("x", i, j, j + m, kept, n))
    verdict = verify(mask, NM(n, m), "x")
    assert (verdict.violations, verdict.short, verdict.groups) == (len(broken), short, 12)
    assert verdict.examples == tuple(broken)


def test_the_first_twenty_are_spelled_out_and_all_are_counted() -> None:
    verdict = verify(np.ones((10, 40)), NM(2, 4), "x")
    assert verdict.violations == 100
    assert len(verdict.examples) == EXAMPLES == 20
    assert verdict.examples[19] == Violation("x", 1, 36, 40, 4, 2)


def test_a_2_of_4_mask_is_a_4_of_8_mask_but_not_the_other_way() -> None:
    assert verify(planted(2, 4), NM(4, 8), "x").ok
    verdict = verify(planted(4, 8), NM(2, 4), "x")
    assert (verdict.violations, verdict.short) == (24 * 6, 24 * 6)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_weights_will_do_for_a_mask(kind: type) -> None:
    weight = (planted(2, 4) * -0.25 * 4).astype(kind)
    assert verify(weight, NM(2, 4), "x").violations == 0
    weight[0, 3] = 1
    assert verify(weight, NM(2, 4), "x").violations == 1


def test_unstructured_is_one_group_the_matrix() -> None:
    mask = np.zeros((4, 5), dtype=bool)
    mask.flat[:10] = True
    assert verify(mask, Unstructured(0.5), "x").ok
    mask.flat[10] = True
    verdict = verify(mask, Unstructured(0.5), "x")
    assert (verdict.groups, verdict.violations) == (1, 1)
    assert str(verdict.examples[0]) == "x: keeps 11, allowed 10"
    assert verify(mask, Unstructured(0.4), "x").short == 1
    assert verify(np.ones((1, 5)) * (np.arange(5) < 1), Unstructured(0.9), "x").ok  # 0.5 of an entry: one stays


def test_dense_holds_always() -> None:
    assert verify(np.ones((2, 3)), Dense(), "x").ok
    assert verify(np.eye(2), Dense(), "x").short == 1


def test_blocks_name_the_emptiest_of_too_many() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[:3, :4] = mask[3:, 4:] = True  # 4 of 8 blocks of 3 x 2
    assert verify(mask, Blocks(3, 2, 0.5), "x").ok
    mask[4, 3] = True
    verdict = verify(mask, Blocks(3, 2, 0.5), "x")
    assert (verdict.groups, verdict.violations, verdict.short) == (8, 1, 1)
    assert str(verdict.examples[0]) == "x: rows 3..5, inputs 2..3 keep 1, allowed 0"
    mask[4, 3], mask[0, 0] = False, False  # a kept weight that happens to be zero
    verdict = verify(mask, Blocks(3, 2, 0.5), "x")
    assert (verdict.ok, verdict.short) == (True, 1)
    assert verify(np.zeros((6, 8)), Blocks(3, 2, 0.5), "x").ok


def test_a_global_pattern_is_judged_over_all_matrices() -> None:
    masks = {"a": np.ones((2, 4)), "b": np.zeros((2, 4))}
    verdicts = verify_all(masks, GlobalUnstructured(0.5))
    assert list(verdicts) == [ALL]
    assert verdicts[ALL].ok
    masks["b"][1, 2] = 1
    assert str(verify_all(masks, GlobalUnstructured(0.5))[ALL].examples[0]) == "all matrices: keeps 9, allowed 8"
    with pytest.raises(ValueError, match="call verify_all"):
        verify(masks["a"], GlobalUnstructured(0.5), "a")


def test_all_matrices_have_a_verdict_each() -> None:
    good, bad = planted(2, 4), planted(3, 4)
    verdicts = verify_all({"a": good, "b": bad}, NM(2, 4))
    assert [(name, v.matrix, v.ok) for name, v in verdicts.items()] == [("a", "a", True), ("b", "b", False)]
    with pytest.raises(InputError, match="Matrix 'c' is 10 wide"):
        verify_all({"c": np.ones((2, 10))}, NM(2, 4))


PATTERNS_AND_SHAPES = [(NM(2, 4), (24, 48)), (NM(5, 12), (7, 36)), (Unstructured(0.9), (5, 7)),
                       (Blocks(4, 6, 0.3), (16, 18)), (Dense(), (3, 3))]


@pytest.mark.parametrize(("pattern", "shape"), PATTERNS_AND_SHAPES, ids=lambda p: getattr(p, "name", ""))
def test_what_select_keeps_is_exact(pattern: Pattern, shape: tuple[int, int]) -> None:
    for scores in (torch.randn(shape, generator=torch.Generator().manual_seed(2)), torch.zeros(shape)):
        verdict = verify(select(pattern, scores).numpy(), pattern, "x")
        assert (verdict.violations, verdict.short) == (0, 0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 1 / 3, 0.999])
def test_both_sides_round_alike_though_they_share_no_code(share: float) -> None:
    for size in range(1, 40):
        scores = torch.arange(float(size))[None]
        for pattern in (Unstructured(share), Blocks(1, 1, share)):
            verdict = verify(select(pattern, scores).numpy(), pattern, "x")
            assert (verdict.ok, verdict.short) == (True, 0)
        masks = select_all(GlobalUnstructured(share), {"a": scores, "b": scores})
        verdict = verify_all({name: mask.numpy() for name, mask in masks.items()}, GlobalUnstructured(share))[ALL]
        assert (verdict.ok, verdict.short) == (True, 0)


def test_the_check_borrows_no_counting() -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not names & {"counts", "kept_number", "select", "occupancy"}
