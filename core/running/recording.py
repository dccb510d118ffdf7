"""From the final model to what a run folder keeps: the header's matrices and the arrays of its record level."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from core.errors import InputError
from core.inside.statistics import LayerStats
from core.methods.low_rank import LowRank
from core.runs import arrays as enc
from core.runs.levels import RecordLevel, holds
from core.runs.records import Matrix
from core.sparsity.occupancy import free_mask, occupancy
from core.sparsity.patterns import Pattern
from core.sparsity.verify import verify_all

THUMBNAIL_MULTIPLE = 8  # dense and pruned thumbnails have the same cells for every M that divides 8


def output_error(dense: Tensor, pruned: Tensor, stats: LayerStats | None) -> float | None:
    """|X (W - W')^T|^2 / |X W^T|^2 on the calibration inputs, from their Gram matrix. None without one, and where
    the dense matrix puts out nothing, so that there is nothing to relate an error to."""
    if stats is None or stats.gram is None:
        return None
    gap = dense - pruned
    size = ((dense @ stats.gram) * dense).sum()
    return None if size == 0 else float(((gap @ stats.gram) * gap).sum() / size)


def kept_energy(dense: Tensor, mask: Tensor) -> float:
    """Sum of the kept w^2 over the sum of all w^2. Of a matrix of zeros nothing can be lost: 1."""
    energy = dense.square()
    total = energy.sum()
    return 1.0 if total == 0 else float((energy * mask).sum() / total)


def in_numpy(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The tensors of a model on the CPU, by matrix."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


def gram_owners(stats: dict[str, LayerStats]) -> dict[str, str]:
    """By matrix: the first matrix with the same Gram matrix (query, key and value share theirs). Those without one
    are left out."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(s.gram), name) for name, s in stats.items() if s.gram is not None}


def record_matrices(level: RecordLevel, final: dict[str, Tensor], dense: dict[str, Tensor], masks: dict[str, Tensor],
                    magnitude: dict[str, Tensor], pattern: Pattern, stats: dict[str, LayerStats],
                    low: Mapping[str, LowRank] | None = None) -> list[Matrix]:
    """One `Matrix` per prunable weight. The exact check runs on the final weights' own zeros, not on the masks.
    The matrices name their Gram matrix when *level* keeps it. *low*: what stands beside their weights: their error is
    that of both.

    Raises InputError when the final model breaks the pattern: such a run has failed.
    """
    support = {name: (w != 0).cpu().numpy().astype(np.uint8) for name, w in final.items()}
    for verdict in verify_all(support, pattern).values():
        if not verdict.ok:
            raise InputError(f"The final model breaks {pattern.name} in {verdict.violations} groups of "
                             f"{verdict.matrix}: {verdict.examples[0]}", "a model that obeys its pattern",
                             "This is a fault of the method: please report it.")
    out = []
    owners = gram_owners(stats) if holds(level, "lab") else {}
    for name, weight in dense.items():
        mask, beside = masks[name], (low or {}).get(name)
        served = final[name] if beside is None else beside.beside(final[name])
        out.append(Matrix(
            name=name, shape=(weight.shape[0], weight.shape[1]), density=float(mask.float().mean()), violations=0,
            kept_energy=kept_energy(weight, mask),
            moved=float((mask != magnitude[name]).float().mean()),
            error=output_error(weight, served, stats.get(name)), rank=0 if beside is None else beside.rank,
            mask_sha256=enc.mask_digest(enc.pack_mask(mask.cpu().numpy())),
            gram=owners.get(name), gram_tokens=stats[name].tokens if name in owners else None))
    return out


def record_factors(level: RecordLevel, low: Mapping[str, LowRank]) -> dict[str, np.ndarray]:
    """The factors of the corrections, where *level* keeps weights."""
    return {f"correction/{side}/{name}": values.detach().cpu().numpy() for name, found in low.items()
            for side, values in (("left", found.left), ("right", found.right))} if holds(level, "full") else {}


def record_arrays(level: RecordLevel, final: dict[str, Tensor], dense: dict[str, Tensor],
                  masks: dict[str, Tensor] | None, pattern: Pattern,
                  stats: dict[str, LayerStats]) -> dict[str, np.ndarray]:
    """The arrays that *level* keeps of the weights (activations and snapshots are added by the pipeline)."""
    if not holds(level, "summary"):
        return {}
    out: dict[str, np.ndarray] = {} if masks is None else dict(pattern.arrays())
    for name, weight in final.items():
        w = weight.detach().float().cpu().numpy()
        out[f"thumbnail/{name}"] = enc.thumbnail(w, math.lcm(THUMBNAIL_MULTIPLE, pattern.multiple))
        mask = None if masks is None else masks[name].cpu().numpy().astype(np.uint8)
        if mask is not None:
            out[f"occupancy/{name}"] = occupancy(mask, pattern).histogram
            free = free_mask(dense[name].float().cpu().numpy(), float(mask.mean()))
            out[f"occupancy.free/{name}"] = occupancy(free, pattern).histogram
            if holds(level, "masks"):
                out[f"mask/{name}"] = enc.pack_mask(mask)
        if holds(level, "full"):
            enc.put_weight(out, name, w, mask)
    if holds(level, "lab"):
        for name in dict.fromkeys(gram_owners(stats).values()):
            gram = stats[name].gram
            assert gram is not None
            out[f"gram/{name}"] = enc.upper_triangle(gram.cpu().numpy())
    return out
