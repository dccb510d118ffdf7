"""Quantised runs, end to end on the smallest model, and the check of what they keep."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.running.pipeline import resolve, run
from core.runs import gridded
from core.runs.checks.folder_check import check
from core.runs.keeping import keep
from core.runs.records import RunRecord
from core.runs.store import ARRAYS, Store, read_header
from core.sparsity.grids import Grid
from tests import damage

SMALL = {"task": "agreement", "model": "tiny", "train_examples": 160, "dev_examples": 60, "dense_epochs": 0.5,
         "calibration": 32}
QUERY = "bert.encoder.layer.0.attention.self.query"
RUNS = [("magnitude", "dense", 8, 64, None), ("admm-layer", "dense", 4, 64, None), ("admm-layer", "2:4", 4, 0, None),
        ("admm-layer", "2:4", 8, 16, 0.6), ("admm", "dense", 4, 64, 1.0), ("admm", "2:4", 4, 64, 1.0),
        ("asp", "unstructured:0.5", 3, 32, 0.6)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("store")
    (root / "cached_runs").mkdir()
    return Store(recorded=root / "cached_runs", live=root / "runs")


def made(store: Store, method: str, pattern: str, bits: int, chunk: int, epochs: float | None) -> RunRecord:
    given = {**SMALL, "method": method, "pattern": pattern, "bits": bits, "chunk": chunk}
    return run(resolve(given | ({"epochs": epochs} if epochs else {})), store=store)


def levels_of(weight: np.ndarray, scale: np.ndarray, top: int) -> np.ndarray:
    """The code of every weight, found by trying all of them; fails where none gives the weight bit for bit."""
    step = np.repeat(scale, weight.shape[1] // scale.shape[1], axis=1)
    found = np.full(weight.shape, 999)
    for code in range(-top, top + 1):
        found[(np.float32(code) * step == weight) & (found == 999)] = code
    assert (found != 999).all()
    return found


@pytest.mark.parametrize(("method", "pattern", "bits", "chunk", "epochs"), RUNS)
def test_a_quantised_run_checks_and_gives_its_weights_back_bit_for_bit(
        store: Store, method: str, pattern: str, bits: int, chunk: int, epochs: float | None) -> None:
    record = made(store, method, pattern, bits, chunk, epochs)
    report = check(store.open(record.id))
    assert report.problems == [] and f"-int{bits}-" in record.id
    assert any(text.startswith("grid: codes times scales are the final weights") for text in report.verified)
    opened, model = store.open(record.id), load_file(store.live / record.id / "checkpoint" / "model.safetensors")
    assert record.results is not None and record.results.hard_pruned is not None
    for m in record.matrices:
        weight, scale, levels = opened.weight(m.name), opened.array(f"grid/{m.name}"), opened.array(f"levels/{m.name}")
        assert weight is not None and scale is not None and levels is not None
        assert weight.tobytes() == model[f"{m.name}.weight"].astype(np.float32).tobytes()
        assert scale.shape == (m.shape[0], m.shape[1] // (chunk or m.shape[1])) and m.off_grid == 0
        code, top, mask = levels_of(weight, scale, 2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1, opened.mask(m.name)
        assert mask is not None and not weight[mask == 0].any()
        by_hand = [int(((code == c) & (mask == 1)).sum()) for c in range(-top, top + 1)]
        assert levels.tolist() == by_hand
        assert f"weight/{m.name}" not in opened.keys and f"scale/{m.name}" not in opened.keys
    trained = [s for s in record.snapshots if s.phase == "admm"]
    for s in trained:
        steps = opened.array(f"snapshot/{s.k}/grid/{QUERY}")
        assert steps is not None and steps.shape == opened.array(f"grid/{QUERY}").shape  # type: ignore[union-attr]
    assert bool(trained) == (method == "admm")


@pytest.fixture
def copied(store: Store, tmp_path: Path) -> tuple[Store, Path]:
    """A store of its own with a quantised 2:4 run and its parent, to be damaged."""
    record = made(store, *RUNS[2])
    live = tmp_path / "runs"
    for name in (record.id, record.parent or ""):
        shutil.copytree(store.live / name, live / name)
    (tmp_path / "cached_runs").mkdir()
    return Store(tmp_path / "cached_runs", live), live / record.id


def problems(copied: tuple[Store, Path]) -> str:
    return "\n".join(check(copied[0].open(copied[1].name)).problems)


def altered(folder: Path, key: str, change: object) -> None:
    values = load_file(folder / ARRAYS)[key].copy()
    change(values)  # type: ignore[operator]
    damage.replace_arrays(folder, {key: values})


def one(values: np.ndarray, at: int) -> None:
    values[at] += 1 if values[at] < 7 else -1


@pytest.mark.parametrize("row", [0, 700, 2047])
def test_one_altered_code_is_found(copied: tuple[Store, Path], row: int) -> None:
    altered(copied[1], f"code/{QUERY}", lambda values: one(values, row))
    found = problems(copied)
    assert f"{QUERY}: codes times scales are not the final weights" in found and "the counts of its levels" in found


def test_two_swapped_codes_keep_the_counts_and_are_found_by_the_digest(copied: tuple[Store, Path]) -> None:
    def swap(values: np.ndarray) -> None:
        other = int(np.flatnonzero(values != values[0])[0])
        values[[0, other]] = values[[other, 0]]

    altered(copied[1], f"code/{QUERY}", swap)
    assert problems(copied) == f"{QUERY}: codes times scales are not the final weights: their SHA-256 is not the " \
                               "header's"


def test_one_altered_scale_is_found_to_the_last_bit(copied: tuple[Store, Path]) -> None:
    def nudge(values: np.ndarray) -> None:
        values[3, 0] = np.nextafter(values[3, 0], np.float32(1))

    altered(copied[1], f"grid/{QUERY}", nudge)
    assert "codes times scales are not the final weights" in problems(copied)


@pytest.mark.parametrize(("key", "value", "words"), [
    (f"levels/{QUERY}", None, "no counts of its 15 levels"),
    (f"levels/{QUERY}", np.ones(15, np.int64), "the levels count 15 weights, the header keeps 2048"),
    (f"grid/{QUERY}", None, "the scales are missing, or not float32 [64, 1]"),
    (f"grid/{QUERY}", np.full((64, 1), -1, np.float32), "a scale is negative"),
    (f"code/{QUERY}", None, "the codes are missing, or not int8 [2048]"),
    (f"code/{QUERY}", np.full(2048, 8, np.int8), "a code is beyond level 7")])
def test_what_is_missing_or_wrong_is_named(copied: tuple[Store, Path], key: str, value: np.ndarray | None,
                                           words: str) -> None:
    damage.replace_arrays(copied[1], {key: value})
    assert f"{QUERY}: {words}" in problems(copied)


@pytest.mark.parametrize(("fields", "words"), [({"off_grid": 3}, "counts 3 weights off the grid"),
                                               ({"weight_sha256": None}, "has no SHA-256 of the weights"),
                                               ({"weight_sha256": "0" * 64}, "their SHA-256 is not the header's")])
def test_a_header_that_belies_its_weights_is_found(copied: tuple[Store, Path], fields: dict, words: str) -> None:
    matrices = [{f: getattr(m, f) for f in m.__struct_fields__} for m in read_header(copied[1]).matrices]
    matrices[0] |= fields
    damage.change_header(copied[1], matrices=matrices)
    assert words in problems(copied)


@pytest.mark.parametrize(("level", "held"), [("summary", {"levels"}), ("masks", {"levels", "grid"}),
                                             ("full", {"levels", "grid", "code"})])
def test_a_kept_run_says_what_its_level_lets_it_verify(copied: tuple[Store, Path], level: str, held: set[str]) -> None:
    store, folder = copied
    keep(store, folder.name, level)  # type: ignore[arg-type]
    shutil.rmtree(folder)
    found = check(store.open(folder.name))
    assert found.problems == []
    kinds = {key.partition("/")[0] for key in store.open(folder.name).keys}
    assert kinds & {"levels", "grid", "code", "weight"} == held
    assert any("counted on one of 15 (4 bits)" in text for text in found.verified)
    assert any("codes were not kept" in text for text in found.verified) == (level != "full")


def test_the_checker_of_levels_counts_what_lies_between_them() -> None:
    scale = np.array([[0.1, 0.0], [0.3, 0.2]], np.float32)
    step = np.repeat(scale, 2, axis=1)
    weight = np.array([[7, -7, 0, 0], [1, 2, 3, -1]], np.float32) * step
    assert gridded.off_grid(weight, scale, 7) == 0
    for place, value in (((0, 0), 0.8), ((0, 2), 1e-9), ((1, 1), np.nextafter(weight[1, 1], np.float32(1))),
                         ((1, 3), np.nan)):
        wrong = weight.copy()
        wrong[place] = value
        assert gridded.off_grid(wrong, scale, 7) == 1
    assert gridded.off_grid(weight, scale, 3) == 2
    zero = np.zeros((1, 4), np.float32)
    assert gridded.weight_digest(zero) != gridded.weight_digest(-zero)


def test_a_spec_without_bits_has_no_grid() -> None:
    assert gridded.grid_of(resolve({**SMALL, "method": "magnitude", "pattern": "2:4"})) is None
    assert gridded.grid_of(resolve({**SMALL, "method": "magnitude", "pattern": "2:4", "bits": 8})) == Grid(8, 64)
