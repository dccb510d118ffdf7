"""A pattern library: a few allowed supports for a block, of which every block takes the one that suits it best.

Where N:M lets each group choose freely among C(M, N) supports, a library offers K of them. A block then needs only
log2(K) bits to say what stays, at the price of some kept energy. Learning by counting the strongest supports follows
the pattern set of PatDNN (Niu et al. 2020, arXiv 2001.00138, section 4.1), made for the 3 x 3 kernels of convolutions:
there the centre always stays and whole kernels may go too; here any r x c block of a weight matrix, and nothing else.

numpy alone. A block is given as a row of r * c weights, row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

Floats = NDArray[np.float64]
TIE = 1e-12  # relative: the same weights added in another order differ by less, and are the same energy


@dataclass(frozen=True, eq=False)
class Library:
    """K *supports* `[K, rows * columns]` (True: the weight stays), all keeping the same number, no two alike.

    Raises InputError for supports that do not fit the block, differ in what they keep, keep nothing, or repeat.
    """

    rows: int
    columns: int
    supports: NDArray[np.bool_]

    def __post_init__(self) -> None:
        supports = np.array(self.supports, dtype=np.bool_)  # a copy: nobody else can change it
        size = self.rows * self.columns
        if self.rows < 1 or self.columns < 1 or supports.ndim != 2 or supports.shape[1] != size or not len(supports):
            raise InputError(f"A library of shape {list(supports.shape)} for blocks of {self.rows} x {self.columns}",
                             f"at least one support of {max(size, 1)} entries each, [K, {max(size, 1)}]",
                             "Give the supports row by row, and the sides of their block.")
        kept = np.unique(supports.sum(axis=1))
        if len(kept) > 1 or not kept[0]:
            raise InputError(f"The supports of the library keep {', '.join(map(str, kept))} entries",
                             "the same number in every support, at least 1", "Leave out those that differ.")
        if len(np.unique(supports, axis=0)) < len(supports):
            raise InputError("A support stands in the library twice", "supports that all differ", "Leave one out.")
        supports.setflags(write=False)
        object.__setattr__(self, "supports", supports)

    @property
    def keep(self) -> int:
        """How many weights of a block stay."""
        return int(self.supports[0].sum())

    def energies(self, blocks: NDArray[np.floating]) -> Floats:
        """Share of the squared weights of *blocks* `[B, r * c]` that every support keeps: `[B, K]`, 0..1.

        A block of zeros has no energy to keep: 0 for every support. Raises InputError when the blocks do not fit or
        hold what is no number.
        """
        return _squares(blocks, self.rows * self.columns) @ self.supports.T

    def best(self, blocks: NDArray[np.floating]) -> NDArray[np.intp]:
        """The support `[B]` with the most energy in every block; ties to the lower index."""
        energies = self.energies(blocks)
        return (energies >= energies.max(axis=1, keepdims=True) * (1.0 - TIE)).argmax(axis=1)

    def kept_energy(self, blocks: NDArray[np.floating]) -> Floats:
        """Share of the squared weights that the best support keeps, `[B]`, 0..1."""
        return self.energies(blocks).max(axis=1)


def strongest(blocks: NDArray[np.floating], keep: int) -> NDArray[np.bool_]:
    """The support `[B, r * c]` of the *keep* largest weights of every block: free choice. Ties to the lower index."""
    order = np.argsort(-np.abs(blocks), axis=1, kind="stable")[:, :keep]
    supports = np.zeros(blocks.shape, dtype=np.bool_)
    np.put_along_axis(supports, order, True, axis=1)
    return supports


def learn(blocks: NDArray[np.floating], rows: int, columns: int, keep: int, count: int) -> Library:
    """The *count* supports that are most often the strongest *keep* of *blocks* `[B, rows * columns]`, commonest first.

    Equally common ones come in lexicographic order of their kept entries: 0, 1 before 0, 2. Raises InputError when
    the blocks do not fit or hold what is no number, or fewer than *count* supports occur.
    """
    size = rows * columns
    if not 1 <= keep <= size:
        raise InputError(f"A library that keeps {keep} of {size}", f"1 to {size} kept entries", "Keep fewer.")
    _squares(blocks, size)
    # Packed bits, then unique rows: ascending in bits is descending in kept entries, hence the order reversed.
    codes, often = np.unique(np.packbits(strongest(blocks, keep), axis=1), axis=0, return_counts=True)
    if not 1 <= count <= len(codes):
        raise InputError(f"A library of {count} supports", f"1 to {len(codes)}: as many as occur among the "
                         f"{len(blocks)} blocks it is learned from", "Take a smaller library, or more blocks.")
    order = np.lexsort((-np.arange(len(codes)), -often))[:count]
    return Library(rows, columns, np.unpackbits(codes[order], axis=1, count=size).astype(np.bool_))


def _squares(blocks: NDArray[np.floating], size: int) -> Floats:
    """Every block's squares as shares of their sum `[B, size]`; zeros for a block of zeros.

    Divided by the largest first: the squares of very large or small weights would leave the range of numbers.
    """
    values = np.asarray(blocks, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != size:
        raise InputError(f"Blocks of shape {list(values.shape)}", f"rows of {size} weights, [B, {size}]",
                         "Cut the matrix into blocks of the library's sides.")
    if not np.isfinite(values).all():
        raise InputError("A block holds an infinity, or what is no number", "finite weights", "Correct it first.")
    top = np.abs(values).max(axis=1, keepdims=True)
    squares = np.divide(values, top, out=np.zeros_like(values), where=top > 0) ** 2
    total = squares.sum(axis=1, keepdims=True)
    return np.divide(squares, total, out=np.zeros_like(squares), where=total > 0)
