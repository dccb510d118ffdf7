"""The kinds of pattern: a grouping, and how many entries of a group may stay. No torch: pages read patterns too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

WIDEST = 32  # the largest M: counts of a group fit a byte, and no hardware or paper goes beyond


def kept_number(sparsity: float, size: int) -> int:
    """How many of *size* entries stay at *sparsity*: (1 - sparsity) * size, a half rounded up.

    Exact, from the sparsity as it is written: 0.9 of 5 leaves 0.5, hence 1, on every machine.
    """
    gone, whole = Decimal(repr(float(sparsity))).as_integer_ratio()
    return (2 * (whole - gone) * size + whole) // (2 * whole)


@dataclass(frozen=True)
class Pattern:
    """What every pattern answers. A matrix is `[out, in]`; a mask is 1 (or True) where a weight stays."""

    scope: ClassVar[Literal["matrix", "model"]] = "matrix"  # "model": chosen over all matrices together

    @property
    def name(self) -> str:
        """The canonical text: `parse_pattern(p.name) == p`."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """The pattern in words, as a legend says it."""
        raise NotImplementedError

    @property
    def density(self) -> float:
        """Nominal share of weights that stay, 0..1 (rounding to whole entries aside)."""
        raise NotImplementedError

    @property
    def sparsity(self) -> float:
        """Nominal share of zeros, 0..1."""
        return 1.0 - self.density

    @property
    def group(self) -> tuple[int, int] | None:
        """Rows and columns of a group; None when the whole matrix (or model) is one."""
        return None

    @property
    def multiple(self) -> int:
        """Entries of a group along the input dimension: a picture whose cells are multiples of it cannot alias."""
        return 1 if self.group is None else self.group[1]

    def eased(self, progress: float) -> Pattern:
        """The pattern on the way here, *progress* 0..1: its share of zeros is 1 - (1 - progress)^3 of this one's."""
        return self

    def bound(self, weights: Mapping[str, NDArray[np.floating]]) -> Pattern:
        """The pattern with all that it learns from a model's dense *weights* `[out, in]` by matrix; most learn nothing.

        Raises InputError when there is not enough to learn from.
        """
        return self

    def of(self, name: str) -> Pattern:
        """The pattern as matrix *name* must obey it: only a bound pattern may differ from matrix to matrix."""
        return self

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What a run folder must hold so that `restored` gives this pattern back: what was learned."""
        return {}

    def restored(self, arrays: Mapping[str, NDArray[np.generic]]) -> Pattern:
        """Undo `arrays`. Raises InputError when something is missing or does not fit."""
        return self

    def fits(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise InputError when matrix *name* of *shape* cannot be cut into this pattern's groups."""
        if len(shape) != 2:
            raise InputError(f"Matrix {name!r} has shape {tuple(shape)}", "two dimensions, [out, in]",
                             "Leave it out of what is pruned.")

    def counts(self, mask: NDArray[np.generic]) -> NDArray[np.integer]:
        """Kept entries per group of a mask `[out, in]`.

        Shape: N:M `[out, in / M]`; blocks `[out / r, in / c]`; all others `[1, 1]`. Raises InputError if it does
        not fit.
        """
        self.fits("mask", mask.shape)
        return np.array([[np.count_nonzero(mask)]], dtype=np.int64)


@dataclass(frozen=True)
class Dense(Pattern):
    """Everything stays."""

    @property
    def name(self) -> str:
        return "dense"

    @property
    def title(self) -> str:
        return "keep everything"

    @property
    def density(self) -> float:
        return 1.0


@dataclass(frozen=True)
class NM(Pattern):
    """Keep exactly *n* of every *m* consecutive weights along the input dimension, 1 <= n <= m <= 32."""

    n: int
    m: int

    def __post_init__(self) -> None:
        text = f"{self.n}:{self.m}"
        if self.n < 1 or self.m < 1:
            raise InputError(f"Pattern {text!r} has a zero or negative number", "N and M of at least 1",
                             "2:4 keeps 2 of every 4 consecutive weights.")
        if self.n > self.m:
            raise InputError(f"Pattern {text!r} keeps {self.n} of every {self.m}", "N no larger than M",
                             f"N:M keeps N of every M consecutive weights: did you mean '{self.m}:{self.n}'?")
        if self.m > WIDEST:
            raise InputError(f"Pattern {text!r} has groups of {self.m}", f"M of at most {WIDEST}",
                             f"Take a smaller M, or 'unstructured:{1 - self.n / self.m:.3g}'.")

    @property
    def name(self) -> str:
        return f"{self.n}:{self.m}"

    @property
    def title(self) -> str:
        return f"keep {self.n} of every {self.m}"

    @property
    def density(self) -> float:
        return self.n / self.m

    @property
    def group(self) -> tuple[int, int]:
        return 1, self.m

    def eased(self, progress: float) -> Pattern:
        return NM(self.m - math.floor((self.m - self.n) * _risen(progress) + 1e-9), self.m)

    def fits(self, name: str, shape: tuple[int, ...]) -> None:
        super().fits(name, shape)
        width = shape[1]
        if width % self.m or not width:
            others = [str(m) for m in range(2, WIDEST + 1) if width and width % m == 0]
            remedy = f"Choose an M that divides {width}: {', '.join(others)}." if others else \
                f"No M up to {WIDEST} divides {width}: choose 'unstructured:{self.sparsity:.3g}'."
            raise InputError(f"Matrix {name!r} is {width} wide", f"a width divisible by {self.m} for {self.name}",
                             remedy)

    def counts(self, mask: NDArray[np.generic]) -> NDArray[np.integer]:
        self.fits("mask", mask.shape)
        kept = np.asarray(mask) != 0
        # One addition per position: numpy's own sum over a short last axis is ten times slower.
        total = np.zeros((mask.shape[0], mask.shape[1] // self.m), dtype=np.int8)
        for j in range(self.m):
            total += kept[:, j::self.m]
        return total


class _Shared(Pattern):
    """A pattern that is told by the share of zeros alone."""

    share: float

    @property
    def density(self) -> float:
        return 1.0 - self.share

    @property
    def sparsity(self) -> float:
        return self.share

    def eased(self, progress: float) -> Pattern:
        return cast(Pattern, replace(cast(Any, self), share=self.share * _risen(progress)))


@dataclass(frozen=True)
class Unstructured(_Shared):
    """`kept_number(share, size)` weights of every matrix stay, anywhere in it."""

    share: float  # of zeros

    def __post_init__(self) -> None:
        check_share(self.share)

    @property
    def name(self) -> str:
        return f"unstructured:{number_text(self.share)}"

    @property
    def title(self) -> str:
        return f"remove {self.share * 100:.6g} % of every matrix"


@dataclass(frozen=True)
class GlobalUnstructured(Unstructured):
    """As `Unstructured`, over all matrices of a model together: a matrix may lose more than another."""

    scope: ClassVar[Literal["matrix", "model"]] = "model"

    @property
    def name(self) -> str:
        return f"global:{number_text(self.share)}"

    @property
    def title(self) -> str:
        return f"remove {self.share * 100:.6g} % of all matrices together"


@dataclass(frozen=True)
class Blocks(_Shared):
    """Whole *rows* x *columns* blocks stay or go: `kept_number(share, number of blocks)` of every matrix stay."""

    rows: int
    columns: int
    share: float  # of blocks that go

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            raise InputError(f"Pattern 'block:{self.rows}x{self.columns}' has a zero or negative side",
                             "sides of at least 1", "block:4x4:0.5 removes half of the 4 x 4 blocks.")
        check_share(self.share)

    @property
    def name(self) -> str:
        return f"block:{self.rows}x{self.columns}:{number_text(self.share)}"

    @property
    def title(self) -> str:
        return f"remove {self.share * 100:.6g} % of the {self.rows} x {self.columns} blocks"

    @property
    def group(self) -> tuple[int, int]:
        return self.rows, self.columns

    def fits(self, name: str, shape: tuple[int, ...]) -> None:
        super().fits(name, shape)
        fits_blocks(self, name, shape, f"unstructured:{number_text(self.share)}")

    def counts(self, mask: NDArray[np.generic]) -> NDArray[np.integer]:
        self.fits("mask", mask.shape)
        return block_counts(mask, self.rows, self.columns)


def fits_blocks(pattern: Pattern, name: str, shape: tuple[int, ...], instead: str) -> None:
    """Raise InputError when the sides of matrix *name* are no multiples of the group's; *instead* always fits."""
    rows, columns = pattern.group or (1, 1)
    if 0 in shape or shape[0] % rows or shape[1] % columns:
        raise InputError(f"Matrix {name!r} is {shape[0]} x {shape[1]}",
                         f"sides divisible by {rows} and {columns} for {clipped(pattern.name)}",
                         f"Choose sides that divide them, or '{instead}'.")


def block_counts(mask: NDArray[np.generic], rows: int, columns: int) -> NDArray[np.integer]:
    """Kept entries of every block of *mask* `[out, in]`: int32 `[out / rows, in / columns]`."""
    tiles = (np.asarray(mask) != 0).reshape(mask.shape[0] // rows, rows, -1, columns)
    return tiles.sum(axis=(1, 3), dtype=np.int32)


def check_share(share: float) -> None:
    if not 0.0 <= share < 1.0:
        raise InputError(f"Sparsity {number_text(share)} is out of range", "a share of zeros from 0 up to, but not, 1",
                         "Write 50 % as 0.5.")


def _risen(progress: float) -> float:
    """How far the share of zeros has come, 0..1."""
    return 1.0 - (1.0 - min(max(progress, 0.0), 1.0)) ** 3


def number_text(value: float) -> str:
    """The shortest text that reads back as the same number: 0.5, 0.875, 0."""
    short = f"{value:.6g}"
    return short if float(short) == value else repr(float(value))


def clipped(text: str, most: int = 60) -> str:
    """*text* as a message can hold it: no more than its first *most* characters."""
    return text if len(text) <= most else text[:most - 3] + "..."
