"""One trained method against the others, pattern by pattern: where is it ahead, where is it level?"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from core.errors import InputError
from core.evidence import words
from core.evidence.across import Across, across
from core.evidence.cells import Cell
from core.evidence.lines import kind_of
from core.evidence.quantities import QUANTITIES, SCORE
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_above, words_only
from core.views.drawing.view import View
from core.views.scores.chart import place_words
from core.views.scores.forest import IDLE_WORDS, idle_mark
from core.views.scores.whiskers import reach, whiskers, zero_line

ROW, EDGES = 66, 120  # pixels a row, and over and under them all
NAMED = 3  # tasks that a heading names
APART = 0.24  # of a row, from one mark to the next


def drawn(cells: Sequence[Cell], tasks: tuple[str, ...], model: str, quantity: str = SCORE) -> View:
    """A row a pattern, fewest zeros on top; in it a mark for every other method. x: ADMM in training less that method,
    in points (or the quantity's own unit), the zero line where they are level; the bar is the paired 95 % interval. A
    cross after a pattern: ADMM is no better there than a constant answer."""
    try:
        found = across(cells, tasks, model, quantity)
    except InputError as error:
        return words_only(str(error))
    scale, count = QUANTITIES[quantity].scale, len(found.rows)
    figure = build([*(_trace(found, other, scale) for other in found.others), *idle_mark(g.mine for g in found.gaps)], {
        "margin": {"l": 230, "r": 24, "t": 44, "b": 76},
        "legend": legend_above(),
        "shapes": [zero_line(style.colour(found.mine)),
                   *({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": k + 0.5, "y1": k + 0.5,
                      "line": {"color": style.GREY, "width": 0.5}, "layer": "below"} for k in range(count - 1))],
        "xaxis": {"range": reach((g.apart.interval for g in found.gaps), scale),
                  "title": {"text": _axis(quantity, words.key_name(found.mine))}},
        "yaxis": {"range": [count - 0.5, -0.5], "showgrid": False, "zeroline": False, "tickvals": list(range(count)),
                  "ticktext": [_row_name(found, pattern) for pattern in found.rows]},
    }, EDGES + ROW * count, legend=True, revision=f"across/{'/'.join(found.tasks)}/{model}/{quantity}")
    return View(_claim(found), figure, None, _alt(found), frame_of(found),
                "Find the pattern from which on it matters how one trains.", heading=_heading(found))


def _axis(quantity: str, name: str) -> str:
    if not QUANTITIES[quantity].points:
        return f"{QUANTITIES[quantity].title}: {name} less the other (left is better)"
    return f"{words.points_of(quantity)} gained by {name}"


def _row_name(found: Across, pattern: str) -> str:
    zeros = f"{found.zeros[pattern]:.0%}".replace("%", " %")
    said = kind_of(pattern) if kind_of(pattern) == "unstructured" else pattern
    return f"{said}, {zeros} zeros" + (IDLE_WORDS if found.rows[pattern][0].mine.idle else "")


def _trace(found: Across, other: str, scale: float) -> Part:
    gaps, place = found.of(other), found.others.index(other)
    i = [gap.apart.interval for gap in gaps]
    colour = style.colour(other.partition("+")[0])
    aside = APART * (place - (len(found.others) - 1) / 2)
    return {"type": "scatter", "mode": "markers", "name": f"over {words.key_name(other)}", "showlegend": True,
            "x": [scale * one.value for one in i], "y": [k + aside for k in range(len(gaps))],
            "error_x": whiskers(i, scale, thickness=2, width=5, color=colour),
            "marker": {"size": 12, "color": colour, "line": {"width": 2, "color": colour}},
            "customdata": [[gap.pattern, words.signed_interval(found.quantity, gap.apart.interval),
                            words.rests_on(gap.apart), f"p = {gap.p:.3f} after Holm"] for gap in gaps],
            "hovertemplate": f"<b>%{{customdata[0]}}, {words.key_name(found.mine)} over {words.key_name(other)}</b><br>"
                             "%{customdata[1]}<br>%{customdata[2]}<br>%{customdata[3]}<extra></extra>"}


def _names(found: Across) -> str:
    return ", ".join(map(style.task_title, found.tasks))


def _heading(found: Across) -> str:
    """The pattern at which it gains most over the first of the others, and whether it is ahead anywhere; with the tasks
    by name where they are few: they need not be those of the other pictures."""
    first = found.others[0]
    best = max(found.of(first), key=found.gain)
    place = _names(found) if len(found.tasks) <= NAMED else place_words(found.tasks)
    mine, other = words.key_name(found.mine), words.key_name(first)
    gained = words.changed(found.quantity, best.apart.interval)
    if _clear(found, first, ahead=True):
        return f"{place}: {mine} does best against {other} at {best.pattern}, where it {gained}."
    return f"{place}: {mine} is nowhere clearly ahead of {other}; best at {best.pattern}: it {gained}."


def _clear(found: Across, other: str, ahead: bool) -> list[str]:
    """The patterns at which it is clearly *ahead* of *other*, or else behind."""
    return [gap.pattern for gap in found.of(other) if gap.clear and (found.gain(gap) > 0) == ahead]


def _claim(found: Across) -> str:
    named = f" ({_names(found)})" if len(found.tasks) > 1 else ""
    text = (f"{place_words(found.tasks)}{named}: of {len(found.gaps)} differences "
            f"{sum(gap.clear for gap in found.gaps)} are clear when so many are looked at (Holm).")
    for other in found.others:
        said = [f"{word} at {', '.join(at)}" for word in ("ahead", "behind")
                if (at := _clear(found, other, ahead=word == "ahead"))]
        text += f" {words.key_name(other)}: {', '.join(said) or 'level everywhere'}."
    if len({gap.apart.seeds for gap in found.gaps}) > 1:
        text += " Rows rest on unlike numbers of seeds: see the numbers."
    return text


def _alt(found: Across) -> str:
    listed = " ".join(
        f"{pattern}: " + ", ".join(f"{words.signed_interval(found.quantity, g.apart.interval)} over {words.key_name(o)}"
                                   for o, g in zip(found.others, row, strict=True)) + "."
        for pattern, row in found.rows.items())
    return f"{words.key_name(found.mine)} against others, pattern by pattern, {place_words(found.tasks)}. {listed}"


def frame_of(found: Across) -> pd.DataFrame:
    """The numbers, a row a pattern and another method."""
    return pd.DataFrame([
        {"pattern": gap.pattern, "zeros": round(found.zeros[gap.pattern], 4), "over": words.key_name(other),
         "difference": gap.apart.interval.value, "low": gap.apart.interval.low, "high": gap.apart.interval.high,
         "p (Holm)": gap.p, "seeds": "; ".join(f"{task} {', '.join(map(str, g.seeds))}" for task, g in
                                               zip(found.tasks, gap.mine.groups, strict=True)),
         "examples": gap.apart.examples, "runs": ", ".join(gap.mine.runs + gap.other.runs)}
        for row in found.rows.values() for other, gap in zip(found.others, row, strict=True)])
