"""The check: whole runs pass at every level and pattern; every planted fault is named."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.runs import arrays as enc
from core.runs import store as st
from core.runs.checks.folder_check import CheckReport, check
from core.runs.store import Store
from tests import damage, makers

QUERY = "bert.encoder.layer.0.attention.self.query"
UP = "bert.encoder.layer.1.intermediate.dense"
PATTERNS = ("2:4", "1:4", "4:8", "3:4", "16:32", "unstructured:0.5", "global:0.6", "block:4x4:0.5")


@pytest.fixture
def store(empty_store: Store) -> Store:
    """One dense parent; `planted` adds pruned runs."""
    makers.make_dense(empty_store.recorded)
    return empty_store


def planted(store: Store, **fields: object) -> str:
    parent = makers.run_named(store, method="dense")
    return makers.make_run(store.recorded, **{"parent": parent, "id": "planted", **fields})


def report(store: Store, name: str = "planted") -> CheckReport:
    return check(store.open(name))


def folder(store: Store) -> Path:
    return store.recorded / "planted"


def kept(store: Store, matrix: str = QUERY) -> np.ndarray:
    mask = store.open("planted").mask(matrix)
    assert mask is not None
    return mask


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("level", ["summary", "masks", "lab"])
def test_whole_runs_pass_at_every_level_and_pattern(pattern: str, level: str, store: Store) -> None:
    planted(store, pattern=pattern, record=level)
    assert report(store).problems == []


def test_whole_runs_of_every_method_pass(good_store: Store) -> None:
    assert {r.id: p for r in good_store.records() if (p := report(good_store, r.id).problems)} == {}


def test_the_report_says_how_much_was_verified(store: Store) -> None:
    planted(store)
    found = report(store)
    groups = 2 * (4 * 64 * 64 + 2 * 64 * 256) // 4
    assert found.ok and found.level == "full" and found.run_id == "planted"
    assert f"masks of 12 matrices, {groups // 1000} {groups % 1000:03d} groups at 2:4: exact" in found.verified
    assert "SHA-256 of every mask equals the header's (12 matrices)" in found.verified
    assert "5 ADMM snapshots: Z obeys 2:4, shapes agree" in found.verified
    assert "6 scores (accuracy, 1 000 examples): finite" in found.verified


def test_a_summary_says_what_it_could_not_verify(store: Store) -> None:
    planted(store, record="summary")
    text = " | ".join(report(store).verified)
    assert "not verified: masks were not kept, so their SHA-256 cannot be recomputed" in text
    assert "summary only: the recorded counts per group obey 2:4" in text
    assert "masks of" not in text


def test_answers_alone_say_that_only_the_header_speaks_for_the_pattern(store: Store) -> None:
    planted(store, record="answers")
    assert report(store).problems == []
    text = " | ".join(report(store).verified)
    assert "not verified: neither masks nor counts per group were kept" in text and "thumbnails" not in text
    assert "answers to 1 000 examples give the header's accuracy" in text


@pytest.mark.parametrize(("matrix", "row"), [(QUERY, 17), (UP, 255)])
def test_one_bit_too_many_names_matrix_group_and_count(matrix: str, row: int, store: Store) -> None:
    planted(store)
    column = int(np.flatnonzero(kept(store, matrix)[row] == 0)[3])
    damage.flip_bit(folder(store), matrix, row, column)
    found, start = report(store), column // 4 * 4
    assert f"{matrix}: 1 group breaks 2:4: row {row}, inputs {start}..{start + 3} keep 3, allowed 2" in found.problems
    assert f"{matrix}: the mask's SHA-256 is not the header's" in found.problems
    assert all(p.startswith(matrix) for p in found.problems)
    assert not found.ok


def test_one_bit_too_few_names_matrix_group_and_count(store: Store) -> None:
    planted(store)
    column = int(np.flatnonzero(kept(store)[17])[5])
    damage.flip_bit(folder(store), QUERY, 17, column)
    found, start = report(store), column // 4 * 4
    assert (f"{QUERY}: the mask's SHA-256 is not the header's: row 17, inputs {start}..{start + 3} keep 1 of 2"
            in found.problems)
    assert any("groups that keep fewer than allowed: 1" in v for v in found.verified)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("flip_on", [True, False])
def test_any_flipped_bit_is_found_at_every_pattern(pattern: str, flip_on: bool, store: Store) -> None:
    planted(store, pattern=pattern, record="masks")
    row, column = (int(v) for v in np.argwhere(kept(store) == (0 if flip_on else 1))[7])
    damage.flip_bit(folder(store), QUERY, row, column)
    problems = report(store).problems
    assert any("SHA-256" in p for p in problems)
    over = [p for p in problems if f"1 group breaks {pattern}" in p]
    assert len(over) == flip_on, problems


def test_many_broken_groups_are_counted_and_the_first_spelled_out(store: Store) -> None:
    planted(store, record="masks")
    bits = np.full((64, 8), 255, np.uint8)
    damage.replace_arrays(folder(store), {f"mask/{QUERY}": bits})
    text = next(p for p in report(store).problems if "break" in p)
    assert text.startswith(f"{QUERY}: 1 024 groups break 2:4: row 0, inputs 0..3 keep 4, allowed 2; row 0, inputs 4..7")
    assert text.endswith("; and 1 021 more")


def test_a_mask_of_another_pattern_with_the_same_density_is_found(store: Store) -> None:
    """4:8 keeps as many as 2:4, and its header agrees with its masks: only the exact check can tell."""
    planted(store, pattern="4:8", record="masks")
    header = st.read_header(folder(store))
    spec = {f: getattr(header.spec, f) for f in header.spec.__struct_fields__} | {"pattern": "2:4"}
    damage.change_header(folder(store), spec=spec)
    text = "\n".join(report(store).problems)
    assert "groups break 2:4" in text and "SHA-256" not in text


def test_unused_bits_at_the_end_of_a_row_count(store: Store) -> None:
    """12 inputs need two bytes a row; four bits are unused and must be as the header's digest knows them."""
    parent = makers.make_dense(store.recorded, id="parent-12", hidden=12, ffn=12, heads=2, seed=1)
    planted(store, hidden=12, ffn=12, heads=2, seed=1, parent=parent, record="masks")
    bits = load_file(folder(store) / st.ARRAYS)[f"mask/{QUERY}"].copy()
    assert bits.shape == (12, 2) and report(store).ok
    bits[3, 1] |= 1
    damage.replace_arrays(folder(store), {f"mask/{QUERY}": bits})
    assert report(store).problems == [f"{QUERY}: the mask's SHA-256 is not the header's"]


@pytest.mark.parametrize(("level", "key", "value", "expected"), [
    ("masks", f"mask/{QUERY}", None, f"{QUERY}: the mask is missing, though the record level is 'masks'"),
    ("masks", f"mask/{QUERY}", np.zeros((64, 7), np.uint8),
     f"{QUERY}: the packed mask is uint8 [64, 7], not uint8 [64, 8]"),
    ("full", f"weight/{QUERY}", None, f"{QUERY}: the weights are missing, though the record level is 'full'"),
    ("full", f"weight/{QUERY}", np.zeros(2047, np.int8), f"{QUERY}: the weights are int8 [2047], not int8 [2048]"),
    ("full", f"scale/{QUERY}", np.full(64, np.nan, np.float32), f"array scale/{QUERY} is not finite"),
    ("full", f"scale/{QUERY}", np.ones(63, np.float32), f"{QUERY}: the scales are [63], not 64 positive numbers"),
    ("full", f"snapshot/3/u/{QUERY}", None,
     f"snapshot 3, {QUERY}: W, U or the mask is missing or has another shape"),
    ("full", f"snapshot/2/mask/{QUERY}", np.full((64, 8), 255, np.uint8),
     f"snapshot 2, {QUERY}: 1 024 groups break 2:4: row 0, inputs 0..3 keep 4, allowed 2; row 0, inputs 4..7 keep 4, "
     "allowed 2; row 0, inputs 8..11 keep 4, allowed 2; and 1 021 more"),
    ("lab", f"gram/{QUERY}", None, f"{QUERY}: the Gram matrix is missing"),
    ("summary", f"thumbnail/{QUERY}", None, f"{QUERY}: the thumbnail is missing"),
    ("summary", f"occupancy/{QUERY}", None, f"{QUERY}: no occupancy counts 0..4"),
    ("summary", f"occupancy/{QUERY}", np.array([0, 1, 1022, 1, 0]),
     f"{QUERY}: occupancy counts 1 groups that keep more than 2"),
    ("summary", f"occupancy/{QUERY}", np.array([0, 0, 1023, 0, 0]),
     f"{QUERY}: occupancy counts 1 023 groups, the matrix has 1 024"),
    ("summary", f"occupancy/{QUERY}", np.array([0, 1, 1023, 0, 0]),
     f"{QUERY}: occupancy counts 2 047 kept weights, the header 2 048"),
    ("masks", f"occupancy/{QUERY}", np.array([0, 1, 1022, 1, 0]),
     f"{QUERY}: the occupancy counts are [0, 1, 1022, 1, 0], the mask gives [0, 0, 1024, 0, 0]"),
    ("masks", "activation/p0/1", None, "probe p0: no activation of layer 1 for its 9 tokens"),
    ("masks", "attention/p1/2", np.zeros((4, 3, 3), np.uint8), "probe p1: no attention of layer 2 for 4 heads"),
])
def test_an_array_that_is_gone_or_wrong_is_named(level: str, key: str, value: np.ndarray | None, expected: str,
                                                 store: Store) -> None:
    planted(store, record=level)
    assert report(store).ok
    damage.replace_arrays(folder(store), {key: value})
    assert expected in report(store).problems


@pytest.mark.parametrize(("fields", "expected"), [
    ({"density": 0.25}, f"{QUERY}: the mask keeps 2 048 weights, the header says 1 024"),
    ({"mask_sha256": "0" * 64}, f"{QUERY}: the mask's SHA-256 is not the header's"),
    ({"mask_sha256": None}, f"{QUERY}: the header has no SHA-256 of the mask"),
    ({"violations": 3}, f"{QUERY}: the header itself counts 3 violations"),
    ({"kept_energy": 1.5}, f"{QUERY}: density, kept energy or moved is no share from 0 to 1"),
    ({"name": UP}, "the header lists a matrix twice"),
    ({"shape": [64, 66]}, f"Matrix '{QUERY}' is 66 wide. Expected a width divisible by 4 for 2:4. Choose an M that "
                          "divides 66: 2, 3, 6, 11, 22."),
])
def test_a_header_that_its_arrays_belie_is_found(fields: dict, expected: str, store: Store) -> None:
    planted(store, record="masks")
    matrices = [{f: getattr(m, f) for f in m.__struct_fields__} for m in st.read_header(folder(store)).matrices]
    matrices[0] |= fields
    damage.change_header(folder(store), matrices=matrices)
    assert expected in report(store).problems


@pytest.mark.parametrize(("results", "expected"), [
    (None, "the header has no results"),
    ({"metric": "accuracy", "n_eval": 10, "dense": 0.9, "one_shot": 0.5, "hard_pruned": 0.5}, "score final is missing"),
    ({"metric": "accuracy", "n_eval": 10, "final": 0.9, "one_shot": 0.5, "hard_pruned": 0.5}, "score dense is missing"),
    ({"metric": "accuracy", "n_eval": 10, "dense": 0.9, "one_shot": 0.5, "hard_pruned": 0.5, "final": 88.0},
     "score final is 88.0, not a number from -1 to 1"),
    ({"metric": "accuracy", "n_eval": 0, "dense": 0.9, "one_shot": 0.5, "hard_pruned": 0.5, "final": 0.5},
     "no evaluation examples"),
])
def test_scores_must_be_there_and_finite(results: dict | None, expected: str, store: Store) -> None:
    planted(store)
    damage.change_header(folder(store), results=results)
    assert expected in report(store).problems


def test_a_score_that_is_not_a_number_is_found_in_memory_too(store: Store) -> None:
    planted(store)
    run = store.open("planted")
    assert run.record.results
    run.record.results.admm_z = math.nan
    run.record.results.detail = {"f1": math.inf}
    problems = check(run).problems
    assert "score admm_z is nan, not a number from -1 to 1" in problems
    assert "detail f1 is inf, not finite" in problems


def test_the_parent_must_be_there_and_fit(store: Store) -> None:
    makers.make_run(store.recorded, id="orphan", parent="gone-s0")
    assert report(store, "orphan").problems == ["its dense parent gone-s0 is not in the store"]
    makers.make_run(store.recorded, id="nobody")
    assert report(store, "nobody").problems == ["it names no dense parent"]
    makers.make_run(store.recorded, id="cousin", parent="nobody")
    assert report(store, "cousin").problems == ["its parent nobody is no finished dense run"]
    other = makers.make_dense(store.recorded, layers=1, seed=3)
    makers.make_run(store.recorded, id="foundling", parent=other)
    assert report(store, "foundling").problems == [
        f"its parent {other} has other matrices", f"its parent {other} has another task, model or seed"]


@pytest.mark.parametrize("status", ["failed", "running", "cancelled", "queued"])
def test_a_run_that_has_not_succeeded_is_a_problem(status: str, store: Store) -> None:
    planted(store, status=status)
    (problem,) = report(store).problems
    assert problem.startswith(f"the run has not succeeded, it is {status}")


def test_damage_is_a_problem_and_not_a_crash(damaged_store: Store) -> None:
    problems = report(damaged_store, "truncated-arrays").problems
    assert any("arrays.safetensors of truncated-arrays cannot be read" in p for p in problems)


def test_arrays_that_are_gone_are_a_problem(store: Store) -> None:
    planted(store)
    (folder(store) / st.ARRAYS).unlink()
    assert "arrays.safetensors is missing or empty" in report(store).problems


def test_a_dense_run_that_claims_zeros_is_a_problem(store: Store) -> None:
    name = makers.run_named(store, method="dense")
    matrices = [{f: getattr(m, f) for f in m.__struct_fields__} for m in st.read_header(store.recorded / name).matrices]
    half = enc.mask_digest(enc.pack_mask(np.zeros((64, 64), np.uint8)))
    matrices[0] |= {"density": 0.5}
    matrices[1] |= {"mask_sha256": half}
    damage.change_header(store.recorded / name, matrices=matrices)
    assert report(store, name).problems == [
        f"{QUERY}: the header says density 0.5000 in a dense run",
        "bert.encoder.layer.0.attention.self.key: the SHA-256 is not that of a full mask"]
