"""ASP: prune once by magnitude, then repeat the dense training with the mask fixed.

Source: the vendor's recipe (dense train, one-shot prune, the same training again with the same hyper-parameters), and
the baseline of NxMTransformer (arXiv 2110.15766). Cost: one fine-tuning. Where we differ: the mask is applied to the
weights after every optimiser step, which gives the same weights as masking every forward pass.
"""

from __future__ import annotations

from core.methods.masked import Masked


class Asp(Masked):
    """Masked training from the magnitude solution."""

    start = "magnitude"
