"""Storage against counting by hand: bits of small matrices added up part by part."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from core.errors import InputError
from core.runs.store import REPOSITORY, Store
from core.sparsity.grids import Grid
from core.sparsity.patterns import Pattern, parse_pattern
from core.sparsity.storage import storage_of, storage_of_record
from tests import makers

SHAPES = [(4, 16), (8, 32)]
SIZE = 4 * 16 + 8 * 32


def bits_of(pattern: Pattern, grid: Grid | None, share: float) -> tuple[int, int, int, int]:
    kept = [round(share * a * b) for a, b in SHAPES]
    found = storage_of(pattern, grid, SHAPES, kept, 100)
    assert found.bits == found.values + found.indices + found.scales + found.library
    assert found.weights == SIZE and found.bits_per_weight == found.bits / SIZE
    assert found.compression == pytest.approx(32 / found.bits_per_weight)
    assert found.model_bits == found.bits + 3200
    assert found.model_compression == pytest.approx(32 * (SIZE + 100) / (found.bits + 3200))
    return found.values, found.indices, found.scales, found.library


@pytest.mark.parametrize(("text", "share", "indices"), [
    ("dense", 1.0, 0), ("2:4", 0.5, SIZE // 4 * 4), ("1:4", 0.25, SIZE // 4 * 2), ("3:4", 0.75, SIZE // 4 * 4),
    ("2:8", 0.25, SIZE // 8 * 6), ("4:8", 0.5, SIZE // 8 * 8), ("4:4", 1.0, 0), ("unstructured:0.5", 0.5, SIZE),
    ("global:0.5", 0.5, SIZE), ("block:4x4:0.5", 0.5, SIZE // 16)])
def test_values_and_indices_by_hand(text: str, share: float, indices: int) -> None:
    assert bits_of(parse_pattern(text), None, share) == (round(share * SIZE) * 32, indices, 0, 0)
    assert bits_of(parse_pattern(text), Grid(4, 8), share) == (round(share * SIZE) * 4, indices, SIZE // 8 * 32, 0)
    assert bits_of(parse_pattern(text), Grid(8, 0), share)[2] == (4 + 8) * 32


def test_a_library_is_counted_with_the_choice_of_every_block() -> None:
    learned = bits_of(parse_pattern("library:4x4:8:16"), None, 0.5)
    assert learned == (SIZE // 2 * 32, SIZE // 16 * 4, 0, 16 * 16)
    assert bits_of(parse_pattern("library:4x4:8:16:each"), None, 0.5)[3] == 2 * 16 * 16
    given = parse_pattern("given:4x4:ff00,00ff,f0f0")
    assert bits_of(given, None, 0.5) == (SIZE // 2 * 32, SIZE // 16 * 2, 0, 3 * 16)


def test_a_run_that_was_pruned_and_quantised_is_small_and_a_dense_one_is_not() -> None:
    record = SimpleNamespace(spec=SimpleNamespace(method="admm-layer", pattern="2:4", bits=4, chunk=64),
                             matrices=[SimpleNamespace(shape=(64, 64), density=0.5, rank=0)], other_weights=None,
                             units=None)
    found = storage_of_record(record)
    assert found.bits_per_weight == 0.5 * 4 + 1 + 32 / 64 and found.model_compression is None
    record.spec.method = "dense"
    record.spec.bits = 0
    record.matrices[0].density = 1.0
    assert storage_of_record(record).bits_per_weight == 32


def test_every_recorded_run_can_be_counted() -> None:
    records = Store(REPOSITORY / "cached_runs", REPOSITORY / "none").records()
    assert records
    for record in records:
        found = storage_of_record(record)
        assert 0 < found.bits_per_weight <= 32 or (not record.spec.bits and found.bits_per_weight <= 33)


def test_planted_runs_can_be_counted(empty_store: Store) -> None:
    parent = makers.make_dense(empty_store.recorded)
    name = makers.make_run(empty_store.recorded, parent=parent, pattern="1:4")
    record = empty_store.open(name).record
    assert storage_of_record(record).bits_per_weight == pytest.approx(8 + 0.5)


def test_a_matrix_that_does_not_fit_is_said_and_nothing_at_all_is_no_number() -> None:
    with pytest.raises(InputError, match="divisible by chunks of 64"):
        storage_of(parse_pattern("2:4"), Grid(4, 64), [(4, 32)], [64])
    assert math.isnan(storage_of(parse_pattern("2:4"), None, [], []).bits_per_weight)


def test_a_correction_is_counted_beside_what_is_pruned() -> None:
    """A 64 x 32 matrix at 2:4 with a correction of rank 3, one of 32 x 32 without: 3 (64 + 32) numbers of 32 bits."""
    pattern, shapes, kept = parse_pattern("2:4"), [(64, 32), (32, 32)], [1024, 512]
    bare, beside = (storage_of(pattern, None, shapes, kept, 7, ranks) for ranks in ((), [3, 0]))
    assert beside.factors == 3 * 96 * 32 and bare.factors == 0
    assert beside.bits - bare.bits == 3 * 96 * 32 and beside.values == bare.values == 1536 * 32
    assert beside.bits_per_weight == pytest.approx(0.5 * 32 + 1 + 3 * 96 * 32 / 3072)
    assert (beside.model_bits or 0) - (bare.model_bits or 0) == 3 * 96 * 32
