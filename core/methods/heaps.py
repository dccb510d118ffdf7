"""How the norms of groups are spread while a penalty acts on them: looks at all matrices together,
each a count by size.

Sizes and bins: `core.runs.heaps`. Of the threshold 1 is where a group is about to be cut.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.runs.heaps import BINS, HIGH, LOW, QUIET
from core.sparsity.patterns import Pattern

LOOKS = 32


class Heaps:
    """The looks taken so far. *norms*: of the dense model, by matrix; *last*: the step of the hard
    prune."""

    def __init__(self, norms: Mapping[str, Tensor], pattern: Pattern, last: int) -> None:
        whole = pattern.scope == "model"
        together = torch.cat([n.reshape(-1) for n in norms.values()]) if whole and norms else None
        self.thresholds = {
            name: _quantile(n.reshape(-1) if together is None else together, pattern.sparsity)
            for name, n in norms.items()}
        self.steps: list[int] = []
        self.counts: list[Tensor] = []
        self.quiet = 0.0
        self._due = {round(last * i / LOOKS) for i in range(LOOKS + 1)}

    def due(self, step: int) -> bool:
        """Is a look to be taken after *step* steps?"""
        return step in self._due

    def look(self, step: int, norms: Mapping[str, Tensor]) -> None:
        """Count *norms*, by matrix, as they are after *step* steps."""
        counts = torch.zeros(BINS + 2, dtype=torch.int64)
        quiet = 0
        for name, values in norms.items():
            size = values.detach().reshape(-1) / max(self.thresholds[name], 1e-12)
            quiet += int((size < QUIET).count_nonzero())
            place = ((size.log10() - LOW) * (BINS / (HIGH - LOW))).floor().clamp(-1, BINS)
            counts += torch.bincount(place.long().cpu() + 1, minlength=BINS + 2)
        self.steps.append(step)
        self.counts.append(counts)
        self.quiet = quiet / max(1, int(counts.sum()))

    def told(self) -> dict[str, NDArray[np.generic]]:
        """steps `[looks]`, and heaps `[looks, BINS + 2]`: how many groups of each size."""
        return {"steps": np.array(self.steps, np.int32),
                "heaps": torch.stack(self.counts).numpy().astype(np.uint32)}

    def state(self) -> dict[str, Tensor]:
        """All that must survive a kill."""
        return {"heaps/steps": torch.tensor(self.steps), "heaps/counts": torch.stack(self.counts),
                "heaps/quiet": torch.tensor(self.quiet, dtype=torch.float64)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Undo `state`."""
        self.steps = [int(step) for step in state["heaps/steps"]]
        self.counts = list(state["heaps/counts"])
        self.quiet = float(state["heaps/quiet"])


def _quantile(values: Tensor, share: float) -> float:
    """The size under which *share* of *values* lies. By sorting: `torch.quantile` ends at 16
    million numbers."""
    if not values.numel():
        return 1.0
    place = min(values.numel() - 1, int(share * values.numel()))
    return float(np.partition(values.detach().float().cpu().numpy(), place)[place])
