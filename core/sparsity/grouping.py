"""How a matrix is viewed: which *groups* it is cut into, and what the *units* of a group are.

A unit stays or goes as a whole: a single weight, or a block of them. A budget
(`core.sparsity.budget`) then says how many units of a group stay. Both together are a pattern:

| pattern | group | unit | budget |
|---|---|---|---|
| N:M | 1 x M | a weight | N |
| a library | r x c | a weight | one of K supports |
| unstructured | the matrix | a weight | a share |
| global | all matrices of the model | a weight | a share |
| blocks | the matrix | r x c | a share |
| rows; columns | the matrix | 1 x in; out x 1 | a share, or a number |

The sides may be left open (None): as far as the matrix goes. Nothing here asks whether values are
numpy's or torch's: a view is made of `reshape` and `swapaxes`, which both have.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np

from core.errors import InputError

# Rows and columns; None: all there are.
Sides = tuple[int | None, int | None]
OPEN: Sides = (None, None)
# The largest M: counts of a group fit a byte, and no hardware or paper goes beyond.
WIDEST = 32


@dataclass(frozen=True)
class Grouping:
    """Groups of *group* weights, each made of units of *unit* weights; both are (rows, columns).

    scope "model": one group over all matrices of a model together. *noun* is what the
    field calls a group with sides (or a unit, where only that has sides).
    """

    group: Sides = OPEN
    unit: Sides = (1, 1)
    scope: Literal["matrix", "model"] = "matrix"
    noun: Literal["group", "block"] = "group"

    @property
    def tiled(self) -> bool:
        """Has a group sides of its own, so that every one holds the same number of units?"""
        return None not in self.group

    @property
    def single(self) -> bool:
        """Is a unit one weight?"""
        return self.unit == (1, 1)

    @property
    def cell(self) -> tuple[int, int] | None:
        """Rows and columns in which a matrix is counted and drawn; None where there are none.

        Those of a group, else of a unit. Where neither has sides, strips of a few inputs stand in.
        """
        rows, columns = self.group if self.tiled or self.single else self.unit
        return None if rows is None or columns is None else (rows, columns)

    @property
    def units(self) -> int | None:
        """Units of a group; None where that depends on the matrix."""
        rows, columns = self.group
        return None if rows is None or columns is None else self.units_in((rows, columns))

    def units_in(self, shape: tuple[int, int]) -> int:
        """Units of one group of a matrix of *shape* that fits."""
        return prod(g // u for g, u in zip(*self._sides(shape), strict=True))

    def weights_in(self, shape: tuple[int, int]) -> int:
        """Weights of one unit of a matrix of *shape* that fits."""
        return prod(self._sides(shape)[1])

    def fits(self, name: str, shape: tuple[int, ...], pattern: str, instead: str) -> None:
        """Raise InputError when matrix *name* of *shape* cannot be cut into groups and units.

        *pattern* is named in the message, *instead* is a pattern that fits every matrix.
        """
        if len(shape) != 2:
            raise InputError(f"Matrix {name!r} has shape {tuple(shape)}",
                             "two dimensions, [out, in]", "Leave it out of what is pruned.")
        if self.cell is None:
            return
        rows, columns = self.cell
        divided = shape[0] % rows == 0 and shape[1] % columns == 0
        if divided and shape[1] and (shape[0] or rows == 1):
            return
        if self.noun == "group":
            raise InputError(f"Matrix {name!r} is {shape[1]} wide",
                             f"a width divisible by {columns} for {pattern}",
                             _other(shape[1], instead))
        raise InputError(f"Matrix {name!r} is {shape[0]} x {shape[1]}",
                         f"sides divisible by {rows} and {columns} for {pattern}",
                         f"Choose sides that divide them, or '{instead}'.")

    def split(self, values: Any) -> Any:
        """*values* `[out, in]` (numpy or torch) as `[groups, units of a group, weights of a unit]`.

        Groups come row by row of groups, units row by row of a group, weights row by row of a unit.
        """
        out, into = values.shape
        (rows, columns), (high, wide) = self._sides((out, into))
        cut = values.reshape(
            out // rows, rows // high, high, into // columns, columns // wide, wide)
        # [down, up, high, across, along, wide] -> [down, across, up, along, high, wide]
        turned = cut.swapaxes(1, 3).swapaxes(2, 3).swapaxes(3, 4)
        units = (rows // high) * (columns // wide)
        return turned.reshape(out * into // (rows * columns), units, high * wide)

    def join(self, kept: Any, shape: tuple[int, int]) -> Any:
        """Undo `split`: the mask `[out, in]` of the units that are *kept*, `[groups, units]`."""
        out, into = shape
        (rows, columns), (high, wide) = self._sides((out, into))
        cut = kept.reshape(out // rows, into // columns, rows // high, columns // wide)
        # [down, across, up, along] -> [down, up, across, along]: one entry a unit
        turned = cut.swapaxes(1, 2).reshape(out // high, into // wide)
        if self.single:
            return turned
        # Every entry repeated over the weights of its unit; by index, as numpy and torch call a
        # repetition by different names.
        return turned[np.arange(out) // high][:, np.arange(into) // wide]

    def _sides(self, shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows and columns of a group and of a unit in a matrix of *shape*, open sides filled in.

        An open side of a group is the matrix's, an open side of a unit its group's.
        """
        group = (self.group[0] or shape[0], self.group[1] or shape[1])
        return group, (self.unit[0] or group[0], self.unit[1] or group[1])


def _other(width: int, instead: str) -> str:
    """What to choose when no group of M fits *width*."""
    others = [str(m) for m in range(2, WIDEST + 1) if width and width % m == 0]
    return f"Choose an M that divides {width}: {', '.join(others)}." if others else \
        f"No M up to {WIDEST} divides {width}: choose '{instead}'."
