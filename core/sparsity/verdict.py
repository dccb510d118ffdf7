"""What a check of masks finds: violations, and a verdict a matrix. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.generic]
EXAMPLES = 20  # violations that are spelled out
# The name under which a pattern of scope "model" is judged.
ALL = "all matrices"


@dataclass(frozen=True)
class Violation:
    """One group that keeps more than it may, or what no support of its library holds.

    It has *rows* rows from *row* on, and inputs *start* up to (not with) *stop*.
    """

    matrix: str
    # None: the group is the whole matrix.
    row: int | None
    start: int
    stop: int
    kept: int
    allowed: int
    rows: int = 1
    # Kept weights that the nearest support of its library leaves out.
    outside: int = 0
    # What is wrong, where a sentence says it: of units over several matrices.
    text: str = ""

    def __str__(self) -> str:
        if self.text:
            return f"{self.matrix}: {self.text}"
        if self.row is None:
            return f"{self.matrix}: keeps {self.kept}, allowed {self.allowed}"
        where = (f"row {self.row}" if self.rows == 1
                 else f"rows {self.row}..{self.row + self.rows - 1}")
        span = (f"inputs {self.start}..{self.stop - 1} keep" if self.stop - self.start > 1
                else f"input {self.start} keeps")
        lost = f"; the nearest support leaves out {self.outside}" if self.outside else ""
        return f"{self.matrix}: {where}, {span} {self.kept}, allowed {self.allowed}{lost}"


@dataclass(frozen=True)
class Verdict:
    """What the check of one matrix found.

    A group that keeps *fewer* than it may breaks nothing that hardware needs: it is counted in
    *short* apart.
    """

    matrix: str
    pattern: str
    groups: int
    # Groups that keep more than they may, or what no support of the library holds.
    violations: int
    # Groups that keep fewer than they may.
    short: int
    # The first EXAMPLES of the violations.
    examples: tuple[Violation, ...] = ()

    @property
    def ok(self) -> bool:
        """No group keeps what it may not."""
        return self.violations == 0
