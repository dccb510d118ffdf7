"""Patterns whose supports come from a library: learned from the dense model, or written out.

Every r x c block of a matrix takes one support of the library (`core.sparsity.library`), the one
that keeps the most energy. N:M is the library of all C(M, N) supports of a block of 1 x M. The
largest library, and the block, are bounded so that a support is one 64-bit word and the choice one
small matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.sparsity.budget import Budget
from core.sparsity.grouping import Grouping
from core.sparsity.library import BITS, Library, commonest, supports_of, tally, tiles
from core.sparsity.pattern import Pattern

SIDE = 32  # the longest side of a block, as of an N:M group
MOST = 256  # supports of a library: a block's choice fits a byte
# Of the arrays in a run folder; "library/<matrix>" where every matrix has its own.
KEY = "library"
# The name under which a pattern holds the library that it chooses from: no matrix is called so.
SHARED = ""


class LibraryPattern(Pattern):
    """Every *rows* x *columns* block keeps *keep* weights, on one of *count* supports."""

    rows: int
    columns: int
    keep: int
    count: int

    @property
    def grouping(self) -> Grouping:
        return Grouping(group=(self.rows, self.columns), noun="block")

    @property
    def budget(self) -> Budget:
        return Budget(number=self.keep, ways=self.count)


@dataclass(frozen=True)
class Given(LibraryPattern):
    """A library written out: its supports as *codes* (`core.sparsity.library`).

    Where two keep the same energy, the one that is written first stays. Raises InputError for a
    block or supports out of range.
    """

    rows: int
    columns: int
    codes: tuple[int, ...]

    def __post_init__(self) -> None:
        text = f"given:{self.rows}x{self.columns}"
        _check_block(text, self.rows, self.columns)
        if not 1 <= len(self.codes) <= MOST:
            raise InputError(f"Pattern '{text}' has {len(self.codes)} supports", f"1 to {MOST}",
                             "Leave some out.")
        size, digits = self.rows * self.columns, _digits(self.rows * self.columns)
        for code in self.codes:
            if not 0 <= code < 1 << BITS or code & ((1 << (BITS - size)) - 1):
                raise InputError(
                    f"Support {code >> BITS - 4 * digits:0{digits}x} of '{text}' has bits beyond "
                    f"its {size} entries",
                    f"{digits} hexadecimal digits, the bits after entry {size} zero",
                    "The first entry is the highest bit; fill up with zeros at the end.")
        # Worked out once, and no fields: two patterns with the same codes must be equal.
        object.__setattr__(
            self, "_library", Library(self.rows, self.columns, supports_of(self.codes, size)))
        object.__setattr__(self, "keep", self.library.keep)
        object.__setattr__(self, "count", len(self.codes))

    @property
    def library(self) -> Library:
        return self.__dict__["_library"]

    @property
    def name(self) -> str:
        digits = _digits(self.rows * self.columns)
        supports = ",".join(f"{code >> BITS - 4 * digits:0{digits}x}" for code in self.codes)
        return f"given:{self.rows}x{self.columns}:{supports}"

    @property
    def title(self) -> str:
        ways = ("in the one given way" if len(self.codes) == 1
                else f"in one of {len(self.codes)} given ways")
        return f"keep {self.keep} of every {self.rows} x {self.columns} block, {ways}"


@dataclass(frozen=True)
class Learned(LibraryPattern):
    """The *count* supports that are most often the strongest of the dense model's blocks.

    *each*: every matrix learns from its own blocks, and has a library to itself. Unbound, the
    pattern knows its numbers only. What it has learned is no part of its name: bound and unbound
    are equal.
    """

    rows: int
    columns: int
    keep: int
    count: int
    each: bool = False
    learned: Mapping[str, Library] = field(default_factory=dict, compare=False, repr=False)
    learns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_block(self.name, self.rows, self.columns)
        size = self.rows * self.columns
        if not 1 <= self.keep <= size:
            raise InputError(f"Pattern {self.name!r} keeps {self.keep} of {size}",
                             f"1 to {size} kept weights",
                             "library:4x4:8:16 keeps 8 of every 4 x 4 block, in one of 16 ways.")
        ways = math.comb(size, self.keep)
        if not 1 <= self.count <= min(MOST, ways):
            raise InputError(f"Pattern {self.name!r} has {self.count} supports",
                             f"1 to {min(MOST, ways)}: ways to keep {self.keep} of {size} there "
                             f"are {ways}, and a library holds at most {MOST} supports",
                             "Change the last number.")

    @property
    def name(self) -> str:
        each = ":each" if self.each else ""
        return f"library:{self.rows}x{self.columns}:{self.keep}:{self.count}{each}"

    @property
    def title(self) -> str:
        ways = "in one learned way" if self.count == 1 else f"in one of {self.count} learned ways"
        own = ", each matrix its own" if self.each else ""
        return f"keep {self.keep} of every {self.rows} x {self.columns} block, {ways}{own}"

    @property
    def library(self) -> Library:
        if SHARED in self.learned:
            return self.learned[SHARED]
        if self.learned:
            raise InputError(f"Pattern {self.name!r} has a library for each matrix",
                             "one matrix at a time", "Name the matrix.")
        raise InputError(f"Pattern {self.name!r} has not learned its supports yet",
                         "the dense weights to learn from",
                         "A run learns them from its dense model; to write supports down, take "
                         "given:1x4:c,a,9.")

    def bound(self, weights: Mapping[str, NDArray[np.floating]]) -> Pattern:
        tallies = {name: self._tally(name, weight) for name, weight in weights.items()}
        sides = (self.rows, self.columns, self.keep, self.count)
        if not self.each:
            return replace(self, learned={SHARED: commonest(tallies.values(), *sides)})
        learned = {}
        for name, one in tallies.items():
            try:
                learned[name] = commonest([one], *sides)
            except InputError as error:
                # Counting knows no names; of many matrices a person must hear which one is short.
                raise InputError(f"Matrix {name!r}: {error.given[0].lower()}{error.given[1:]}",
                                 error.expected, error.remedy) from None
        return replace(self, learned=learned)

    def _tally(self, name: str, weight: NDArray[np.floating],
               ) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        self.fits(name, weight.shape)
        if not np.isfinite(weight).all():
            raise InputError(f"Matrix {name!r} holds an infinity, or what is no number",
                             "finite weights",
                             "Train the dense model again, with a lower --dense-lr.")
        return tally(tiles(weight, self.rows, self.columns), self.keep)

    def of(self, name: str) -> Pattern:
        if not self.each or not self.learned or SHARED in self.learned:
            return self
        if name not in self.learned:
            raise InputError(f"No library was learned for matrix {name!r}",
                             "one of the matrices it was learned from",
                             "Choose one of them.")
        return replace(self, learned={SHARED: self.learned[name]})

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {f"{KEY}/{name}" if name else KEY: np.packbits(library.supports, axis=1)
                for name, library in self.learned.items()}

    def restored(self, arrays: Mapping[str, NDArray[np.generic]]) -> Pattern:
        keys = ([key for key in arrays if key.startswith(f"{KEY}/")] if self.each
                else [KEY] if KEY in arrays else [])
        if not keys:
            raise InputError(f"The library of pattern {self.name!r} is missing",
                             f"the array {KEY}{'/<matrix>' if self.each else ''}",
                             "Make the run again.")
        # Behind the stroke stands the matrix; behind KEY alone nothing, which is SHARED.
        return replace(self, learned={
            key.partition("/")[2]: self._unpacked(key, arrays[key]) for key in keys})

    def _unpacked(self, key: str, bits: NDArray[np.generic]) -> Library:
        size, shape = self.rows * self.columns, (self.count, -(-self.rows * self.columns // 8))
        if bits.dtype != np.uint8 or bits.shape != shape:
            raise InputError(f"Array {key} is {bits.dtype} {list(bits.shape)}",
                             f"uint8 {list(shape)} for {self.name}", "Make the run again.")
        entries = np.unpackbits(bits.astype(np.uint8), axis=1).astype(np.bool_)
        library = Library(self.rows, self.columns, entries[:, :size])
        if library.keep != self.keep or entries[:, size:].any():
            raise InputError(
                f"Array {key} holds supports of {library.keep} weights, or bits beyond the block",
                f"{self.keep} weights of {size} for {self.name}", "Make the run again.")
        return library


def _digits(size: int) -> int:
    """Hexadecimal digits of a support of *size* entries."""
    return -(-size // 4)


def _check_block(text: str, rows: int, columns: int) -> None:
    if not (1 <= rows <= SIDE and 1 <= columns <= SIDE and rows * columns <= BITS):
        raise InputError(f"Pattern {text!r} has blocks of {rows} x {columns}",
                         f"sides of 1 to {SIDE}, at most {BITS} weights in a block",
                         "Take a smaller block, such as 4x4.")
