"""W coming to its grid: the kept weights in units of their step, and how far each is from its nearest level.

On the left W climbs onto Z's marks: a bar is an eighth of a step wide (a whole step for many levels), so while W is
spread out its bars are an eighth of the mark, and at the mark when all of a level's weights have arrived. The folded
histogram on the right is the same for every number of bits.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.lab.results_layer import LayerPath
from core.sparsity.patterns import parse_pattern
from core.sparsity.storage import storage_of
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View
from core.views.patterns import groups

FINE = 8  # bars a step, while levels are FEW; beyond, a bar is a whole step and only the right side shows the snapping
FEW = 15  # levels
FOLDS = 20  # bars of the right side
SNAPPED = 0.1  # of a step: a weight this near counts as on its level
GAP = 0.09
Numbers = NDArray[np.floating]


def levels_of_w(path: LayerPath, k: int) -> View:
    """Histograms of the kept entries of W at stop *k*, of the dense weights and of Z, in steps. *path* is on a grid."""
    assert path.grid is not None
    top, mask = path.grid.top, path.mask(k) != 0
    steps = path.steps(k)
    used = mask & (steps > 0)
    if not used.any():
        return words_only("Z is all zero: there are no levels to come to.")
    step = steps[used]
    dense = path.weight[used] / step
    z = path.z(k)[used] / step
    w = z if _answer(path, k) else path.w(k)[used] / step
    share = np.bincount(np.rint(z).astype(np.int64) + top, minlength=2 * top + 1) / len(z)
    apart = {"dense": _apart(dense, top), "W": _apart(w, top)}
    figure = build(*_figure(path, w, dense, share, apart), 380, legend=True,
                   revision=f"{path.matrix}/{path.grid.bits}")
    claim = _claim(path, k, apart)
    at = np.arange(-top, top + 1)
    table = pd.DataFrame({"level": at, "share of Z's kept weights": share,
                          "share of W's nearest to it": np.bincount(_level(w, top) + top, minlength=2 * top + 1)
                          / len(w)})
    alt = f"Left: histogram of the kept weights of W and Z in steps, {2 * top + 1} levels. Right: their distance " \
          f"from the nearest level. {claim}"
    return View(claim, figure, None, alt, table,
                f"Play from the first round: W's bars climb to Z's marks. {_stored(path, k)}",
                heading=style.lead(claim, " (dense", ";"))


def _answer(path: LayerPath, k: int) -> bool:
    return path.stops[k].round > path.rounds


def _level(v: NDArray[np.floating], top: int) -> NDArray[np.int64]:
    return np.clip(np.rint(v), -top, top).astype(np.int64)


def _apart(v: NDArray[np.floating], top: int) -> NDArray[np.floating]:
    """v minus its nearest level, in steps; beyond the last level it may be more than half a step."""
    return v - np.clip(np.rint(v), -top, top)


def _counts(v: NDArray[np.floating], low: float, high: float, bars: int) -> tuple[Numbers, Numbers]:
    """(middles, shares) of *bars* equal bars from *low* to *high*; what lies beyond is counted at the ends."""
    width = (high - low) / bars
    place = np.clip((v - low) * (1 / width), 0, bars - 1).astype(np.int64)
    return low + width * (np.arange(bars) + 0.5), np.bincount(place, minlength=bars) / len(v)


def _figure(path: LayerPath, w: NDArray[np.floating], dense: NDArray[np.floating], share: Numbers,
            apart: dict[str, NDArray[np.floating]]) -> tuple[list[Part], Part]:
    assert path.grid is not None
    top, colour = path.grid.top, style.colour(path.method)
    fine = FINE if 2 * top + 1 <= FEW else 1
    half = (top + 1) + 0.5 / fine  # the bars' middles fall on the levels
    bars = round(2 * half * fine)
    x, now = _counts(w, -half, half, bars)
    _, before = _counts(dense, -half, half, bars)
    fold, fold_now = _counts(apart["W"], -0.5, 0.5, FOLDS)
    _, fold_before = _counts(apart["dense"], -0.5, 0.5, FOLDS)
    left = {"xaxis": "x", "yaxis": "y"}
    right = {"xaxis": "x2", "yaxis": "y2", "showlegend": False}
    said = "%{y:.2%} of the kept weights at %{x:.2f} steps<extra></extra>"
    data: list[Part] = []
    for place, xs, ys, befores in ((left, x, now, before), (right, fold, fold_now, fold_before)):
        data.append({"type": "bar", "x": xs, "y": ys, "width": float(xs[1] - xs[0]), "name": "W",
                     "marker": {"color": style.faded(colour, 0.6), "line": {"width": 0}}, "hovertemplate": said,
                     **place})
        data.append({"type": "scatter", "mode": "lines", "x": xs, "y": befores, "name": "dense weights",
                     "line": {"color": style.GREY, "width": 1.5, "shape": "hvh"}, "hovertemplate": said, **place})
    if 2 * top + 1 <= FEW:
        data.append({"type": "scatter", "mode": "markers", "x": np.arange(-top, top + 1), "y": share, "name": "Z",
                     "marker": {"symbol": "line-ew", "size": 22, "line": {"width": 3, "color": colour}},
                     "hovertemplate": "level %{x}: %{y:.2%} of Z's kept weights<extra></extra>", **left})
    mid = (1 - GAP) * 0.6
    notes = [{"showarrow": False, "x": at, "xref": "paper", "xanchor": "center", "y": 1, "yref": "paper",
              "yanchor": "bottom", "font": {"size": 15}, "text": text}
             for at, text in ((mid / 2, "Kept weights, in steps of their scale"),
                              ((1 + mid + GAP) / 2, "Distance from the nearest level"))]
    peak = max(float(share.max()) if 2 * top + 1 <= FEW else 0.0, float(before.max()), float(now.max()))
    ticks = {"tickvals": list(range(-top, top + 1))} if 2 * top + 1 <= FEW else {"nticks": 9}
    return data, {
        "barmode": "overlay", "bargap": 0, "margin": {"t": 40, "b": 104}, "legend": legend_below(),
        "annotations": notes,
        "xaxis": {"domain": [0, mid], "title": {"text": "level", "standoff": 4}, **ticks},
        "xaxis2": {"domain": [mid + GAP, 1], "title": {"text": "steps", "standoff": 4}, "range": [-0.5, 0.5],
                   "tickvals": [-0.5, -0.25, 0, 0.25, 0.5]},
        "yaxis": {"range": [0, 1.08 * peak], "tickformat": ".0%", "title": {"text": "share of the kept weights"}},
        "yaxis2": {"anchor": "x2", "range": [0, 0.52 if float(fold_now.max()) < 0.5 else 1.02], "tickformat": ".0%"}}


def _claim(path: LayerPath, k: int, apart: dict[str, NDArray[np.floating]]) -> str:
    """Levels and groups in one sentence, from the numbers."""
    assert path.grid is not None
    pattern, mask = parse_pattern(path.pattern), path.mask(k)
    count = 2 * path.grid.top + 1
    exact = f"; {groups.exactness(mask, pattern)}" if pattern.sparsity else ""
    if _answer(path, k):
        return f"In the answer every kept weight is on one of {count} levels{exact}."
    near = {name: float((np.abs(a) <= SNAPPED).mean()) for name, a in apart.items()}
    middle = float(np.median(np.abs(apart["W"])))
    return f"After {path.words(k)}, {style.percent(near['W'])} of the kept W lie within a tenth of a step of one of " \
           f"{count} levels (dense: {style.percent(near['dense'])}), half of them within {middle:.2g} steps; " \
           f"Z is on the levels{exact}."


def _stored(path: LayerPath, k: int) -> str:
    mask = path.mask(k)
    size = storage_of(parse_pattern(path.pattern), path.grid, [(mask.shape[0], mask.shape[1])],
                      [int(mask.sum(dtype=np.int64))])
    return f"Written down, this Z takes {size.bits_per_weight:.3g} bits a weight, scales and indices counted."
