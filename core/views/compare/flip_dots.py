"""Every evaluation example as a dot: its margin in the reference and in another run, and the list of the flips."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import unknown
from core.runs.store import Run
from core.views.compare.choice import letter, titles
from core.views.compare.flips import BROKEN, CHANGED, KINDS, MENDED, SAME, Flips, compared, margins
from core.views.drawing import style
from core.views.drawing.build import Part, build, words_only
from core.views.drawing.view import View

HEIGHT = 470
# Dots of unchanged answers that are drawn; flips are always all there. As vectors they take 40 ms; the first dot
# by WebGL takes 400, for a context and its programs.
MOST_SAME = 400
MOST_ROWS = 200  # of the list of flips
MARGIN, INDEX = "margin", "index"
ACROSS = {MARGIN: "margin in the reference", INDEX: "index of the example"}
DOTS = {SAME: ("circle", 5, style.faded(style.GREY, 0.35)), MENDED: ("triangle-up", 10, style.rgba(style.POSITIVE, 1)),
        BROKEN: ("triangle-down", 10, style.rgba(style.NEGATIVE, 1)), CHANGED: ("x", 8, style.faded(style.GREY, 0.9))}


def _flips(runs: Sequence[Run], run: str) -> Flips | None:
    """The flips of *run* against the first. Raises InputError for a run that is not in the comparison."""
    if run not in {r.record.id for r in runs[1:]}:
        raise unknown("run", run, [r.record.id for r in runs[1:]])
    return next((f for f in compared(runs).flips if f.run == run), None)


def names_of(runs: Sequence[Run], classes: int) -> list[str]:
    """The names of the answers; "class 0" and so on where the record does not say."""
    labels = runs[0].record.labels
    return labels if len(labels) == classes else [f"class {i}" for i in range(classes)]


def scatter(runs: Sequence[Run], run: str, across: str = MARGIN) -> View:
    """Signed margin of every example in *run* over that in the first run, or over its index in the split.

    Signed margin: logit of the right answer minus the largest other, positive = right. All flips are drawn; of
    unchanged answers at most MOST_SAME, evenly taken. Raises InputError for an unknown run or *across*.
    """
    if across not in ACROSS:
        raise unknown("axis", across, ACROSS)
    flips = _flips(runs, run)
    if flips is None:
        return words_only("The answers of this run and of the reference cannot be compared.")
    first = titles([runs[0].record])[0]
    before, after = margins(flips.reference), margins(flips.answers)
    x = before if across == MARGIN else np.arange(len(before))
    labels = names_of(runs, flips.answers.logits.shape[1])
    data: list[Part] = []
    for kind in (SAME, CHANGED, BROKEN, MENDED):
        at = _drawn(np.flatnonzero(flips.kinds == kind), kind)
        if not len(at):
            continue
        symbol, size, colour = DOTS[kind]
        cut = f" ({len(at)} of {flips.count(kind)})" if len(at) < flips.count(kind) else ""
        part: Part = {"type": "scatter", "mode": "markers", "name": KINDS[kind] + cut,
                      "x": x[at].astype(np.float32), "y": after[at].astype(np.float32), "customdata": at,
                      "marker": {"symbol": symbol, "size": size, "color": colour},
                      "hovertemplate": "example %{customdata}<br>margin %{y:.2f}<extra></extra>"}
        if kind != SAME:
            part |= {"text": [_words(flips, int(i), labels) for i in at],
                     "hovertemplate": "example %{customdata}<br>%{text}<extra></extra>"}
        data.append(part)
    note = {"showarrow": False, "yref": "paper", "xanchor": "right", "yanchor": "bottom",
            "font": {"size": 14, "color": style.GREY}}
    notes = [{**note, "xref": "paper", "x": 0.99, "y": 1.0, "text": "right in both"},  # outside, and where few dots lie
             {**note, "xref": "x", "x": 0, "xshift": -6, "y": 0.015, "text": "wrong in both"}
             ] if across == MARGIN else []  # the legend names what lies in the other two corners
    zero = {"zeroline": True, "zerolinewidth": 2, "zerolinecolor": style.faded(style.GREY, 0.7)}
    figure = build(data, {
        "annotations": notes, "margin": {"t": 52, "l": 78, "b": 78},
        "xaxis": {"title": {"text": f"margin in {letter(first)}" if across == MARGIN else ACROSS[INDEX]},
                  **(zero if across == MARGIN else {})},
        "yaxis": {"title": {"text": f"margin in {letter(flips.title)}"}, **zero}}, HEIGHT, legend=True,
        revision=f"{run}/{across}")
    claim = _claim(flips, first, before, after)
    alt = f"{len(before)} examples as dots. {', '.join(f'{flips.count(k)} {KINDS[k]}' for k in range(4))}. {claim}"
    return View(claim, figure, None, alt, listed(runs, run), "Margin: the logarithm of how many times likelier "
                "the right answer is than the next; above zero is right. Point at a triangle to read its index. "
                + listed_words(runs, run),
                heading=style.lead(claim, " in ", ";"))


def _drawn(places: NDArray[np.intp], kind: int) -> NDArray[np.intp]:
    """Those of *places* that are drawn: of unchanged answers evenly taken ones."""
    if kind != SAME or len(places) <= MOST_SAME:
        return places
    return places[np.linspace(0, len(places) - 1, MOST_SAME).round().astype(np.intp)]


def _words(flips: Flips, i: int, labels: Sequence[str]) -> str:
    was, now = labels[int(flips.reference.classes[i])], labels[int(flips.answers.classes[i])]
    return f"{html.escape(was)} → {html.escape(now)}"


def _claim(flips: Flips, first: str, before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    broken = flips.kinds == BROKEN
    if not broken.any():
        return f"{letter(flips.title)} breaks none of the answers that {letter(first)} has right; the margin of a " \
               f"typical example goes from {_number(np.median(before))} to {_number(np.median(after))}."
    right = flips.reference.classes == flips.reference.labels
    return f"Half of what {letter(flips.title)} breaks had a margin under {_number(np.median(before[broken]))} in " \
           f"{letter(first)}; half of all that {letter(first)} has right is over {_number(np.median(before[right]))}."


def _number(value: float) -> str:
    return f"{float(value):.2f}".replace("-", "−")


def listed(runs: Sequence[Run], run: str) -> pd.DataFrame:
    """The flips of *run*, those that moved farthest first, at most MOST_ROWS: index in the split, the right answer,
    both answers, both margins."""
    columns = ["example", "right answer", "answer before", "answer after", "margin before", "margin after", "kind"]
    flips = _flips(runs, run)
    if flips is None:
        return pd.DataFrame(columns=columns)
    labels = names_of(runs, flips.answers.logits.shape[1])
    before, after = margins(flips.reference), margins(flips.answers)
    at = np.flatnonzero(flips.kinds != SAME)
    at = at[np.argsort(-np.abs(after - before)[at], kind="stable")][:MOST_ROWS]
    was, now, right = flips.reference.classes, flips.answers.classes, flips.answers.labels
    return pd.DataFrame([
        (int(i), labels[int(right[i])], labels[int(was[i])], labels[int(now[i])], round(float(before[i]), 3),
         round(float(after[i]), 3), KINDS[int(flips.kinds[i])]) for i in at], columns=columns)


def listed_words(runs: Sequence[Run], run: str) -> str:
    """What stands over the list of flips."""
    flips = _flips(runs, run)
    if flips is None:
        return ""
    many = len(flips.kinds) - flips.count(SAME)
    results = runs[0].record.results
    split = results.split if results is not None else "evaluation"
    shown = f"the {MOST_ROWS} of {style.count(many)} whose margin moved farthest" if many > MOST_ROWS else \
        f"all {style.count(many)}" if many > 1 else "the only one" if many else "none"
    return f"Flipped answers, {shown}. An example is its index in the {split} split (from 0): texts are not stored. " \
           "Click a column's head to sort."
