"""What helps a method: a row a change, its paired difference from the method by itself, on held-out examples.

Full dots: the examples that a search may choose by. Open diamonds: examples that nothing was chosen by, a last look.
Rows on a band: what the search chooses.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from core.errors import InputError
from core.evidence import words
from core.evidence.estimates import Judged
from core.evidence.quantities import KL, QUANTITIES
from core.evidence.search import Effect, Place, Searched, choice, effects, row_name, untaught
from core.statistics.interval import Interval
from core.views.drawing import style
from core.views.drawing.build import Part, build, dot, legend_above, swatch, words_only
from core.views.drawing.view import View
from core.views.scores.chart import place_words
from core.views.scores.forest import IDLE_WORDS, idle_mark
from core.views.scores.whiskers import reach, whiskers, zero_line

ROW, EDGES = 30, 120  # pixels a row, and over and under them all
WIDE = 34  # letters of a name that stand on one line
ASIDE = 0.17  # of a row: the dots a little above its middle, the diamonds below
CHOSE, UNSEEN = "seen by the search", "never seen"
CHOSEN, OTHERS = "chosen", "other methods"
NOTHING = "The dense model itself does not clearly beat a constant answer: here nothing can be told."
BAND = style.faded(style.ACCENT, 0.16)  # behind what is chosen
SMALL_PRINT = (
    "Every row has the same budget: the same dense model, the same examples to train on, the same epochs; where a step "
    "takes more passes through the model than one, its row says so. The search "
    "chooses by the first half of what was held out of train; the second half says what is left of a gain. The "
    "validation set has no part in it. p is two-sided and corrected for so many comparisons (Holm).")


def helps(found: Searched, place: Place, tasks: tuple[str, ...], method: str, quantity: str = KL) -> View:
    """The forest of `core.evidence.search.effects`, the best on top. x: the difference in the quantity's own unit, the
    zero line the method by itself. Other methods at the same budget are rows too, in grey."""
    try:
        rows = effects(found, place, tasks, method, quantity)
        chosen = choice(found, place, tasks, method)
    except InputError as error:
        return words_only(str(error))
    if not rows:
        return words_only("Nothing was changed yet: there is one run to a task.")
    rows = rows[::-1]  # the last is drawn on top
    names = [row_name(row, method) + (IDLE_WORDS if row.chose.idle else "") for row in rows]
    spoken = [row_name(row, method, spoken=True) + (IDLE_WORDS if row.chose.idle else "") for row in rows]
    taken = {one.key for one in chosen}
    picked = [i for i, row in enumerate(rows) if row.key in taken]
    scale = QUANTITIES[quantity].scale
    listed = [row.chose for row in rows] + [row.unseen for row in rows if row.unseen is not None]
    title = words.name_of(method, trained=True)
    tried = sum(bool(row.changes) and row.key[0] == method for row in rows)
    side = "right" if QUANTITIES[quantity].more else "left"
    others, own = any(row.key[0] != method for row in rows), style.colour(method)
    figure = build([_marks(rows, names, quantity, method, unseen=False),
                    _marks(rows, names, quantity, method, unseen=True),
                    dot(CHOSE, colour=own), dot(UNSEEN, "diamond-open", own), *([dot(OTHERS)] if others else []),
                    *([swatch(CHOSEN, BAND)] if picked else []), *idle_mark(row.chose for row in rows)], {
        "margin": {"l": 280, "r": 24, "t": 44, "b": 76},
        "legend": legend_above(),
        "shapes": [zero_line(own),
                   *({"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": i - 0.5, "y1": i + 0.5,
                      "fillcolor": BAND, "line": {"width": 0}, "layer": "below"} for i in picked)],
        "xaxis": {"range": reach((one.versus.interval for one in listed if one.versus is not None), scale),
                  "title": {"text": f"{words.axis_of(quantity, title)} ({side} is better)"}},
        "yaxis": {"tickmode": "array", "tickvals": list(range(len(rows))), "showgrid": False, "zeroline": False,
                  "ticktext": [name.replace(": ", ":<br>") if len(name) > WIDE else name for name in spoken],
                  "range": [-0.6, len(rows) - 0.4]},
    }, EDGES + ROW * len(rows), legend=True, revision=f"helps/{method}/{'/'.join(tasks)}/{place}/{quantity}")
    blank = untaught(found, place, tasks, method)
    return View(_claim(rows, chosen, tried, place, tasks, method, title) + _doubt(blank), figure, None,
                _alt(rows, spoken, place, tasks, title, quantity), frame_of(rows, names, quantity),
                "Judge by another quantity above: does the order hold?",
                heading=_heading(chosen, tried, title, place) if len(blank) < len(tasks) else NOTHING)


def _marks(rows: Sequence[Effect], names: Sequence[str], quantity: str, method: str, unseen: bool) -> Part:
    """The dots, or the diamonds: those of the method in its colour, those of others in grey."""
    listed = [(i, row, one) for i, row in enumerate(rows)
              if (one := row.unseen if unseen else row.chose) is not None and one.versus is not None]
    intervals = [_interval(one) for _, _, one in listed]
    scale = QUANTITIES[quantity].scale
    colours = [style.colour(method) if row.key[0] == method else style.GREY for _, row, _ in listed]
    return {
        "type": "scatter", "mode": "markers", "name": UNSEEN if unseen else CHOSE, "showlegend": False,
        "x": [scale * one.value for one in intervals], "y": [i + (-ASIDE if unseen else ASIDE) for i, _, _ in listed],
        "error_x": whiskers(intervals, scale, thickness=1 if unseen else 2, width=4, color=style.GREY),
        "marker": {"size": 10 if unseen else 12, "color": colours, "line": {"width": 2, "color": colours},
                   "symbol": "diamond-open" if unseen else "circle"},
        "customdata": [[names[i], words.signed_interval(quantity, _interval(one)), words.valued(one.value.interval),
                        "" if unseen else f"<br>p = {row.p:.3f} after Holm"] for i, row, one in listed],
        "hovertemplate": "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>value %{customdata[2]}%{customdata[3]}"
                         "<extra></extra>"}


def _interval(one: Judged) -> Interval:
    assert one.versus is not None
    return one.versus.interval


def _heading(chosen: Sequence[Effect], tried: int, title: str, place: Place) -> str:
    if not chosen:
        return f"At {place.pattern}, of {tried} changes none brings {title} clearly nearer to dense."
    best = chosen[0]
    return (f"At {place.pattern}, {words.effect_phrase(*best.key)} helps {title} most: it "
            f"{words.changed(KL, _interval(best.chose))}.")


def _claim(rows: Sequence[Effect], chosen: Sequence[Effect], tried: int, place: Place, tasks: Sequence[str],
           method: str, title: str) -> str:
    text = (f"{place_words(tasks)}, {place.pattern}, {place.budget}: of {tried} changes to {title}, {len(chosen)} "
            f"come{'s' if len(chosen) == 1 else ''} clearly nearer to dense on the examples that choose.")
    held = [row for row in chosen if row.unseen is not None and row.unseen.versus is not None
            and _interval(row.unseen).clear and _interval(row.unseen).value < 0]
    if chosen:
        text += f" On examples that nothing was chosen by, {len(held)} of them still do."
    idle = [row_name(row, method, spoken=True) for row in reversed(rows) if row.chose.idle]
    text += f" No better than a constant answer (\N{MULTIPLICATION X}): {'; '.join(idle)}." if idle else ""
    return f"{text} {words.rests_on(rows[0].chose.value).capitalize()}."


def _doubt(tasks: Sequence[str]) -> str:
    """What to think of tasks that the dense model itself has not learnt."""
    if not tasks:
        return ""
    return (f" On {' and '.join(map(style.task_title, tasks))} the dense model itself does not clearly beat a constant "
            "answer: there, to be near it says little.")


def _alt(rows: Sequence[Effect], names: Sequence[str], place: Place, tasks: Sequence[str], title: str,
         quantity: str) -> str:
    listed = "; ".join(
        f"{name} {words.signed_interval(quantity, _interval(row.chose))}"
        + ("" if row.unseen is None or row.unseen.versus is None
           else f", unseen {words.signed_interval(quantity, _interval(row.unseen))}")
        for row, name in zip(reversed(rows), reversed(names), strict=True))
    return (f"{place_words(tasks)} at {place.pattern}, {words.in_words(quantity)} against {title} by itself, best "
            f"first: {listed}.")


def frame_of(rows: Sequence[Effect], names: Sequence[str], quantity: str) -> pd.DataFrame:
    """The numbers, a row a change, the best first: what `python -m core helps` prints too."""
    out = []
    for row, name in zip(reversed(rows), reversed(names), strict=True):
        i, u = _interval(row.chose), None if row.unseen is None else row.unseen.versus and _interval(row.unseen)
        out.append({"change": name, "method": row.key[0], "value": row.chose.value.interval.value,
                    "difference": i.value, "low": i.low, "high": i.high, "p (Holm)": row.p,
                    "unseen difference": u and u.value, "unseen low": u and u.low, "unseen high": u and u.high,
                    "seeds": ", ".join(map(str, row.chose.value.seeds)), "examples": row.chose.value.examples,
                    "runs": ", ".join(row.chose.runs)})
    return pd.DataFrame(out)
