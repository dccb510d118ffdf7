"""One group over all iterations: who crosses the line, and how good each choice is beside all others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.lab.results_group import MOST, GroupPath
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below
from core.views.drawing.view import View
from core.views.touch.one_group import blank_words, entries, first

# Of an entry: stays at the first iteration, stays at the last one -> its words and colour.
ROLES: dict[tuple[bool, bool], tuple[str, str]] = {
    (True, True): ("stays, first and last", style.ACCENT),
    (False, True): ("comes in", style.rgba(style.SEQUENTIAL_HUE)),
    (True, False): ("goes out", style.rgba(style.NEGATIVE)),
    (False, False): ("goes, first and last", style.GREY),
}


def crossings(path: GroupPath, k: int) -> View:
    """|W + U| of every entry over the iterations, thick while it stays: a crossing is where two lines meet."""
    size, rounds = np.abs(path.v), np.arange(path.last + 1)
    data: list[Part] = []
    for role, (words, colour) in ROLES.items():
        mine = np.flatnonzero((path.mask[0] == role[0]) & (path.mask[-1] == role[1]))
        if not len(mine):
            continue
        thick = np.where(path.mask[:, mine], size[:, mine], np.nan)
        place = {"type": "scatter", "x": np.tile(np.append(rounds, path.last), len(mine)), "name": words,
                 "legendgroup": words, "hovertemplate": "iteration %{x}, entry %{text}: %{y:.4g}<extra></extra>",
                 "text": np.repeat(mine + 1, path.last + 2)}
        data.append({**place, "y": _joined(size[:, mine]), "mode": "lines", "showlegend": False,
                     "line": {"width": 1.2, "color": colour}})
        kept = bool(path.mask[:, mine].any())
        data.append({**place, "y": _joined(thick), "mode": "lines+markers" if kept else "lines",
                     "line": {"width": 4 if kept else 1.2, "color": colour}, "marker": {"size": 6, "color": colour}})
    data.append({"type": "scatter", "mode": "text", "x": np.full(path.m, path.last), "y": size[-1],
                 "text": [f" {i + 1}" for i in range(path.m)], "textposition": "middle right", "cliponaxis": False,
                 "showlegend": False, "hoverinfo": "skip"})
    figure = build(data, {
        "xaxis": {"title": {"text": "iteration"}, "range": [-0.5, path.last * 1.04 + 0.5], "zeroline": False},
        "yaxis": {"title": {"text": "|W + U|"}, "rangemode": "tozero"}, "shapes": [_now(k)],
        "legend": legend_below(), "margin": {"l": 64, "r": 16, "t": 12, "b": 92},
    }, 400, legend=True, revision=f"{path.n}:{path.m}")
    claim = _crossed(path)
    table = pd.DataFrame({"iteration": rounds} | {f"|w + u| {i + 1}": size[:, i] for i in range(path.m)}
                         | {f"stays {i + 1}": path.mask[:, i] for i in range(path.m)})
    alt = f"Lines of |W + U| for {path.m} entries over iterations 0 to {path.last}, thick while an entry stays. " \
          f"{claim}"
    return View(claim, figure, None, alt, table, "A smaller rho lets W go further between two looks at the pattern. "
                "With a correlation of 0 nothing is wanted back, and no line is crossed.")


def _joined(lines: NDArray[np.floating]) -> NDArray[np.floating]:
    """The columns of *lines* one after the other, a gap after each: one trace for all, since every trace costs."""
    return np.vstack([lines, np.full(lines.shape[1], np.nan)]).T.reshape(-1)


def _now(k: int) -> Part:
    return {"type": "line", "x0": k, "x1": k, "yref": "paper", "y0": 0, "y1": 1,
            "line": {"width": 1.5, "dash": "dot", "color": style.GREY}}


def _crossed(path: GroupPath) -> str:
    """The claim: who came in, when, and who went."""
    if path.n == path.m or path.blank:
        return "Nothing crosses: there is nothing to choose." if path.n == path.m else blank_words(path)
    turns, total = path.turns, path.last
    if not turns:
        return f"No entry crosses the line in {total} iterations: {entries(path.mask[0])} stay" \
               f"{'s' if path.n == 1 else ''}."
    new, old = path.mask[-1] & ~path.mask[0], path.mask[0] & ~path.mask[-1]
    if turns[-1] > 0.9 * total and len(turns) > 2:
        return f"The choice changes {len(turns)} times and has not come to rest by iteration {total}."
    if not new.any():
        return f"The choice changes {len(turns)} times, last at iteration {turns[-1]}, and ends where it began."
    when = [_came(path.mask[:, i]) for i in np.flatnonzero(new)]
    one = len(when) == 1
    times = ", ".join(map(str, sorted(set(when))))
    were, them, go = ("was", "it", "goes") if one else ("were", "them", "go")
    return f"{first(entries(new))} {were} cut at first; the dual carries {them} across the line at iteration " \
           f"{times}, and {entries(old)} {go}."


def _came(stays: NDArray[np.bool_]) -> int:
    """The iteration from which an entry that stays at the end has stayed all along."""
    return int(np.flatnonzero(~stays)[-1]) + 1


def choice(path: GroupPath, k: int) -> View:
    """The error of each iteration's choice, its kept weights refitted, beside the best of all choices."""
    rounds = np.arange(path.last + 1)
    data: list[Part] = [
        {"type": "scatter", "x": rounds, "y": path.error, "mode": "lines", "name": "the choice of each iteration",
         "line": {"width": 3, "shape": "hv", "color": style.ACCENT},
         "hovertemplate": "iteration %{x}: %{y:.2%} lost<extra></extra>"},
        {"type": "scatter", "x": [k], "y": [path.error[k]], "mode": "markers", "showlegend": False,
         "marker": {"size": 12, "color": style.ACCENT}, "hoverinfo": "skip"}]
    ranks = None
    if path.choices is not None:
        best = float(path.choices.errors.min())
        data.append({"type": "scatter", "x": [0, path.last], "y": [best, best], "mode": "lines", "name":
                     f"the best of all {style.count(path.ways)}", "hovertemplate": "%{y:.2%} lost<extra></extra>",
                     "line": {"width": 2, "dash": "dash", "color": style.rgba(style.SEQUENTIAL_HUE)}})
        known = {e: path.choices.rank(e) for e in map(float, np.unique(path.error))}
        ranks = [known[float(e)] for e in path.error]
    figure = build(data, {
        "xaxis": {"title": {"text": "iteration"}, "range": [-0.5, path.last * 1.04 + 0.5], "zeroline": False},
        "yaxis": {"title": {"text": "output lost"}, "tickformat": ".0%",
                  "range": [0, 1.15 * (float(path.error.max()) or 0.1)]},
        "shapes": [_now(k)], "legend": legend_below(), "margin": {"l": 64, "r": 16, "t": 12, "b": 92},
    }, 320, legend=True, revision=f"{path.n}:{path.m}")
    claim = _judged(path, k)
    table = pd.DataFrame({"iteration": rounds, "keeps": [entries(m) for m in path.mask], "output lost": path.error,
                          **({} if ranks is None else {"place": ranks})})
    return View(claim, figure, None, f"A line of the output lost by each iteration's choice. {claim}", table,
                "Set the correlation to 0: the largest weights are then the right ones, and magnitude wins.")


def _judged(path: GroupPath, k: int) -> str:
    if path.n == path.m or path.blank:
        return "Nothing is lost: " + ("everything stays." if path.n == path.m else "all weights are zero.")
    now = f"Iteration {k} keeps {entries(path.mask[k])}: refitted, {_lost(path.error[k])} of the output is lost"
    if path.choices is None:
        return f"{now}. There are {style.count(path.ways)} choices, and at most {style.count(MOST)} are tried one " \
               "by one: the best is not known."
    rank, best = path.choices.rank(float(path.error[k])), path.choices.best
    if rank == 1:
        rest = "" if (path.mask[k] == path.mask[0]).all() else \
            f"; with the largest, {entries(path.mask[0])}, it would be {_lost(path.error[0])}"
        return f"{now}, the least of all {style.count(path.ways)} choices{rest}."
    return f"{now}, place {style.count(rank)} of {style.count(path.ways)}; with the best, " \
           f"{entries(path.choices.supports[best])}, it would be {_lost(path.choices.errors[best])}."


def _lost(error: float) -> str:
    return style.percent(float(error))
