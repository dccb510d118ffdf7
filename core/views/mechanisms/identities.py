"""Identity prior: how much every residual module adds to the stream, step by step, which of them become the identity,
and the spectral norms of the matrices before and after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.names import layer_of, part_of
from core.runs.store import Run
from core.runs.told import kept
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, shared_title, swatch
from core.views.drawing.view import View

KINDS = ("head", "attention", "FFN")  # of `core.methods.identity_prior`, which needs torch; a test holds them equal
FULL = 1.0  # as much as it reads: where a cell is at its darkest
TALL, HEIGHT = 560, 430
WHOLE = 3  # rows of an attention or FFN where a head has one
STAGES = ("dense", "before the masks are fixed", "in the end")


@dataclass(frozen=True)
class Modules:
    """layer, kind (place in KINDS), unit (0: the whole module), gone (step, -1: stays): `[parts]`; steps `[looks]`;
    relative `[looks, parts]`: what a module adds, in sizes of what it reads."""

    layer: NDArray[np.int64]
    kind: NDArray[np.int64]
    unit: NDArray[np.int64]
    gone: NDArray[np.int64]
    steps: NDArray[np.int64]
    relative: NDArray[np.float64]

    def name(self, i: int) -> str:
        """"head 3 of layer 1", "FFN of layer 2"."""
        words = KINDS[self.kind[i]] + (f" {self.unit[i]}" if self.unit[i] else "")
        return f"{words} of layer {self.layer[i]}"


def pictures(run: Run) -> list[View]:
    """The modules, then the spectral norms.

    Raises InputError for arrays that are missing or damaged.
    """
    return [modules(run), sigmas(run)]


def _modules(run: Run) -> Modules:
    parts, gone, steps = kept(run, "parts", 2), kept(run, "gone", 1), kept(run, "steps", 1)
    relative = kept(run, "relative", 2)
    if parts.shape != (len(gone), 3) or relative.shape != (len(steps), len(gone)) or not (
            int(parts[:, 1].min()) >= 0 and int(parts[:, 1].max()) < len(KINDS)) or (np.diff(steps) <= 0).any():
        raise InputError(f"The function norms that {run.record.id} kept do not fit together",
                         "one of every module and look", "Make the run again.")
    layer, kind, unit = parts.T.astype(np.int64)
    return Modules(layer, kind, unit, gone.astype(np.int64), steps.astype(np.int64), relative.astype(np.float64))


def modules(run: Run) -> View:
    """Rows: the modules, layer by layer; columns: steps; colour: |F(x)| / |x|, 0 to FULL; grey from where a module is
    the identity."""
    found = _modules(run)
    rows: list[NDArray[np.float64]] = []
    grey: list[NDArray[np.float64]] = []
    hover: list[str] = []
    middles, titles = [], []
    blank = np.full(len(found.steps), np.nan)
    for layer in sorted(set(found.layer.tolist())):
        first = len(rows)
        for i in np.flatnonzero(found.layer == layer).tolist():
            off = (found.gone[i] >= 0) & (found.steps >= found.gone[i])
            for _ in range(1 if found.unit[i] else WHOLE):
                rows.append(np.where(off, np.nan, found.relative[:, i]))
                grey.append(np.where(off, 1.0, np.nan))
                hover.append(found.name(i))
        middles.append((first + len(rows) - 1) / 2)
        titles.append(f"layer {layer}")
        rows.append(blank)
        grey.append(blank)
        hover.append("")
    steps, deep = [str(s) for s in found.steps], len(rows) - 1
    names = np.array(hover[:deep])[:, None].repeat(len(steps), 1)
    heat: Part = {
        "type": "heatmap", "z": np.array(rows[:deep], np.float32), "x": steps, "y": list(range(deep)), "zmin": 0,
        "zmax": FULL, "colorscale": style.SEQUENTIAL, "hoverongaps": False, "customdata": names,
        "colorbar": {"title": {"text": "adds, of what it reads", "side": "right"}, "tickvals": [0, FULL / 2, FULL],
                     "ticktext": ["0", f"{FULL / 2:.0%}", f"{FULL:.0%} or more"], "thickness": 12, "outlinewidth": 0},
        "hovertemplate": "%{customdata}, step %{x}: adds %{z:.1%}<extra></extra>"}
    off_colour = style.rgba(style.PRUNED)
    cover: Part = {"type": "heatmap", "z": np.array(grey[:deep], np.float32), "x": steps, "y": list(range(deep)),
                   "zmin": 0, "zmax": 1, "colorscale": [[0, off_colour], [1, off_colour]], "showscale": False,
                   "hoverongaps": False, "customdata": names,
                   "hovertemplate": "%{customdata}, step %{x}: the identity<extra></extra>"}
    figure = build([heat, cover, swatch("removed: the identity", off_colour)], {
        "legend": legend_below(), "margin": {"l": 84, "r": 12, "t": 12, "b": 96},
        "xaxis": {"title": {"text": "optimiser step"}, "type": "category", "nticks": 8, "showgrid": False,
                  "tickangle": 0},
        "yaxis": {"tickvals": middles, "ticktext": titles, "range": [deep - 0.5, -0.5], "showgrid": False,
                  "zeroline": False}}, TALL, legend=True, revision=run.record.id)
    counts = [f"{int((found.gone[of] >= 0).sum())} of {len(of)} {KINDS[k]}{'s' if len(of) > 1 else ''}"
              for k in range(len(KINDS)) if len(of := np.flatnonzero(found.kind == k))]
    stay = found.gone < 0
    began = found.relative[0]
    claim = f"{' and '.join(counts)} become the identity"
    if stay.any() and not stay.all():
        claim += (f": at first they added {style.percent(float(began[~stay].mean()))} of what they read, those that "
                  f"stay {style.percent(float(began[stay].mean()))}, and in the end "
                  f"{style.percent(float(found.relative[-1, stay].mean()))}")
    table = pd.DataFrame([
        {"module": found.name(i), "adds at first": float(began[i]), "adds in the end": float(found.relative[-1, i]),
         "identity from step": int(found.gone[i]) if found.gone[i] >= 0 else None} for i in range(len(found.gone))])
    return View(f"{claim}.", figure, None,
                f"{len(found.gone)} modules at {len(found.steps)} looks, steps {found.steps[0]} to {found.steps[-1]}; "
                f"dark: adds as much as it reads; grey: removed. {claim}.", table,
                "Make the run again with --knob strength=0 and compare: without the prior nothing is pulled down.",
                heading=f"{counts[0]} become the identity." if len(counts) == 1 else
                        f"{int((~stay).sum())} of {len(stay)} modules become the identity.")


def sigmas(run: Run) -> View:
    """A panel for every part of a layer, rows the layers: sigma in the dense model, right before the masks were fixed,
    and in the end; 0 for a matrix of which nothing is left."""
    matrices = run.record.matrices
    values = kept(run, "sigma", 2).astype(np.float64)
    if values.shape != (len(STAGES), len(matrices)):
        raise InputError(f"The spectral norms that {run.record.id} kept do not fit its {len(matrices)} matrices",
                         "three of every matrix", "Make the run again.")
    layers = np.array([layer_of(m.name) or 0 for m in matrices])
    parts = list(dict.fromkeys(part_of(m.name) for m in matrices))
    high = 1.08 * float(values.max())
    step = max(1, int(0.7 * high))  # the one tick that a narrow panel has room for
    layout: Part = {"yaxis": {"tickvals": sorted(set(layers.tolist())), "showgrid": False, "zeroline": False,
                              "range": [int(layers.max()) + 0.6, int(layers.min()) - 0.6],
                              "title": {"text": "layer"}}}
    # Where two lie on each other, the one drawn later is the smaller: all three can be seen.
    looks = (("circle-open", 14, style.GREY), ("diamond", 11, style.rgba(style.NEGATIVE, 0.9)),
             ("circle", 6, style.colour("identity-prior")))
    data: list[Part] = []
    notes, room = [], 1 / len(parts)
    for at, part in enumerate(parts):
        axis = "x" if at == 0 else f"x{at + 1}"
        layout[axis.replace("x", "xaxis")] = {"domain": [at * room + 0.006, (at + 1) * room - 0.006], "anchor": "y",
                                              "range": [-0.1 * high, high], "tickvals": [0, step],
                                              "zeroline": False}
        notes.append({"text": part.replace("attention output", "output").replace(" ", "<br>"), "showarrow": False,
                      "font": {"size": 14},
                      "x": (at + 0.5) * room, "xref": "paper", "xanchor": "center", "y": 1, "yref": "paper",
                      "yanchor": "bottom"})
        mine = np.flatnonzero([part_of(m.name) == part for m in matrices])
        for row, (words, (symbol, size, colour)) in enumerate(zip(STAGES, looks, strict=True)):
            data.append({"type": "scatter", "mode": "markers", "x": values[row, mine].tolist(),
                         "y": layers[mine].tolist(), "xaxis": axis, "name": words, "legendgroup": words,
                         "showlegend": at == 0, "cliponaxis": False,
                         "marker": {"size": size, "symbol": symbol, "color": colour,
                                    "line": {"width": 2, "color": colour}},
                         "hovertemplate": f"layer %{{y}}, {words}: sigma %{{x:.2f}}<extra></extra>"})
    notes.append(shared_title("spectral norm"))
    figure = build(data, {**layout, "annotations": notes, "legend": legend_below(),
                          "margin": {"l": 56, "r": 12, "t": 48, "b": 122}}, HEIGHT, legend=True, revision=run.record.id)
    left = np.flatnonzero([m.density > 0 for m in matrices])
    ratios = values[1] / np.where(values[0] > 0, values[0], 1.0)
    held, end = float(ratios[left].max()), float((values[2] / np.where(values[0] > 0, values[0], 1.0))[left].mean())
    gone = len(matrices) - len(left)
    claim = (f"Right before the masks are fixed, no matrix of which anything stays is above {style.percent(held)} of "
             f"its dense spectral norm; in the end, left alone again, they are at {style.percent(end)} on average. "
             f"Of {gone} matrices nothing is left.")
    table = pd.DataFrame([{"layer": int(layers[i]), "part": part_of(m.name), **{
        f"sigma, {words}": float(values[row, i]) for row, words in enumerate(STAGES)}} for i, m in enumerate(matrices)])
    return View(claim, figure, None, f"{len(parts)} panels, spectral norms of {len(matrices)} matrices from 0 to "
                f"{high:.3g}: dense, before the masks, in the end. {claim}", table,
                "With --knob spectral=0 the norms are free: see whether the function norms then wander more.",
                heading=f"No spectral norm is above {style.percent(held)} of its dense one.")
