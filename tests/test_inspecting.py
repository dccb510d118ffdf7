"""The inspector finds what was planted, and nothing where nothing was; bf16 is decoded bit by bit."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.inspecting.finding import find
from core.inspecting.looking import inspect
from core.inspecting.numbers import decode
from core.inspecting.report import Report
from core.sparsity.patterns import parse_pattern
from tests.checkpoints import LAYER, QUERY, file_bytes, nm, noise, scattered, write

NAME = "m"


def report_on(folder: Path, *matrices: np.ndarray, config: object = None, **extra: np.ndarray) -> Report:
    tensors = {LAYER.format(k, QUERY): matrix for k, matrix in enumerate(matrices)}
    return inspect(write(folder, tensors | {k.replace("__", "."): v for k, v in extra.items()}, config))


# -- patterns ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("n", "m"), [(1, 2), (1, 4), (2, 4), (3, 4), (4, 8), (3, 8), (6, 16), (15, 16), (16, 32),
                                      (9, 32), (31, 32)])
def test_a_planted_nm_is_named_and_the_tightest_n_of_every_m_is_a_loop_s(n: int, m: int) -> None:
    weights = nm(n, m)
    found = find(weights != 0, NAME)
    assert (found.pattern, found.violations, found.groups) == (f"{n}:{m}", 0, weights.size // m)
    for width, tightest in found.tightest.items():
        counts = [np.count_nonzero(row[k:k + int(width)]) for row in weights for k in range(0, 64, int(width))]
        assert tightest == max(counts)


@pytest.mark.parametrize("m", [m for m in range(2, 33) if m not in (2, 4, 8, 16, 32)])
def test_groups_of_every_width_that_the_product_makes_are_found(m: int) -> None:
    n = max(m // 2, 2)
    found = find(nm(n, m, 64, 3 * m) != 0, NAME)
    assert (found.pattern, found.violations) == (f"{n}:{m}", 0)


@pytest.mark.parametrize(("n", "m", "further"), [(2, 4, 0.15), (2, 4, 0.3), (16, 32, 0.1), (4, 8, 0.2)])
def test_a_pattern_with_further_zeros_is_found_by_what_chance_could_not_do(n: int, m: int, further: float) -> None:
    weights = nm(n, m, 128, 128)
    weights[np.random.default_rng(4).random(weights.shape) < further] = 0
    found = find(weights != 0, NAME)
    assert (found.pattern, found.violations) == (f"{n}:{m}", 0)


def test_one_violation_at_a_known_place_is_named(tmp_path: Path) -> None:
    weights = nm(2, 4)
    weights[17, 20:24] = 1
    report = report_on(tmp_path, weights)
    found = report.matrices[0].found
    assert (found.pattern, found.violations) == ("2:4", 1)
    assert found.examples == ("bert.encoder.layer.0.attention.self.query: row 17, inputs 20..23 keep 4, allowed 2",)
    assert report.verdict[0] == \
        "The one matrix of the layers (all parameters) nearly obeys 2:4 (1 violation in 1 024 groups)."


@pytest.mark.parametrize("sparsity", [0.1, 0.3, 0.5, 0.7, 0.75, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("seed", range(3))
def test_zeros_anywhere_are_no_pattern(sparsity: float, seed: int) -> None:
    assert find(scattered(sparsity, 128, 256, seed) != 0, NAME).pattern == "unstructured"


def test_a_dense_matrix_is_dense_even_with_a_stray_zero() -> None:
    weights = noise()
    assert find(weights != 0, NAME).pattern == "dense"
    weights[3, 5] = 0
    assert find(weights != 0, NAME).pattern == "dense"


def test_what_is_all_zero_obeys_no_pattern_worth_a_name(tmp_path: Path) -> None:
    found = find(np.zeros((32, 64), bool), NAME)
    assert found.pattern == "all zero" and not found.along_output and not found.tightest and not found.blocks
    assert (found.rows, found.columns) == (32, 64)
    report = report_on(tmp_path, np.zeros((32, 64), np.float32))
    assert report.verdict[0].endswith("is zero throughout.") and not report.remarks


def test_whole_rows_columns_and_both_along_with_a_pattern() -> None:
    weights = noise()
    weights[[3, 40]] = 0
    found = find(weights != 0, NAME)
    assert (found.pattern, found.rows, found.columns) == ("rows", 2, 0)
    found = find((weights != 0).T, NAME)
    assert (found.pattern, found.rows, found.columns) == ("columns", 0, 2)
    weights = nm(2, 4)
    weights[:30] = 0  # a row that is gone is no evidence against 2:4
    found = find(weights != 0, NAME)
    assert (found.pattern, found.rows, found.violations) == ("2:4", 30, 0)


@pytest.mark.parametrize("side", [2, 4, 8, 16, 32])
def test_whole_blocks_and_a_torn_one(side: int) -> None:
    across = 128 // side
    keep = np.random.default_rng(side).random((across, across)) < 0.5
    keep[0, :2] = [False, True]
    weights = noise(128, 128) * np.kron(keep, np.ones((side, side), np.float32))
    found = find(weights != 0, NAME)
    assert (found.pattern, found.violations) == (f"{side}x{side} blocks", 0)
    assert found.blocks[f"{side}x{side}"] == pytest.approx(1 - keep.mean())
    if side == 4:
        weights[1, 2] = 7  # in the first block, which is gone
        found = find(weights != 0, NAME)
        assert (found.pattern, found.violations) == ("4x4 blocks", 1)
        assert found.examples == ("m: rows 0..3, inputs 0..3 keep 1, allowed 0",)


@pytest.mark.parametrize(("rows", "columns"), [(1, 4), (1, 16), (8, 1), (32, 1)])
def test_blocks_of_one_row_or_one_column(rows: int, columns: int) -> None:
    keep = np.random.default_rng(rows).random((64 // rows, 64 // columns)) < 0.5
    found = find(noise() * np.kron(keep, np.ones((rows, columns), np.float32)) != 0, NAME)
    assert (found.pattern, found.violations) == (f"{rows}x{columns} blocks", 0)
    assert found.rule is not None and found.rule.sparsity == pytest.approx(1 - keep.mean())


def test_heads_are_rows_of_the_query_and_columns_of_the_output(tmp_path: Path) -> None:
    query, output = noise(), noise()
    query[16:32] = 0
    output[:, 16:32] = 0
    tensors = {LAYER.format(0, QUERY): query, LAYER.format(0, "attention.output.dense"): output,
               LAYER.format(0, "intermediate.dense"): noise()}
    report = inspect(write(tmp_path, tensors, {"num_attention_heads": 4}))
    found = {m.name.rpartition("layer.0.")[2]: m.found for m in report.matrices}
    assert found[QUERY].pattern == found["attention.output.dense"].pattern == "heads"
    assert found[QUERY].heads == found["attention.output.dense"].heads == (1, 4)
    assert found["intermediate.dense"].heads is None
    assert report.verdict[0] == \
        "Of 3 matrices of the layers (all parameters), 2 lose whole attention heads and 1 is dense."


def test_a_matrix_stored_the_other_way_round_is_remarked(tmp_path: Path) -> None:
    report = report_on(tmp_path, np.ascontiguousarray(nm(2, 4).T))
    assert report.matrices[0].found.along_output == "2:4"
    assert any("along its outputs" in text for text in report.remarks)
    assert not report_on(tmp_path, nm(2, 4)).remarks


# -- grids -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("bits", "chunk"), [(2, 0), (4, 0), (4, 64), (8, 0), (8, 64), (3, 32)])
@pytest.mark.parametrize("pruned", [False, True])
def test_a_planted_grid_is_found(tmp_path: Path, bits: int, chunk: int, pruned: bool) -> None:
    chance, top, width = np.random.default_rng(bits), 2 ** (bits - 1) - 1, 192
    codes = chance.integers(-top, top + 1, size=(64, width))
    codes[:, ::8] = top
    scale = chance.uniform(0.01, 0.1, size=(64, width // (chunk or width))).astype(np.float32)
    weights = codes.astype(np.float32) * np.repeat(scale, chunk or width, axis=1)
    if pruned:
        weights *= nm(2, 4, 64, width) != 0
    assert report_on(tmp_path, weights).matrices[0].grid == (bits, chunk)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_free_values_and_few_values_are_on_no_grid(tmp_path: Path, kind: type) -> None:
    chance = np.random.default_rng(1)
    uneven = np.array([-1.0, -0.37, 0.0, 0.23, 0.81], np.float32)[chance.integers(0, 5, (64, 64))]
    report = report_on(tmp_path, noise(64, 192).astype(kind), nm(2, 4).astype(kind), nm(1, 16).astype(kind), uneven)
    assert [m.grid for m in report.matrices] == [None, None, None, None]
    one_off = (chance.integers(-7, 8, (64, 64)) * 0.03).astype(kind)
    one_off[40, 40] = 0.0444
    assert report_on(tmp_path, one_off).matrices[0].grid is None


def test_a_grid_is_found_where_no_two_values_are_one_step_apart(tmp_path: Path) -> None:
    codes = np.array([-7, -5, 0, 5, 7])[np.random.default_rng(0).integers(0, 5, (64, 64))]
    assert report_on(tmp_path, codes * np.float32(0.03)).matrices[0].grid == (4, 0)


@pytest.mark.parametrize(("bits", "kind"), [(6, "float16"), (5, "float16"), (4, "bf16"), (2, "bf16")])
def test_a_grid_rounded_to_half_precision_is_found(tmp_path: Path, bits: int, kind: str) -> None:
    top, chance = 2 ** (bits - 1) - 1, np.random.default_rng(bits)
    codes = chance.integers(-top, top + 1, (64, 192))
    codes[:, 0] = top
    weights = codes.astype(np.float32) * chance.uniform(0.01, 0.1, (64, 1)).astype(np.float32)
    stored = ((weights.view(np.uint32) + 0x8000) >> 16).astype(np.uint16) if kind == "bf16" else weights.astype(kind)
    assert report_on(tmp_path, stored).matrices[0].grid == (bits, 0)


def test_one_weight_a_row_is_no_evidence_of_a_grid(tmp_path: Path) -> None:
    assert report_on(tmp_path, nm(1, 16, 64, 16)).matrices[0].grid is None


# -- types -------------------------------------------------------------------------------------------------------

def test_bf16_is_decoded_as_a_naive_decoder_does() -> None:
    codes = np.arange(1 << 16, dtype="<u2")
    decoded = decode(codes.view(np.uint8), "BF16")
    for code in range(0, 1 << 16, 7):
        sign, power, fraction = code >> 15, code >> 7 & 255, code & 127
        if power == 255:
            assert np.isnan(decoded[code]) if fraction else np.isinf(decoded[code])
            continue
        value = (1 + fraction / 128) * 2.0 ** (power - 127) if power else fraction / 128 * 2.0 ** -126
        assert float(decoded[code]) == (-value if sign else value)


@pytest.mark.parametrize("kind", ["float64", "float16", "bf16"])
def test_other_floats_give_the_same_finding(tmp_path: Path, kind: str) -> None:
    weights = nm(2, 4)
    weights[weights != 0] += np.sign(weights[weights != 0])  # away from what half precision makes zero
    weights[0, np.flatnonzero(weights[0] == 0)[0]] = -0.0  # a zero too
    as_stored = (weights.view(np.uint32) >> 16).astype(np.uint16) if kind == "bf16" else weights.astype(kind)
    matrix = report_on(tmp_path, as_stored).matrices[0]
    assert (matrix.found.pattern, matrix.zeros, matrix.found.violations) == ("2:4", weights.size // 2, 0)
    assert matrix.stored == as_stored.nbytes


def test_types_that_are_not_understood_are_said(tmp_path: Path) -> None:
    raw = file_bytes({"a.0.q.weight": np.zeros((4, 4), np.int32), "a.0.k.weight": nm(2, 4)})
    (tmp_path / "x.safetensors").write_bytes(raw)
    report = inspect(tmp_path / "x.safetensors")
    assert [m.name for m in report.matrices] == ["a.0.k"]
    assert report.remarks == ("1 matrix (0.1 kB) is not read: whole numbers, perhaps packed. Nothing is said of its "
                              "values.",)
    assert report.verdict[0] == \
        "The one matrix of the layers that could be read (99.6 % of the bytes) obeys 2:4; 1 more is not read."


def test_what_is_no_number_is_said(tmp_path: Path) -> None:
    weights = noise()
    weights[1, 2], weights[3, 4] = np.nan, np.inf
    report = report_on(tmp_path, weights)
    assert report.matrices[0].not_finite == 2 and "2 values" in report.remarks[0]
    assert report.matrices[0].zeros == 0


# -- the whole file ----------------------------------------------------------------------------------------------

def test_the_verdict_on_a_sparse_model_and_its_bytes(tmp_path: Path) -> None:
    extra = {"bert__embeddings__word_embeddings__weight": noise(), "classifier__weight": noise(2, 64),
             "bert__encoder__layer__0__x__bias": np.zeros(64, np.float32)}
    report = report_on(tmp_path, nm(2, 4), nm(2, 4, seed=5), **extra)
    assert report.verdict == (
        "All 2 matrices of the layers (65.6 % of the parameters) obey 2:4.", "50.0 % of their weights are zero.",
        "Embeddings and head are dense.",
        "Stored dense: the zeros take as much room as other weights, 32.8 kB where 17.4 kB would do.")
    assert sum(m.compact for m in report.judged) == 2 * 1024 * (2 * 4 * 8 + 4) // 8  # two float32 and 4 bits a group
    assert {r.kind: (r.tensors, r.weights, r.zeros) for r in report.rest} == {
        "embeddings": (1, 4096, 0), "norms, biases and other": (1, 64, 64)}


def test_the_verdict_on_a_dense_model(tmp_path: Path) -> None:
    assert report_on(tmp_path, noise(), noise()).verdict == (
        "Not sparse: 0.0 % zeros in the 2 matrices of the layers (all parameters).",)
    assert report_on(tmp_path).verdict[0].startswith("No matrix")


def test_a_pattern_that_is_asked_for_is_judged(tmp_path: Path) -> None:
    folder = write(tmp_path, {LAYER.format(0, QUERY): nm(2, 4), LAYER.format(1, QUERY): noise(),
                              "classifier.weight": noise(2, 64)})
    report = inspect(folder, pattern=parse_pattern("2:4"))
    assert [m.asked.violations if m.asked else None for m in report.matrices] == [0, 1024, None]
    assert not report.ok and report.verdict[0] == \
        "2:4 does not hold: 1 of 2 matrices (98.5 % of the parameters) break it, with 1 024 violations."
    report = inspect(folder, "*.0.*", parse_pattern("4:8"))
    assert report.ok and report.verdict[0] == "4:8 holds in 1 matrix (49.2 % of the parameters)."
    assert not inspect(folder, pattern=parse_pattern("3:5")).ok  # 64 inputs are no groups of five
    for bad in ("global:0.5", "library:4x4:8:16"):
        with pytest.raises(InputError, match="Expected"):
            inspect(folder, pattern=parse_pattern(bad))
    with pytest.raises(InputError, match=r"None of 3 matrices matches 'nothing'.*\*query' finds it"):
        inspect(folder, "nothing")


def test_shards_are_one_model(tmp_path: Path) -> None:
    for k in (10, 2):
        (tmp_path / f"part-{k}.safetensors").write_bytes(file_bytes({LAYER.format(k, QUERY): nm(2, 4, seed=k)}))
    places = {LAYER.format(k, QUERY): f"part-{k}.safetensors" for k in (10, 2)}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    report = inspect(tmp_path)
    assert report.files == 2 and [m.found.pattern for m in report.matrices] == ["2:4", "2:4"]
    assert [".2." in m.name for m in report.matrices] == [True, False]  # in the order of the layers


def test_ten_million_weights_take_seconds(tmp_path: Path) -> None:
    shapes = [(384, 384)] * 4 + [(1536, 384), (384, 1536)]
    small = nm(2, 4, 128, 128)
    tensors = {LAYER.format(k // 6, f"m{k % 6}"): np.tile(small, (r // 128, c // 128))
               for k, (r, c) in enumerate(shapes * 6)}
    folder = write(tmp_path, tensors)
    started = time.perf_counter()
    report = inspect(folder)
    assert time.perf_counter() - started < 5
    assert sum(m.shape[0] * m.shape[1] for m in report.matrices) == 10_616_832
    assert {m.found.pattern for m in report.matrices} == {"2:4"}


def test_struct_agrees_on_half_precision() -> None:
    raw = struct.pack("<3e", 1.5, -0.25, 6.1e-5)
    assert decode(np.frombuffer(raw, np.uint8), "F16").tolist() == list(struct.unpack("<3e", raw))
