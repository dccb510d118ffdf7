"""W coming to its grid: the kept weights in units of their step, and how far each is from its nearest level.

A bar of the first picture is an eighth of a step wide (a whole step for many levels): while W is spread out its bars
are low, and they have climbed to the level's share when all its weights have arrived. The folded one, of the distances,
is the same for every number of bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.lab.results_layer import LayerPath
from core.sparsity.patterns import parse_pattern
from core.sparsity.storage import storage_of
from core.views.drawing import style
from core.views.film import panels
from core.views.film.reel import Reel

FINE = 8  # bars a step, while levels are FEW; beyond, a bar is a whole step and only the distances show the snapping
FEW = 15  # levels
FOLDS = 20  # bars of the distances
SNAPPED = 0.1  # of a step: a weight this near counts as on its level
Numbers = NDArray[np.floating]


def levels_of_w(reel: Reel, path: LayerPath) -> list[str]:
    """Add the histograms of the kept entries of W in steps ("levels") and of their distances ("apart"), and return
    their names; none where Z is all zero. *path* is on a grid."""
    assert path.grid is not None
    top, found = path.grid.top, [in_steps(path, k) for k in range(len(path.stops))]
    most = max(len(w) for w in found)
    if not most:
        return []
    fine = FINE if 2 * top + 1 <= FEW else 1
    half = (top + 1) + 0.5 / fine  # the bars' middles fall on the levels
    bars, colour = round(2 * half * fine), style.colour(path.method)
    spread = np.stack([_counts(w, -half, half, bars) for w in found])
    folded = np.stack([_counts(_apart(w, top), -0.5, 0.5, FOLDS) for w in found])
    marks = range(-top, top + 1) if fine > 1 else (-top, 0, top)
    reel.add("levels", panels.bars(
        "Kept W, in steps of its scale", [("weights", reel.counts(spread), colour)], top=float(spread.max()),
        share=float(most), ticks=[((level + half) * fine, f"{level}".replace("-", "−")) for level in marks],
        alt=f"Histogram of the kept weights of W in steps, {2 * top + 1} levels. {said(path, path.last)}"))
    reel.add("apart", panels.bars(
        "From the nearest level", [("weights", reel.counts(folded), colour)], top=float(folded.max()),
        share=float(most), ticks=[(0, "−½ step"), (FOLDS / 2, "0"), (FOLDS, "½")],
        alt=f"Histogram of the distance of the kept weights of W from their nearest level. {stored(path, path.last)}"))
    return ["levels", "apart"]


def in_steps(path: LayerPath, k: int) -> Numbers:
    """The kept entries of W at stop *k*, in units of their step, `[kept]`; of the answer those of Z, which is W."""
    steps = path.steps(k)
    used = (path.mask(k) != 0) & (steps > 0)
    values = path.z(k) if _answer(path, k) else path.w(k)
    return np.asarray(values[used] / steps[used])


def said(path: LayerPath, k: int) -> str:
    """How many of the kept weights are near a level."""
    assert path.grid is not None
    count = 2 * path.grid.top + 1
    if _answer(path, k):
        return f"Every kept weight is on one of {count} levels."
    near = np.abs(_apart(in_steps(path, k), path.grid.top)) <= SNAPPED
    share = float(near.mean()) if near.size else 0.0
    return f"{style.percent(share)} of the kept W lie within a tenth of a step of one of {count} levels."


def stored(path: LayerPath, k: int) -> str:
    """What Z of stop *k* takes."""
    mask = path.mask(k)
    size = storage_of(parse_pattern(path.pattern), path.grid, [(mask.shape[0], mask.shape[1])],
                      [int(mask.sum(dtype=np.int64))])
    return f"Written down, this Z takes {size.bits_per_weight:.3g} bits a weight, scales and indices counted."


def _answer(path: LayerPath, k: int) -> bool:
    return path.stops[k].round > path.rounds


def _apart(v: Numbers, top: int) -> Numbers:
    """v minus its nearest level, in steps; beyond the last level it may be more than half a step."""
    return v - np.clip(np.rint(v), -top, top)


def _counts(v: Numbers, low: float, high: float, bars: int) -> NDArray[np.int64]:
    """How many of *v* fall into each of *bars* equal bars from *low* to *high*; what lies beyond counts at the ends."""
    place = np.clip((v - low) * (bars / (high - low)), 0, bars - 1).astype(np.int64)
    return np.bincount(place, minlength=bars)
