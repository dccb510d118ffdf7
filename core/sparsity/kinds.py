"""The kinds of pattern with free choice: each a grouping and a budget, with a name."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError
from core.sparsity.budget import Budget, number_text
from core.sparsity.grouping import WIDEST, Grouping
from core.sparsity.pattern import Pattern


@dataclass(frozen=True)
class Dense(Pattern):
    """Everything stays."""

    grouping = Grouping()
    budget = Budget()
    name = "dense"
    title = "keep everything"


@dataclass(frozen=True)
class NM(Pattern):
    """Keep exactly *n* of every *m* consecutive weights along the input, 1 <= n <= m <= 32."""

    n: int
    m: int

    def __post_init__(self) -> None:
        text = f"{self.n}:{self.m}"
        if self.n < 1 or self.m < 1:
            raise InputError(f"Pattern {text!r} has a zero or negative number",
                             "N and M of at least 1",
                             "2:4 keeps 2 of every 4 consecutive weights.")
        if self.n > self.m:
            raise InputError(f"Pattern {text!r} keeps {self.n} of every {self.m}",
                             "N no larger than M",
                             "N:M keeps N of every M consecutive weights: "
                             f"did you mean '{self.m}:{self.n}'?")
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
    def grouping(self) -> Grouping:
        return Grouping(group=(1, self.m))

    @property
    def budget(self) -> Budget:
        return Budget(number=self.n)


@dataclass(frozen=True)
class Unstructured(Pattern):
    """A *share* of the weights of every matrix goes, from anywhere in it."""

    share: float

    def __post_init__(self) -> None:
        # A budget knows the range of a share: making one refuses what lies outside.
        Budget(share=self.share)

    @property
    def name(self) -> str:
        return f"unstructured:{number_text(self.share)}"

    @property
    def title(self) -> str:
        return f"remove {self.share * 100:.6g} % of every matrix"

    @property
    def grouping(self) -> Grouping:
        return Grouping()

    @property
    def budget(self) -> Budget:
        return Budget(share=self.share)


@dataclass(frozen=True)
class GlobalUnstructured(Unstructured):
    """A *share* of the weights of all matrices together goes: one may lose more than another."""

    @property
    def name(self) -> str:
        return f"global:{number_text(self.share)}"

    @property
    def title(self) -> str:
        return f"remove {self.share * 100:.6g} % of all matrices together"

    @property
    def grouping(self) -> Grouping:
        return Grouping(scope="model")


@dataclass(frozen=True)
class Blocks(Pattern):
    """Whole *rows* x *columns* blocks stay or go; a *share* of the blocks of every matrix goes."""

    rows: int
    columns: int
    share: float

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            raise InputError(
                f"Pattern 'block:{self.rows}x{self.columns}' has a zero or negative side",
                "sides of at least 1", "block:4x4:0.5 removes half of the 4 x 4 blocks.")
        # A budget knows the range of a share: making one refuses what lies outside.
        Budget(share=self.share)

    @property
    def name(self) -> str:
        return f"block:{self.rows}x{self.columns}:{number_text(self.share)}"

    @property
    def title(self) -> str:
        return f"remove {self.share * 100:.6g} % of the {self.rows} x {self.columns} blocks"

    @property
    def grouping(self) -> Grouping:
        return Grouping(unit=(self.rows, self.columns), noun="block")

    @property
    def budget(self) -> Budget:
        return Budget(share=self.share)
