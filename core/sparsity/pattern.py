"""What a pattern is: a grouping of a matrix, and a budget for every group.

No torch here, as pages read patterns. Selection, verification, occupancy, storage, SparseGPT and
the pictures ask these two and never the class of a pattern, so a new pattern is one class, with a
name, and one line in PATTERNS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.sparsity.budget import Budget, number_text
from core.sparsity.cells import cell_sums
from core.sparsity.grouping import Grouping
from core.sparsity.library import Library
from core.sparsity.units import Anatomy, Kept, Worth


@dataclass(frozen=True)
class Pattern:
    """What every pattern answers.

    A matrix is `[out, in]`; a mask is 1 (or True) where a weight stays.
    """

    # From a model's dense weights: see `bound`.
    learns: ClassVar[bool] = False
    # Has every matrix a library to itself? A plain attribute here, and a field only of the
    # patterns that can choose: no other pattern's equality may depend on it.
    each = False
    # Are its units whole heads, neurons or modules, over several matrices? See
    # `core.sparsity.coupled`. Such a pattern chooses once it is `joined` to a model's anatomy.
    coupled: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """The canonical text: `parse_pattern(p.name) == p`."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """The pattern in words, as a legend says it."""
        raise NotImplementedError

    @property
    def grouping(self) -> Grouping:
        """How a matrix is cut."""
        raise NotImplementedError

    @property
    def budget(self) -> Budget:
        """How many units of a group stay."""
        raise NotImplementedError

    @property
    def library(self) -> Library:
        """The supports to choose from, for a budget with `ways`.

        Raises InputError when there are none, or when they are not learned yet.
        """
        raise InputError(f"Pattern {clipped(self.name)!r} has no library",
                         "a pattern that chooses from one",
                         "Take library:4x4:8:16.")

    @property
    def density(self) -> float:
        """Nominal share of weights that stay, 0..1 (rounding to whole units aside)."""
        return self.budget.density(self.grouping.units)

    @property
    def sparsity(self) -> float:
        """Nominal share of zeros, 0..1, as it was written where a share was written."""
        # Not by way of the density: in floats 1 - (1 - 0.1) is not 0.1.
        return 1.0 - self.density if self.budget.share is None else self.budget.share

    @property
    def scope(self) -> Literal["matrix", "model"]:
        """"model": chosen over all matrices together."""
        return self.grouping.scope

    @property
    def multiple(self) -> int:
        """Inputs of a cell: a picture whose cells are multiples of it cannot alias."""
        return 1 if self.grouping.cell is None else self.grouping.cell[1]

    @property
    def allowed(self) -> int | None:
        """How many weights a group may hold; None where no group has a number of its own."""
        units = self.grouping.units
        return None if units is None else self.budget.kept(units)

    @property
    def whole(self) -> bool:
        """Do blocks of weights stay or go as wholes?"""
        return not self.grouping.single

    def eased(self, progress: float) -> Pattern:
        """The pattern on the way here, *progress* 0..1: see `Budget.eased`."""
        budget = self.budget.eased(progress, self.grouping.units)
        return self if budget == self.budget else Eased(self, budget)

    def bound(self, weights: Mapping[str, NDArray[np.floating]]) -> Pattern:
        """The pattern with all that it learns from a model's dense *weights* `[out, in]` by matrix.

        Most learn nothing. Raises InputError when there is not enough to learn from.
        """
        return self

    def joined(self, anatomy: Anatomy) -> Pattern:
        """The pattern for a model made of the units of *anatomy*. Only a coupled one asks."""
        return self

    def choose(self, worth: Worth) -> Kept:
        """The units that stay, of a coupled pattern that was joined to a model."""
        raise InputError(f"Pattern {clipped(self.name)!r} has no units over several matrices",
                         "a pattern of heads, neurons or modules", "Take heads:0.5.")

    def known(self) -> Anatomy:
        """The anatomy of the model that a coupled pattern was joined to. Raises InputError."""
        raise InputError(f"Pattern {clipped(self.name)!r} has no units over several matrices",
                         "a pattern of heads, neurons or modules", "Take heads:0.5.")

    def of(self, name: str) -> Pattern:
        """The pattern as matrix *name* must obey it.

        Only a bound pattern may differ between matrices. Raises InputError for a matrix that it
        was not bound to.
        """
        return self

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What was learned, by key: what a run folder must hold so that `restored` can give this
        pattern back."""
        return {}

    def restored(self, arrays: Mapping[str, NDArray[np.generic]]) -> Pattern:
        """The pattern with what it had learned, from the *arrays* of a run folder.

        Raises InputError when something is missing or does not fit.
        """
        return self

    def fits(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise InputError when matrix *name* of *shape* cannot be cut into the groups and units of
        this pattern."""
        share = (number_text(self.budget.share) if self.budget.share is not None
                 else f"{self.sparsity:.3g}")
        # The remedy offers the pattern of as many zeros that fits every matrix.
        self.grouping.fits(name, shape, clipped(self.name), f"unstructured:{share}")

    def counts(self, mask: NDArray[np.generic]) -> NDArray[np.integer]:
        """Kept weights of every cell of a mask `[out, in]`: `[out / rows, in / columns]`.

        `[1, 1]` for a pattern without cells. Raises InputError when the mask does not fit.
        """
        self.fits("mask", mask.shape)
        kept = np.asarray(mask) != 0
        if self.grouping.cell is None:
            return np.array([[np.count_nonzero(kept)]], dtype=np.int64)
        rows, columns = self.grouping.cell
        return cell_sums(kept, rows, columns, np.int8 if rows * columns < 128 else np.int32)


@dataclass(frozen=True)
class Eased(Pattern):
    """A pattern on the way to *goal*: the groups of *goal*, with the budget *less*.

    It exists inside a solver only: its name is for messages, and no text reads back as one.
    """

    goal: Pattern
    less: Budget

    @property
    def name(self) -> str:
        return f"{self.goal.name} at {self.density:.3g}"

    @property
    def title(self) -> str:
        return f"on the way to: {self.goal.title}"

    @property
    def grouping(self) -> Grouping:
        return self.goal.grouping

    @property
    def budget(self) -> Budget:
        return self.less


def clipped(text: str, most: int = 60) -> str:
    """*text* as a message can hold it: no more than its first *most* characters."""
    return text if len(text) <= most else text[:most - 3] + "..."
