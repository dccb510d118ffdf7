"""Ratio is not speed: how many times less than dense a run needs, of everything that can be counted or measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from core.cost.records import Cost
from core.cost.summary import RUNS_AS, Saving, savings
from core.runs.store import Run
from core.views.cost.source import COLOURS, NOTICED, WHY, Stamp, cost_at
from core.views.drawing import style
from core.views.drawing.build import Part, build, words_only
from core.views.drawing.view import View
from core.views.scores.whiskers import whiskers

ROW, EDGES = 34, 104  # pixels a row, and over and under them all
AXIS = 0.62  # of the width: beside it stand the numbers
MARKS = 7  # of the axis, at most, before those between powers of two go
KINDS = {"counted": (("counted",), "circle-open"), "written or measured": (("written", "measured"), "circle")}


def picture(run: Run, stamp: Stamp) -> View:
    """A row a quantity and form. x, logarithmic: the dense model's amount over this one's, so 1 saves nothing; bars are
    the 95 % interval of the median ratio. Open marks are counted, full ones written to a file or measured."""
    cost = cost_at(stamp)
    found = savings(run.record, cost)
    if not found:
        return words_only("This is a dense model: nothing is saved, and the others are held against it."
                          if run.record.spec.method == "dense" else "This run lists no matrices to count.")
    names = _names(found)
    low, high = _range(found)
    ticks = [t for k in range(-4, 11) for t in (2.0**k, 1.5 * 2.0**k) if low <= t <= high]
    if len(ticks) > MARKS:
        ticks = [t for t in ticks if math.log2(t).is_integer()]
    figure = build(_traces(found, names), {
        "margin": {"l": 8, "r": 8, "t": 46, "b": 74},
        "xaxis": {"type": "log", "range": [math.log10(low), math.log10(high)], "domain": [0, AXIS], "tickvals": ticks,
                  "ticktext": [f"{t:g}×" for t in ticks], "title": {"text": "times less than dense, or faster"}},
        "yaxis": {"type": "category", "categoryorder": "array", "categoryarray": names[::-1], "showgrid": False,
                  "range": [-0.6, len(names) - 0.4], "automargin": True},
        "shapes": [{"type": "line", "xref": "x", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1,
                    "line": {"color": style.colour("dense"), "width": 2}, "layer": "below"}],
        "annotations": [{"text": f"<b>{s.factor}</b>  {_move(s)}", "x": AXIS + 0.02, "xref": "paper", "y": n,
                         "xanchor": "left", "showarrow": False, "font": {"size": 15}}
                        for s, n in zip(found, names, strict=True)],
    }, EDGES + ROW * len(names), legend=True, revision=f"savings/{run.record.id}")
    table = pd.DataFrame([{"quantity": s.what, "form": s.form, "times less": s.times.value, "low": s.times.low,
                           "high": s.times.high, "dense": s.dense, "here": s.here, "how": s.how} for s in found])
    alt = f"{run.record.id}, how many times less than dense: " + "; ".join(
        f"{n} {s.factor}{_ends(s)}, {s.how}" for s, n in zip(found, names, strict=True)) + "."
    return View(_claim(found, cost), figure, None, alt, table,
                "Choose a run of another pattern: the bytes follow the zeros, the time does not.",
                heading=heading(found, cost))


def _names(found: Sequence[Saving]) -> list[str]:
    """A name a row: the quantity, and the form where the quantity has several."""
    whats = [s.what for s in found]
    return [s.what if whats.count(s.what) == 1 else f"{s.what} · {s.form.partition(',')[0]}" for s in found]


def _range(found: Sequence[Saving]) -> tuple[float, float]:
    """The ends of the axis: 1 and every mark with its interval, and some room."""
    ends = [v for s in found for v in (s.times.value, s.times.low, s.times.high) if math.isfinite(v) and v > 0]
    low, high = min([1.0, *ends]), max([2.0, *ends])
    room = (high / low) ** 0.06
    return low / room, high * room


def _traces(found: Sequence[Saving], names: Sequence[str]) -> list[Part]:
    data: list[Part] = []
    for form, colour in COLOURS.items():
        rows = [(s, n) for s, n in zip(found, names, strict=True) if s.form == form]
        if not rows:
            continue
        bars_x: list[float | None] = []
        bars_y: list[str | None] = []
        for s, n in rows:
            bars_x += [1.0, s.times.value, None]
            bars_y += [n, n, None]
        data.append({"type": "scatter", "mode": "lines", "x": bars_x, "y": bars_y, "hoverinfo": "skip", "name": form,
                     "line": {"width": 9, "color": colour}, "opacity": 0.45, "showlegend": False})
        # Apart, as a whisker of no length would still be drawn.
        unsure = [(s, n) for s, n in rows if s.times.low < s.times.high]
        exact = [row for row in rows if row not in unsure]
        data += [_marks(form, colour, part, first=part is (exact or unsure)) for part in (exact, unsure) if part]
    for words, (kinds, symbol) in KINDS.items():
        if not any(s.how in kinds for s in found):
            continue
        data.append({"type": "scatter", "mode": "markers", "x": [None], "y": [None], "name": words,
                     "marker": {"size": 12, "symbol": symbol, "color": style.GREY,
                                "line": {"width": 2.5, "color": style.GREY}}})
    return data


def _marks(form: str, colour: str, rows: Sequence[tuple[Saving, str]], first: bool) -> Part:
    times = [s.times for s, _ in rows]
    return {"type": "scatter", "mode": "markers", "x": [t.value for t in times], "y": [n for _, n in rows],
            "name": form, "legendgroup": form, "showlegend": first,
            "error_x": whiskers(times, thickness=2, width=6, color=colour, visible=times[0].low < times[0].high),
            "marker": {"size": 13, "color": colour, "line": {"width": 2.5, "color": colour},
                       "symbol": ["circle-open" if s.how == "counted" else "circle" for s, _ in rows]},
            "customdata": [[s.form, s.how, s.dense, s.here] for s, _ in rows],
            "hovertemplate": "<b>%{y}</b>, %{customdata[0]}: %{x:.3g}×<br>%{customdata[2]} dense, "
                             "%{customdata[3]} here<br>%{customdata[1]}<extra></extra>"}


def _move(s: Saving) -> str:
    """Both amounts; a unit that they share is said once."""
    amount, unit = s.dense.rpartition(" ")[::2]
    return f"{amount if amount and s.here.endswith(f' {unit}') else s.dense} → {s.here}"


def _ends(s: Saving) -> str:
    return "" if not s.times.low < s.times.high else f" [{s.times.low:.3g}, {s.times.high:.3g}]"


def timed(found: Sequence[Saving], model: str) -> list[Saving]:
    """The rows of measured time of one of RUNS_AS's models."""
    return [s for s in found if s.what.startswith("Time") and s.form == RUNS_AS[model]]


def heading(found: Sequence[Saving], cost: Cost | None) -> str:
    """The claim in few words with one number: that of the file, or of time where matrices were shrunk."""
    if shrunk := timed(found, "shrunk"):
        return f"Shrunk, the longest pass is {shrunk[-1].factor} as fast as dense."
    size = next((s for s in found[::-1] if s.what.startswith("Bytes")), found[0])
    what = "file is" if "file" in size.what else "pruned matrices are"
    start = f"{size.form.capitalize()}, the {what} {size.factor} smaller"
    rows = timed(found, "pruned")
    if not rows:
        return f"{start}; how fast it is, nobody has measured yet."
    faster = [s for s in rows if s.times.low > NOTICED]
    speed = "faster too" if len(faster) == len(rows) else "hardly faster" if faster else "no faster"
    return f"{start}; a pass is {speed}."


def _claim(found: Sequence[Saving], cost: Cost | None) -> str:
    listed = "; ".join(f"{s.what.lower() if s.what[1:2].islower() else s.what} ({s.form}) {s.factor}{_ends(s)}"
                       for s in found)
    end = f" {WHY}" if timed(found, "pruned") else ""
    return f"How many times less than dense: {listed}.{end}"
