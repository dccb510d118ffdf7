"""Formats of sparse and quantised checkpoints, written weight by weight in loops: what the inspector must undo.

`codes` are whole numbers `[out, in]`, 0 where a weight is zero; tensors come back by the name behind the module's.
"""

from __future__ import annotations

import numpy as np

Parts = dict[str, np.ndarray]


def bitmask(weights: np.ndarray, *, flat: bool = True) -> Parts:
    """compressed-tensors sparse-bitmask; not *flat*: sparse-24-bitmask, as many kept in every row."""
    out, width = weights.shape
    marks = np.zeros((out, -(-width // 8)), np.uint8)
    kept: list[float] = []
    starts: list[int] = []
    for row in range(out):
        starts.append(len(kept))
        for column in range(width):
            if weights[row, column]:
                marks[row, column // 8] |= 1 << column % 8
                kept.append(weights[row, column])
    values = np.array(kept, weights.dtype)
    if flat:
        return {"shape": np.array(weights.shape), "compressed": values, "bitmask": marks,
                "row_offsets": np.array(starts)}
    return {"shape": np.array([[out], [width]]), "compressed": values.reshape(out, -1), "bitmask": marks}


def words_along(codes: np.ndarray, bits: int) -> np.ndarray:
    """Positive *codes* packed along the last axis into int32, the first in the lowest bits."""
    rows, width = codes.shape
    each = 32 // bits
    out = np.zeros((rows, -(-width // each)), np.uint32)
    for row in range(rows):
        for column in range(width):
            out[row, column // each] |= np.uint32(int(codes[row, column]) << bits * (column % each))
    return out.view(np.int32)


def pack_quantized(codes: np.ndarray, bits: int, zero: np.ndarray | None = None) -> Parts:
    """compressed-tensors pack-quantized; *zero* `[out, chunks]` is added to every code of its chunk."""
    half, width = 1 << bits - 1, codes.shape[1]
    parts = {"weight_shape": np.array(codes.shape), "weight_scale": np.ones((len(codes), 1), np.float32)}
    if zero is None:
        return parts | {"weight_packed": words_along(codes + half, bits)}
    moved = codes + np.repeat(zero, width // zero.shape[1], axis=1)
    return parts | {"weight_packed": words_along(moved + half, bits),
                    "weight_zero_point": np.ascontiguousarray(words_along((zero + half).T, bits).T)}


def gptq(codes: np.ndarray, bits: int, zero: np.ndarray, order: np.ndarray | None = None, gain: int = 1) -> Parts:
    """GPTQ: *zero* `[chunks, out]` (stored less *gain*) belongs to an input by *order*, or chunk by chunk."""
    width = codes.shape[1]
    chunk = np.arange(width) // (width // len(zero)) if order is None else order
    stored = np.array([codes[:, i] + zero[chunk[i]] for i in range(width)])  # [in, out]
    parts = {"qweight": np.ascontiguousarray(words_along(stored.T, bits).T),
             "qzeros": words_along((zero - gain) % (1 << bits), bits),
             "scales": np.ones((len(zero), len(codes)), np.float16)}
    return parts if order is None else parts | {"g_idx": order.astype(np.int32)}


def awq(codes: np.ndarray, zero: np.ndarray) -> Parts:
    """AWQ (gemm): place i of a word holds column 0, 2, 4, 6, 1, 3, 5, 7."""
    chunk = codes.shape[1] // len(zero)

    def packed(plain: np.ndarray) -> np.ndarray:
        out = np.zeros((len(plain), plain.shape[1] // 8), np.uint32)
        for row in range(len(plain)):
            for word in range(out.shape[1]):
                for place, column in enumerate((0, 2, 4, 6, 1, 3, 5, 7)):
                    out[row, word] |= np.uint32(int(plain[row, 8 * word + column]) << 4 * place)
        return out.view(np.int32)

    return {"qweight": packed(codes.T + np.repeat(zero, chunk, axis=0)), "qzeros": packed(zero),
            "scales": np.ones(zero.shape, np.float16)}


def marlin(codes: np.ndarray, bits: int) -> Parts:
    """compressed-tensors marlin-24 of 2:4 *codes*, two in every group: CUTLASS' places, then the kernel's tiles."""
    out, width = codes.shape
    kept = np.array([[codes[row, k] for k in np.flatnonzero(codes[row])] for row in range(out)])
    meta = np.zeros(out * width // 16, np.uint16)
    for row in range(out):
        for word in range(width // 16):
            places = 0
            for group in range(4):
                start = 16 * word + 4 * group
                first, second = np.flatnonzero(codes[row, start:start + 4])
                places |= int(first | second << 2) << 4 * group
            there = row // 64 * 64 + 2 * (row % 2) + row % 8 // 4 + 32 * (row % 4 // 2) + row % 64 // 8 * 4
            column = word
            if there % 2 == 0 and column % 2 == 1:
                there, column = there + 1, column - 1
            elif there % 2 == 1 and column % 2 == 0:
                there, column = there - 1, column + 1
            meta[column // 2 * 2 * out + 2 * there + column % 2] = places
    values = kept.T.astype(int) + (1 << bits - 1)  # [in / 2, out]
    size_k, size_n = values.shape
    order: list[int] = []
    for lane in range(32):
        first = [16 * row + lane // 4 // 2 * 256 + 8 * (lane // 4 % 2) + 4 * block for block in (0, 1)
                 for row in (2 * (lane % 4), 2 * (lane % 4) + 1, 2 * (lane % 4 + 4), 2 * (lane % 4 + 4) + 1)]
        order += [place + step for step in range(4) for place in first]
    swap = [0, 2, 4, 6, 1, 3, 5, 7] if bits == 4 else [0, 2, 1, 3]
    order = [order[k + s] for k in range(0, len(order), len(swap)) for s in swap]
    tiled = [values[16 * i + r, 16 * j + c] for i in range(size_k // 16) for j in range(size_n // 16)
             for r in range(16) for c in range(16)]
    moved = [tiled[k + o] for k in range(0, len(tiled), 1024) for o in order]
    whole = words_along(np.array(moved).reshape(size_k // 16, size_n * 16), bits)
    return {"weight_packed": whole, "scale_packed": np.ones((1, size_n), np.float16),
            "meta": meta.view(np.int16).reshape(width // 32, 2 * out)}


def fp4(halves: np.ndarray) -> np.ndarray:
    """Values of a float of 4 bits, two a byte, the first in the lower half."""
    known = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    out = np.zeros((halves.shape[0], halves.shape[1] // 2), np.uint8)
    for row in range(len(halves)):
        for column, value in enumerate(halves[row]):
            code = known.index(abs(value)) + (8 if value < 0 else 0)
            out[row, column // 2] |= code << 4 * (column % 2)
    return out
