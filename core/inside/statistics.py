"""What a calibration text says about the input of one layer: the record that calibration writes and methods read."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LayerStats:
    """What a calibration text says about the input of one layer.

    gram: X^T X summed over all calibration tokens, float32 `[in, in]` (None if only norms were asked for);
    norms: the columns' 2-norms sqrt(diag X^T X), `[in]`; tokens: rows of X.
    """

    norms: Tensor
    tokens: int
    gram: Tensor | None = None
