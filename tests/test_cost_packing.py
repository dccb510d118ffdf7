"""Compact files against a decoder that knows nothing of ours: it reads safetensors by hand and bits one at a time. And
sizes against sums done by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from core.cost.container import Weights, read, write
from core.cost.forms import written
from core.cost.packing import from_bits, pack, to_bits
from core.errors import InputError
from core.runs.gridded import expand
from core.sparsity.grids import Grid
from core.sparsity.patterns import PATTERNS, parse_pattern
from core.sparsity.select import select_all
from tests.making import select

SHAPES = {"first": (4, 16), "second": (8, 32)}
SIZE = 4 * 16 + 8 * 32
GIVEN = "given:1x4:c,a,9"
FREE = ("dense", "2:4", "1:4", "3:4", "2:8", "4:8", "4:4", "unstructured:0.75", "global:0.6", "block:4x4:0.5")


def planted(text: str, grid: Grid | None = None) -> Weights:
    """Weights whose zeros obey the pattern, selected by the tests' own means; some kept weights are zero too."""
    rng = np.random.default_rng(7)
    raw = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    if text == GIVEN:  # every group takes one of the three supports 1100, 1010, 1001, at random
        supports = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]])
        masks = {n: supports[rng.integers(0, 3, w.size // 4)].reshape(w.shape) for n, w in raw.items()}
    else:
        masks = select(text, {n: np.abs(w) for n, w in raw.items()})
    keep = {n: m.astype(bool) for n, m in masks.items()}
    scales = {}
    for name, weight in raw.items():
        weight *= keep[name]
        weight[0, np.flatnonzero(keep[name][0])[0]] = 0.0
        if grid is not None:
            scales[name] = rng.uniform(0.1, 1, (weight.shape[0], weight.shape[1] // grid.chunk)).astype(np.float32)
            code = rng.integers(-grid.top, grid.top + 1, int(keep[name].sum())).astype(np.int8)
            raw[name] = expand(code, scales[name], keep[name].astype(np.uint8), weight.shape)
    return Weights(raw, {"bias": rng.normal(size=5).astype(np.float32)}, keep, scales)


def decoded(path: Path) -> dict[str, np.ndarray]:
    """All matrices of a file, by its documentation alone: one bit, one group, one weight at a time."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + length])
    said = header.pop("__metadata__")
    body = raw[8 + length:]

    def array(key: str, code: str) -> np.ndarray:
        start, stop = header[key]["data_offsets"]
        return np.frombuffer(body[start:stop], code)

    def bits(key: str) -> list[int]:
        return [byte >> place & 1 for byte in array(key, "u1").tolist() for place in range(7, -1, -1)]

    def number(stream: list[int], width: int) -> int:
        value = 0
        for _ in range(width):
            value = 2 * value + stream.pop(0)
        return value

    out, width, text = {}, int(said["bits"]), said["pattern"]
    for name, (rows, columns) in json.loads(said["shapes"]).items():
        index = bits(f"index/{name}") if f"index/{name}" in header else []
        codes = bits(f"codes/{name}") if width else []
        values = [] if width else array(f"values/{name}", "<f4").tolist()
        scales = array(f"scales/{name}", "<f4").reshape(rows, -1) if width else None
        found = np.zeros((rows, columns), np.float32)

        def put(row: int, column: int, found: np.ndarray = found, codes: list[int] = codes,
                values: list[float] = values, scales: np.ndarray | None = scales) -> None:
            if scales is None:
                found[row, column] = values.pop(0)
            else:
                level = number(codes, width) - (2 ** (width - 1) - 1)
                found[row, column] = np.float32(level) * scales[row, column // int(said["chunk"])]

        if text.startswith("block"):
            for top in range(0, rows, 4):
                for left in range(0, columns, 4):
                    if index.pop(0):
                        for k in range(16):
                            put(top + k // 4, left + k % 4)
        elif text.startswith("given"):
            library = bits("library")
            for row in range(rows):
                for left in range(0, columns, 4):
                    support = number(index, 2)
                    for k in range(4):
                        if library[4 * support + k]:
                            put(row, left + k)
        elif text[0].isdigit():
            n, m = (int(part) for part in text.split(":"))
            each = math.ceil(math.log2(m))
            for row in range(rows):
                for left in range(0, columns, m):
                    kept = (list(range(m)) if n == m else [number(index, each) for _ in range(n)] if n * each <= m
                            else [k for k in range(m) if index.pop(0)])
                    for k in kept:
                        put(row, left + k)
        else:
            for row in range(rows):
                for column in range(columns):
                    if text == "dense" or index.pop(0):
                        put(row, column)
        assert not values and len(codes) < 8 and len(index) < 8
        out[name] = found
    return out


@pytest.mark.parametrize("grid", [None, Grid(4, 8), Grid(3, 16)])
@pytest.mark.parametrize("text", [*FREE, GIVEN])
def test_a_file_read_bit_by_bit_holds_the_weights(text: str, grid: Grid | None, tmp_path: Path) -> None:
    weights, path = planted(text, grid), tmp_path / "model.safetensors"
    write(path, weights, parse_pattern(text), grid)
    naive, ours = decoded(path), read(path)
    for name, weight in weights.matrices.items():
        assert weight.any() and np.array_equal(naive[name], weight) and np.array_equal(ours.matrices[name], weight)
    assert np.array_equal(ours.other["bias"], weights.other["bias"])


@pytest.mark.parametrize(("text", "values", "index"), [
    ("dense", SIZE, 0), ("2:4", SIZE // 2, SIZE // 8), ("1:4", SIZE // 4, SIZE // 16),
    ("3:4", SIZE * 3 // 4, SIZE // 8),
    ("2:8", SIZE // 4, SIZE * 6 // 64), ("4:4", SIZE, 0), ("unstructured:0.75", SIZE // 4, SIZE // 8),
    ("block:4x4:0.5", SIZE // 2, 1 + 2), (GIVEN, SIZE // 2, SIZE // 16)])
def test_the_size_of_a_file_by_hand(text: str, values: int, index: int) -> None:
    """Bytes: 4 a float32 that is written, bits of the index, two bytes for a library of 3 x 4 bits, 5 other weights."""
    form = written("packed", planted(text), parse_pattern(text))
    library = 2 if text == GIVEN else 0
    assert {k: v for k, v in form.parts.items() if k != "header"} == {
        k: v for k, v in {"values": 4 * values, "index": index, "library": library, "other": 20}.items() if v}
    assert form.size == 4 * values + index + library + 20 + form.parts["header"] and form.same
    small = written("quantised", planted(text, Grid(4, 8)), parse_pattern(text), Grid(4, 8))
    assert small.parts["codes"] == values // 2 and small.parts["scales"] == SIZE // 8 * 4 and small.same


@pytest.mark.parametrize("grid", [None, Grid(3, 8)])
@pytest.mark.parametrize("text", [*FREE, GIVEN])
def test_what_is_written_is_what_storage_counts_up_to_header_and_padding(text: str, grid: Grid | None) -> None:
    form = written("packed", planted(text, grid), parse_pattern(text), grid)
    content = 8 * (form.size - form.parts["header"])
    assert 0 <= content - form.counted < 8 * 10  # at most ten tensors, each filled up to a byte


@pytest.mark.parametrize("text", [kind.example for kind in PATTERNS.values()])
def test_every_pattern_of_the_list_can_be_written(text: str, tmp_path: Path) -> None:
    """Also one that is added later: what `select` leaves of it is what comes back."""
    rng = np.random.default_rng(1)
    raw = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    pattern = parse_pattern(text).bound(raw)
    if pattern.coupled:  # its file is that of smaller matrices: see the test of a structured run
        assert pattern.budget.share is not None
        return
    masks = select_all(pattern, {name: torch.from_numpy(np.abs(weight)) for name, weight in raw.items()})
    keep = {name: mask.numpy() != 0 for name, mask in masks.items()}
    form = written("packed", Weights({n: w * keep[n] for n, w in raw.items()}, {}, keep), pattern)
    assert form.same and 0 <= 8 * (form.size - form.parts["header"]) - form.counted < 8 * 10


@pytest.mark.parametrize("each", ["", ":each"])
def test_learned_libraries_travel_with_the_file(each: str, tmp_path: Path) -> None:
    raw = planted("dense").matrices
    pattern, path = parse_pattern(f"library:2x4:3:5{each}").bound(raw), tmp_path / "model.safetensors"
    keep = {n: np.zeros(w.shape, bool) for n, w in raw.items()}
    for name, weight in raw.items():  # every block takes the support of a turn, whatever suits it
        supports, turn = pattern.of(name).library.supports, 0
        for top in range(0, weight.shape[0], 2):
            for left in range(0, weight.shape[1], 4):
                keep[name][top:top + 2, left:left + 4] = supports[turn % 5].reshape(2, 4)
                turn += 1
    pruned = {n: w * keep[n] for n, w in raw.items()}
    parts = write(path, Weights(pruned, {}, keep), pattern)
    assert parts["library"] == (2 if each else 1) * 5 and parts["index"] == 8 * 3 // 8 + 32 * 3 // 8
    assert all(np.array_equal(read(path).matrices[n], w) for n, w in pruned.items())


def test_numbers_of_any_width_come_back() -> None:
    rng = np.random.default_rng(0)
    for width in range(1, 9):
        numbers = rng.integers(0, 2**width, 37)
        packed = to_bits(numbers, width)
        assert "".join(f"{v:0{width}b}" for v in numbers) == "".join(f"{b:08b}" for b in packed)[:37 * width]
        assert np.array_equal(from_bits(packed, width, 37), numbers)
    with pytest.raises(ValueError, match="do not hold 46 numbers"):
        from_bits(to_bits(np.arange(37) % 8, 3), 3, 38 + 8)



def test_a_group_that_keeps_fewer_has_empty_places_and_one_that_keeps_more_is_refused() -> None:
    weight = np.array([[0, 0, 3, 0, 1, 2, 0, 0]], np.float32)
    found = pack(weight, weight != 0, parse_pattern("2:4"))
    assert found["values"].tolist() == [0, 3, 1, 2]
    assert f"{found['index'][0]:08b}" == "00100001"  # places 0 and 2, then 0 and 1
    weight[0, 0:2] = 1
    with pytest.raises(InputError, match="1 groups keep more than 2"):
        pack(weight, weight != 0, parse_pattern("2:4"))
    with pytest.raises(InputError, match="are on none of the library's supports"):
        pack(weight[:, 4:], np.array([[0, 1, 1, 0]], bool), parse_pattern(GIVEN), parse_pattern(GIVEN).library.supports)


def test_weights_outside_of_their_mask_do_not_come_back_and_that_is_noticed() -> None:
    weights = planted("2:4")
    weights.matrices["first"][np.where(~weights.keep["first"])[0][0], np.where(~weights.keep["first"])[1][0]] = 9
    assert not written("packed", weights, parse_pattern("2:4")).same


@pytest.mark.parametrize(("change", "words"), [
    ({"format": "other"}, "is no packed model of ours"), ({"pattern": "9:4"}, "N no larger than M"),
    ({"shapes": '{"first": [4, 32]}'}, "cannot be read"), ({"shapes": "{"}, "cannot be read"),
    ({"bits": "4", "chunk": "8"}, "cannot be read"), ({"shapes": '{"third": [4, 16]}'}, "cannot be read")])
def test_a_file_that_lies_is_refused(change: dict[str, str], words: str, tmp_path: Path) -> None:
    path, weights = tmp_path / "model.safetensors", planted("2:4")
    found = pack(weights.matrices["first"], weights.keep["first"], parse_pattern("2:4"))
    said = {"format": "sparsescope-packed/1", "pattern": "2:4", "bits": "0", "chunk": "0",
            "shapes": '{"first": [4, 16]}'}
    tensors = {f"{part}/first": array for part, array in found.items()}
    save_file(tensors, path, metadata=said)
    assert np.array_equal(read(path).matrices["first"], weights.matrices["first"])
    save_file(tensors, path, metadata=said | change)
    with pytest.raises(InputError, match=words):
        read(path)
    path.write_bytes(b"not at all")
    with pytest.raises(InputError, match="cannot be read"):
        read(path)
