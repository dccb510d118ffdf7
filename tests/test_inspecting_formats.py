"""Formats that people bring: planted matrices, written by loops or by torch, are read back weight by weight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.inspecting.looking import inspect
from tests import packing
from tests.checkpoints import noise, write
from tests.reading_back import CHANCE, MODULE, codes_24, in_module, matrices_of, only

# -- bitmasks ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("named", ["", "weight."])
@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int8])
def test_a_bitmask_with_what_stays_is_put_together(tmp_path: Path, named: str, kind: type) -> None:
    weights = codes_24(width=60).astype(kind)  # 60 bits: the last byte of a row is half full
    folder = write(tmp_path, in_module({named + n: a for n, a in packing.bitmask(weights).items()}))
    report = only(folder, weights)
    assert report.verdict[0] == "The one matrix of the layers (all parameters) obeys 2:4."
    assert "a bitmask with what stays" in " ".join(report.verdict) and "Stored dense" not in " ".join(report.verdict)


def test_a_24_bitmask_keeps_its_values_in_rows_and_zeros_among_them_stay_zeros(tmp_path: Path) -> None:
    weights = codes_24().astype(np.float32)
    parts = packing.bitmask(weights, flat=False)
    parts["compressed"][5, 3] = 0
    place = np.flatnonzero(weights[5])[3]
    weights[5, place] = 0
    assert only(write(tmp_path, in_module(parts)), weights).matrices[0].found.pattern == "2:4"


def test_a_bitmask_that_marks_more_than_is_stored_is_damaged(tmp_path: Path) -> None:
    parts = packing.bitmask(codes_24().astype(np.float32))
    parts["compressed"] = parts["compressed"][:-1]
    with pytest.raises(InputError, match="marks 2048 weights, and 2047 are stored"):
        inspect(write(tmp_path, in_module(parts)))


# -- packed codes ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("chunks", [0, 1, 4])
def test_packed_codes_are_zero_at_their_zero_point(tmp_path: Path, bits: int, chunks: int) -> None:
    codes = codes_24(top=3)
    zero = CHANCE.integers(-4, 4, (64, chunks)) if chunks else None
    report = only(write(tmp_path, in_module(packing.pack_quantized(codes, bits, zero))), codes)
    assert report.matrices[0].found.pattern == "2:4" and report.matrices[0].grid == (bits, 0)
    assert report.matrices[0].dtype == f"{bits} bits"


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("said", [{}, {"checkpoint_format": "gptq_v2"}])
def test_gptq_is_unpacked_and_turned(tmp_path: Path, bits: int, said: dict[str, str]) -> None:
    codes = codes_24(96, 64, top=1)
    zero = CHANCE.integers(1, (1 << bits) - 1, (4, 96))
    parts = packing.gptq(codes, bits, zero, gain=0 if said else 1)
    report = only(write(tmp_path, in_module(parts), {"quantization_config": {"quant_method": "gptq", **said}}), codes)
    assert report.matrices[0].found.pattern == "2:4" and report.matrices[0].grid == (bits, 16)


def test_gptq_with_inputs_in_another_order(tmp_path: Path) -> None:
    codes, order = codes_24(32, 64, top=2), CHANCE.permutation(np.arange(64) % 4)
    only(write(tmp_path, in_module(packing.gptq(codes, 4, CHANCE.integers(3, 12, (4, 32)), order))), codes)


def test_awq_is_put_back_in_order(tmp_path: Path) -> None:
    codes = codes_24(48, 64, top=3)
    only(write(tmp_path, in_module(packing.awq(codes, CHANCE.integers(4, 12, (2, 48))))), codes)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(("out", "width"), [(64, 64), (128, 96)])
def test_the_marlin_kernel_s_tiles_and_places_are_undone(tmp_path: Path, bits: int, out: int, width: int) -> None:
    codes = codes_24(out, width, top=7)
    assert only(write(tmp_path, in_module(packing.marlin(codes, bits))), codes).matrices[0].found.pattern == "2:4"


def test_floats_of_four_bits_two_a_byte(tmp_path: Path) -> None:
    halves = np.where(codes_24(64, 64) != 0, CHANCE.choice([-6, -1.5, 0.5, 3.0], (64, 64)), 0).astype(np.float32)
    parts = {"weight_packed": packing.fp4(halves), "weight_scale": np.ones((64, 4), np.uint8)}
    assert only(write(tmp_path, in_module(parts)), halves).matrices[0].found.pattern == "2:4"


def test_experts_in_blocks_of_four_bits(tmp_path: Path) -> None:
    halves = np.where(codes_24(3 * 32, 64) != 0, np.float32(2), np.float32(0))
    name = "model.layers.1.mlp.experts.down_proj"
    found = matrices_of(write(tmp_path, {f"{name}_blocks": packing.fp4(halves).reshape(3, 32, 2, 16),
                                         f"{name}_scales": np.ones((3, 32, 2), np.uint8)}))
    for k in range(3):
        np.testing.assert_array_equal(found[f"{name}[{k}]"], halves[32 * k:32 * k + 32])


# -- codes and small floats with scales ---------------------------------------------------------------------------

@pytest.mark.parametrize("scale", ["weight_scale", "SCB", "weight_scale_inv", "scale", "weight.scale"])
def test_codes_of_8_bits_are_judged_and_their_scales_are_no_matrices(tmp_path: Path, scale: str) -> None:
    codes = codes_24(top=127).astype(np.int8)
    report = only(write(tmp_path, in_module({"weight": codes, scale: noise(64, 4)})), codes)
    assert report.matrices[0].found.pattern == "2:4" and report.matrices[0].grid == (8, 16)
    assert "codes of 8 bits" in " ".join(report.verdict)


def test_codes_of_8_bits_are_zero_at_their_zero_point(tmp_path: Path) -> None:
    codes, zero = codes_24(top=50), CHANCE.integers(-60, 60, (64, 4))
    stored = (codes + np.repeat(zero, 16, axis=1)).astype(np.int8)
    parts = {"weight": stored, "weight_scale": np.ones((64, 4), np.float32), "weight_zero_point": zero.astype(np.int8)}
    assert only(write(tmp_path, in_module(parts)), codes).matrices[0].found.pattern == "2:4"


def test_dense_codes_are_dense_though_rounding_makes_some_zero(tmp_path: Path) -> None:
    weights = noise(64, 256)
    codes = np.rint(weights / abs(weights).max(axis=1, keepdims=True) * 127).astype(np.int8)
    codes[::2] //= 2  # a wider step
    assert 0.012 < (codes == 0).mean() < 0.02
    report = inspect(write(tmp_path, in_module({"weight": codes, "weight_scale": noise(64, 1)})))
    assert report.verdict[0].startswith("Not sparse: 1.")


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"])
def test_floats_of_8_bits_are_what_torch_says(tmp_path: Path, kind: str) -> None:
    import torch
    from safetensors.torch import save_file

    every = torch.arange(256, dtype=torch.uint8).reshape(8, 32).view(getattr(torch, kind))
    save_file({f"{MODULE}.weight": every, f"{MODULE}.weight_scale": torch.ones(8, 1)}, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(matrices_of(tmp_path)[MODULE], every.float().numpy())
