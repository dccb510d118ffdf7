"""How many units of a group stay: a number, a share, or all; any of them, or one of K supports.

A budget is asked for numbers only. *Which* units stay is chosen in one place,
`core.sparsity.select`: the highest scores where the choice is free, the support of most energy
where it comes from a library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal

from core.errors import InputError


@dataclass(frozen=True)
class Budget:
    """Of a group's units *number* stay, or all but a *share* of them; without both, all.

    *ways*: how many supports a library offers; None: any units may stay. *rest*: with a number, the
    share of the other units that stays beside them for now, the highest of the whole matrix: only
    budgets on the way to another have one.
    """

    number: int | None = None
    # Of zeros, 0 up to, but not, 1: a share of 1 would leave a matrix without weights.
    share: float | None = None
    ways: int | None = None
    rest: float = 0.0

    def __post_init__(self) -> None:
        if self.share is not None and not 0.0 <= self.share < 1.0:
            raise InputError(f"Sparsity {number_text(self.share)} is out of range",
                             "a share of zeros from 0 up to, but not, 1", "Write 50 % as 0.5.")

    def kept(self, units: int) -> int:
        """How many of a group's *units* stay, at least (see *rest*)."""
        return kept_number(self.share or 0.0, units) if self.number is None else self.number

    def kept_of_rest(self, others: int) -> int:
        """How many stay of a matrix's *others*: its units beside the number of every group."""
        # 1e-9: a number that is whole but for rounding must not lose a unit.
        return others - math.floor(others * (1.0 - self.rest) + 1e-9) if self.rest else 0

    def density(self, units: int | None) -> float:
        """Nominal share of the units that stay, 0..1 (rounding to whole units aside)."""
        if self.number is None or not units:
            return 1.0 - (self.share or 0.0)
        return (self.number + self.rest * (units - self.number)) / units

    def eased(self, progress: float, units: int | None) -> Budget:
        """The budget on the way to this one, *progress* 0..1: its share of zeros is
        1 - (1 - progress)^3 of this one's.

        A number of every group stays as it is, and the rest is a `rest`: so do Boza 2024 (arXiv
        2401.02938).
        """
        # A cubic: most goes early, while what is left can still make up for it, and little late.
        risen = 1.0 - (1.0 - min(max(progress, 0.0), 1.0)) ** 3
        # The supports of a library all keep the same number, so there is nothing to ease.
        if self.ways is not None:
            return self
        if self.number is not None and units:
            return self if self.number == units else replace(self, rest=1.0 - risen)
        return self if self.share is None else replace(self, share=self.share * risen)

    def index_bits(self, units: int) -> int:
        """Bits that say which of a group's *units* stay, as compact formats write them."""
        if self.ways is not None:
            return width_of(self.ways)
        # The smaller of N positions and a bitmap; where all stay there is nothing to say.
        if self.number is not None:
            return 0 if self.number == units else min(self.number * width_of(units), units)
        return 0 if self.share is None else units


def kept_number(sparsity: float, size: int) -> int:
    """How many of *size* units stay at *sparsity*: (1 - sparsity) * size, a half rounded up.

    Exact, from the sparsity as it is written: 0.9 of 5 leaves 0.5, hence 1, on every machine.
    """
    # `repr` gives the decimal that was typed; the float itself is not 0.9 but a little beside it.
    gone, whole = Decimal(repr(float(sparsity))).as_integer_ratio()
    # floor((1 - sparsity) * size + 1/2), in whole numbers.
    return (2 * (whole - gone) * size + whole) // (2 * whole)


def width_of(count: int) -> int:
    """Bits that tell *count* things apart."""
    return math.ceil(math.log2(count)) if count > 1 else 0


def number_text(value: float) -> str:
    """The shortest text that reads back as the same number: 0.5, 0.875, 0."""
    short = f"{value:.6g}"
    return short if float(short) == value else repr(float(value))
