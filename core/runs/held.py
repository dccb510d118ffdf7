"""A run that was never written: a record, and arrays in memory. Every view takes it for one of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.runs.store import Run


@dataclass
class HeldRun(Run):
    """A run whose arrays are in memory, in the units in which they are shown: activations and attention are float32,
    not codes; `rows` are its trace. `path` names a folder that need not exist."""

    held: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    rows: list[dict[str, Any]] = field(default_factory=list, repr=False)

    @property
    def trace(self) -> list[dict[str, Any]]:
        """The logged steps."""
        return self.rows

    @property
    def keys(self) -> frozenset[str]:
        """Names of the arrays."""
        return frozenset(self.held)

    def array(self, key: str) -> np.ndarray | None:
        """One array, or None."""
        return self.held.get(key)

    def several(self, keys: Iterable[str]) -> dict[str, np.ndarray]:
        """Those of *keys* that are there."""
        return {key: self.held[key] for key in keys if key in self.held}

    def activation(self, probe: str, layer: int) -> NDArray[np.float32] | None:
        """Output of *layer* (0 = embeddings) for *probe*, float32 `[tokens, hidden]`, unrounded."""
        return self.held.get(f"activation/{probe}/{layer}")

    def attention(self, probe: str, layer: int) -> NDArray[np.float32] | None:
        """Attention of *layer* (1 = first) for *probe*, float32 `[heads, tokens, tokens]`, unrounded."""
        return self.held.get(f"attention/{probe}/{layer}")
