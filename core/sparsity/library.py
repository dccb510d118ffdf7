"""A pattern library: a few allowed supports for a block, of which every block takes the one that
suits it best.

Where N:M lets each group choose freely among C(M, N) supports, a library offers K of them. A block
then needs only log2(K) bits to say what stays, at the price of some kept energy. Learning by
counting the strongest supports follows the pattern set of PatDNN (Niu et al. 2020, arXiv
2001.00138, section 4.1), made for the 3 x 3 kernels of convolutions: there the centre always stays
and whole kernels may go too; here any r x c block of a weight matrix, and nothing else.

numpy alone. A block is given as a row of r * c weights, row by row; a support also as a code: one
bit an entry, the first entry the highest of 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.sparsity.unordered import no_numbers

Floats = NDArray[np.float64]
Codes = NDArray[np.uint64]
# Of a code: the most entries of a block whose supports can be counted.
BITS = 64
# Relative: the same weights added in another order differ by less, and are the same energy.
TIE = 1e-12


@dataclass(frozen=True, eq=False)
class Library:
    """K *supports* `[K, rows * columns]`, True where the weight stays.

    All keep the same number of weights, and no two are alike.

    Raises InputError for supports that do not fit the block, differ in what they keep, keep
    nothing, or repeat.
    """

    rows: int
    columns: int
    supports: NDArray[np.bool_]

    def __post_init__(self) -> None:
        # A copy, made read-only below: nobody else can change a library that is in use.
        supports = np.array(self.supports, dtype=np.bool_)
        size = self.rows * self.columns
        known = supports.ndim == 2 and supports.shape[1] == size and len(supports)
        if self.rows < 1 or self.columns < 1 or not known:
            raise InputError(
                f"A library of shape {list(supports.shape)} for blocks of "
                f"{self.rows} x {self.columns}",
                f"at least one support of {max(size, 1)} entries each, [K, {max(size, 1)}]",
                "Give the supports row by row, and the sides of their block.")
        kept = np.unique(supports.sum(axis=1))
        if len(kept) > 1 or not kept[0]:
            raise InputError(
                f"The supports of the library keep {', '.join(map(str, kept))} entries",
                "the same number in every support, at least 1", "Leave out those that differ.")
        if len(np.unique(supports, axis=0)) < len(supports):
            raise InputError("A support stands in the library twice", "supports that all differ",
                             "Leave one out.")
        supports.setflags(write=False)
        # The class is frozen; this is how its own constructor may still set a field.
        object.__setattr__(self, "supports", supports)

    @property
    def keep(self) -> int:
        """How many weights of a block stay."""
        return int(self.supports[0].sum())

    @property
    def codes(self) -> tuple[int, ...]:
        """The supports as codes. Only for blocks of at most BITS entries."""
        return tuple(codes_of(self.supports).tolist())

    def energies(self, blocks: NDArray[np.floating]) -> Floats:
        """Shares `[B, K]` of the squared weights of *blocks* `[B, r * c]` that the supports keep.

        Each 0..1. A block of zeros has no energy to keep: 0 for every support. Raises InputError
        when the blocks do not fit or hold what is no number.
        """
        return _squares(blocks, self.rows * self.columns) @ self.supports.T

    def best(self, blocks: NDArray[np.floating]) -> NDArray[np.intp]:
        """The support `[B]` with the most energy in every block; ties to the lower index."""
        energies = self.energies(blocks)
        # `argmax` of a truth value takes the first that is as good as the best.
        return (energies >= energies.max(axis=1, keepdims=True) * (1.0 - TIE)).argmax(axis=1)

    def kept_energy(self, blocks: NDArray[np.floating]) -> Floats:
        """Share of the squared weights that the best support keeps, `[B]`, 0..1."""
        return self.energies(blocks).max(axis=1)


def strongest(blocks: NDArray[np.floating], keep: int) -> NDArray[np.bool_]:
    """The support `[B, r * c]` of the *keep* largest weights of every block: free choice.

    Ties go to the lower index. Raises InputError when a weight is NaN.
    """
    if np.isnan(blocks).any():
        raise no_numbers("blocks")
    # Descending by the negative: reversing an ascending stable sort would reverse the ties too.
    order = np.argsort(-np.abs(blocks), axis=1, kind="stable")[:, :keep]
    supports = np.zeros(blocks.shape, dtype=np.bool_)
    np.put_along_axis(supports, order, True, axis=1)
    return supports


def codes_of(supports: NDArray[np.bool_]) -> Codes:
    """The codes `[B]` of *supports* `[B, r * c]`."""
    packed = np.packbits(supports, axis=1)
    # Filled up to eight bytes and read as one big-endian number, so that codes sort like supports.
    whole = np.zeros((len(packed), BITS // 8), dtype=np.uint8)
    whole[:, :packed.shape[1]] = packed
    return whole.view(">u8").astype(np.uint64).reshape(-1)


def supports_of(codes: Iterable[int], size: int) -> NDArray[np.bool_]:
    """The supports `[B, size]` of *codes*, each of *size* entries: undoes `codes_of`."""
    packed = np.array(list(codes), dtype=">u8").reshape(-1, 1).view(np.uint8)
    return np.unpackbits(packed, axis=1, count=size).astype(np.bool_)


def tiles(matrix: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """The blocks `[B, rows * columns]` of a *matrix* `[out, in]` whose sides they divide.

    They come row by row of blocks, the weights of each row by row.
    """
    cut = np.asarray(matrix).reshape(matrix.shape[0] // rows, rows, -1, columns)
    return cut.swapaxes(1, 2).reshape(-1, rows * columns)


def tally(blocks: NDArray[np.floating], keep: int) -> tuple[Codes, NDArray[np.int64]]:
    """The strongest supports that occur in *blocks* `[B, r * c]`, as codes, and how often.

    Raises InputError when a weight is NaN.
    """
    codes, often = np.unique(codes_of(strongest(blocks, keep)), return_counts=True)
    return codes, often.astype(np.int64)


def commonest(tallies: Iterable[tuple[Codes, NDArray[np.int64]]], rows: int, columns: int,
              keep: int, count: int) -> Library:
    """The *count* supports that occur most often in all *tallies* together, commonest first.

    Equally common ones come in lexicographic order of their kept entries: 0, 1 before 0, 2. Raises
    InputError when fewer than *count* occur.
    """
    held = list(tallies)
    # The empty arrays stand in where there is no tally at all: `concatenate` refuses an empty list.
    codes, place = np.unique(
        np.concatenate([np.zeros(0, np.uint64), *(c for c, _ in held)]), return_inverse=True)
    often = np.zeros(len(codes), dtype=np.int64)
    np.add.at(often, place, np.concatenate([np.zeros(0, np.int64), *(n for _, n in held)]))
    if not 1 <= count <= len(codes):
        raise InputError(f"A library of {count} supports",
                         f"1 to {len(codes)}: as many as occur among the "
                         f"{int(often.sum())} blocks it is learned from",
                         "Take a smaller library, or more blocks.")
    # Ascending in code is descending in kept entries, hence the ~.
    order = np.lexsort((~codes, -often))[:count]
    return Library(rows, columns, supports_of(codes[order].tolist(), rows * columns))


def learn(blocks: NDArray[np.floating], rows: int, columns: int, keep: int, count: int) -> Library:
    """The *count* supports that are most often the strongest *keep* of *blocks*, commonest first.

    *blocks* are `[B, rows * columns]`; equally common supports come in the order of `commonest`.

    Raises InputError when the blocks do not fit or hold what is no number, or fewer than *count*
    supports occur.
    """
    size = rows * columns
    if not 1 <= keep <= size:
        raise InputError(f"A library that keeps {keep} of {size}", f"1 to {size} kept entries",
                         "Keep fewer.")
    if size > BITS:
        raise InputError(f"Blocks of {rows} x {columns}", f"at most {BITS} entries",
                         "Take smaller blocks.")
    return commonest([tally(_checked(blocks, size), keep)], rows, columns, keep, count)


def _checked(blocks: NDArray[np.floating], size: int) -> NDArray[np.floating]:
    """*blocks*, if they are rows of *size* finite numbers."""
    if blocks.ndim != 2 or blocks.shape[1] != size:
        raise InputError(f"Blocks of shape {list(blocks.shape)}",
                         f"rows of {size} weights, [B, {size}]",
                         "Cut the matrix into blocks of the library's sides.")
    if not np.isfinite(blocks).all():
        raise InputError("A block holds an infinity, or what is no number", "finite weights",
                         "Correct it first.")
    return blocks


def _squares(blocks: NDArray[np.floating], size: int) -> Floats:
    """Every block's squares as shares of their sum `[B, size]`; zeros for a block of zeros."""
    values = _checked(np.asarray(blocks, dtype=np.float64), size)
    # Divided by the largest first: the squares of very large or small weights would leave the
    # range of numbers.
    top = np.abs(values).max(axis=1, keepdims=True)
    squares = np.divide(values, top, out=np.zeros_like(values), where=top > 0) ** 2
    total = squares.sum(axis=1, keepdims=True)
    return np.divide(squares, total, out=np.zeros_like(squares), where=total > 0)
