"""Selection: which weights stay under a pattern, the highest scores first.

The one place where masks are chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import InputError
from core.sparsity.grouping import WIDEST
from core.sparsity.patterns import Pattern
from core.sparsity.unordered import no_numbers

# Entries that are compared at a time: see `_by_losses`.
PIECE = 1 << 16
# Numbers of a piece when a library chooses: 2 MB (four times as many are slower).
ENERGIES = 1 << 18


def select(pattern: Pattern, scores: Tensor) -> Tensor:
    """Return the mask `[out, in]` (bool, same device) that keeps the highest *scores* `[out, in]`.

    Of every group of the pattern's grouping, as many units stay as its budget says, exactly; of the
    others, the budget's `rest`, the highest of the whole matrix. Scores are any real numbers, +-inf
    among them, in any floating type (compared exactly, never rounded). Ties go to the lower index
    (row-major). The score of a block is the sum of its scores, in float32 or wider. Deterministic.

    A library asks for magnitudes: a support's energy is the sum of their squares on it, a score
    below zero counting as minus its square, so that the library of all supports of 1 x M chooses
    what N:M does. The support of most energy stays; before energies are compared, the one with more
    +inf, less -inf, wins. Sums are in float64, and energies that could differ only because they
    were added up in another order (by r c 2^-52 of the block's squares at most) tie: the earlier
    support stays.

    Raises InputError when the matrix does not fit the pattern, a score is NaN, the pattern spans
    several matrices, or its library is not known yet.
    """
    pattern.fits("scores", tuple(scores.shape))
    return _selected(pattern, scores, "scores")


def _selected(pattern: Pattern, scores: Tensor, name: str) -> Tensor:
    """`select` for the *scores* of matrix *name*, which fits the pattern."""
    if pattern.scope == "model":
        raise one_at_a_time(pattern)
    shape = (scores.shape[0], scores.shape[1])
    units = _unit_scores(pattern, scores, name)  # [groups, units]
    if pattern.budget.ways is not None:
        kept = _by_library(torch.from_numpy(pattern.library.supports.copy()), units)
    else:
        kept = _best_of_groups(units, pattern.budget.kept(units.shape[1]))
        if pattern.budget.rest:
            others = units[~kept]
            kept[~kept] = _highest(others, pattern.budget.kept_of_rest(others.numel()))
    return pattern.grouping.join(kept, shape)


def numbers(mask: Tensor) -> Tensor:
    """The bool *mask* as 0 and 1 in the same bytes: torch multiplies by these three times as fast
    as by a bool, to the same bits."""
    return mask.view(torch.uint8)


def select_all(pattern: Pattern, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks for all matrices of a model, by name: `select` for each.

    For a pattern of scope "model" it is one choice over the units of all matrices. Ties over
    several matrices go to the matrix that comes first in *scores*. Of a coupled pattern it is one
    choice over the units, each worth the sum of its scores. Raises InputError, naming the
    matrix, when one does not fit or holds NaN, or when the anatomy is not known.
    """
    if pattern.coupled:
        return _by_units(pattern, scores)
    for name, score in scores.items():
        pattern.fits(name, tuple(score.shape))
    if pattern.scope != "model" or not scores:
        return {name: _selected(pattern.of(name), score, name) for name, score in scores.items()}
    units = [_unit_scores(pattern, score, name).reshape(-1) for name, score in scores.items()]
    flat = torch.cat(units)
    kept = _highest(flat, pattern.budget.kept(flat.numel())).split([u.numel() for u in units])
    return {name: pattern.grouping.join(part, (score.shape[0], score.shape[1]))
            for part, (name, score) in zip(kept, scores.items(), strict=True)}


def _by_units(pattern: Pattern, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks of whole units; a matrix that belongs to none stays as it is."""
    anatomy = pattern.known()
    for name, score in scores.items():
        _check_order(score, name)
    masks = anatomy.masks(pattern.choose(anatomy.sums(
        {name: _numpy(score.cpu()).astype(np.float64) for name, score in scores.items()})))
    return {name: torch.from_numpy(masks[name]).to(score.device) if name in masks
            else torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}


def one_at_a_time(pattern: Pattern) -> InputError:
    """What to say where one matrix is given to a *pattern* that chooses over all of them."""
    return InputError(f"Pattern {pattern.name!r} chooses over all matrices at once",
                      "one matrix at a time",
                      f"Choose 'unstructured:{pattern.sparsity:g}'.")


def _unit_scores(pattern: Pattern, scores: Tensor, name: str) -> Tensor:
    """The score of every unit, `[groups, units]`: a weight's own, or the sum of a block's.

    Raises InputError, naming the matrix, when one is NaN; so is the sum of +inf and -inf.
    """
    split = pattern.grouping.split(scores)
    # Single weights stay in their own type: nothing is added, so nothing needs a wider one.
    units = split.squeeze(2) if pattern.grouping.single else \
        split.to(torch.promote_types(scores.dtype, torch.float32)).sum(dim=2)
    _check_order(units, name)
    return units


def _check_order(values: Tensor, name: str) -> None:
    """Raise InputError, naming *name*, when one of *values* is NaN."""
    # A sum of squares is NaN when an entry is, and never otherwise: one fast pass, where looking at
    # every entry writes a mask first.
    if values.is_floating_point() and bool(torch.linalg.vector_norm(values.detach()).isnan()):
        raise no_numbers(name)


def highest(scores: Tensor, count: int) -> Tensor:
    """Mask of the *count* highest of 1-D *scores*, ties to the lower index.

    Raises InputError when a score is NaN.
    """
    _check_order(scores, "scores")
    return _highest(scores, count)


def _highest(scores: Tensor, count: int) -> Tensor:
    """`highest`, of scores that are known to have an order."""
    size = scores.numel()
    if count in (0, size):
        return torch.full_like(scores, bool(count), dtype=torch.bool)
    # A threshold, then the first of what equals it: topk alone leaves open which of equal entries
    # it takes. On a CPU, numpy's partition is many times faster than torch's topk.
    if scores.device.type == "cpu":
        edge = torch.as_tensor(np.partition(_numpy(scores), size - count)[size - count])
    else:
        edge = scores.topk(count, sorted=False).values.amin()
    mask = scores > edge
    mask[(scores == edge).nonzero()[: count - int(mask.sum())]] = True
    return mask


def _best_of_groups(units: Tensor, n: int) -> Tensor:
    """Mask of the *n* highest of every group of *units* `[groups, units]`.

    Ties go to the lower index.
    """
    groups, m = units.shape
    if groups == 1:
        return _highest(units[0], n).unsqueeze(0)
    if units.device.type == "cpu" and m <= WIDEST:
        return torch.from_numpy(_by_losses(_numpy(units.reshape(-1)), n, m)).view(groups, m)
    return _by_sorting(units, n)


def _by_sorting(units: Tensor, n: int) -> Tensor:
    """Mask of the *n* highest of every group of *units* `[groups, units]`, by a stable sort.

    For accelerators, and for groups too wide to compare in pairs.
    """
    # Adding zero turns -0 into 0: an accelerator may sort by bits, and the two must tie.
    order = (units + 0.0).sort(dim=1, descending=True, stable=True).indices[:, :n]
    mask = torch.zeros(units.shape, dtype=torch.bool, device=units.device)
    return mask.scatter_(1, order, True)


def _by_losses(scores: NDArray[np.generic], n: int, m: int) -> NDArray[np.bool_]:
    """Mask of the *n* highest of every *m* consecutive *scores*, both flat: fewer than *n* beat it.

    Of two entries d apart the earlier wins when it is at least as high, so the losses in a group
    are 0..m-1, each once, whatever the ties: exactly *n* stay. All entries are compared with their
    neighbour at distance d in one contiguous pass, and pairs that straddle two groups are masked
    away: every pass is vectorised, which strided views of groups would not be.
    """
    # 64 k entries stay in the second-level cache (32 k and 128 k measured slower).
    size = PIECE // m * m
    start, inside = _tables(size, m)
    mask = np.empty(scores.size, dtype=np.bool_)
    room = min(size, scores.size)
    losses, won = np.empty(room, dtype=np.int8), np.empty(room, dtype=np.bool_)
    for first in range(0, scores.size, size):
        piece = scores[first:first + size]
        length = piece.size
        lost = losses[:length]
        # As if every later entry of the group had won; each that did not is taken off again.
        lost[:] = start[:length]
        for d in range(1, m):
            np.greater_equal(piece[:-d], piece[d:], out=won[:length - d])
            won_inside = won[:length - d].view(np.int8)
            won_inside &= inside[d - 1][:length - d]
            lost[d:] += won_inside
            lost[:-d] -= won_inside
        np.less(lost, n, out=mask[first:first + size])
    return mask


def _by_library(supports: Tensor, units: Tensor) -> Tensor:
    """Mask `[groups, units]` of the support of most energy in every group of *units*.

    *supports* are `[K, units]`; the rules are those of `select`.
    """
    # On a CPU instead of an Apple GPU, which has no float64.
    if units.device.type == "mps":
        return _by_library(supports, units.cpu()).to(units.device)
    supports, units = supports.to(units.device), units.detach()
    kept = torch.empty(units.shape, dtype=torch.bool, device=units.device)
    step = max(ENERGIES // max(supports.shape), 1)
    for first in range(0, len(units), step):
        best = _best_supports(units[first:first + step].double(), supports.double())
        kept[first:first + step] = supports[best]
    return kept


def _best_supports(blocks: Tensor, supports: Tensor) -> Tensor:
    """Index `[B]` of the support of most energy in every one of *blocks* `[B, r c]`.

    *supports* are `[K, r c]`; both float64.
    """
    largest = blocks.abs().amax(dim=1, keepdim=True)
    infinite = largest.isinf()
    # Infinities are counted apart: multiplied by the zeros of a support they would be no numbers.
    if bool(infinite.any()):
        count = torch.where(blocks.isinf(), blocks.sign(), 0.0)
        blocks = torch.where(blocks.isinf(), 0.0, blocks)
        largest = blocks.abs().amax(dim=1, keepdim=True)
        lead = count @ supports.T
        behind = lead < lead.amax(dim=1, keepdim=True)
    # Divided by a power of two, which is exact: the squares of very large or small numbers would
    # leave the range.
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
    """How many of its group of *m* come after each of *size* entries, and for d = 1..m-1: is the
    entry d further on one of them?"""
    later = (m - 1 - np.arange(size) % m).astype(np.int8)
    return later, [(later[:-d] >= d).astype(np.int8) for d in range(1, m)]


def _numpy(scores: Tensor) -> NDArray[np.generic]:
    """*scores* as numpy sees them, without a copy where that can be."""
    scores = scores.detach()
    # Half precision is widened, which is exact: numpy has no bfloat16.
    return (scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores).numpy()
