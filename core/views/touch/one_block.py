"""One block under a pattern library: what free choice would keep, which pattern wins, and all the patterns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.sparsity.library import Library, strongest
from core.views.drawing import maps, style
from core.views.drawing.build import PAGE_TEXT, Part, build, legend_below, map_axis, swatch
from core.views.drawing.view import View
from core.views.touch.one_group import inks, short

ACROSS = 8  # patterns in a row of the small multiples
WINNER, RUNNER_UP = style.ACCENT, style.rgba(style.SEQUENTIAL_HUE)


def _ranked(library: Library, weights: NDArray[np.floating]) -> tuple[NDArray[np.floating], int, int | None]:
    """Energies of all patterns `[K]`, the winner and the runner-up (None: the library holds one pattern)."""
    energies = library.energies(weights[None])[0]
    winner = int(library.best(weights[None])[0])
    if len(energies) == 1:
        return energies, winner, None
    rest = np.delete(np.arange(len(energies)), winner)
    others = Library(library.rows, library.columns, library.supports[rest])
    return energies, winner, int(rest[others.best(weights[None])[0]])


def block(library: Library, values: Sequence[float]) -> View:
    """The block *values* `[r * c]` with its numbers under the winning pattern: struck is what goes, a ring marks where
    free choice would have decided otherwise."""
    weights = np.array(values, dtype=np.float64)
    energies, winner, second = _ranked(library, weights)
    size, (rows, columns) = len(weights), (library.rows, library.columns)
    stays, free = library.supports[winner], strongest(weights[None], library.keep)[0]
    grid = weights.reshape(rows, columns)
    limit = float(np.abs(weights).max()) or 1.0
    y, x = (axis.reshape(-1) for axis in np.indices(grid.shape))
    place: dict[str, Any] = {"type": "heatmap", "xgap": 3, "ygap": 3, "hoverinfo": "skip", "showscale": False}
    data: list[Part] = [
        {**place, "z": np.where(stays.reshape(grid.shape), grid, np.nan), "zmin": -limit, "zmax": limit,
         "colorscale": style.DIVERGING},
        {**place, "z": (~stays).reshape(grid.shape).astype(np.uint8), "zmin": 0, "zmax": 1,
         "colorscale": maps.GREY_CELL}]
    data.append({"type": "scatter", "mode": "text", "x": x, "y": y, "hoverinfo": "skip", "showlegend": False,
                 "text": [short(v) for v in weights.tolist()],
                 "textfont": {"size": 17, "color": inks(np.where(stays, weights, 0.0), limit)}})
    cut, other = np.flatnonzero(~stays), stays != free
    data.append({"type": "scatter", "mode": "lines", "line": {"width": 1.5, "color": style.GREY}, "hoverinfo": "skip",
                 "x": np.stack([x[cut] - 0.25, x[cut] + 0.25, np.full(len(cut), np.nan)], axis=1).reshape(-1),
                 "y": np.repeat(y[cut], 3), "showlegend": False})
    data.append({"type": "scatter", "mode": "markers", "x": x[other] + 0.36, "y": y[other] - 0.34, "hoverinfo": "skip",
                 "marker": {"symbol": "circle-open", "size": 13, "line": {"width": 3},
                            "color": style.rgba(style.NEGATIVE)},
                 "name": "free choice would differ", "showlegend": bool(other.any())})
    data += [swatch("above zero", style.rgba(style.POSITIVE, 0.7)),
             swatch("below zero", style.rgba(style.NEGATIVE, 0.7)), swatch("goes", style.rgba(style.PRUNED))]
    figure = build(data, {
        "xaxis": map_axis(range=[-0.5, columns - 0.5], tickvals=list(range(columns)), title={"text": "column"},
                          ticktext=[str(j + 1) for j in range(columns)]),
        "yaxis": map_axis(range=[rows - 0.5, -0.5], tickvals=list(range(rows)), title={"text": "row"},
                          ticktext=[str(i + 1) for i in range(rows)]),
        "legend": legend_below(), "margin": {"l": 64, "r": 16, "t": 12, "b": 92},
    }, 470, legend=True, revision=f"{rows}x{columns}")
    claim = _claim(library, weights, energies, winner, second, free)
    table = pd.DataFrame({"row": y + 1, "column": x + 1, "weight": weights, "stays": stays, "free choice": free})
    gone = ", ".join(str(i + 1) for i in cut)
    alt = f"A block of {rows} × {columns} weights. {claim} " + (f"Of entries 1 to {size}, row by row, these go: {gone}."
                                                                if gone else "Nothing goes.")
    return View(claim, figure, None, alt, table, "Make a weight that goes larger, until another pattern wins.")


def _claim(library: Library, weights: NDArray[np.floating], energies: NDArray[np.floating], winner: int,
           second: int | None, free: NDArray[np.bool_]) -> str:
    if not weights.any():
        return f"All {len(weights)} weights are zero: all patterns tie at zero, the first is taken, and kept energy " \
               "has no meaning."
    squares = (weights / np.abs(weights).max()) ** 2
    claim = f"Pattern {winner + 1} of {len(energies)} wins: it keeps {style.percent(float(energies[winner]))} of the " \
            f"squared weights; free choice of {library.keep} of {len(weights)} would keep " \
            f"{style.percent(float(squares[free].sum() / squares.sum()))}"
    if second is None:
        return f"{claim}."
    return f"{claim}, and the runner-up, pattern {second + 1}, {style.percent(float(energies[second]))}."


def patterns(library: Library, values: Sequence[float]) -> View:
    """All patterns of the library as small multiples, commonest first; what each keeps of this block above it."""
    energies, winner, second = _ranked(library, np.array(values, dtype=np.float64))
    rows, columns, count = library.rows, library.columns, len(energies)
    across = min(ACROSS, count)
    high, wide = rows + 2, columns + 1  # a line of words above every pattern, a gap beside it
    sheet = np.full((-(-count // across) * high, across * wide), np.nan)
    corners = [(p // across * high + 2, p % across * wide) for p in range(count)]
    for (top, left), support in zip(corners, library.supports, strict=True):
        sheet[top:top + rows, left:left + columns] = support.reshape(rows, columns)
    marks = [p for p in (winner, second) if p is not None]
    frames = [{"type": "rect", "x0": left - 0.7, "x1": left + columns - 0.3, "y0": top - 1.7, "y1": top + rows - 0.3,
               "line": {"width": 3 if p == winner else 2, "dash": "solid" if p == winner else "dot",
                        "color": WINNER if p == winner else RUNNER_UP}}
              for p in marks for top, left in [corners[p]]]
    stays = style.rgba((128, 134, 142), 0.75)
    data: list[Part] = [
        {"type": "heatmap", "z": sheet, "zmin": 0, "zmax": 1, "xgap": 1, "ygap": 1, "showscale": False,
         "hoverinfo": "skip", "colorscale": [(0.0, style.WASH), (1.0, stays)]},
        {"type": "scatter", "mode": "text", "x": [left + (columns - 1) / 2 for _, left in corners],
         "y": [top - 1.1 for top, _ in corners], "textfont": {"size": 13, "color": PAGE_TEXT},
         "text": [f"{p + 1}: {style.percent(float(e), 2)}" for p, e in enumerate(energies)], "hoverinfo": "skip",
         "showlegend": False},
        swatch("stays", stays), swatch("wins", WINNER), *([] if second is None else [swatch("runner-up", RUNNER_UP)])]
    figure = build(data, {
        "xaxis": map_axis(visible=False, range=[-1, sheet.shape[1] - 0.3]),
        "yaxis": map_axis(visible=False, range=[sheet.shape[0] - 0.1, -0.2]), "shapes": frames,
        "legend": legend_below(), "margin": {"l": 8, "r": 8, "t": 4, "b": 40},
    }, 60 + 130 * (sheet.shape[0] // high), legend=True, revision=f"{rows}x{columns}x{count}")
    spread = float(energies.max() - energies.min())
    claim = f"{count} pattern{'s' if count > 1 else ''}, the commonest first: between the best and the worst for " \
            f"this block lie {style.percent(spread)} of its squared weights."
    table = pd.DataFrame({"pattern": np.arange(1, count + 1), "kept energy": energies, "keeps entries": [
        " ".join(str(i + 1) for i in np.flatnonzero(s)) for s in library.supports]})
    alt = f"{count} small pictures of {rows} × {columns} cells, the kept ones grey. Pattern {winner + 1} is framed. " \
          f"{claim}"
    return View(claim, figure, None, alt, table, "Choose a larger library: how much of the way to free choice does it "
                "go?")
