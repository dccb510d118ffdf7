"""Selection: which weights stay under a pattern, the highest scores first. The one place where masks are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import InputError
from core.sparsity.patterns import (
    NM,
    Blocks,
    Dense,
    GlobalUnstructured,
    LibraryPattern,
    Pattern,
    Unstructured,
    kept_number,
)

PIECE = 1 << 16
ENERGIES = 1 << 18  # numbers of a piece when a library chooses: 2 MB (measured: four times as many are slower)


def select(pattern: Pattern, scores: Tensor) -> Tensor:
    """Return the mask `[out, in]` (bool, same device) that keeps the highest *scores* `[out, in]` of every group.

    Scores are any real numbers, +-inf among them, in any floating type (compared exactly, never rounded); NaN has no
    order and must not occur. The number kept is exact: N of every M; `kept_number` of a matrix, or of its blocks. Ties
    go to the lower index (row-major). A block's score is the sum of its scores, in float32 or wider. Deterministic.

    A library asks for magnitudes: a support's energy is the sum of their squares on it, a score below zero counting
    as minus its square, so that the library of all supports of 1 x M chooses what N:M does. The support of most energy
    stays; before energies are compared, the one with more +inf, less -inf, wins. Sums are in float64, and energies that
    could differ only because they were added up in another order (by r c 2^-52 of the block's squares at most) tie: the
    earlier support of the library stays.

    Raises InputError when the matrix does not fit the pattern, the pattern spans several matrices, or its library is
    not known yet.
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
        case LibraryPattern():
            return _by_library(pattern, scores)
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
        return {name: select(pattern.of(name), score) for name, score in scores.items()}
    flat = torch.cat([score.reshape(-1) for score in scores.values()])
    kept = _best(flat, kept_number(pattern.share, flat.numel())).split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for part, (name, score) in zip(kept, scores.items(), strict=True)}


def _best(scores: Tensor, count: int) -> Tensor:
    """Mask of the *count* highest of 1-D *scores*, ties to the lower index."""
    size = scores.numel()
    if count in (0, size):
        return torch.full_like(scores, bool(count), dtype=torch.bool)
    # A threshold, then the first of what equals it: topk alone leaves open which of equal entries it takes.
    if scores.device.type == "cpu":  # numpy's partition is many times faster than torch's topk here
        edge = torch.as_tensor(np.partition(_numpy(scores), size - count)[size - count])
    else:
        edge = scores.topk(count, sorted=False).values.amin()
    mask = scores > edge
    mask[(scores == edge).nonzero()[: count - int(mask.sum())]] = True
    return mask


def _best_of_groups(scores: Tensor, n: int, m: int) -> Tensor:
    """Mask of the *n* highest of every *m* consecutive scores of a row, ties to the lower index."""
    if scores.device.type == "cpu":
        return torch.from_numpy(_by_losses(_numpy(scores.reshape(-1)), n, m)).view(scores.shape)
    return _by_sorting(scores, n, m)


def _by_sorting(scores: Tensor, n: int, m: int) -> Tensor:
    # Adding zero turns -0 into 0: an accelerator may sort by bits, and the two must tie.
    order = (scores + 0.0).reshape(-1, m).sort(dim=1, descending=True, stable=True).indices[:, :n]
    mask = torch.zeros(order.shape[0], m, dtype=torch.bool, device=scores.device)
    return mask.scatter_(1, order, True).view(scores.shape)


def _by_losses(scores: NDArray[np.generic], n: int, m: int) -> NDArray[np.bool_]:
    """The same on flat numpy *scores*: an entry stays when fewer than *n* of its group beat it.

    Of two entries d apart the earlier wins when it is at least as high, so the losses in a group are 0..m-1, each
    once, whatever the ties: exactly *n* stay. All entries are compared with their neighbour at distance d in one
    contiguous pass, and pairs that straddle two groups are masked away: every pass is vectorised, which strided views
    of groups would not be. Pieces of 64 k entries stay in the second-level cache (32 k and 128 k measured slower).
    """
    size = PIECE // m * m
    start, inside = _tables(size, m)
    mask = np.empty(scores.size, dtype=np.bool_)
    room = min(size, scores.size)
    losses, won = np.empty(room, dtype=np.int8), np.empty(room, dtype=np.bool_)
    for first in range(0, scores.size, size):
        piece = scores[first:first + size]
        length = piece.size
        lost = losses[:length]
        lost[:] = start[:length]  # as if every later entry of the group had won
        for d in range(1, m):
            np.greater_equal(piece[:-d], piece[d:], out=won[:length - d])
            won_inside = won[:length - d].view(np.int8)
            won_inside &= inside[d - 1][:length - d]
            lost[d:] += won_inside
            lost[:-d] -= won_inside
        np.less(lost, n, out=mask[first:first + size])
    return mask


def _by_library(pattern: LibraryPattern, scores: Tensor) -> Tensor:
    """The support of most energy in every block, by the rules of `select`."""
    if scores.device.type == "mps":  # it has no float64
        return _by_library(pattern, scores.cpu()).to(scores.device)
    supports = torch.from_numpy(pattern.library.supports.copy()).to(scores.device)
    rows, columns, size = pattern.rows, pattern.columns, supports.shape[1]
    blocks = scores.detach().reshape(scores.shape[0] // rows, rows, -1, columns).transpose(1, 2).reshape(-1, size)
    kept = torch.empty(blocks.shape, dtype=torch.bool, device=scores.device)
    step = max(ENERGIES // max(size, len(supports)), 1)
    for first in range(0, len(blocks), step):
        best = _best_supports(blocks[first:first + step].double(), supports.double())
        kept[first:first + step] = supports[best]
    return kept.view(scores.shape[0] // rows, -1, rows, columns).transpose(1, 2).reshape(scores.shape)


def _best_supports(blocks: Tensor, supports: Tensor) -> Tensor:
    """Index `[B]` of the support `[K, r c]` of most energy in every one of *blocks* `[B, r c]`; both float64."""
    largest = blocks.abs().amax(dim=1, keepdim=True)
    infinite = largest.isinf()
    if bool(infinite.any()):
        count = torch.where(blocks.isinf(), blocks.sign(), 0.0)
        blocks = torch.where(blocks.isinf(), 0.0, blocks)
        largest = blocks.abs().amax(dim=1, keepdim=True)
        lead = count @ supports.T
        behind = lead < lead.amax(dim=1, keepdim=True)
    # Divided by a power of two, which is exact: the squares of very large or small numbers would leave the range.
    largest = largest.clamp_min(2.0**-1000)
    blocks = blocks * (torch.frexp(largest).mantissa / largest)
    squares = blocks * blocks.abs()
    energies = squares @ supports.T
    if bool(infinite.any()):
        energies.masked_fill_(behind, -torch.inf)
    slack = blocks.shape[1] * 2.0**-52 * squares.abs().sum(dim=1, keepdim=True)
    return (energies >= energies.amax(dim=1, keepdim=True) - slack).to(torch.uint8).argmax(dim=1)


@lru_cache(maxsize=8)
def _tables(size: int, m: int) -> tuple[NDArray[np.int8], list[NDArray[np.int8]]]:
    """How many of its group come after each of *size* entries, and for d = 1..m-1: is the entry d further on one?"""
    later = (m - 1 - np.arange(size) % m).astype(np.int8)
    return later, [(later[:-d] >= d).astype(np.int8) for d in range(1, m)]


def _numpy(scores: Tensor) -> NDArray[np.generic]:
    """*scores* as numpy sees them, without a copy where it can; half precision is widened, which is exact."""
    scores = scores.detach()
    return (scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores).numpy()
