"""Grids: the few values a weight may take once it is quantised.

A symmetric grid of *bits* bits has the levels -(2^(bits-1) - 1) .. 2^(bits-1) - 1, times one scale
for every *chunk* of consecutive weights along the input dimension.

Source of the form: NxMiFormer (arXiv 2206.15014): its Z-step rounds to the nearest level, with a
scale found by search.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError

# Bits. Below 2 a symmetric grid has no level but zero; above 8 nothing is won over int8.
FEWEST, MOST = 2, 8


@dataclass(frozen=True)
class Grid:
    """Symmetric levels of *bits* bits, 2 to 8; one scale for every *chunk* of inputs of a row.

    A chunk of 0 stands for a whole row. Raises InputError for bits or a chunk out of range.
    """

    bits: int
    chunk: int = 0

    def __post_init__(self) -> None:
        if not FEWEST <= self.bits <= MOST:
            raise InputError(f"A grid of {self.bits} bits", f"{FEWEST} to {MOST} bits",
                             "8 bits hardly cost accuracy, 4 bits halve the storage again.")
        if self.chunk < 0:
            raise InputError(f"Chunks of {self.chunk} weights",
                             "1 or more along the input, or 0 for a whole row",
                             "64 is a common choice.")

    @property
    def top(self) -> int:
        """The largest level: codes run from -top to top."""
        # One of the 2^bits codes stays unused: with it the levels would not be symmetric.
        return 2 ** (self.bits - 1) - 1

    def fits(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise InputError when the rows of matrix *name* of *shape* cannot be cut into chunks."""
        if self.chunk and shape[1] % self.chunk:
            raise InputError(f"Matrix {name!r} is {shape[1]} wide",
                             f"a width divisible by chunks of {self.chunk}",
                             "Choose a chunk that divides it, or 0 for a whole row.")
