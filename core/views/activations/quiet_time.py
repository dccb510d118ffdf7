"""The regional sparsity over a run: how many regions are quiet at every moment that it kept."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from core.runs.store import Run
from core.views.activations.kept_sentence import layer_words
from core.views.activations.region_film import Film, at, film, map_title, moment_words
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View

MEAN, OWN, SENTENCE = style.rgba(style.SEQUENTIAL_HUE, 1), style.ACCENT, style.rgba(style.NEGATIVE, 1)
HEIGHT = 330


def over_time(run: Run, probe: str, name: str, layer: int, k: int = -1) -> View:
    """Share of quiet regions at every kept moment: on the training sample (mean over layers, the band from the least to
    the most quiet layer, *layer* alone, and the mean once every map is made as loud as the dense one), and on this
    sentence (mean). The cursor stands at moment *k*.

    Raises InputError for an unknown sentence, map or moment, and for damaged arrays.
    """
    found = film(run, probe, name)
    if not found.watched:
        return words_only("This run kept no moments between dense and final.")
    k = at(found, found.last if k < 0 else k)
    sample, level = sampled(found, name), sampled(found, name, "level")
    sentence = [found.mean_quiet(i) for i in range(found.last + 1)]
    x = list(range(found.last + 1))
    even = [] if np.isnan(level).all() else \
        [_line(x, level.mean(axis=1), "the same, at one level", MEAN, "dot", 2)]
    data = [*_sample_lines(x, sample, layer), *even,
            _line(x, sentence, "this sentence, mean over layers", SENTENCE, "dash")]
    top = max(0.05, 1.12 * float(np.nanmax([*sample.ravel(), *level.mean(axis=1), *sentence, 0.0])))
    cursor = {"type": "line", "x0": k, "x1": k, "y0": 0, "y1": 1, "yref": "paper",
              "line": {"color": style.GREY, "width": 2}}
    ticks = [moment_words(m).replace(", ", "<br>") for m in found.moments]
    figure = build(data, {
        "shapes": [cursor], "legend": {**legend_below(), "traceorder": "normal"},
        "margin": {"t": 12, "b": 104, "l": 88, "r": 12},
        "xaxis": {"tickvals": x, "ticktext": ticks, "range": [-0.3, found.last + 0.3], "showgrid": False,
                  "tickangle": 0},
        "yaxis": {"tickformat": ".0%", "range": [0, min(top, 1.02)], "title": {"text": "quiet regions"}, "nticks": 5},
    }, HEIGHT, legend=True, revision=f"{run.record.id}/{probe}/{name}")
    claim = _claim(found, sample, sentence, k, name)
    alone = bool(np.isnan(sample).all())
    end, where = (sentence[-1], "this sentence") if alone else (sample.mean(axis=1)[-1], "training text")
    return View(claim, figure, None, f"Lines over {len(x)} moments. {claim}", _table(found, sample, level, sentence),
                "Choose another layer in the bar on top: the blue line is that layer alone. Dotted, at one level: what "
                "stays quiet when every map is scaled to the dense one's root mean square, so that a softer map does "
                "not count.",
                heading=f"On {where} {style.percent(float(end))} of the regions are quiet at the end."
                if np.isfinite(end) else "")


def sampled(found: Film, name: str, which: Literal["quiet", "level"] = "quiet") -> np.ndarray:
    """Quiet shares on the training sample, `[moments, layers]`; NaN where the header has none (or another number).

    *which*: as they are ("quiet"), or with every map made as loud as the dense one ("level").
    """
    layers = len(found.layers)
    rows = [(m.quiet if which == "quiet" else m.level).get(name, []) for m in found.moments]
    return np.array([row if len(row) == layers else [np.nan] * layers for row in rows], np.float64)


def _sample_lines(x: list[int], sample: np.ndarray, layer: int) -> list[Part]:
    if np.isnan(sample).all():
        return []
    low, high = sample.min(axis=1), sample.max(axis=1)
    edge = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    band = [{**edge, "y": low}, {**edge, "y": high, "fill": "tonexty", "name": "all layers", "showlegend": True,
                                 "fillcolor": style.rgba(style.SEQUENTIAL_HUE, 0.16)}]
    own = [_line(x, sample[:, layer - 1], f"{layer_words(layer)}, training sample", OWN, "solid", 2)] \
        if 1 <= layer <= sample.shape[1] else []
    return [*band, *own, _line(x, sample.mean(axis=1), "training sample, mean over layers", MEAN, "solid", 3)]


def _line(x: list[int], y: object, name: str, colour: str, dash: str, width: float = 2.5) -> Part:
    return {"type": "scatter", "mode": "lines+markers", "x": x, "y": y, "name": name, "marker": {"size": 7},
            "line": {"color": colour, "dash": dash, "width": width},
            "hovertemplate": f"{name}: %{{y:.1%}}<extra></extra>"}


def _claim(found: Film, sample: np.ndarray, sentence: list[float], k: int, name: str) -> str:
    there = not np.isnan(sample).all()
    values = sample.mean(axis=1) if there else np.array(sentence)
    on = "the training sample" if there else "this sentence"
    first, last = (style.percent(float(values[i])) for i in (0, -1))
    here = "" if k in (0, found.last) else \
        f"; {style.percent(float(values[k]))} at {moment_words(found.moments[k])}"
    steps = np.diff(values)
    widest = int(np.nanargmax(np.abs(steps))) if np.isfinite(steps).any() else None
    jump = "" if widest is None or not steps[widest] else \
        f"; the largest step is from {moment_words(found.moments[widest])} to {moment_words(found.moments[widest + 1])}"
    return f"{map_title(name)} on {on}: quiet regions go from {first} in the dense model to {last} at the " \
           f"end{here}{jump}."


def _table(found: Film, sample: np.ndarray, level: np.ndarray, sentence: list[float]) -> pd.DataFrame:
    return pd.DataFrame([
        {"moment": moment_words(m), "step": m.step, "this sentence": sentence[i],
         "training sample": float(sample[i].mean()),
         "training sample, at one level": float(level[i].mean())}
        | {f"training sample, {layer_words(layer)}": float(sample[i, j]) for j, layer in enumerate(found.layers)}
        for i, m in enumerate(found.moments)])
