"""Small multiples: the same lines on every task, as the difference from dense, on shared axes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from core.evidence import words
from core.evidence.cells import Cell
from core.evidence.lines import NM, Line, lines
from core.evidence.quantities import QUANTITIES, SCORE
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View
from core.views.scores.chart import IDLE_MARK
from core.views.scores.story import STORY
from core.views.scores.whiskers import reach, whiskers

HEIGHT, GAP = 340, 0.018


def multiples(cells: Sequence[Cell], tasks: tuple[str, ...], model: str, quantity: str = SCORE, kind: str = NM,
              lit: tuple[str, ...] = STORY) -> View:
    """A panel a task, in the order given. x: share of zeros, 0 to 1; y: the difference from dense, in points (or the
    quantity's own unit), the zero line dense itself. Both axes are the same in every panel. Only the lit lines."""
    by_task = {task: [line for line in lines(cells, (task,), model, quantity, kind) if line.key in lit]
               for task in tasks}
    shown = [task for task, found in by_task.items() if found]
    if len(shown) < 2:
        return words_only("One task alone: there is nothing to set side by side.")
    scale = QUANTITIES[quantity].scale
    width = (1 - GAP * (len(shown) - 1)) / len(shown)
    data: list[Part] = []
    notes: list[Part] = []
    layout: Part = {"margin": {"l": 84, "r": 12, "t": 30, "b": 96}, "legend": legend_below()}
    seen: set[str] = set()
    for k, task in enumerate(shown):
        suffix = "" if k == 0 else str(k + 1)
        start = k * (width + GAP)
        layout[f"xaxis{suffix}"] = {"domain": [start, start + width], "range": [0, 1], "tickformat": ".0%",
                                    "tickvals": [0.25, 0.5, 0.75],
                                    "anchor": f"y{suffix}"}
        layout[f"yaxis{suffix}"] = {"anchor": f"x{suffix}", "showticklabels": k == 0} | ({"matches": "y"} if k else {})
        notes.append({"x": start + width / 2, "xref": "paper", "xanchor": "center", "y": 1.0, "yref": "paper",
                      "yanchor": "bottom", "text": f"<b>{style.task_title(task)}</b>", "showarrow": False,
                      "font": {"size": 15}})
        for line in by_task[task]:
            data.append(_trace(line, task, suffix, scale, quantity, first=line.key not in seen))
            seen.add(line.key)
    apart = [s.versus.interval for found in by_task.values() for line in found for s in line.spots if s.versus]
    layout["yaxis"] |= {"range": reach(apart, scale),
                        "title": {"text": words.axis_of(quantity, "dense")}}
    notes.append({"x": 0.5, "xref": "paper", "y": 0, "yref": "paper", "yshift": -34, "yanchor": "top",
                  "text": "share of zeros", "showarrow": False, "font": {"size": 15}})
    layout["annotations"] = notes
    layout["shapes"] = [{"type": "line", "xref": f"x{s} domain", "x0": 0, "x1": 1, "yref": f"y{s}", "y0": 0, "y1": 0,
                         "line": {"color": style.colour("dense"), "width": 2}, "layer": "below"}
                        for s in ["", *map(str, range(2, len(shown) + 1))]]
    figure = build(data, layout, HEIGHT, legend=True, revision=f"multiples/{model}/{quantity}/{kind}")
    table = _table(by_task)
    return View(_claim(by_task, shown, quantity), figure, None, _alt(by_task, shown, quantity), table,
                "Find the task on which a method falls first.", heading=_heading(by_task, shown, quantity))


def _trace(line: Line, task: str, suffix: str, scale: float, quantity: str, first: bool) -> Part:
    spots = [s for s in line.spots if s.versus is not None]
    i = [s.versus.interval for s in spots if s.versus is not None]
    colour, name = style.colour(line.group.spec.method), words.group_name(line.group)
    return {"type": "scatter", "mode": "lines+markers", "name": name, "legendgroup": name, "showlegend": first,
            "xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "x": [s.sparsity for s in spots],
            "y": [scale * one.value for one in i],
            "error_y": whiskers(i, scale, thickness=1.2, width=3),
            "line": {"color": colour, "width": 2, "dash": "solid" if line.group.trained else "dot"},
            "marker": {"color": colour, "size": 8, "line": {"width": 2, "color": colour},
                       "symbol": [IDLE_MARK if s.idle else "circle" if line.group.trained else "circle-open"
                                  for s in spots]},
            "selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}},  # a click is a way on
            "customdata": [[s.pattern, words.signed_interval(quantity, one), words.rests_on(s.value), task]
                           for s, one in zip(spots, i, strict=True)],
            "hovertemplate": f"<b>{name} · %{{customdata[0]}}</b><br>%{{customdata[1]}} against dense<br>"
                             "%{customdata[2]}<extra></extra>"}


def _worst(by_task: dict[str, list[Line]], shown: Sequence[str], quantity: str) -> tuple[str, Line, str, str] | None:
    """The task on which ADMM in training (or the first lit way) loses most at 2:4: task, line, pattern, words."""
    found = []
    for task in shown:
        line = next((one for one in by_task[task] if one.key == "admm"), by_task[task][0])
        spot = next((s for s in line.spots if s.pattern == "2:4"), line.spots[-1])
        if spot.versus is not None:
            found.append((spot.versus.interval.value * (1 if QUANTITIES[quantity].more else -1), task, line,
                          spot.pattern, words.changed(quantity, spot.versus.interval)))
    return min(found, key=lambda f: f[0])[1:] if found else None


def _heading(by_task: dict[str, list[Line]], shown: Sequence[str], quantity: str) -> str:
    worst = _worst(by_task, shown, quantity)
    if worst is None:
        return f"{len(shown)} tasks side by side."
    task, line, pattern, said = worst
    return f"Hardest for {words.group_name(line.group)} at {pattern}: {style.task_title(task)}, where it {said}."


def _claim(by_task: dict[str, list[Line]], shown: Sequence[str], quantity: str) -> str:
    return f"{_heading(by_task, shown, quantity)} Every panel has the same axes; the thick line is dense."


def _alt(by_task: dict[str, list[Line]], shown: Sequence[str], quantity: str) -> str:
    listed = " ".join(
        f"{style.task_title(task)}: " + "; ".join(
            f"{words.group_name(line.group)} " + ", ".join(
                f"{words.signed(quantity, s.versus.interval.value)} at {s.pattern}" for s in line.spots if s.versus)
            for line in by_task[task]) + "." for task in shown)
    return f"Difference from dense over the share of zeros, {len(shown)} tasks on shared axes. {listed}"


def _table(by_task: dict[str, list[Line]]) -> pd.DataFrame:
    return pd.DataFrame([
        {"task": task, "method": words.group_name(line.group), "pattern": s.pattern, "zeros": round(s.sparsity, 4),
         "against dense": s.versus.interval.value, "low": s.versus.interval.low, "high": s.versus.interval.high,
         "beats a constant answer": "no" if s.idle else "yes", "seeds": ", ".join(map(str, s.value.seeds))}
        for task, found in by_task.items() for line in found for s in line.spots if s.versus is not None])
