"""How arrays are written into `arrays.safetensors`, and read back. numpy only.

Keys (k = snapshot number, <matrix> = the state dict's name without `.weight`, shape `[out, in]`):

| key | holds |
|---|---|
| `mask/<matrix>` | uint8, bits packed along the last axis |
| `weight/<matrix>`, `scale/<matrix>` | int8 codes, a float32 scale a row. With a mask: kept weights only, 1-D, by row |
| `snapshot/<k>/w/<matrix>`, `snapshot/<k>/u/<matrix>` (each with `.scale`) | int8 codes `[out, in]`, one scale a row |
| `snapshot/<k>/mask/<matrix>` | the support of Z, packed |
| `film/<k>/w/<matrix>` (with `.scale`), `film/<k>/mask/<matrix>` | the same of its first 64 x 64 weights |
| `film/<k>/histogram/<matrix>`, `film/<k>/occupancy/<matrix>`, `film/limit/<matrix>` | see `core.runs.filmed` |
| `occupancy/<matrix>` | int64 `[M+1]`: how many groups keep 0..M |
| `occupancy.free/<matrix>` | the same for the dense parent if its largest weights stayed anywhere (same density) |
| `thumbnail/<matrix>` | float16, mean of abs(w) per block, the block a multiple of M |
| `activation/<probe>/<layer>` (with `.scale`) | int8 `[tokens, hidden]`; layer 0 is the embedding's output |
| `attention/<probe>/<layer>` | uint8 `[heads, tokens, tokens]`, code / 255 |
| `library`, or `library/<matrix>` for each | uint8 `[K, ceil(r c / 8)]`: a pattern's learned supports, packed, by row |
| `region/<k>/<map>/<probe>/<layer>` | float16 `[tokens, regions]`: region norms at moment k, layer 1..L |
| `distribution/<k>/<map>/<layer>` | int64: how many abs(a) of the sample lie in each bin, first and last moment only |
| `levels/<matrix>`, `grid/<matrix>`, `code/<matrix>` | weights on a grid: see `core.runs.gridded` |
| `snapshot/<k>/grid/<matrix>` | float32 `[out, chunks]`: the scales of Z on a grid |
| `correction/left/<matrix>`, `correction/right/<matrix>` | float32 `[out, r]`, `[r, in]`: what stands beside a weight |
| `answers/logits`, `answers/labels` | what the final model says to every evaluation example: see `core.runs.answers` |
| `method/<key>` | what a method has to tell that no other has; its keys are in the view that draws them |
| `method/worth/<noun>/<layer>` | float32 1-D: what each unit was worth to a method that chooses units |
| `unit/<noun>/<layer>` | uint8 1-D, bits packed: which heads (noun `head`) or neurons of layer 1..L are left |
| `gram/<matrix>` | float32 1-D: upper triangle, by rows, of X^T X of the calibration inputs; see `Matrix.gram` |
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]
METHOD = "method"  # the first word of the key of what a method tells of itself


def pack_mask(mask: NDArray[np.bool_] | Bits) -> Bits:
    """Pack a 0/1 mask `[out, in]` to `[out, ceil(in/8)]`."""
    return np.packbits(np.ascontiguousarray(mask, dtype=np.uint8), axis=-1)


def unpack_mask(bits: Bits, width: int) -> Bits:
    """Undo `pack_mask`; *width* is the matrix's input dimension."""
    return np.unpackbits(bits, axis=-1, count=width)


def mask_digest(bits: Bits) -> str:
    """SHA-256 of a packed mask: shape first, then bytes."""
    return hashlib.sha256(str(bits.shape).encode() + np.ascontiguousarray(bits).tobytes()).hexdigest()


def encode_rows(values: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round `[rows, cols]` to int8 with one scale a row (largest magnitude -> 127). Zero rows get scale 0."""
    values = np.asarray(values, dtype=np.float32)
    scale = np.abs(values).max(axis=1, initial=0.0) / 127.0
    safe = np.where(scale > 0, scale, 1.0)[:, None]
    return np.rint(values / safe).astype(np.int8), scale.astype(np.float32)


def decode_rows(codes: NDArray[np.int8], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo `encode_rows`, to within half a step of the row's scale."""
    return codes.astype(np.float32) * scale[:, None]


def moment(held: Mapping[str, np.ndarray], head: str, part: str, matrix: str, width: int) -> NDArray[Any] | None:
    """What *held* has of *matrix* at the moment *head* ("snapshot/3"): *part* "w" or "u" float32, "mask" 0/1, each
    `[rows, width]`. None for what is not there, or cannot be such an array."""
    codes = held.get(f"{head}/{part}/{matrix}")
    if codes is None or codes.ndim != 2:
        return None
    if part == "mask":
        return unpack_mask(codes, width) if codes.shape[1] == -(-width // 8) else None
    scale = held.get(f"{head}/{part}/{matrix}.scale")
    return None if scale is None or scale.shape != (len(codes),) else decode_rows(codes, scale)


def put_weight(out: dict[str, np.ndarray], name: str, weight: NDArray[np.floating], mask: Bits | None) -> None:
    """Add one matrix to *out*; with a mask only the kept weights travel."""
    codes, scale = encode_rows(weight if mask is None else weight * mask)
    out[f"weight/{name}"] = codes if mask is None else codes[mask.astype(bool)]
    out[f"scale/{name}"] = scale


def expand_weight(codes: NDArray[np.int8], scale: NDArray[np.float32], mask: Bits | None) -> NDArray[np.float32]:
    """Undo `put_weight`: float32 `[out, in]`, zeros where pruned."""
    if codes.ndim == 2:
        return decode_rows(codes, scale)
    if mask is None:
        raise ValueError("kept weights need their mask")
    full = np.zeros(mask.shape, dtype=np.int8)
    full[mask.astype(bool)] = codes
    return decode_rows(full, scale)


def thumbnail(weight: NDArray[np.floating], multiple: int, target: int = 48) -> NDArray[np.float16]:
    """Mean of abs(w) per r x c block, at most *target* cells a side; c is a multiple of *multiple* (the pattern's M),
    so that the picture cannot alias with the pattern."""
    rows, cols = weight.shape
    r = math.ceil(rows / target)
    c = math.ceil(cols / target / multiple) * multiple
    padded = np.pad(np.abs(weight.astype(np.float32)), ((0, -rows % r), (0, -cols % c)), constant_values=np.nan)
    blocks = padded.reshape(padded.shape[0] // r, r, padded.shape[1] // c, c)
    return np.nanmean(blocks, axis=(1, 3)).astype(np.float16)


def upper_triangle(gram: NDArray[np.floating]) -> NDArray[np.float32]:
    """The upper triangle of a symmetric `[in, in]`, row by row, the diagonal with it: float32 `[in (in + 1) / 2]`."""
    return np.asarray(gram, dtype=np.float32)[np.triu_indices(len(gram))]


def symmetric(triangle: NDArray[np.floating], width: int) -> NDArray[np.float32]:
    """Undo `upper_triangle`: float32 `[width, width]`. Raises ValueError when *triangle* has another length."""
    if triangle.shape != (width * (width + 1) // 2,):
        raise ValueError(f"{list(triangle.shape)} numbers are no triangle of a {width} x {width} matrix")
    full = np.empty((width, width), dtype=np.float32)
    upper = np.triu_indices(width)
    full[upper] = triangle
    full.T[upper] = triangle
    return full


def coarser(picture: NDArray[np.float16], shape: tuple[int, int]) -> NDArray[np.float16]:
    """A `thumbnail` of a matrix of *shape* with half the cells a side: the mean of every 2 x 2.

    Exact, as all blocks hold equally many weights; where they would not, the picture comes back as it is.
    """
    sides = picture.shape
    if any(side % 2 or length % side for side, length in zip(sides, shape, strict=True)):
        return picture
    cells = picture.astype(np.float32).reshape(sides[0] // 2, 2, sides[1] // 2, 2)
    return cells.mean(axis=(1, 3)).astype(np.float16)
