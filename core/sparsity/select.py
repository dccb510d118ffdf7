"""Selection: which weights stay under a pattern, the highest scores first. The one place where masks are chosen."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from core.errors import InputError
from core.sparsity.patterns import NM, Blocks, Dense, GlobalUnstructured, Pattern, Unstructured, kept_number


def select(pattern: Pattern, scores: Tensor) -> Tensor:
    """Return the mask `[out, in]` (bool, same device) that keeps the highest *scores* `[out, in]` of every group.

    Scores are any real numbers, +-inf among them, in any floating type (compared exactly, never rounded); NaN has no
    order and must not occur. The number kept is exact: N of every M; `kept_number` of a matrix, or of its blocks. Ties
    go to the lower index (row-major). A block's score is the sum of its scores, in float32 or wider. Deterministic.

    Raises InputError when the matrix does not fit the pattern, or the pattern spans several matrices.
    """
    pattern.fits("scores", tuple(scores.shape))
    match pattern:
        case NM(n, m):
            return _best_of_groups(scores, n, m)
        case GlobalUnstructured():
            raise InputError(f"Pattern {pattern.name!r} chooses over all matrices at once", "one matrix at a time",
                             f"Choose 'unstructured:{pattern.share:g}'.")
        case Unstructured(share):
            return _best(scores.reshape(-1), kept_number(share, scores.numel())).view(scores.shape)
        case Blocks(rows, columns, share):
            tiles = scores.reshape(scores.shape[0] // rows, rows, -1, columns)
            sums = tiles.to(torch.promote_types(scores.dtype, torch.float32)).sum(dim=(1, 3))
            kept = _best(sums.reshape(-1), kept_number(share, sums.numel())).view(sums.shape)
            return kept.repeat_interleave(rows, dim=0).repeat_interleave(columns, dim=1)
        case Dense():
            return torch.ones_like(scores, dtype=torch.bool)
    raise TypeError(f"no selection is written for {type(pattern).__name__}")


def select_all(pattern: Pattern, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks for all matrices of a model; `select` for each, or one choice over all for a pattern of scope "model".

    Ties over several matrices go to the matrix that comes first in *scores*. Raises InputError, naming the matrix,
    when one does not fit.
    """
    for name, score in scores.items():
        pattern.fits(name, tuple(score.shape))
    if not isinstance(pattern, GlobalUnstructured) or not scores:
        return {name: select(pattern, score) for name, score in scores.items()}
    flat = torch.cat([score.reshape(-1) for score in scores.values()])
    kept = _best(flat, kept_number(pattern.share, flat.numel())).split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for part, (name, score) in zip(kept, scores.items(), strict=True)}


def _best(scores: Tensor, count: int) -> Tensor:
    """Mask of the *count* highest of 1-D *scores*, ties to the lower index."""
    if count in (0, scores.numel()):
        return torch.full_like(scores, bool(count), dtype=torch.bool)
    # A threshold and a running count of what equals it: topk alone leaves open which of equal entries it takes.
    edge = scores.topk(count, sorted=False).values.amin()
    above, equal = scores > edge, scores == edge
    return above | (equal & (equal.cumsum(0) <= count - above.sum()))


def _best_of_groups(scores: Tensor, n: int, m: int) -> Tensor:
    """Mask of the *n* highest of every *m* consecutive scores of a row, ties to the lower index."""
    order = scores.reshape(-1, m).sort(dim=1, descending=True, stable=True).indices[:, :n]
    mask = torch.zeros(order.shape[0], m, dtype=torch.bool, device=scores.device)
    return mask.scatter_(1, order, True).view(scores.shape)
