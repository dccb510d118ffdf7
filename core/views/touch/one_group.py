"""One group at one iteration: |W + U| as bars with the line between what stays and what goes; W, U and Z in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.lab.results_group import GroupPath
from core.views.drawing import maps, style
from core.views.drawing.build import PAGE_TEXT, Part, build, legend_below, map_axis, swatch
from core.views.drawing.view import View

ROWS = ("W", "U", "W + U", "Z", "next U")
STRONG = 0.6  # of the colour range: numbers on such cells are white
GOES = style.rgba((128, 134, 142), 0.55)


def short(value: float) -> str:
    """A weight with three digits at most, and a true minus."""
    if abs(value) < 0.0005:  # rounding of the solver, not a weight
        return "0.00"
    form = ".3g" if abs(value) >= 10 else ".2f" if abs(value) >= 0.005 else ".1g"
    return ("−" if value < 0 else "") + format(abs(value), form)


def entries(mask: NDArray[np.bool_]) -> str:
    """Which entries *mask* `[M]` holds, counted from 1: "entry 3", "entries 1, 2 and 4"."""
    names = [str(i + 1) for i in np.flatnonzero(mask)]
    if len(names) < 2:
        return f"entry {names[0]}" if names else "no entry"
    return f"entries {', '.join(names[:-1])} and {names[-1]}"


def first(text: str) -> str:
    """*text* with a capital, as a sentence begins."""
    return text[:1].upper() + text[1:]


def blank_words(path: GroupPath) -> str:
    """What there is to say when all weights are zero."""
    stays = "the first stays" if path.n == 1 else f"the first {path.n} stay"
    return f"All {path.m} weights are zero: all tie at zero, {stays}, and kept energy has no meaning."


def bars(path: GroupPath, k: int) -> View:
    """Iteration *k*: which entries stay, how far the line is, and the arithmetic W + U = V, Z = V kept, U = V - Z."""
    size, stays = np.abs(path.v[k]), path.mask[k]
    claim = _claim(path, k)
    arrays = (path.w[k], path.u[k], path.v[k], path.z[k], path.carried[k])
    table = pd.DataFrame({"entry": np.arange(1, path.m + 1), **dict(zip(ROWS, arrays, strict=True)),
                          "stays": stays, "tie": path.tied[k]})
    cells = np.stack(arrays)
    top = float(np.abs(path.v).max()) or 1.0
    limit = max(float(np.abs(a).max()) for a in (path.w, path.u, path.v, path.carried)) or 1.0
    figure = build([*_bars(path, k, size), *_cells(cells, stays, limit),
                    swatch("cell above zero", style.rgba(style.POSITIVE, 0.7)),
                    swatch("cell below zero", style.rgba(style.NEGATIVE, 0.7))], {
        "xaxis": map_axis(range=[0.5, path.m + 0.5], tickvals=list(range(1, path.m + 1)), anchor="y2",
                          title={"text": "entry of the group"}),
        "yaxis": {"domain": [0.47, 1], "range": [0, 1.18 * top], "title": {"text": "|W + U|"}},
        "yaxis2": map_axis(domain=[0, 0.43], range=[len(ROWS) - 0.5, -0.5], tickvals=list(range(len(ROWS))),
                           ticktext=list(ROWS)),
        "barmode": "overlay", "legend": legend_below(),
        "margin": {"l": 74, "r": 16, "t": 12, "b": 92},
    }, 590, legend=True, revision=f"{path.n}:{path.m}")
    alt = f"Bars of |W + U| for {path.m} entries: " + ", ".join(
        f"{i + 1} {short(float(v))} {'stays' if s else 'goes'}"
        for i, (v, s) in enumerate(zip(size, stays, strict=True))) + f". {claim}"
    return View(claim, figure, None, alt, table, _try(path, k))


def arithmetic(path: GroupPath, k: int, entry: str) -> str:
    """What iteration *k* does to *entry* ("1" is the first), in its own numbers."""
    i = int(entry) - 1
    w, u, v, z, carried = (short(float(a[k, i])) for a in (path.w, path.u, path.v, path.z, path.carried))
    sums = f"Entry {entry}: W + U = {w} + {u} = {v}"
    if path.n == path.m:
        return f"{sums}, and Z = {z}."
    side = "on" if path.tied[k, i] else "above" if path.mask[k, i] else "below"
    line = f"{sums}, {side} the line at {short(float(path.line[k]))}"
    return f"{line}: it stays, Z = {z}, and its next U is {carried}." if path.mask[k, i] else \
        f"{line}: it goes, Z = {z}, and all of it becomes the next U, {carried}."


def _claim(path: GroupPath, k: int) -> str:
    if path.n == path.m:
        return f"{path.n}:{path.m} keeps everything: Z is W + U, and there is nothing to choose."
    if path.blank:
        return blank_words(path)
    verb = "stays, the largest" if path.n == 1 else f"stay, the {path.n} largest"
    held = "it holds" if path.n == 1 else "they hold"
    claim = f"Iteration {k}: {entries(path.mask[k])} {verb} of {path.m} by |W + U|; " \
            f"{held} {style.percent(float(path.kept_energy[k]))} of the squared weights."
    if path.tied[k].any():
        claim += f" {first(entries(path.tied[k]))} tie at {short(float(path.line[k]))}: the lower index stays."
    return claim


def _try(path: GroupPath, k: int) -> str:
    if path.n == path.m or path.blank:
        return "Choose another pattern, or give some entries a value."
    if k == 0:
        return "U is still zero: this is plain magnitude. Press Play, and watch the next U fill where Z cuts."
    return "Go to iteration 0, then drag an entry until it crosses the line; make two alike to see a tie."


def _bars(path: GroupPath, k: int, size: NDArray[np.floating]) -> list[Part]:
    """Bars of what stays and what goes, a stroke at every dense weight, the line. Few traces: each costs a
    millisecond, and a slider waits for them."""
    data: list[Part] = []
    places = np.arange(1, path.m + 1)
    for name, part, colour in (("stays", path.mask[k], style.ACCENT), ("goes", ~path.mask[k], GOES)):
        words = [short(float(v)) + (" tie" if tie else "")
                 for v, tie in zip(size[part], path.tied[k][part], strict=True)]
        data.append({"type": "bar", "x": places[part], "y": size[part], "text": words, "textposition": "outside",
                     "width": 0.7,  # a trace alone would take the room up to its next entry
                     "cliponaxis": False, "marker": {"color": colour}, "showlegend": bool(part.any()), "name": name,
                     "hovertemplate": "entry %{x}: |W + U| = %{y:.4g}, " + name + "<extra></extra>"})
    data.append({"type": "scatter", "mode": "markers", "x": places, "y": np.abs(path.weights),
                 "marker": {"symbol": "line-ew-open", "size": 180 / path.m, "line": {"width": 2},
                            "color": style.rgba(style.SEQUENTIAL_HUE)},
                 "hovertemplate": "entry %{x}: dense weight, size %{y:.4g}<extra></extra>", "name": "|dense weight|"})
    if path.n < path.m:
        data.append({"type": "scatter", "mode": "lines", "x": [0.5, path.m + 0.5], "y": [path.line[k]] * 2,
                     "name": "the line", "hovertemplate": "the line: %{y:.4g}<extra></extra>",
                     "line": {"width": 2.5, "dash": "dash", "color": style.rgba(style.NEGATIVE)}})
    return data


def _cells(cells: NDArray[np.floating], stays: NDArray[np.bool_], limit: float) -> list[Part]:
    """The rows of `ROWS` with their numbers; a cut cell of Z is grey."""
    cut = np.zeros(cells.shape, dtype=np.uint8)
    cut[ROWS.index("Z"), ~stays] = 1
    place: dict[str, Any] = {"type": "heatmap", "yaxis": "y2", "x0": 1, "dx": 1, "xgap": 2, "ygap": 2,
                             "hoverinfo": "skip", "showscale": False}
    y, x = (axis.reshape(-1) for axis in np.indices(cells.shape))
    numbers = {"type": "scatter", "mode": "text", "yaxis": "y2", "x": x + 1, "y": y, "hoverinfo": "skip",
               "text": [short(v) for v in cells.reshape(-1).tolist()], "showlegend": False,
               "textfont": {"size": 14 if cells.shape[1] <= 8 else 10, "color": inks(cells, limit)}}
    return [{**place, "z": cells, "zmin": -limit, "zmax": limit, "colorscale": style.DIVERGING},
            {**place, "z": cut, "zmin": 0, "zmax": 1, "colorscale": maps.GREY_CELL}, numbers]


def inks(cells: NDArray[np.floating], limit: float) -> list[str]:
    """The colour of the number on every cell, row by row: the page's own, white where the cell is strong."""
    return np.where(np.abs(cells).reshape(-1) > STRONG * limit, "#ffffff", PAGE_TEXT).tolist()
