"""MLPruning: what is left of every layer, drawn as a transformer that shrinks, and the thresholds that decide it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.names import layer_of, matrix_words, part_of
from core.runs.records import RunRecord
from core.runs.store import Run
from core.runs.told import kept
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below
from core.views.drawing.view import View

MOMENTS = 5  # drawn side by side, both ends among them; the model that is kept comes after them
STRIDE = 1.22  # from one drawing to the next, in widths of a layer
GAP = 0.2  # between two layers, in heights of a layer
HEIGHT = 470
ATTENTION = ("query", "key", "value", "attention output")
COLOURS = {"head": style.POSITIVE, "neuron": style.NEGATIVE}
NAMES = {"head": "attention: heads left", "neuron": "FFN: neurons left"}
WORDS = {"head": "heads", "neuron": "neurons"}


@dataclass(frozen=True)
class Course:
    """All modules of one kind: how many units every layer had left at every look `[looks, layers]`, the threshold, and
    how many a layer has of them; *end* `[layers]`: what the run kept."""

    noun: str
    left: NDArray[np.int64]
    threshold: NDArray[np.float64]
    units: int
    end: NDArray[np.int64]

    @property
    def words(self) -> str:
        """"1 536 neurons"."""
        return f"{style.count(self.units)} {WORDS[self.noun]}"

    @property
    def shares(self) -> NDArray[np.float64]:
        """sigmoid(t), `[looks, layers]`."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.threshold)))


def pictures(run: Run) -> list[View]:
    """The shrinking model, then its thresholds; of a run with a second step those of its blocks too. Raises InputError
    for damaged arrays."""
    steps, courses = _read(run)
    views = [shrinking(run, steps, courses), thresholds(run, steps, courses)]
    return [*views, blocks(run)] if "method/blocks/steps" in run.keys else views


def _read(run: Run) -> tuple[NDArray[np.int64], list[Course]]:
    record = run.record
    steps = kept(run, "steps", 1).astype(np.int64)
    if record.units is None:
        raise InputError(f"The header of {record.id} does not say which units are left", "heads and neurons by layer",
                         "Make the run again.")
    ends = {"head": record.units.heads, "neuron": record.units.neurons}
    whole = {"head": record.heads, "neuron": max((m.shape[1] for m in record.matrices
                                                  if part_of(m.name) == "FFN out"), default=0)}
    courses = []
    for noun, end in ends.items():
        if f"method/left/{noun}" in run.keys:
            left, t = (kept(run, f"{key}/{noun}", 2) for key in ("left", "threshold"))
            if left.shape != t.shape or left.shape != (len(steps), len(end)) or int(left.max()) > whole[noun]:
                raise InputError(f"The looks at the {WORDS[noun]} of {record.id} do not fit together",
                                 "for every look and layer a number", "Make the run again.")
            courses.append(Course(noun, left.astype(np.int64), t.astype(np.float64), whole[noun],
                                  np.array(end, np.int64)))
    if not courses:
        raise InputError(f"{record.id} kept no looks at heads or neurons", "one or both", "Make the run again.")
    return steps, courses


def _heights(record: RunRecord) -> dict[str, float]:
    """Of the two bars of a layer, which together are 1 high: as their shares of its weights, so that a full bar's area
    is what it holds."""
    sizes = {"head": 0, "neuron": 0}
    for m in record.matrices:
        if layer_of(m.name) is not None:
            sizes["head" if part_of(m.name) in ATTENTION else "neuron"] += m.shape[0] * m.shape[1]
    return {noun: size / sum(sizes.values()) for noun, size in sizes.items()}


def shrinking(run: Run, steps: NDArray[np.int64], courses: list[Course]) -> View:
    """The model at a few moments, from the left: a layer is an attention bar and an FFN bar, as wide as the share of
    its heads and neurons that is left, in the outline of what it was."""
    places = np.unique(np.linspace(0, len(steps) - 1, MOMENTS).round().astype(int))
    heights, layers = _heights(run.record), len(courses[0].end)
    data: list[Part] = [
        {"type": "bar", "orientation": "h", "x": [], "y": [], "base": [], "width": [], "name": name, "marker": marker,
         "customdata": [], "hovertemplate": "%{customdata}<extra></extra>"}
        for name, marker in [
            ("gone", {"color": style.rgba(style.PRUNED[:3], 0.16), "line": {"width": 1, "color": style.RULE}}),
            *((NAMES[c.noun], {"color": style.rgba(COLOURS[c.noun], 1)}) for c in courses)]]
    titles, rows = list[str](), list[dict[str, object]]()
    for at, look in enumerate([*places.tolist(), None]):
        title = "what is kept" if look is None else f"step {style.count(int(steps[look]))}"
        titles.append(title)
        for part, course in zip(data[1:], courses, strict=True):
            counts = course.end if look is None else course.left[look]
            height = heights[course.noun]
            for layer, count in enumerate(counts.tolist(), 1):
                share = count / course.units
                # The input is below: an FFN stands on its attention, and a layer on the one before it.
                middle = (layer - 1) * (1 + GAP) + (height / 2 if course.noun == "head" else 1 - height / 2)
                words = f"layer {layer}, {title}: {style.count(count)} of {course.words}"
                for bar, width in ((data[0], 1.0), (part, share)):
                    bar["x"].append(width)
                    bar["base"].append(at * STRIDE + (1 - width) / 2)
                    bar["y"].append(middle)
                    bar["width"].append(height * 0.94)
                    bar["customdata"].append(words)
                rows.append({"moment": title, "layer": layer, "what": WORDS[course.noun], "left": count,
                             "of": course.units})
    count = len(titles)
    figure = build(data, {
        "barmode": "overlay", "legend": legend_below(), "margin": {"l": 76, "r": 12, "t": 12, "b": 76},
        "xaxis": {"range": [-0.08, (count - 1) * STRIDE + 1.08], "showgrid": False, "zeroline": False,
                  "tickvals": [i * STRIDE + 0.5 for i in range(count)], "ticktext": titles, "tickangle": 0},
        "yaxis": {"range": [-GAP, layers * (1 + GAP)], "showgrid": False, "zeroline": False,
                  "tickvals": [i * (1 + GAP) + 0.5 for i in range(layers)],
                  "ticktext": [f"layer {i}" for i in range(1, layers + 1)]},
    }, HEIGHT, legend=True, revision=run.record.id)
    ends = [f"{style.count(int(c.end.min()))} to {style.count(int(c.end.max()))} of {c.words}" for c in courses]
    widest = max(courses, key=lambda c: (c.end.max() - c.end.min()) / c.units)
    most, least = int(widest.end.argmax()) + 1, int(widest.end.argmin()) + 1
    claim = f"A layer ends with {' and with '.join(ends)}; all of them learned it under one budget."
    heading = (f"Every layer keeps {style.count(int(widest.end[0]))} of {widest.words}." if most == least else
               f"Layer {most} keeps {style.count(int(widest.end.max()))} of {widest.words}, "
               f"layer {least} only {style.count(int(widest.end.min()))}.")
    alt = (f"The model of {layers} layers drawn at {count} moments, its bars as wide as what is left. {heading} "
           + " ".join(f"Of its {WORDS[c.noun]} the layers keep, from the first, {', '.join(map(str, c.end.tolist()))}."
                      for c in courses))
    return View(claim, figure, None, alt, pd.DataFrame(rows),
                "Read a drawing from below: the first layer is at the foot. A bar's full area is the weights it held.",
                heading=heading)


def thresholds(run: Run, steps: NDArray[np.int64], courses: list[Course]) -> View:
    """sigmoid(t) of every module over the steps, the stronger the deeper its layer; the broken line is the target. From
    0 to 1, whatever the run."""
    target = float(kept(run, "target", 1)[0])
    data: list[Part] = []
    for course in courses:
        layers = course.shares.shape[1]
        for layer in range(1, layers + 1):
            data.append({
                "type": "scatter", "mode": "lines", "x": steps, "y": course.shares[:, layer - 1],
                "name": WORDS[course.noun], "legendgroup": course.noun, "showlegend": layer == layers,
                "line": {"color": style.rgba(COLOURS[course.noun], 0.3 + 0.7 * layer / layers), "width": 2.5},
                "hovertemplate": f"{WORDS[course.noun]} of layer {layer}, step %{{x}}: %{{y:.1%}}<extra></extra>"})
    data.append({"type": "scatter", "mode": "lines", "x": [int(steps[0]), int(steps[-1])], "y": [target, target],
                 "name": "of the whole model", "hoverinfo": "skip",
                 "line": {"color": style.GREY, "width": 2, "dash": "dash"}})
    figure = build(data, {
        "legend": legend_below(), "margin": {"l": 72, "r": 12, "t": 12, "b": 96},
        "xaxis": {"title": {"text": "steps"}, "showgrid": False, "range": [int(steps[0]), max(int(steps[-1]), 1)]},
        "yaxis": {"title": {"text": "share that stays, sigmoid(t)"}, "tickformat": ".0%", "range": [0, 1]},
    }, HEIGHT, legend=True, revision=run.record.id)
    ends = {f"the {WORDS[c.noun]} of layer {i + 1}": float(c.shares[-1, i])
            for c in courses for i in range(c.shares.shape[1])}
    low, high = min(ends, key=lambda k: ends[k]), max(ends, key=lambda k: ends[k])
    start = float(np.mean([c.shares[0].mean() for c in courses]))
    claim = (f"From {style.percent(start)} at first the thresholds went down together towards {style.percent(target)}, "
             f"and then apart: {high} stay by {style.percent(ends[high])}, {low} by {style.percent(ends[low])}.")
    table = pd.DataFrame([{"step": int(s), "what": WORDS[c.noun], "layer": i + 1, "share": float(c.shares[k, i]),
                           "threshold": float(c.threshold[k, i])}
                          for k, s in enumerate(steps) for c in courses for i in range(c.shares.shape[1])])
    return View(claim, figure, None, f"{len(ends)} lines over {len(steps)} looks. {claim}", table,
                "The stronger a line, the deeper its layer. The budget keeps them together, the loss parts them: what "
                "lies below the broken line can spare more than the rest.",
                heading=f"The thresholds end between {style.percent(ends[low])} and {style.percent(ends[high])}.")


def blocks(run: Run) -> View:
    """sigmoid(t) of the blocks of every matrix over the second step, coloured by the module that it is of; the broken
    line is the target. From 0 to 1. Raises InputError for damaged arrays."""
    steps, t = kept(run, "blocks/steps", 1).astype(np.int64), kept(run, "blocks/threshold", 2).astype(np.float64)
    names = [m.name for m in run.record.matrices]
    if t.shape != (len(steps), len(names)):
        raise InputError(f"The looks at the blocks of {run.record.id} do not fit together",
                         "for every look and matrix a number", "Make the run again.")
    shares = 1.0 / (1.0 + np.exp(-t))
    target = 1.0 - float(run.record.spec.knobs.get("blocks", 0.0))
    nouns = ["head" if part_of(name) in ATTENTION else "neuron" for name in names]
    data: list[Part] = [{
        "type": "scatter", "mode": "lines", "x": steps, "y": shares[:, i], "legendgroup": noun,
        "name": "matrices of the attention" if noun == "head" else "of the FFN", "showlegend": nouns.index(noun) == i,
        "line": {"color": style.rgba(COLOURS[noun], 0.6), "width": 2},
        "hovertemplate": f"{matrix_words(name)}, step %{{x}}: %{{y:.1%}}<extra></extra>"}
        for i, (name, noun) in enumerate(zip(names, nouns, strict=True))]
    data.append({"type": "scatter", "mode": "lines", "x": [int(steps[0]), int(steps[-1])], "y": [target, target],
                 "name": "of all blocks", "hoverinfo": "skip",
                 "line": {"color": style.GREY, "width": 2, "dash": "dash"}})
    figure = build(data, {
        "legend": legend_below(), "margin": {"l": 72, "r": 12, "t": 12, "b": 96},
        "xaxis": {"title": {"text": "steps"}, "showgrid": False},
        "yaxis": {"title": {"text": "blocks that stay, sigmoid(t)"}, "tickformat": ".0%", "range": [0, 1]},
    }, HEIGHT, legend=True, revision=run.record.id)
    low, high = int(shares[-1].argmin()), int(shares[-1].argmax())
    claim = (f"In what is left, {matrix_words(names[high])} keeps {style.percent(float(shares[-1, high]))} of its "
             f"blocks, {matrix_words(names[low])} {style.percent(float(shares[-1, low]))}; of all blocks "
             f"{style.percent(target)} are to stay.")
    return View(claim, figure, None, f"{len(names)} lines over {len(steps)} looks. {claim}",
                pd.DataFrame({"matrix": names, "at first": shares[0], "in the end": shares[-1]}),
                "Blocks are cut from the heads and neurons that stay, so these zeros are inside them.",
                heading=f"A second step keeps between {style.percent(float(shares[-1, low]))} and "
                        f"{style.percent(float(shares[-1, high]))} of a matrix's blocks.")
