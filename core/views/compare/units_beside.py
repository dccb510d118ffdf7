"""What every run leaves of every layer, side by side: heads and neurons of a run of units, shares of weights of others.

From the headers alone: a run that kept its answers only is drawn too.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from core.runs.names import KEY, OUTPUT, QUERY, VALUE, layer_of, part_of
from core.runs.records import RunRecord
from core.runs.store import Run
from core.sparsity.units import Noun
from core.views.compare.choice import letter, titles
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, map_axis, swatch, words_only
from core.views.drawing.view import View
from core.views.patterns import units_left
from core.views.patterns.units_map import COLOURS, GONE

TITLES: dict[Noun, str] = {"head": "attention", "neuron": "FFN"}
SIDES: dict[Noun, float] = {"head": -0.2, "neuron": 0.2}  # of the middle of a layer's row: the attention above
ROOM = 1.5  # of a panel, in widths of a full bar: the words stand right of it


@dataclass(frozen=True)
class Bar:
    """What is left of one attention or FFN."""

    layer: int
    noun: Noun
    share: float  # of its weights
    words: str


def wanted(runs: Sequence[Run]) -> bool:
    """Is there a run of units among *runs*?"""
    return any(units_left.of_units(run.record) for run in runs)


def bars(run: Run) -> list[Bar]:
    """Of every layer the attention, then the FFN. Raises InputError for a header that does not fit together."""
    if found := units_left.left(run):
        return [Bar(f.module.layer, f.module.noun, f.count / f.module.units,
                    f"{style.count(f.count)} of {style.count(f.module.units)}" if f.count else "gone") for f in found]
    return _by_weight(run.record)


def _by_weight(record: RunRecord) -> list[Bar]:
    """The same of any run: the share of the weights that is not zero, from the densities of its matrices."""
    sums: dict[tuple[int, Noun], list[float]] = {}
    for m in record.matrices:
        layer, noun = layer_of(m.name), _noun(m.name)
        if layer is not None:
            total = sums.setdefault((layer, noun), [0.0, 0.0])
            total[0] += m.density * m.shape[0] * m.shape[1]
            total[1] += m.shape[0] * m.shape[1]
    return [Bar(layer, noun, left / size, style.percent(left / size, 2)) for (layer, noun), (left, size) in
            sorted(sums.items())]


def _noun(matrix: str) -> Noun:
    return "head" if part_of(matrix) in (QUERY, KEY, VALUE, OUTPUT) else "neuron"


def beside(runs: Sequence[Run]) -> View:
    """A panel a run, a row a layer: a bar for its attention and one for its FFN, as long as what is left of it."""
    names = titles([run.record for run in runs])
    found = {name: bars(run) for name, run in zip(names, runs, strict=True)}
    layers = sorted({bar.layer for each in found.values() for bar in each})
    if not layers:
        return words_only("None of these runs lists its matrices: they ended before pruning.")
    rows = {layer: at for at, layer in enumerate(layers)}
    data, notes = list[Part](), list[Part]()
    layout: Part = {"margin": {"t": 36, "b": 52, "l": 70, "r": 8}, "legend": legend_below(), "barmode": "overlay"}
    for i, (name, each) in enumerate(found.items()):
        mark, low, high = "" if i == 0 else str(i + 1), i / len(found), (i + 1) / len(found) - 0.02
        place = {"type": "bar", "orientation": "h", "width": 0.34, "xaxis": f"x{mark}", "showlegend": False}
        y = [rows[bar.layer] + SIDES[bar.noun] for bar in each]
        said = [f"{name}, layer {bar.layer}: {bar.words} of its {TITLES[bar.noun]}" for bar in each]
        data += [{**place, "x": [1.0] * len(each), "y": y, "marker": {"color": GONE}, "hoverinfo": "skip"},
                 {**place, "x": [bar.share for bar in each], "y": y, "hovertext": said, "hoverinfo": "text",
                  "marker": {"color": [COLOURS[bar.noun] for bar in each], "line": {"width": 0}}},
                 {"type": "scatter", "mode": "text", "x": [1.04] * len(each), "y": y, "text": [b.words for b in each],
                  "textposition": "middle right", "textfont": {"size": 14}, "xaxis": f"x{mark}", "hoverinfo": "skip",
                  "showlegend": False}]
        layout[f"xaxis{mark}"] = map_axis(domain=[low, high], range=[0, ROOM], showticklabels=False, showline=False)
        notes.append({"text": html.escape(name), "x": low, "xref": "paper", "y": 1, "yref": "paper", "xanchor": "left",
                      "yanchor": "bottom", "showarrow": False, "font": {"size": 15}})
    layout["yaxis"] = map_axis(tickvals=list(rows.values()), ticktext=[f"layer {layer}" for layer in layers],
                               range=[len(layers) - 0.5, -0.5], showline=False)
    key = [swatch(f"{TITLES[noun]}: left", COLOURS[noun]) for noun in TITLES]
    figure = build([*data, *key, swatch("gone", GONE)], {**layout, "annotations": notes}, 100 + 46 * len(layers),
                   legend=True, revision="/".join(run.record.id for run in runs))
    table = pd.DataFrame([{"run": name, "layer": bar.layer, "of": TITLES[bar.noun], "share left": bar.share,
                           "left": bar.words} for name, each in found.items() for bar in each])
    claim = " ".join(_said(letter(name), run, each) for (name, each), run in zip(found.items(), runs, strict=True))
    return View(claim, figure, None, f"{len(found)} panels of {len(layers)} layers, their attention and FFN as bars. "
                f"{claim}", table, "Heads and neurons that are gone can be cut out of the model; zeros spread over a "
                "matrix cannot.", heading=_heading(found))


def _said(name: str, run: Run, each: Sequence[Bar]) -> str:
    """A run in a sentence."""
    if found := units_left.left(run):
        gone = units_left.gone(found)
        return f"{name} keeps {units_left.counted(run, found)}" + (f", and nothing of {gone}." if gone else ".")
    low, high = (style.percent(pick(bar.share for bar in each)) for pick in (min, max)) if each else ("–", "–")
    return f"{name} keeps {low} of the weights of every attention and FFN." if low == high else \
        f"{name} keeps from {low} to {high} of the weights of an attention or FFN."


def _heading(found: dict[str, list[Bar]]) -> str:
    """Where two runs differ most."""
    shares = {letter(name): {(bar.layer, bar.noun): bar for bar in each} for name, each in found.items()}
    common = set.intersection(*(set(each) for each in shares.values()))
    if not common:
        return ""
    spread = {place: max(each[place].share for each in shares.values()) - min(each[place].share
                                                                             for each in shares.values())
              for place in sorted(common)}
    layer, noun = place = max(spread, key=lambda at: spread[at])
    if not spread[place]:
        return "They keep as much of every layer."
    said = ", ".join(f"{name} {each[place].words}" for name, each in shares.items())
    return f"They differ most in the {TITLES[noun]} of layer {layer}: {said}."
