"""What a folder may hold and still be right: one entry more than a pattern over all matrices allows is found; a matrix
that keeps less than its pattern allows takes the storage of what it keeps, where the format can tell."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.runs import gridded
from core.runs.checks.folder_check import check
from core.runs.records import Matrix, RunSpec
from core.runs.store import ARRAYS, HEADER, Store
from core.sparsity.grids import Grid
from core.sparsity.patterns import parse_pattern
from core.sparsity.storage import storage_of, storage_of_record
from tests.damage import change_header, replace_arrays
from tests.makers import make_dense, make_run

STRIP = 8  # entries of a strip in which unstructured masks are counted


def add_one(folder: Path, which: int) -> None:
    """One more kept weight in matrix number *which*: in the header's density and in the counts per strip, so that the
    two agree."""
    header: dict[str, Any] = json.loads((folder / HEADER).read_text())
    entry = header["matrices"][which]
    size = math.prod(entry["shape"])
    entry["density"] = (round(entry["density"] * size) + 1) / size
    change_header(folder, matrices=header["matrices"])
    counts = load_file(folder / ARRAYS)[f"occupancy/{entry['name']}"].copy()
    strip = next(k for k in range(STRIP) if counts[k])
    counts[strip] -= 1
    counts[strip + 1] += 1
    replace_arrays(folder, {f"occupancy/{entry['name']}": counts})


@pytest.mark.parametrize("which", [0, 7])
def test_one_entry_too_many_over_all_matrices_is_found_without_their_masks(empty_store: Store, which: int) -> None:
    dense = make_dense(empty_store.recorded)
    name = make_run(empty_store.recorded, parent=dense, method="magnitude", pattern="global:0.6", record="summary")
    run = empty_store.open(name)
    size = sum(math.prod(m.shape) for m in run.record.matrices)
    allowed = math.floor(0.4 * size + 0.5)
    assert sum(round(m.density * math.prod(m.shape)) for m in run.record.matrices) == allowed
    assert check(run).ok
    add_one(run.path, which)
    report = check(empty_store.open(name))
    assert report.problems == [f"all matrices: keep {allowed + 1}, allowed {allowed}"]


def test_one_entry_too_many_in_one_matrix_is_found_without_its_mask(empty_store: Store) -> None:
    dense = make_dense(empty_store.recorded)
    name = make_run(empty_store.recorded, parent=dense, method="magnitude", pattern="unstructured:0.6",
                    record="summary")
    entry = empty_store.open(name).record.matrices[3]
    add_one(empty_store.recorded / name, 3)
    allowed = math.floor(0.4 * math.prod(entry.shape) + 0.5)
    said = [f"{value:,}".replace(",", " ") for value in (allowed + 1, allowed)]
    assert check(empty_store.open(name)).problems == [
        f"{entry.name}: occupancy counts {said[0]} kept weights, allowed {said[1]}"]


# -- storage of what is kept -------------------------------------------------------------------------------------

SHAPES = [(4, 16), (8, 32)]
FEWER = [10, 33]  # kept weights, well below what any pattern below lets stay


@pytest.mark.parametrize(("pattern", "values"), [
    ("unstructured:0.5", 43), ("global:0.5", 43), ("block:4x4:0.5", 43), ("dense", 43),
    ("2:4", 32 + 128), ("1:4", 16 + 64)])  # N:M holds N values of every group, those that happen to be zero too
@pytest.mark.parametrize("bits", [0, 4])
def test_a_matrix_that_keeps_less_takes_what_its_format_needs(pattern: str, values: int, bits: int) -> None:
    found = storage_of(parse_pattern(pattern), Grid(bits, 8) if bits else None, SHAPES, FEWER)
    assert found.values == values * (bits or 32)
    assert found.scales == ((4 * 2 + 8 * 4) * 32 if bits else 0)
    assert found.compression == pytest.approx(32 * 320 / (found.values + found.indices + found.scales))


def test_the_record_of_a_run_that_keeps_less_is_counted_by_its_own_densities(empty_store: Store) -> None:
    dense = make_dense(empty_store.recorded)
    name = make_run(empty_store.recorded, parent=dense, method="magnitude", pattern="unstructured:0.5")
    record = empty_store.open(name).record
    full = storage_of_record(record).values
    for m in record.matrices:
        m.density = 0.25
    assert storage_of_record(record).values == full // 2 == sum(math.prod(m.shape) // 4 * 32 for m in record.matrices)
    assert np.isclose(storage_of_record(record).bits_per_weight, 0.25 * 32 + 1)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_levels_count_as_many_weights_as_the_header_keeps_no_more_and_no_fewer(more: int) -> None:
    matrix = Matrix(name="m", shape=(2, 8), density=0.75, off_grid=0, weight_sha256="0" * 64)
    counts = np.zeros(15, np.int64)
    counts[[3, 7, 12]] = 4, 5 + more, 3
    spec = RunSpec(task="agreement", model="tiny", bits=4, chunk=0, record="summary")
    found = gridded.check(spec, [matrix], {"levels/m": counts})[1]
    assert found == ([f"m: the levels count {12 + more} weights, the header keeps 12"] if more else [])
    for wrong in (counts[:14], np.append(counts, 0)):
        assert gridded.check(spec, [matrix], {"levels/m": wrong})[1] == ["m: no counts of its 15 levels"]
