"""What pruning a model came to, matrix by matrix."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.exports.pictures import of_run
from core.runs.store import Run
from core.views.drawing.view import View

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MatrixReport:
    """One pruned matrix.

    name: as in the model's state dict, without `.weight`. shape: `[out, in]`. zeros: weights of the model that are
    exactly 0 now. exact: did the verifier, which counts these zeros by a way of its own, find no group that keeps more
    than the pattern allows? (Of a pattern over all matrices: in the whole model.) error: |X (W0 - W)'|^2 / |X W0'|^2 on
    the calibration inputs X, dense weights W0, present ones W; None where the dense matrix put out nothing.
    kept_energy: sum of W0^2 over the weights that stayed, as a share of the whole. moved: share of the mask that is
    not plain magnitude's.
    """

    name: str
    shape: tuple[int, int]
    zeros: int
    exact: bool
    error: float | None
    kept_energy: float
    moved: float

    @property
    def sparsity(self) -> float:
        """Share of zeros, 0..1."""
        return self.zeros / (self.shape[0] * self.shape[1])


@dataclass(frozen=True)
class Report:
    """All pruned matrices, in the model's order. notes: what to know before the numbers are believed (texts that were
    cut, layers that are not prunable), a sentence each."""

    method: str
    pattern: str
    matrices: tuple[MatrixReport, ...]
    notes: tuple[str, ...] = ()

    @property
    def zeros(self) -> int:
        """Weights that are exactly 0, over all matrices."""
        return sum(matrix.zeros for matrix in self.matrices)

    @property
    def sparsity(self) -> float:
        """Share of zeros over all prunable weights, 0..1."""
        return self.zeros / sum(matrix.shape[0] * matrix.shape[1] for matrix in self.matrices)

    @property
    def exact(self) -> bool:
        """Does every matrix obey the pattern?"""
        return all(matrix.exact for matrix in self.matrices)

    @property
    def table(self) -> pd.DataFrame:
        """A row a matrix; the columns are the fields of `MatrixReport`, and its sparsity."""
        return pd.DataFrame([{"matrix": m.name, "out": m.shape[0], "in": m.shape[1], "zeros": m.zeros,
                              "sparsity": m.sparsity, "exact": m.exact, "error": m.error,
                              "kept energy": m.kept_energy, "moved": m.moved} for m in self.matrices])

    def __str__(self) -> str:
        errors = [matrix.error for matrix in self.matrices if matrix.error is not None]
        mean = f", mean output error {sum(errors) / len(errors):.2g}" if errors else ""
        exactly = f"all obey {self.pattern} exactly" if self.exact else f"not all obey {self.pattern}"
        head = f"{self.method}: {len(self.matrices)} matrices, {self.sparsity:.1%} zeros, {exactly}{mean}."
        return " ".join([head, *self.notes])

    def _repr_html_(self) -> str:
        """The table, as a notebook shows it."""
        numbers = {"sparsity": "{:.1%}".format, "error": "{:.2g}".format, "kept energy": "{:.3f}".format,
                   "moved": "{:.3f}".format}
        shown = self.table.to_html(index=False, border=0, formatters=numbers, na_rep="–")
        return f"<p>{html.escape(str(self))}</p>{shown}"


@dataclass(frozen=True)
class Pruned:
    """What `prune` came to.

    model: the pruned one, the same object that was given. masks: bool tensors `[out, in]` on the CPU by matrix, True
    where a weight stays. report: every matrix in numbers. run: the same as an opened run with its dense parent, held
    in memory; its weights are int8 codes, one scale a row, as pictures need them, while the model holds them in full.
    """

    model: Any = field(repr=False)
    masks: Mapping[str, Tensor] = field(repr=False)
    report: Report
    run: Run = field(repr=False)

    def view(self, name: str, matrix: str | None = None, **choices: str | int) -> View:
        """Draw the view *name*: see `sparsescope.view`. Raises InputError."""
        return of_run(self.run, name, matrix, **choices)

    def __str__(self) -> str:
        return str(self.report)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()
