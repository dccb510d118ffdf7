"""What a checkpoint means, whatever way it is stored: arrays of numbers, and the matrices `[out, in]` in them.

An `Array` is a tensor as the model uses it: plain, times its mask, or codes less their zero point. A `Source` is one
matrix of the layers: an array as it is, turned round, one of a stack, or a convolution with the inputs last. Both read
on demand, and what is opened is dropped with its reader: no two matrices are held at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from core.inspecting.header import SIZES, Tensor
from core.inspecting.numbers import BITS_OF, Rows, Values, integers, values
from core.inspecting.report import Named
from core.runs.names import matrix_name, place_of

PAIR, TURNED, STACK, CONV = "weight x mask", "input x output", "one of a stack", "convolution"
Read = Callable[[int, int], Values]  # (number of the first value, how many) -> those values, 1-D


@dataclass(frozen=True)
class Array:
    """A tensor as the model uses it, its values in the order of its *shape*."""

    name: str  # in the state dict
    shape: tuple[int, ...]
    dtype: str
    size: int  # bytes, with its mask
    read: Read
    eps: float | None = None  # relative distance of neighbouring values; None: codes or small floats, no grid is sought
    grid: tuple[int, int] | None = None  # known from the format: (bits, chunk; 0 = a whole row)
    forms: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Source(Named):
    """One matrix, before it is looked into."""

    size: int  # bytes in the file
    bits: int  # of one value
    open: Callable[[], Rows]
    eps: float | None = None
    grid: tuple[int, int] | None = None
    forms: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


def plain(tensor: Tensor) -> Array:
    """Floats as they are stored."""
    fraction = BITS_OF[tensor.dtype]

    def read(first: int, count: int) -> Values:
        return values(tensor, first, count)

    return Array(tensor.name, tensor.shape, tensor.dtype, tensor.size, read, 2.0 ** -fraction if fraction > 3 else None)


def masked(name: str, weight: Tensor, mask: Tensor) -> Array:
    """*weight* times *mask*, of one shape: what `torch.nn.utils.prune` and its like let the model see."""
    holds = values if mask.dtype in BITS_OF else integers
    whole = plain(weight)

    def read(first: int, count: int) -> Values:
        with np.errstate(all="ignore"):  # infinity times 0 is what the model gets, too
            return values(weight, first, count) * holds(mask, first, count)

    return replace(whole, name=name, size=weight.size + mask.size, read=read, forms=(PAIR,))


def codes(tensor: Tensor, zero: Values | None, chunk: int, size: int) -> Array:
    """Whole numbers of 8 bits, less the zero point `[out, chunks]` (None: 0 stands for zero)."""
    width = tensor.shape[-1]

    def read(first: int, count: int) -> Values:
        stored = integers(tensor, first, count)
        if zero is None:
            return stored
        at = np.arange(first, first + count)
        column = at % width // (width // zero.shape[1])
        return stored.astype(np.int32) - zero[at // width % len(zero), column]

    return Array(tensor.name, tensor.shape, tensor.dtype, size, read, None, (8, chunk))


def as_matrix(array: Array, shape: tuple[int, int] | None = None) -> Source:
    """An array that holds a matrix, row by row."""
    out, width = shape or (math.prod(array.shape[:-1]), array.shape[-1])
    return _source(array, matrix_name(array.name), (out, width), lambda: lambda first, count: array.read(
        first * width, count * width).reshape(count, width))


def turned(array: Array, shape: tuple[int, int] | None = None) -> Source:
    """An array that holds a matrix the other way round, `[in, out]`. It is read whole, and let go with its reader."""
    width, out = shape or (math.prod(array.shape[:-1]), array.shape[-1])

    def opened() -> Rows:
        whole = array.read(0, array.count).reshape(width, out)
        return lambda first, count: np.ascontiguousarray(whole[:, first:first + count].T)

    source = _source(array, matrix_name(array.name), (out, width), opened)
    return replace(source, forms=(*source.forms, TURNED))


def stack(array: Array, *, turn: bool) -> list[Source]:
    """An array `[matrices, out, in]` (`[matrices, in, out]` to *turn*) as many matrices, "name[0]" and so on."""
    size = math.prod(array.shape[1:])

    def one(k: int) -> Source:
        part = replace(array, name=f"{matrix_name(array.name)}[{k}]", shape=array.shape[1:],
                       size=array.size // array.shape[0], forms=(*array.forms, STACK),
                       read=lambda first, count: array.read(k * size + first, count))
        return replace(turned(part) if turn else as_matrix(part), place=place_of(array.name))

    return [one(k) for k in range(array.shape[0])]


def convolution(array: Array) -> Source:
    """Kernels `[out, in, ...]` as a matrix `[out, positions x in]`: N:M counts along the inputs of one position."""
    out, width, *sides = array.shape
    positions = math.prod(sides)

    def opened() -> Rows:
        each = width * positions
        return lambda first, count: array.read(first * each, count * each).reshape(count, width, positions).swapaxes(
            1, 2).reshape(count, each)

    source = _source(array, matrix_name(array.name), (out, width * positions), opened)
    return replace(source, forms=(*source.forms, CONV)) if positions > 1 else source


def _source(array: Array, name: str, shape: tuple[int, int], opened: Callable[[], Rows]) -> Source:
    return Source(name, place_of(array.name), array.dtype, shape, array.size, 8 * SIZES[array.dtype], opened, array.eps,
                  array.grid, array.forms)
