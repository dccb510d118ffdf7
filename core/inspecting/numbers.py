"""The values of a tensor, from its bytes: float64, float32, float16 and bfloat16. Piece by piece, so that the largest
matrix of a model is the most that memory ever holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.inspecting.header import SIZES, Tensor

FLOATS = ("F64", "F32", "F16", "BF16")
BITS_OF = {"F64": 52, "F32": 23, "F16": 10, "BF16": 7}  # of the fraction: what rounding leaves exact
PIECE = 1 << 22  # values decoded at once

Floats = NDArray[np.floating]


def decode(raw: NDArray[np.uint8], dtype: str) -> Floats:
    """*raw* bytes (little endian) as numbers, 1-D. Exact: bfloat16 is the upper half of a float32."""
    if dtype == "BF16":
        return (raw.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    kind = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype]
    values = raw.view(kind)
    return values.astype(np.float64 if dtype == "F64" else np.float32)


def values(tensor: Tensor, first: int, count: int) -> Floats:
    """*count* values of *tensor* from number *first* on, 1-D. Raises InputError when the file ends before them."""
    width = SIZES[tensor.dtype]
    try:
        with tensor.file.open("rb") as stream:
            stream.seek(tensor.start + first * width)
            raw = np.fromfile(stream, dtype=np.uint8, count=count * width)
    except OSError as error:
        raise InputError(f"{tensor.file.name} cannot be read ({error.strerror})", "the file as it was opened",
                         "Inspect it again.") from None
    if raw.size != count * width:
        raise InputError(f"{tensor.file.name} was cut short while it was read", "the file as it was opened",
                         "Wait until it is written, and inspect it again.")
    return decode(raw, tensor.dtype)


def pieces(tensor: Tensor) -> Iterator[Floats]:
    """All values of *tensor* in order, at most PIECE of them at once."""
    for first in range(0, tensor.count, PIECE):
        yield values(tensor, first, min(PIECE, tensor.count - first))


def rows(tensor: Tensor) -> Iterator[tuple[int, Floats]]:
    """A matrix `[out, in]` as (first row, some whole rows `[k, in]`) in order."""
    out, width = tensor.shape
    step = max(PIECE // max(width, 1), 1)
    for first in range(0, out, step):
        count = min(step, out - first)
        yield first, values(tensor, first * width, count * width).reshape(count, width)


def support(tensor: Tensor) -> tuple[NDArray[np.bool_], int]:
    """Where a matrix `[out, in]` is not zero (-0 is zero, NaN is not), and how many values are not finite."""
    mask = np.empty(tensor.shape, dtype=np.bool_)
    wild = 0
    for first, part in rows(tensor):
        np.not_equal(part, 0, out=mask[first:first + len(part)])
        wild += part.size - int(np.count_nonzero(np.isfinite(part)))
    return mask, wild


def zeros(tensor: Tensor) -> int:
    """How many values of *tensor* are zero."""
    return sum(part.size - int(np.count_nonzero(part)) for part in pieces(tensor))
