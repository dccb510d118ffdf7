"""2:4 through PyTorch's semi-structured kernels: a GPU multiplies the weights that stay, and only those.

They need an NVIDIA GPU of compute capability 8.0 (Ampere) or later, half precision, and matrices whose sides are
multiples of 64. Source: Mishra et al. 2021 (arXiv 2104.08378); `torch.sparse.to_sparse_semi_structured`.
"""

from __future__ import annotations

import copy
from typing import Any

from core.models.prunable import prunable
from core.sparsity.pattern import Pattern

CAPABILITY = (8, 0)
SIDE = 64  # of float16: 32 rows and 64 columns would do, and all models here have multiples of 64


def missing(pattern: Pattern) -> str | None:
    """In words, what is missing to run *pattern* on such kernels here; None where nothing is."""
    import torch

    if pattern.name != "2:4":
        return f"Sparse kernels were not tried: GPUs have them for 2:4, not for {pattern.name}."
    if not torch.cuda.is_available():
        return ("2:4 kernels were not tried: they need an NVIDIA GPU of compute capability 8.0 (Ampere) or later, and "
                "this machine has none.")
    if torch.cuda.get_device_capability() < CAPABILITY:
        return (f"2:4 kernels were not tried: they need compute capability 8.0, and {torch.cuda.get_device_name()} has "
                f"{'.'.join(map(str, torch.cuda.get_device_capability()))}.")
    return None


def on_gpu(model: Any, sparse: bool) -> Any:
    """A copy of *model* in half precision on the GPU; *sparse*: its prunable matrices, at 2:4, compressed for the
    sparse kernels. A matrix whose sides do not fit stays dense."""
    import torch
    from torch.sparse import to_sparse_semi_structured

    moved = copy.deepcopy(model).half().cuda().eval()
    if sparse:
        for layer in prunable(moved).values():
            if all(side % SIDE == 0 for side in layer.weight.shape):
                layer.weight = torch.nn.Parameter(to_sparse_semi_structured(layer.weight.detach()),
                                                  requires_grad=False)
    return moved
