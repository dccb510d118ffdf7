"""2:4 for the Marlin kernel (compressed-tensors marlin-24): codes of 4 or 8 bits in tiles, and their places in a group.

Of a matrix `[out, in]` there are, in int32, `weight_packed` `[in / 32, words]`: the two codes of every group of four,
shifted to be positive, transposed, cut into tiles of 16 x 16, reordered and packed; and, in int16, `meta`
`[in / 32, 2 out]`: two bits for the place of each, in the order of CUTLASS' sparse products.

Sources: vllm-project/compressed-tensors, `marlin_24`; NVIDIA CUTLASS, `host_reorder.h`. Both orders are undone here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.inspecting.header import Tensor
from core.inspecting.numbers import Rows, Values, integers
from core.inspecting.packed import as_source, fit, unpack
from core.inspecting.sources import Source

MARLIN = "2:4 for Marlin"
TILE, LANES = 16, 32


def marlin(name: str, words: Tensor, meta: Tensor) -> Source:
    """The matrix in *words* and *meta*. Raises Unfit where their sizes are not those of the format."""
    fit(words.dtype == "I32" and meta.dtype == "I16" and len(words.shape) == len(meta.shape) == 2)
    strips, width = words.shape[0], 32 * meta.shape[0]
    out = meta.shape[1] // 2
    fit(strips == meta.shape[0] > 0 and out > 0 and out % 64 == 0 and meta.shape[1] == 2 * out)
    fit(words.shape[1] > 0 and 32 * words.shape[1] % (out * TILE) == 0)
    bits = 32 * words.shape[1] // (out * TILE)
    fit(bits in (4, 8))

    def opened() -> Rows:
        kept = _codes(integers(words).reshape(words.shape), bits, out)
        places = _places(integers(meta), out, width)
        whole = np.zeros((out, width // 4, 4), np.int16)
        np.put_along_axis(whole, places, kept.reshape(places.shape), axis=2)
        dense: Values = whole.reshape(out, width)
        return lambda first, count: dense[first:first + count]

    return as_source(name, f"{bits} bits", (out, width), (words, meta), bits, opened, MARLIN, (bits, 0))


def _codes(words: Values, bits: int, out: int) -> NDArray[np.int16]:
    """The codes that stay, `[out, in / 2]`, less what makes them positive."""
    strips = len(words)
    flat = unpack(words, bits, out * TILE).reshape(-1, TILE * 64)
    tiles = np.empty_like(flat)
    tiles[:, _order(bits)] = flat
    grid = tiles.reshape(strips, out // TILE, TILE, TILE).swapaxes(1, 2).reshape(strips * TILE, out)
    return np.ascontiguousarray(grid.T).astype(np.int16) - np.int16(1 << bits - 1)


def _order(bits: int) -> Values:
    """Of 1024 codes in a row of four tiles: which one stands at every place. A lane of the kernel holds 32 of them."""
    lane, step, block, part = np.ogrid[:LANES, :4, :2, :4]
    row = 2 * (lane % 4) + part % 2 + 8 * (part // 2)
    column = lane // 4
    order = TILE * row + 256 * (column // 2) + 8 * (column % 2) + 4 * block + step
    swap = [0, 2, 4, 6, 1, 3, 5, 7] if bits == 4 else [0, 2, 1, 3]
    return order.reshape(-1, len(swap))[:, swap].ravel()


def _places(meta: Values, out: int, width: int) -> Values:
    """Where in its group of four each code that stays lies: `[out, in / 4, 2]`, 0..3."""
    row, column = np.ogrid[:out, :width // 16]
    there = row // 64 * 64 + row % 2 * 2 + row % 8 // 4 + row % 4 // 2 * 32 + row % 64 // 8 * 4
    cross = (there % 2 == 0) * (column % 2) - (there % 2) * (column % 2 == 0)  # 2 x 2 blocks are turned
    there, column = there + cross, column - cross
    ordered = meta.view(np.uint16)[column // 2 * 2 * out + there * 2 + column % 2]
    pairs = ordered[:, :, None] >> np.arange(0, 16, 2, dtype=np.uint16) & 3
    return pairs.reshape(out, width // 4, 2).astype(np.intp)
