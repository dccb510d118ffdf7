"""One layer before and after: the dense weights, Z, what every output loses; and the difference from a pinned answer.

Matrices too large to be drawn weight by weight are drawn as means of the size over blocks, as everywhere in the house.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.lab.results_layer import Floats, LayerPath
from core.sparsity.patterns import parse_pattern
from core.views.drawing import maps, style
from core.views.drawing.build import Part, build, legend_below, map_axis, swatch
from core.views.drawing.view import View
from core.views.patterns import groups
from core.views.touch.layerlab_curves import loss_words

HEIGHT = 430
GAP = 0.035  # between panels, as a share of the figure's width
BARS = 0.2  # the same, of the panel with the errors


def layer_maps(path: LayerPath, k: int, pinned: LayerPath | None = None) -> View:
    """Maps of W0 and of Z at stop *k*, and the error of every output; with *pinned* also Z minus its final Z."""
    multiple = parse_pattern(path.pattern).multiple
    whole = maps.drawn_whole(path.weight.shape)
    step = (1, 1) if whole else maps.block_size(path.weight.shape, multiple)
    z, mask = path.z(k), path.mask(k)
    sides = [("Before: dense W", path.weight), (f"Z, {path.words(k)}", z)]
    if pinned is not None:
        sides.append(("Z − the pinned answer", z - pinned.z(pinned.last)))
    drawn = [(title, values if whole else maps.means_over(np.abs(values), *step)) for title, values in sides]
    limit = maps.limit_of(drawn[0][1])
    gone = (mask == 0).astype(np.uint8) if whole else None
    figure = build(*_figure(path, k, pinned, drawn, limit, step, gone), HEIGHT, legend=whole or pinned is not None,
                   revision=f"{path.matrix}/{step}")
    claim = _claim(path, k)
    grain = "" if whole else f", drawn as means of |w| over blocks of {step[0]} × {step[1]}"
    rows, columns = path.weight.shape
    alt = f"Maps of {style.matrix_words(path.matrix)}, {rows} × {columns} weights{grain}: " \
          f"{', '.join(title for title, _ in sides)}; beside them what every output loses. " \
          f"{style.percent(1 - float(mask.mean()))} of Z is zero; " \
          f"{groups.exactness(mask, parse_pattern(path.pattern))}."
    table = pd.DataFrame({"output": np.arange(rows), "kept weights": mask.sum(axis=1, dtype=np.int64),
                          "output lost": path.lost(k)})
    cell = "Grey: pruned. Drag in one map: the others follow." if whole else \
        f"Each cell is the mean of |w| over {step[0]} × {step[1]} weights. Drag in one map: the others follow."
    return View(claim, figure, None, alt, table, cell,
                heading=claim.partition(" keeps ")[0] +
                f" loses {loss_words(float(path.errors[k]))} of the layer's outputs.")


def _claim(path: LayerPath, k: int) -> str:
    lost, worst = path.lost(k), int(np.argmax(path.lost(k)))
    where = "The answer" if path.stops[k].round > path.rounds else f"After {path.words(k)}, Z"
    return f"{where} keeps {style.percent(float(path.mask(k).mean()))} of the weights and loses " \
           f"{loss_words(float(path.errors[k]))} of the layer's outputs; output {worst} loses most, " \
           f"{loss_words(float(lost[worst]))}."


def _figure(path: LayerPath, k: int, pinned: LayerPath | None, drawn: list[tuple[str, Floats]], limit: float,
            step: tuple[int, int], gone: maps.Bits | None) -> tuple[list[Part], Part]:
    """Traces and layout: the maps from the left, the bars at the right, one axis of outputs for all."""
    width = (1 - BARS - GAP * len(drawn)) / len(drawn)
    data: list[Part] = []
    notes: list[Part] = []
    layout: Part = {"margin": {"t": 40, "b": 104, "r": 12}, "legend": {**legend_below(), "x": 1, "xanchor": "right"},
                    "yaxis": map_axis(autorange="reversed", title={"text": "output", "standoff": 4})}
    grid = {"x0": (step[1] - 1) / 2, "dx": step[1], "y0": (step[0] - 1) / 2, "dy": step[0]}
    for i, (title, values) in enumerate(drawn):
        mark, span = "" if i == 0 else str(i + 1), [i * (width + GAP), i * (width + GAP) + width]
        layout[f"xaxis{mark}"] = map_axis(domain=span, title={"text": "input", "standoff": 4},
                                          **({"matches": "x"} if i else {}))
        notes.append(_note(title, sum(span) / 2))
        pruned = gone if i == 1 else None
        data += _heat(values, limit, f"x{mark}", grid, pruned, span, diverging=step == (1, 1))
    share, top = _by_rows(path, k, step[0]), _top(path, pinned, step[0])
    at = np.arange(len(share)) * step[0] + (step[0] - 1) / 2
    bars = f"{len(drawn) + 1}"
    data.append({"type": "bar", "orientation": "h", "x": share, "y": at, "width": step[0] * 0.9, "xaxis": f"x{bars}",
                 "yaxis": "y", "marker": {"color": style.colour(path.method), "line": {"width": 0}}, "name": "this Z",
                 "showlegend": False, "hovertemplate": "output %{y}<br>loses %{x:.2%}<extra></extra>"})
    if pinned is not None:
        data.append({"type": "scatter", "mode": "lines", "x": _by_rows(pinned, pinned.last, step[0]), "y": at,
                     "xaxis": f"x{bars}", "yaxis": "y", "name": "pinned answer", "hoverinfo": "skip",
                     "line": {"color": style.GREY, "width": 2}})
    layout[f"xaxis{bars}"] = {"domain": [1 - BARS, 1.0], "range": [0, top], "nticks": 4,
                              "tickformat": ".0%" if top > 0.05 else ".1~%",
                              "title": {"text": "share of the output", "standoff": 4}}
    notes.append(_note("What outputs lose", 1 - BARS / 2))
    if gone is not None:
        data.append(swatch("pruned: exactly zero", style.rgba(style.PRUNED)))
    return data, {**layout, "annotations": notes, "bargap": 0}


def _note(text: str, x: float) -> Part:
    return {"showarrow": False, "x": x, "xref": "paper", "xanchor": "center", "y": 1, "yref": "paper",
            "yanchor": "bottom", "font": {"size": 15}, "text": text}


def _heat(values: Floats, limit: float, axis: str, grid: Part, gone: maps.Bits | None, span: list[float], *,
          diverging: bool) -> list[Part]:
    """One heatmap with its colour bar underneath; *gone* is drawn in flat grey."""
    place = {"xaxis": axis, "yaxis": "y", **grid}
    out: list[Part] = []
    if gone is not None:
        out.append({"type": "heatmap", "z": gone, "zmin": 0, "zmax": 1, "colorscale": maps.GREY_CELL,
                    "showscale": False, "hoverinfo": "skip", **place})
        values = np.where(gone != 0, np.float32(np.nan), values)
    ends = [-limit, 0.0, limit] if diverging else [0.0, limit]
    out.append({
        "type": "heatmap", "z": np.asarray(values, np.float32), "zmin": ends[0], "zmax": limit, "hoverongaps": False,
        "colorscale": style.DIVERGING if diverging else style.SEQUENTIAL,
        "hovertemplate": f"output %{{y}}<br>input %{{x}}<br>{'weight' if diverging else 'mean |w|'} %{{z:.3g}}"
                         "<extra></extra>",
        "colorbar": {"thickness": 8, "outlinewidth": 0, "orientation": "h", "len": 0.8 * (span[1] - span[0]),
                     "x": sum(span) / 2, "y": 0.12, "yref": "container", "yanchor": "bottom", "tickvals": ends,
                     "ticktext": [f"{e:.2g}".replace("-", "−") for e in ends]}, **place})
    return out


def _by_rows(path: LayerPath, k: int, rows: int) -> Floats:
    """Share of the output lost at stop *k*, over every *rows* outputs together."""
    starts = np.arange(0, len(path.energy), rows)
    energy = np.add.reduceat(path.energy, starts)
    lost = np.add.reduceat(path.stops[k].rows, starts)
    return np.divide(lost, energy, out=np.zeros_like(energy), where=energy > 0)


def _top(path: LayerPath, pinned: LayerPath | None, rows: int) -> float:
    """The end of the axis of errors: the same at every stop, so that scrubbing shows what shrinks."""
    known = [float(_by_rows(path, k, rows).max()) for k in range(len(path.stops))]
    if pinned is not None:
        known.append(float(_by_rows(pinned, pinned.last, rows).max()))
    return min(1.05 * max(known), 1.5) or 1.0
