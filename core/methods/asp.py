"""ASP: prune once by magnitude, then repeat the dense training with the mask fixed.

    M = the largest |W| of every group, W dense    once, before training
    after every optimiser step:
        W <- M o W                                 what was cut never comes back

Prunes: single weights, by their size in the dense model; every pattern. All trained parameters go
on learning.
Source: the vendor's recipe (dense train, one-shot prune, the same training again with the same
hyper-parameters), and the baseline of NxMTransformer (arXiv 2110.15766).
Where we differ: the mask is applied to the weights after every optimiser step, which gives the same
weights as masking every forward pass.
Cost: one fine-tuning, and one multiplication per pruned weight and step.
"""

from __future__ import annotations

from core.methods.masked import Masked


class Asp(Masked):
    """Masked training from the magnitude solution."""

    @property
    def start(self) -> str:
        """Plain magnitude."""
        return "magnitude"
