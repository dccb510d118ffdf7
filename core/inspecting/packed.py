"""Matrices that are written smaller than they are: a bitmask with what stays, codes of few bits in whole words.

| format | tensors of a matrix `[out, in]` |
|---|---|
| compressed-tensors sparse-bitmask, sparse-24-bitmask | `shape`, `bitmask` `[out, in / 8]`, `compressed`: what stays |
| compressed-tensors pack-quantized | `weight_packed` `[out, words]`, `weight_shape`, perhaps `weight_zero_point` |
| FP4 (nvfp4, mxfp4) | `weight_packed` `[out, in / 2]`, or `_blocks` `[experts, out, chunks, bytes]` |
| GPTQ | `qweight` `[words, out]`, `qzeros` `[chunks, words]`, perhaps `g_idx` |
| AWQ (gemm) | `qweight` `[in, words]`, `qzeros` `[chunks, words]`, eight codes a word out of order |

Sources: the formats' own writers, vllm-project/compressed-tensors (`compressors/`), AutoGPTQ and AutoAWQ (`pack`).
Where a code equals its zero point the weight is zero. Scales say how large a step is, and are not read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.inspecting.header import SIZES, Tensor
from core.inspecting.numbers import INTEGERS, Rows, Values, integers, values
from core.inspecting.sources import Source
from core.runs.names import matrix_name, place_of

BITMASK, PACKED, FP4, GPTQ, AWQ = "bitmask", "packed", "FP4", "GPTQ", "AWQ"
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # the column of the code that stands at this place of a word
# E2M1: a sign, two bits of power, one of fraction. Micikevicius et al. and the OCP "Microscaling formats" 1.0, table 5.
HALVES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
SMALL_FLOATS = np.concatenate([HALVES, -HALVES])


class Unfit(Exception):
    """Tensors that bear a format's names and do not fit together as it writes them."""


def fit(holds: bool) -> None:
    """Raise Unfit where something a format promises does not hold."""
    if not holds:
        raise Unfit


def bitmask(name: str, shape: Tensor, marks: Tensor, kept: Tensor) -> Source:
    """What stays of a matrix, row by row, and a bit for every weight, the first in the lowest bit."""
    out, width = _shape(shape)
    fit(marks.dtype in ("U8", "I8") and marks.shape == (out, -(-width // 8)) and kept.dtype in SIZES)
    read = integers if kept.dtype in INTEGERS else values
    fit(kept.dtype != "C64" and kept.dtype != "F8_E8M0")

    def opened() -> Rows:
        packed = integers(marks).view(np.uint8).reshape(marks.shape)
        inside = np.unpackbits(packed, axis=1, count=width, bitorder="little").view(np.bool_)
        ends = np.concatenate([[0], np.cumsum(np.count_nonzero(inside, axis=1))])
        if ends[-1] != kept.count:
            raise InputError(f"The bitmask of {name[:80]} marks {ends[-1]} weights, and {kept.count} are stored",
                             "as many as it marks", "Fetch or save the file anew.")

        def rows(first: int, count: int) -> Values:
            held = read(kept, int(ends[first]), int(ends[first + count] - ends[first]))
            part = np.zeros((count, width), held.dtype)
            part[inside[first:first + count]] = held
            return part
        return rows

    return as_source(name, kept.dtype, (out, width), (marks, kept), 8 * SIZES[kept.dtype], opened, BITMASK)


def packed_words(name: str, words: Tensor, shape: Tensor, zero: Tensor | None, order: Tensor | None,
                 bits: int | None, chunks: int) -> Source:
    """Codes of *bits* bits, shifted to be positive, along the inputs of every row; chunk by chunk a zero point.

    *bits* None: what the shapes say. *chunks*: of the scale. Raises Unfit where they say nothing or something else.
    """
    out, width = _shape(shape)
    fit(words.dtype == "I32" and len(words.shape) == 2 and words.shape[0] == out)
    fitting = [b for b in (4, 8, 2, 1) if -(-width * b // 32) == words.shape[1]]
    fit(bits in fitting if bits else len(fitting) == 1)
    bits = bits or fitting[0]
    per_chunk: Values | None = None
    if zero is not None:
        fit(len(zero.shape) == 2 and zero.shape[1] > 0 and width % zero.shape[1] == 0)
        if zero.dtype == "I32":
            fit(zero.shape[0] == -(-out * bits // 32))
            per_chunk = unpack(integers(zero).reshape(zero.shape).T, bits, out).T
        else:
            fit(zero.dtype == "I8" and zero.shape[0] == out)
            per_chunk = integers(zero).reshape(zero.shape).astype(np.int32) + (1 << bits - 1)
    chunk_of = _chunks(order, width, 1 if per_chunk is None else per_chunk.shape[1])

    def rows(first: int, count: int) -> Values:
        stored = integers(words, first * words.shape[1], count * words.shape[1]).reshape(count, -1)
        found = unpack(stored, bits, width).astype(np.int32)
        return found - (1 << bits - 1 if per_chunk is None else per_chunk[first:first + count][:, chunk_of])

    return as_source(name, f"{bits} bits", (out, width), (words,), bits, lambda: rows, PACKED,
                   (bits, width // chunks if chunks > 1 and width % chunks == 0 else 0))


def fp4(name: str, pairs: Tensor) -> Source:
    """Two floats of four bits a byte, the first in the lower half."""
    fit(pairs.dtype == "U8" and len(pairs.shape) == 2)
    out, half = pairs.shape

    def rows(first: int, count: int) -> Values:
        stored = integers(pairs, first * half, count * half).reshape(count, half)
        return SMALL_FLOATS[np.stack([stored & 15, stored >> 4], axis=-1).reshape(count, 2 * half)]

    return as_source(name, "FP4", (out, 2 * half), (pairs,), 4, lambda: rows, FP4)


def words_by_input(name: str, words: Tensor, zeros: Tensor, order: Tensor | None, gain: int, *, awq: bool) -> Source:
    """GPTQ: words run down the inputs; *gain* is what a zero point is stored short of. AWQ: along the outputs."""
    fit(words.dtype == zeros.dtype == "I32" and len(words.shape) == len(zeros.shape) == 2 and 0 not in zeros.shape)
    if awq:
        fit(zeros.shape[1] == words.shape[1])
        bits, width, out = 4, words.shape[0], 8 * words.shape[1]
    else:
        out = words.shape[1]
        fit(out > 0 and 32 * zeros.shape[1] % out == 0)
        bits = 32 * zeros.shape[1] // out
        fit(bits in (1, 2, 4, 8))
        width = words.shape[0] * 32 // bits
    fit(width % zeros.shape[0] == 0 or order is not None)
    chunk_of = _chunks(order, width, zeros.shape[0])

    def opened() -> Rows:
        stored, points = (integers(t).reshape(t.shape) for t in (words, zeros))
        if awq:
            codes, low = _in_order(unpack(stored, 4, out)), _in_order(unpack(points, 4, out))
        else:
            codes, low = unpack(stored.T, bits, width).T, unpack(points, bits, out)
        low = (low + np.uint8(gain)) & np.uint8((1 << bits) - 1)
        found = codes.astype(np.int16) - low[chunk_of]
        return lambda first, count: np.ascontiguousarray(found[:, first:first + count].T)

    return as_source(name, f"{bits} bits", (out, width), (words,), bits, opened, AWQ if awq else GPTQ,
                   (bits, width // zeros.shape[0] if zeros.shape[0] > 1 and order is None else 0))


def unpack(words: Values, bits: int, count: int) -> NDArray[np.uint8]:
    """Codes of *bits* bits from words of 32 `[rows, words]`, the first in the lowest bits: `[rows, count]`."""
    places = np.arange(0, 32, bits, dtype=np.uint32)
    codes = np.ascontiguousarray(words).view(np.uint32)[:, :, None] >> places & np.uint32((1 << bits) - 1)
    return codes.astype(np.uint8).reshape(len(words), -1)[:, :count]


def bits_said(config: Mapping[str, object]) -> int | None:
    """Bits of a weight that `quantization_config` of config.json names; None where it names none, or several."""
    said = config.get("quantization_config")
    if not isinstance(said, dict):
        return None
    groups = said.get("config_groups")
    weights = [g.get("weights") for g in groups.values() if isinstance(g, dict)] if isinstance(groups, dict) else []
    found = {w["num_bits"] for w in weights if isinstance(w, dict) and type(w.get("num_bits")) is int}
    if not found and type(said.get("bits")) is int:
        found = {said["bits"]}
    return found.pop() if len(found) == 1 else None


def _in_order(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The codes of AWQ's words, each back at its own column."""
    grouped = codes.reshape(len(codes), -1, 8)
    out = np.empty_like(grouped)
    out[:, :, list(AWQ_ORDER)] = grouped
    return out.reshape(codes.shape)


def _chunks(order: Tensor | None, width: int, count: int) -> Values:
    """Which chunk every input belongs to: one behind the other, or as *order* (g_idx) says."""
    if order is None:
        return np.arange(width) // max(width // max(count, 1), 1)
    fit(order.dtype in ("I32", "I64") and order.shape == (width,))
    said = integers(order)
    if (said < 0).any():  # written before any order was set
        fit(width % count == 0)
        return np.arange(width) // (width // count)
    fit(not said.size or int(said.max()) < count)
    return said


def _shape(tensor: Tensor) -> tuple[int, int]:
    """The two sides of a matrix that a tensor names."""
    fit(tensor.dtype in ("I64", "I32") and tensor.count == 2)
    out, width = (int(n) for n in integers(tensor))
    fit(out > 0 and width > 0)
    return out, width


def as_source(name: str, dtype: str, shape: tuple[int, int], tensors: tuple[Tensor, ...], bits: int,
              opened: Callable[[], Rows], form: str, grid: tuple[int, int] | None = None) -> Source:
    """A matrix *name* of *shape* `[out, in]` that lies in *tensors*, its values of *bits* bits."""
    fit(math.prod(shape) > 0)
    return Source(matrix_name(name), place_of(name), dtype, shape, sum(t.size for t in tensors), bits, opened, None,
                  grid, (form,))
