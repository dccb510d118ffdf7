"""One group of M weights under N:M: the projection, how the dual carries a weight across, and was it right.

The loss is that of one row of a layer whose inputs are correlated, A_ij = c^|i - j| with 1 on the diagonal:

    |X(w - z)|^2 = (w - z)^T A (w - z),   error = that / w^T A w

With c = 0 every weight counts by its own size and the largest are the right ones. With c > 0 neighbours say partly the
same, and a smaller weight further away may be worth more. `core.methods.quadratic` does all rounds; here they are only
written down, and the choices compared with all others.

The best weights under a fixed choice S (T the rest) are found by setting the slope over S to zero; what is left is
w_T^T ((A^-1)_TT)^-1 w_T, the Schur complement of A: one small factor per choice, the same for all weights.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
import torch

from core.lab.results_group import MOST, Bools, Floats, GroupPath, Supports
from core.methods.quadratic import QuadraticSplit
from core.sparsity.patterns import Pattern


def gram(m: int, coupling: float) -> Floats:
    """A `[m, m]` with A_ij = coupling^|i - j|: positive definite for 0 <= coupling < 1."""
    place = np.arange(m)
    return float(coupling) ** np.abs(place[:, None] - place)


@lru_cache(maxsize=64)
def solve(weights: tuple[float, ...], pattern: Pattern, coupling: float, rho: float, rounds: int) -> GroupPath:
    """All rounds 0..*rounds* of ADMM on the group *weights* under *pattern*, in float64.

    *weights*: as many finite numbers as a group of the pattern has. *coupling*: 0..0.9, a correlation. *rho* > 0, in
    units of A's diagonal. Raises InputError when they are more or fewer.
    """
    pattern.fits("group", (1, len(weights)))
    w0 = torch.tensor([weights], dtype=torch.float64)
    split = QuadraticSplit(torch.from_numpy(gram(len(weights), coupling)), w0, pattern)
    split.set_rho(rho)
    kept = np.empty((4, rounds + 1, len(weights)))
    mask = np.empty((rounds + 1, len(weights)), dtype=np.bool_)
    for k in range(rounds + 1):
        kept[0, k], kept[1, k] = split.w.numpy(), split.u.numpy()
        kept[2, k] = (split.w + split.u).numpy()
        split.step()
        kept[3, k], mask[k] = split.z.numpy(), split.mask.numpy()
    dense = np.array(weights)
    distinct, where = np.unique(mask, axis=0, return_inverse=True)
    error = refitted(dense, distinct, coupling)[where.reshape(-1)]
    for array in (kept, mask, error, dense):
        array.setflags(write=False)
    n = pattern.allowed or 0
    ways = comb(len(weights), n)
    choices = _choices(weights, n, coupling) if ways <= MOST else None
    return GroupPath(n, dense, coupling, rho, kept[0], kept[1], kept[2], kept[3], mask, error, choices, ways)


def refitted(weights: Floats, supports: Bools, coupling: float) -> Floats:
    """Error `[C]`, 0..1, of each of *supports* `[C, M]` (all of one size) with its kept weights refitted by least
    squares. Weights that are all zero lose nothing: 0."""
    return _errors(weights, supports, _rests(supports, coupling), coupling)


@lru_cache(maxsize=32)
def _choices(weights: tuple[float, ...], n: int, coupling: float) -> Supports:
    supports, rests = _table(n, len(weights), coupling)
    errors = _errors(np.array(weights), supports, rests, coupling)
    errors.setflags(write=False)
    return Supports(supports, errors)


@lru_cache(maxsize=8)  # 8:16 takes 7 MB
def _table(n: int, m: int, coupling: float) -> tuple[Bools, Floats]:
    """All supports that keep *n* of *m*, `[C, m]`, and their factors."""
    supports = _supports(n, m)
    return supports, _rests(supports, coupling)


@lru_cache(maxsize=8)
def _supports(n: int, m: int) -> Bools:
    """All supports that keep *n* of *m*, `[C, m]`, lexicographic."""
    kept = np.array(list(combinations(range(m), n)))
    supports = np.zeros((len(kept), m), dtype=np.bool_)
    np.put_along_axis(supports, kept, True, axis=1)
    supports.setflags(write=False)
    return supports


def _rests(supports: Bools, coupling: float) -> Floats:
    """((A^-1)_TT)^-1 `[C, t, t]` of every support, T being the t entries that it drops."""
    dropped = np.nonzero(~supports)[1].reshape(len(supports), -1)
    inverse = np.linalg.inv(gram(supports.shape[1], coupling))
    blocks = torch.from_numpy(inverse[dropped[:, :, None], dropped[:, None, :]])
    return torch.cholesky_inverse(torch.linalg.cholesky(blocks)).numpy()  # a third of the time of a general inverse


def _errors(weights: Floats, supports: Bools, rests: Floats, coupling: float) -> Floats:
    """w_T^T rest w_T / w^T A w of every support `[C]`."""
    unit = weights / (np.abs(weights).max() or 1.0)  # squares of very large or small weights leave the range
    whole = unit @ gram(len(unit), coupling) @ unit
    if not whole:
        return np.zeros(len(supports))
    lost = np.broadcast_to(unit, supports.shape)[~supports].reshape(len(supports), -1)
    return np.clip(((rests @ lost[:, :, None])[:, :, 0] * lost).sum(axis=1) / whole, 0.0, 1.0)
