"""The forest: at one pattern, every method's paired difference from a reference, with its 95 % interval, sorted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from core.errors import InputError
from core.evidence import words
from core.evidence.cells import Cell
from core.evidence.estimates import Judged
from core.evidence.quantities import QUANTITIES, SCORE
from core.evidence.tables import Row, Table, table, ways_at
from core.evidence.ways import DENSE
from core.views.drawing import style
from core.views.drawing.build import Part, build, dot, legend_above, words_only
from core.views.drawing.view import View
from core.views.scores.chart import IDLE_MARK, IDLE_SAYS, place_words
from core.views.scores.whiskers import reach, whiskers, zero_line

ROW, EDGES = 34, 120  # pixels a row, and over and under them all
IDLE_WORDS = " \N{MULTIPLICATION X}"  # after the name of a method that does not beat the constant answer


def references(cells: Sequence[Cell], tasks: tuple[str, ...], model: str, pattern: str,
               quantity: str) -> dict[str, str]:
    """The rows that others can be held against, by key, with their names: dense first."""
    found = ways_at(cells, tasks, model, pattern, quantity)
    return {DENSE: DENSE} | {key: words.group_name(one[0]) for key, one in found.items()}


def forest(cells: Sequence[Cell], tasks: tuple[str, ...], model: str, pattern: str, quantity: str = SCORE,
           reference: str = DENSE) -> View:
    """A row a method, the best on top. x: its difference from *reference* in points (or the quantity's own unit), the
    zero line the reference itself; the bar is the paired 95 % interval. A cross: no better than a constant answer."""
    try:
        made = table(cells, tasks, model, pattern, quantity, reference)
    except InputError as error:
        return words_only(str(error))
    more = QUANTITIES[quantity].more
    rows = [r for r in made.rows if r.versus is not None]
    rows.sort(key=lambda r: _value(r) if more else -_value(r))  # the last is drawn on top
    if not rows:
        return words_only(f"At {pattern} there is nothing to hold against it.")
    against = DENSE if reference == DENSE else words.key_name(reference)
    scale = QUANTITIES[quantity].scale
    names = [_name(r) for r in rows]
    data: list[Part] = [_trace(rows, names, scale, made), *_meanings(rows)]
    figure = build(data, {
        "margin": {"l": 230, "r": 24, "t": 44, "b": 76},
        "legend": legend_above(),
        "shapes": [zero_line(style.colour(reference.partition("+")[0]))],
        "xaxis": {"range": reach((r.versus.interval for r in rows if r.versus), scale),
                  "title": {"text": words.axis_of(quantity, against)}},
        "yaxis": {"type": "category", "categoryorder": "array", "categoryarray": names, "showgrid": False,
                  "range": [-0.6, len(names) - 0.4]},
    }, EDGES + ROW * len(rows), legend=len(data) > 1,
        revision=f"forest/{'/'.join(tasks)}/{model}/{pattern}/{quantity}/{reference}")
    return View(_claim(made, rows, against), figure, None, _alt(made, rows, against), frame_of(made),
                "Choose another reference above: the same runs, held against it.",
                heading=_heading(rows, against, made))


def _value(row: Row) -> float:
    return row.versus.interval.value if row.versus else 0.0


def _name(row: Row) -> str:
    return words.group_name(row.groups[0]) + (IDLE_WORDS if row.idle else "")


def _trace(rows: Sequence[Row], names: Sequence[str], scale: float, made: Table) -> Part:
    i = [r.versus.interval for r in rows if r.versus]
    colours = [style.colour(r.method) for r in rows]
    return {
        "type": "scatter", "mode": "markers", "x": [scale * one.value for one in i], "y": list(names),
        "showlegend": False,
        "error_x": whiskers(i, scale, thickness=2, width=5, color=style.GREY),
        "marker": {"size": 12, "color": colours, "line": {"width": 2, "color": colours},
                   "symbol": ["circle" if r.trained else "circle-open" for r in rows]},
        "customdata": [[words.signed_interval(made.quantity, one), words.valued(r.value.interval),
                        words.rests_on(r.versus or r.value), "" if r.p is None else f"p = {r.p:.3f} after Holm"]
                       for one, r in zip(i, rows, strict=True)],
        "hovertemplate": "<b>%{y}</b><br>%{customdata[0]}<br>value %{customdata[1]}<br>%{customdata[2]}<br>"
                         "%{customdata[3]}<extra></extra>"}


def _meanings(rows: Sequence[Row]) -> list[Part]:
    """What the marks mean, for the legend, where some rows have the one and some the other."""
    trained = {row.trained for row in rows}
    return [*([dot("trained"), dot("not trained", "circle-open")] if len(trained) > 1 else []), *idle_mark(rows)]


def idle_mark(rows: Iterable[Row | Judged]) -> list[Part]:
    """What the cross after a name means, where a row has one."""
    return [dot(IDLE_SAYS, IDLE_MARK)] if any(row.idle for row in rows) else []


def _heading(rows: Sequence[Row], against: str, made: Table) -> str:
    """The difference of ADMM in training where it is a row, else that of the best."""
    row = next((r for r in rows if r.method == "admm"), rows[-1])
    assert row.versus is not None
    name = _name(row).removesuffix(IDLE_WORDS)
    return f"At {made.pattern}, {name} {words.changed(made.quantity, row.versus.interval)} against {against}."


def _claim(made: Table, rows: Sequence[Row], against: str) -> str:
    clear = [r for r in rows if r.versus and r.versus.interval.clear]
    idle = [_name(r).removesuffix(IDLE_WORDS) for r in made.rows if r.idle]
    text = (f"{place_words(made.tasks)}, {made.pattern}: of {len(rows)} ways, {len(clear)} differ from {against} by "
            f"more than their 95 % interval. {words.rests_on(made.rows[0].value).capitalize()}; open dots did not "
            "train.")
    if len({_seeds(r) for r in rows}) > 1:
        text += " Rows rest on unlike numbers of seeds: see the numbers."
    makes = {p for r in made.rows for g in r.groups for p in g.processors}
    if len(makes) > 1:
        text += f" The runs were made on {len(makes)} makes of processor; a make alone moves a score by up to 2 points."
    return text + (f" No better than a constant answer ({made.constant:.3f}): {'; '.join(idle)}." if idle else "")


def _seeds(row: Row) -> int:
    return len(row.versus.seeds) if row.versus else 0


def _alt(made: Table, rows: Sequence[Row], against: str) -> str:
    listed = "; ".join(f"{_name(r)} {words.signed_interval(made.quantity, r.versus.interval)}"
                       for r in reversed(rows) if r.versus)
    return f"{place_words(made.tasks)} at {made.pattern}, against {against}, best first: {listed}."


def frame_of(made: Table) -> pd.DataFrame:
    """The table's numbers, a row a method: what `python -m core table` prints too."""
    out = []
    for r in made.rows:
        i, v = r.value.interval, r.versus.interval if r.versus else None
        out.append({
            "method": words.group_name(r.groups[0]), "value": i.value, "low": i.low,
            "high": i.high, f"against {made.reference}": v and v.value, "lowest": v and v.low, "highest": v and v.high,
            "p (Holm)": r.p, "beats a constant answer": "no" if r.idle else "yes",
            "seeds": ", ".join(map(str, r.value.seeds)), "examples": r.value.examples,
            "runs": ", ".join(r.runs)})
    return pd.DataFrame(out)
