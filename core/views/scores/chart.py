"""The large chart: a quantity over the share of zeros, or over bits per weight; a line a way to prune, named at its
end.

The methods of the story are in colour, the others grey until they are chosen; where they are many, the grey ones share
a name, and each says its own when pointed at. Bars are 95 % intervals.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.evidence import words
from core.evidence.cells import Cell
from core.evidence.estimates import Estimate, constant, dense_of, estimate
from core.evidence.groups import Group
from core.evidence.lines import NM, Line, Spot, line_ways, lines
from core.evidence.quantities import QUANTITIES, SCORE, title_of
from core.sparsity.storage import FLOAT
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View
from core.views.scores.naming import spread
from core.views.scores.published import Published, published, stars
from core.views.scores.story import STORY
from core.views.scores.whiskers import whiskers

HEIGHT, TOP, BOTTOM, MARGIN = 486, 14, 110, 218
ZEROS, BITS = "zeros", "bits"
AXES = {ZEROS: "zeros", BITS: "bits a weight"}  # what x may be, as the link says it and as the page does
AVERAGE = "average"  # in place of a task
CONSTANT = "constant answer"
IDLE_MARK, IDLE_SAYS = "x-thin", f"not above {CONSTANT}"
CROWD = 8  # names that the margin holds without their leaders tangling; beyond, grey lines share one
ASIDE = 0.006  # of the axis of zeros, from one lit line to the next: bars at one ratio stand side by side
GRIDS = {0: "circle", 8: "square", 4: "diamond", 3: "triangle-up", 2: "triangle-down"}  # marks by the bits of a grid
RATIO_IS_NOT_SPEED = (
    "Ratio is not speed: a zero still takes its place and its multiplication unless the hardware skips it. What "
    "sparsity costs in score is on this page; what it saves in time is measured apart.")


@dataclass(frozen=True)
class Asked:
    """What a chart is asked for: plain values, so that it can be kept under them."""

    tasks: tuple[str, ...]
    model: str
    quantity: str = SCORE
    axis: str = ZEROS
    kind: str = NM
    lit: tuple[str, ...] = STORY
    printed: bool = False


def place_words(tasks: Sequence[str]) -> str:
    """The task, or what stands for several: "GLUE average of 3 tasks"."""
    return style.task_title(tasks[0]) if len(tasks) == 1 else f"Average of {len(tasks)} tasks"


def keys(cells: Sequence[Cell], asked: Asked) -> dict[str, str]:
    """The lines that can be lit, by key, with their names."""
    found = line_ways(cells, asked.tasks, asked.model, asked.quantity, asked.kind, asked.axis == BITS)
    return {key[0]: words.group_name(one[0]) for key, one in found.items()}


def chart(cells: Sequence[Cell], asked: Asked) -> View:
    """The chart that *asked* describes. Without a picture when nothing was run so.

    x: share of zeros that the runs measured, 0 to 1 (lit lines a hair apart, so that bars do not lie over each other);
    or bits per weight, logarithmic, falling. y: the quantity, the mean over seeds (and over tasks), with its 95 %
    interval for lit lines. Grey band: dense and its interval. Broken line: the best constant answer; a cross marks what
    does not beat it in score.
    """
    found = [line for line in lines(cells, asked.tasks, asked.model, asked.quantity, asked.kind, asked.axis == BITS)
             if any(math.isfinite(_x(s, asked.axis)) for s in line.spots)]
    place = place_words(asked.tasks)
    if not found:
        return words_only(f"{place}: no runs with answers to show here.")
    dense = _dense(found)
    level, floor = estimate(dense, asked.quantity), _floor(dense, asked.quantity)
    printed = published(asked.tasks[0]) if asked.printed and len(asked.tasks) == 1 and asked.quantity == SCORE \
        and asked.axis == ZEROS else []
    span, low_high = _span(found, printed, asked.axis), _range(found, level, floor, printed)
    data: list[Part] = []
    names: list[tuple[float, str, str]] = [(level.interval.value, "Dense", style.colour("dense"))]
    names += [(floor, CONSTANT, style.GREY)] if low_high[0] <= floor <= low_high[1] else []
    lit = [line for line in found if line.key in asked.lit]
    for line in sorted(found, key=lambda one: one.key in asked.lit):  # lit ones on top
        aside = (lit.index(line) - (len(lit) - 1) / 2) * ASIDE if line in lit and asked.axis == ZEROS else 0.0
        data += _traces(line, asked, aside)
    if printed:
        data.append(stars(printed))
    named = found if len(names) + len(found) <= CROWD else lit
    names += [(_end(line), _name(line), _colour(line, asked.lit)) for line in named]
    if others := [line for line in found if line not in named]:
        names.append((low_high[0], f"{len(others)} others, in grey", style.GREY))
    ends = [(line.spots[-1], _name(line)) for line in named]
    shapes = _band(level) + _level(floor, "dash")
    leaders, notes = _names(names, ends, span, low_high, asked.axis)
    figure = build([*data, *leaders, *_meanings(found)], {
        "legend": legend_below(),
        "shapes": shapes, "annotations": notes, "margin": {"t": TOP, "b": BOTTOM, "r": MARGIN, "l": 88},
        "xaxis": _ticks(span, asked.axis), "yaxis": {"range": low_high, "title": {"text": _title(dense, asked)}},
    }, HEIGHT, legend=True, revision=f"{'/'.join(asked.tasks)}/{asked.model}/{asked.axis}/{asked.quantity}")
    claim = _claim(found, level, asked)
    return View(claim, figure, None, _alt(found, level, floor, asked), _table(found, dense, printed, asked),
                "Point at a dot to read its name and interval; choose further methods above to see them in colour.",
                heading=_heading(found, asked))


def _x(spot: Spot, axis: str) -> float:
    return spot.stored if axis == BITS else spot.sparsity


def _dense(found: Sequence[Line]) -> tuple[Group, ...]:
    """The dense models behind the lines, a group a task: of the spot with most seeds."""
    most = max((s for line in found for s in line.spots), key=lambda s: len(s.groups[0].cells))
    return tuple(dense_of(g) for g in most.groups)


def _floor(dense: Sequence[Group], quantity: str) -> float:
    return sum(constant(g, quantity) for g in dense) / len(dense)


def _title(dense: Sequence[Group], asked: Asked) -> str:
    title = title_of(asked.quantity, dense[0].cells[0].answers.regression)
    if asked.quantity != SCORE:
        return title
    metrics = {g.cells[0].metric for g in dense}
    return style.metric_words(metrics.pop()) if len(metrics) == 1 else "score, the mean over tasks"


def _name(line: Line) -> str:
    grid = f", {line.bits} bits" if line.bits else ""
    return words.group_name(line.group) + grid


def _end(line: Line) -> float:
    return line.spots[-1].value.interval.value


def _colour(line: Line, lit: Collection[str]) -> str:
    return style.colour(line.group.spec.method) if line.key in lit else style.GREY


def _traces(line: Line, asked: Asked, aside: float) -> list[Part]:
    lit, colour = line.key in asked.lit, _colour(line, asked.lit)
    spots = [s for s in line.spots if math.isfinite(_x(s, asked.axis))]
    trained = line.group.trained
    symbols = [IDLE_MARK if s.idle else GRIDS.get(line.bits, "pentagon") + ("" if trained else "-open") for s in spots]
    i = [s.value.interval for s in spots]
    bars = whiskers(i, thickness=1.6, width=4, visible=lit)
    return [{
        "type": "scatter", "mode": "lines+markers", "name": _name(line), "opacity": 1.0 if lit else 0.45,
        "showlegend": False,
        "x": [_x(s, asked.axis) + aside for s in spots], "y": [one.value for one in i], "error_y": bars,
        "line": {"color": colour, "width": 2.6 if lit else 1.4, "dash": "solid" if trained else "dot"},
        "marker": {"color": colour, "size": 10 if lit else 6, "symbol": symbols,
                   "line": {"width": 2, "color": colour}},
        "customdata": [[s.pattern, words.valued(s.value.interval), _versus(s, asked.quantity), words.rests_on(s.value),
                        " · no better than a constant answer" if s.idle else ""] for s in spots],
        "hovertemplate": f"<b>{_name(line)} · %{{customdata[0]}}</b><br>%{{customdata[1]}}<br>"
                         "against dense: %{customdata[2]}<br>%{customdata[3]}%{customdata[4]}<extra></extra>"}]


def _meanings(found: Sequence[Line]) -> list[Part]:
    """What the marks mean, for the legend: the names of the lines stand at their ends."""
    trained = {line.group.trained for line in found}
    marks = [("trained", "circle", "solid")] if True in trained else []
    marks += [("not trained", "circle-open", "dot")] if False in trained else []
    marks += [(IDLE_SAYS, IDLE_MARK, "")] if any(s.idle for x in found for s in x.spots) else []
    return [{"type": "scatter", "mode": "lines+markers" if dash else "markers", "x": [None], "y": [None], "name": name,
             "line": {"color": style.GREY, "width": 2, "dash": dash or "solid"}, "hoverinfo": "skip",
             "marker": {"color": style.GREY, "size": 10, "symbol": symbol, "line": {"width": 2, "color": style.GREY}}}
            for name, symbol, dash in marks]


def _versus(spot: Spot, quantity: str) -> str:
    return words.UNKNOWN if spot.versus is None else words.signed_interval(quantity, spot.versus.interval)


def _band(level: Estimate) -> list[Part]:
    across = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y", "layer": "below"}
    i = level.interval
    return [across | {"type": "rect", "y0": i.low, "y1": i.high, "fillcolor": style.WASH, "line": {"width": 0}},
            *_level(i.value, "solid", style.colour("dense"), 2)]


def _level(y: float, dash: str, colour: str = style.GREY, width: float = 1.4) -> list[Part]:
    return [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": y, "y1": y, "layer": "below",
             "line": {"color": colour, "width": width, "dash": dash}}]


def _names(names: Sequence[tuple[float, str, str]], ends: Sequence[tuple[Spot, str]], span: tuple[float, float],
           low_high: tuple[float, float], axis: str) -> tuple[list[Part], list[Part]]:
    """Leaders from the ends of the lines to the margin, and the names there, none over another."""
    plot = HEIGHT - TOP - BOTTOM
    low, high = low_high

    def pixel(y: float) -> float:
        return (min(max(y, low), high) - low) / (high - low) * plot

    heights = spread([pixel(y) for y, _, _ in names], 0, plot)
    right = math.log10(span[1]) if axis == BITS else span[1]
    at = {name: _x(spot, axis) for spot, name in ends}
    leaders: list[Part] = []
    notes: list[Part] = []
    for (y, name, colour), height in zip(names, heights, strict=True):
        level = low + height / plot * (high - low)
        if name in at:
            leaders.append({"type": "scatter", "mode": "lines", "x": [at[name], span[1]], "y": [y, level],
                            "line": {"color": style.faded(colour, 0.45), "width": 1, "dash": "dot"},
                            "hoverinfo": "skip", "showlegend": False})
        notes.append({"x": right, "xref": "x", "y": level, "yref": "y", "xanchor": "left", "yanchor": "middle",
                      "showarrow": False, "text": name, "xshift": 6, "font": {"color": colour, "size": 14}})
    return leaders, notes


def _span(found: Sequence[Line], printed: Sequence[Published], axis: str) -> tuple[float, float]:
    """The ends of the axis, left and right, in its own unit; on the axis of bits the left end is the larger one."""
    at = [x for line in found for s in line.spots if math.isfinite(x := _x(s, axis))]
    if axis == BITS:
        return max(FLOAT, *at) * 1.12, min(FLOAT / 4, *at) / 1.15
    return -0.02, min(1.0, max([*at, *(p.sparsity for p in printed)]) + 0.04)


def _ticks(span: tuple[float, float], axis: str) -> dict[str, Any]:
    if axis == ZEROS:
        return {"title": {"text": "share of zeros"}, "tickformat": ".0%", "range": list(span)}
    marks = [bits for k in range(8) for bits in (2.0 ** k, 1.5 * 2.0 ** k) if span[1] <= bits <= span[0]]
    return {"title": {"text": "bits per weight (dense: 32; log)"}, "type": "log",
            "range": [math.log10(v) for v in span], "tickmode": "array", "tickvals": marks,
            "ticktext": [f"{bits:g}" for bits in marks]}


def _range(found: Sequence[Line], level: Estimate, floor: float, printed: Sequence[Published]) -> tuple[float, float]:
    """Fixed for a task and a quantity: whatever is lit, all intervals fit, and dense and the constant answer."""
    ends = [v for line in found for s in line.spots for v in (s.value.interval.low, s.value.interval.high)]
    ends += [level.interval.low, level.interval.high, floor, *(p.score for p in printed)]
    low, high = min(v for v in ends if math.isfinite(v)), max(v for v in ends if math.isfinite(v))
    room = 0.05 * (high - low or 0.1)
    return low - room, high + room


def _told(found: Sequence[Line], lit: Collection[str]) -> tuple[Line, Spot] | None:
    """The spot that the heading speaks of: the sparsest of ADMM's line where it is lit, else of the first lit line."""
    listed = [line for line in found if line.key in lit and not line.bits] or [line for line in found if not line.bits]
    if not listed:
        return None
    line = next((one for one in listed if one.key == "admm"), listed[0])
    return line, line.spots[-1]


def _heading(found: Sequence[Line], asked: Asked) -> str:
    """One difference to dense, with its interval."""
    told = _told(found, asked.lit)
    place = place_words(asked.tasks)
    if told is None or (versus := told[1].versus) is None:
        return f"{place}: {len(found)} ways to prune."
    return f"{place}: {_name(told[0])} at {told[1].pattern} {words.changed(asked.quantity, versus.interval)}."


def _claim(found: Sequence[Line], level: Estimate, asked: Asked) -> str:
    marked = sorted({_name(line) for line in found for s in line.spots if s.idle})
    text = f"{_heading(found, asked)} Dense: {words.valued(level.interval)}, {words.rests_on(level)}."
    if marked:
        text += f" No better than a constant answer somewhere (crosses): {'; '.join(marked)}."
    return text


def _alt(found: Sequence[Line], level: Estimate, floor: float, asked: Asked) -> str:
    what = "bits per weight" if asked.axis == BITS else "share of zeros"
    listed = " ".join(
        f"{_name(line)}: " + ", ".join(f"{s.value.interval.value:.3f} at {s.pattern}" for s in line.spots) + "."
        for line in found)
    return (f"{place_words(asked.tasks)}, {asked.model}: {QUANTITIES[asked.quantity].title.lower()} over {what}. Dense "
            f"{words.valued(level.interval)}; a constant answer {floor:.3f}. {listed}")


def _table(found: Sequence[Line], dense: Sequence[Group], printed: Sequence[Published], asked: Asked) -> pd.DataFrame:
    rows = []
    for line in found:
        for s in line.spots:
            i, v = s.value.interval, s.versus.interval if s.versus else None
            rows.append({
                "method": _name(line), "pattern": s.pattern, "zeros": round(s.sparsity, 4),
                "bits per weight": round(s.stored, 3), "value": i.value, "low": i.low, "high": i.high,
                "against dense": v and v.value, "against dense, low": v and v.low, "against dense, high": v and v.high,
                "beats a constant answer": "no" if s.idle else "yes", "seeds": ", ".join(map(str, s.value.seeds)),
                "examples": s.value.examples, "runs": ", ".join(s.runs)})
    rows += [{"method": p.system, "pattern": "published, another model", "zeros": p.sparsity, "value": p.score,
              "runs": f"{p.model}; {p.note}; {p.source}"} for p in printed]
    return pd.DataFrame(rows)
