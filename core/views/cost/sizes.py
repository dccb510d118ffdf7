"""Bytes by part: what a model takes in every form, written to a file or counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from core.cost.records import Cost
from core.cost.summary import byte_words, form_of
from core.runs.records import RunRecord
from core.runs.store import Run
from core.sparsity.storage import FLOAT, storage_of_record
from core.views.cost.source import BESIDE, ORIGINS, Stamp, cost_at, timed
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View

ROW, EDGES = 70, 150
PARTS = {  # in the order of the bars: a part of a file, its words, its colour
    "values": ("weights", style.ACCENT), "codes": ("weights as codes", "#8f5fc0"),
    "index": ("which ones stay", style.rgba(style.SEQUENTIAL_HUE)), "scales": ("scales", style.rgba(style.NEGATIVE)),
    "factors": ("low-rank correction", "#c4457d"),
    "library": ("library", "#b8860b"), "other": ("never pruned", style.faded(style.GREY, 0.55)),
    "header": ("header", style.faded(style.GREY, 0.25))}


@dataclass(frozen=True)
class Bar:
    """One form: bytes by part; *counted* is what storage says, None where that is all there is."""

    name: str
    parts: Mapping[str, float]
    counted: float | None = None
    same: bool = True

    @property
    def size(self) -> float:
        """All bytes."""
        return sum(self.parts.values())


def bars_of(record: RunRecord, cost: Cost | None) -> list[Bar]:
    """The forms of a run, dense first: those that were written, else those that can be counted from its header."""
    if cost is not None:
        return [Bar(f.name, f.parts, f.counted / 8, f.same) for f in cost.forms]
    found = storage_of_record(record)
    before, after = ({} if n is None else {"other": n * FLOAT / 8} for n in (record.other_weights, found.other))
    dense = Bar("dense", {"values": found.weights * FLOAT / 8, **before})
    if record.spec.method == "dense":
        return [dense]
    counted = {"codes" if record.spec.bits else "values": found.values, "index": found.indices,
               "scales": found.scales, "library": found.library, "factors": found.factors}
    return [dense, Bar(form_of(record), {k: v / 8 for k, v in counted.items() if v} | after)]


def picture(run: Run, stamp: Stamp) -> View:
    """A bar a form, in bytes, cut into the parts of its file. The black line is what storage counts, without the
    header: where it ends with the bar, count and file agree."""
    cost = cost_at(stamp)
    if not run.record.matrices:
        return words_only("This run lists no matrices to store.")
    bars = bars_of(run.record, cost)
    top = max(b.size for b in bars)
    ticks = round_steps(top)
    figure = build(_traces(bars), {
        "barmode": "stack", "bargap": 0.62, "margin": {"l": 96, "r": 24, "t": 8, "b": 132},
        "legend": legend_below() | {"traceorder": "normal"},
        "xaxis": {"range": [0, 1.16 * top], "tickvals": ticks, "ticktext": [byte_words(t) for t in ticks],
                  "title": {"text": "bytes of the file" if cost is not None else "bytes, counted"}},
        "yaxis": {"type": "category", "categoryorder": "array", "categoryarray": [b.name for b in bars][::-1],
                  "showgrid": False, "range": [-0.6, len(bars) - 0.4]},
        "annotations": [{"text": f"<b>{byte_words(b.size)}</b>", "x": b.size, "y": b.name, "xanchor": "left",
                         "xshift": 6, "showarrow": False, "font": {"size": 15}} for b in bars],
    }, max(EDGES + ROW * len(bars), BESIDE if timed(stamp) else 0), legend=True, revision=f"sizes/{run.record.id}")
    table = pd.DataFrame([{"form": b.name, "bytes": round(b.size), "of dense": b.size / bars[0].size,
                           "bytes counted": b.counted and round(b.counted), **{
                               words: round(b.parts[k]) for k, (words, _) in PARTS.items() if k in b.parts},
                           "how": "counted" if cost is None else "written", "read back equal": b.same if cost else None}
                          for b in bars])
    return View(_claim(bars, cost), figure, None, _alt(bars, cost), table,
                "Open the numbers: every form was written, read back and compared." if cost is not None else "",
                heading=heading(bars, cost))


def round_steps(top: float) -> list[float]:
    """From 0 up to *top* in at most five steps of 1, 2 or 5 times a power of ten."""
    step = next(s for k in range(16) for s in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if top / s <= 5)
    return [step * k for k in range(int(top / step) + 1)]


def _traces(bars: Sequence[Bar]) -> list[Part]:
    data: list[Part] = []
    for part, (words, colour) in PARTS.items():
        if any(b.parts.get(part) for b in bars):
            data.append({"type": "bar", "orientation": "h", "name": words, "y": [b.name for b in bars],
                         "x": [b.parts.get(part, 0) for b in bars], "marker": {"color": colour, "line": {"width": 0}},
                         "customdata": [byte_words(b.parts.get(part, 0)) for b in bars],
                         "hovertemplate": f"<b>%{{y}}</b> {words}: %{{customdata}}<extra></extra>"})
    counted = [b for b in bars if b.counted is not None]
    if counted:
        data.append({"type": "scatter", "mode": "markers", "name": "counted", "x": [b.counted for b in counted],
                     "y": [b.name for b in counted], "hovertemplate": "counted: %{customdata}<extra></extra>",
                     "customdata": [byte_words(b.counted or 0) for b in counted],
                     "marker": {"symbol": "line-ns", "size": 34, "color": style.GREY,
                                "line": {"width": 3, "color": style.GREY}}})
    return data


def heading(bars: Sequence[Bar], cost: Cost | None) -> str:
    """The smallest form as a share of the dense one."""
    small = min(bars[1:], key=lambda b: b.size, default=None)
    if small is None:
        return f"Dense, it takes {byte_words(bars[0].size)}."
    what = "takes" if cost is not None else "would take"
    return f"{small.name.capitalize()}, it {what} {style.percent(small.size / bars[0].size)} of the dense bytes."


def _claim(bars: Sequence[Bar], cost: Cost | None) -> str:
    listed = ", ".join(f"{b.name} {byte_words(b.size)}" for b in bars)
    if cost is None:
        return f"{listed}: counted from what the header says, not written."
    content = [(b.size - b.parts.get("header", 0)) - b.counted for b in bars if b.counted is not None]
    whole = "the whole model" if cost.whole else "the pruned matrices alone"
    same = ("every file read back equal, bit for bit" if all(b.same for b in bars)
            else "NOT every file read back equal: see the numbers")
    return (f"{listed}: {whole} in files, from {ORIGINS[cost.origin]}; {same}. Without its header no file differs from "
            f"what is counted by more than {byte_words(max(map(abs, content)))}.")


def _alt(bars: Sequence[Bar], cost: Cost | None) -> str:
    listed = "; ".join(f"{b.name} {byte_words(b.size)}, of it " + ", ".join(
        f"{words} {byte_words(b.parts[k])}" for k, (words, _) in PARTS.items() if b.parts.get(k)) for b in bars)
    return f"Bytes by form, {'written to files' if cost is not None else 'counted'}: {listed}."
