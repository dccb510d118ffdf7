"""The values of a tensor, from its bytes: floats of 64, 32, 16 and 8 bits, bfloat16, whole numbers. Piece by piece, so
that the largest matrix of a model is the most that memory ever holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.inspecting.header import SIZES, Tensor

BITS_OF = {"F64": 52, "F32": 23, "F16": 10, "BF16": 7, "F8_E4M3": 3, "F8_E5M2": 2, "F8_E4M3FNUZ": 3,
           "F8_E5M2FNUZ": 2}  # of the fraction: what rounding leaves exact
FLOATS = tuple(BITS_OF)
INTEGERS = {"BOOL": "u1", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
            "I64": "<i8"}
FAINT = 1e-6  # of the largest weight of a row: what nobody trained, and no float16 would hold beside it
PIECE = 1 << 22  # values decoded at once

Floats = NDArray[np.floating]
Values = NDArray[Any]
Rows = Callable[[int, int], Values]  # (first row, how many) -> those rows of a matrix, `[rows, in]`


def _small_floats(fraction: int, bias: int, *, wrapped: bool) -> NDArray[np.float32]:
    """The 256 values of a float of 8 bits. *wrapped*: the FNUZ kinds, where the code of -0 is the only NaN.

    Source: P. Micikevicius et al. 2022, "FP8 formats for deep learning" (E4M3 has no infinity; all ones is NaN), and
    ONNX's "Float stored in 8 bits" for the FNUZ kinds.
    """
    code = np.arange(256)
    power, rest = (code & 127) >> fraction, code & ((1 << fraction) - 1)
    step = rest / (1 << fraction)
    size = np.where(power > 0, (1 + step) * 2.0 ** (power - bias), step * 2.0 ** (1 - bias))
    values = np.where(code & 128, -size, size)
    if wrapped:
        values[128] = np.nan
    elif fraction == 3:
        values[[127, 255]] = np.nan
    else:  # as in the wider floats
        top = power == power.max()
        values[top] = np.where(rest[top] > 0, np.nan, np.where(code[top] & 128, -np.inf, np.inf))
    return values.astype(np.float32)


SMALL = {"F8_E4M3": _small_floats(3, 7, wrapped=False), "F8_E5M2": _small_floats(2, 15, wrapped=False),
         "F8_E4M3FNUZ": _small_floats(3, 8, wrapped=True), "F8_E5M2FNUZ": _small_floats(2, 16, wrapped=True)}


def decode(raw: NDArray[np.uint8], dtype: str) -> Floats:
    """*raw* bytes (little endian) as numbers, 1-D. Exact: bfloat16 is the upper half of a float32."""
    if dtype == "BF16":
        return (raw.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
    if dtype in SMALL:
        return SMALL[dtype][raw]
    kind = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype]
    values = raw.view(kind)
    return values.astype(np.float64 if dtype == "F64" else np.float32)


def values(tensor: Tensor, first: int, count: int) -> Floats:
    """*count* values of *tensor* from number *first* on, 1-D. Raises InputError when the file ends before them."""
    return decode(_bytes(tensor, first, count), tensor.dtype)


def integers(tensor: Tensor, first: int = 0, count: int | None = None) -> Values:
    """Whole numbers of *tensor*, 1-D, as they are stored; bool as 0 and 1. Raises InputError as `values` does."""
    raw = _bytes(tensor, first, tensor.count - first if count is None else count)
    return raw.view(INTEGERS[tensor.dtype])


def _bytes(tensor: Tensor, first: int, count: int) -> NDArray[np.uint8]:
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
    return raw


def rows(read: Rows, shape: tuple[int, int]) -> Iterator[tuple[int, Values]]:
    """A matrix of *shape* `[out, in]` as (first row, some whole rows `[k, in]`) in order."""
    out, width = shape
    step = max(PIECE // max(width, 1), 1)
    for first in range(0, out, step):
        yield first, read(first, min(step, out - first))


def support(read: Rows, shape: tuple[int, int]) -> tuple[NDArray[np.bool_], int, int]:
    """Where a matrix `[out, in]` is not zero (-0 is zero, NaN is not), how many values are not finite, and how many are
    faint: not zero, and less than FAINT of the largest of their row."""
    mask = np.empty(shape, dtype=np.bool_)
    wild = faint = 0
    for first, part in rows(read, shape):
        inside = mask[first:first + len(part)]
        np.not_equal(part, 0, out=inside)
        if part.dtype.kind == "f":
            finite = np.isfinite(part)
            wild += part.size - int(np.count_nonzero(finite))
            size = np.where(finite, np.abs(part), 0)
            faint += int(np.count_nonzero((size > 0) & (size < FAINT * size.max(axis=1, keepdims=True, initial=0))))
    return mask, wild, faint


def zeros(tensor: Tensor) -> int:
    """How many values of *tensor* are zero."""
    pieces = ((first, min(PIECE, tensor.count - first)) for first in range(0, tensor.count, PIECE))
    return sum(count - int(np.count_nonzero(values(tensor, first, count))) for first, count in pieces)
