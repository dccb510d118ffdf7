"""What runs answered to the examples they were scored on: which answers flipped against a reference, by what margin.

Only numbers are recorded: an example is its index in the evaluation split, never its text.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.answers import LABELS, LOGITS, Answers, read
from core.runs.answers import flips as flipped
from core.runs.records import RunRecord
from core.runs.store import Run
from core.views.compare.choice import letter, titles
from core.views.drawing import style
from core.views.drawing.build import Part, build, words_only
from core.views.drawing.view import View

KINDS = ("same answer", "mended", "broken", "both wrong")
SAME, MENDED, BROKEN, CHANGED = range(4)
TONES = {MENDED: style.rgba(style.POSITIVE, 0.95), CHANGED: style.rgba(style.PRUNED),
         BROKEN: style.rgba(style.NEGATIVE, 0.95)}


def margins(answers: Answers) -> NDArray[np.float64]:
    """Signed margins: logit of the right class minus the largest other one, `[n]`: positive = right.

    It is the logarithm of how many times likelier the right class is than the next."""
    rows, right = np.arange(len(answers)), answers.labels.astype(np.int64)
    rest = answers.logits.astype(np.float64)
    own = rest[rows, right].copy()
    rest[rows, right] = -np.inf
    return own - rest.max(axis=1)


def apart(reference: RunRecord, one: Answers, other: RunRecord, two: Answers) -> str:
    """Why the answers of two runs cannot be set side by side; "" when they can."""
    if reference.spec.task != other.spec.task:
        return "answers another task"
    if not one.same_examples(two):
        return "was scored on other examples"
    return ""


def kinds(reference: Answers, other: Answers) -> NDArray[np.int8]:
    """For every example one of KINDS: the same answer, a wrong one mended, a right one broken, or another wrong one."""
    found, out = flipped(reference, other), np.full(len(other), SAME, np.int8)
    for kind, index in ((MENDED, found.mended), (BROKEN, found.broken), (CHANGED, found.both_wrong)):
        out[index] = kind
    return out


@dataclass(frozen=True)
class Flips:
    """A run's answers against the reference's."""

    title: str
    run: str  # id
    reference: Answers
    answers: Answers
    kinds: NDArray[np.int8]

    def count(self, kind: int) -> int:
        """How many examples are of that kind."""
        return int((self.kinds == kind).sum())


@dataclass(frozen=True)
class Compared:
    """All that a comparison's answers allow: the flips of runs that can be compared, and what must be said."""

    flips: list[Flips]
    numbers: list[tuple[str, float]]  # of a regression: run, mean distance to the labels; the reference first
    notes: list[str]


def compared(runs: Sequence[Run]) -> Compared:
    """The answers of every run against the first's. A run without answers, or with damaged ones, becomes a note."""
    names = titles([r.record for r in runs])
    held: list[Answers | None] = []
    notes = []
    for run, name in zip(runs, names, strict=True):
        try:
            own = read(run) if run.several((LOGITS, LABELS)) else None
            notes += [] if own is not None else [
                f"{name} did not record its answers. Where its checkpoint is at hand, this adds them: "
                f"python -m core evaluate {run.record.id} --record"]
        except (InputError, ValueError) as error:
            own = None
            notes.append(f"{name}: {error}")
        held.append(own)
    first, flips, numbers = held[0], [], []
    if first is not None and first.regression:
        numbers.append((names[0], _distance(first)))
    for run, name, own in zip(runs[1:], names[1:], held[1:], strict=True):
        if first is None or own is None:
            continue
        reason = apart(runs[0].record, first, run.record, own)
        if reason:
            notes.append(f"{name} {reason}: its answers are not compared with {letter(names[0])}'s.")
        elif not first.regression:
            flips.append(Flips(name, run.record.id, first, own, kinds(first, own)))
        else:
            numbers.append((name, _distance(own)))
    return Compared(flips, numbers, notes)


def _distance(answers: Answers) -> float:
    return float(np.abs(answers.logits[:, 0] - answers.labels).mean())


def notes(runs: Sequence[Run]) -> list[str]:
    """What must be said of the runs whose answers cannot be compared, a line each."""
    return compared(runs).notes


def comparable(runs: Sequence[Run]) -> list[str]:
    """Ids of the runs whose flips against the reference are known."""
    return [flip.run for flip in compared(runs).flips]


def _heading(flips: Sequence[Flips], first: str) -> str:
    most = max(flips, key=lambda f: max(f.count(MENDED), f.count(BROKEN)))
    if most.count(BROKEN) > most.count(MENDED):
        return f"{letter(most.title)} breaks {_answers(most.count(BROKEN))} that {first} has right."
    return f"{letter(most.title)} mends {_answers(most.count(MENDED))} that {first} has wrong."


def _answers(number: int) -> str:
    return f"{style.count(number)} answer{'' if number == 1 else 's'}"


def bars(runs: Sequence[Run]) -> View:
    """One bar a run: how many answers were mended, broken, or wrong in both and changed, against the first run's."""
    found = compared(runs)
    if len(found.numbers) > 1:
        said = "; ".join(f"{letter(name)} {value:.2f}" for name, value in found.numbers)
        return words_only("This task asks for a number: no answer is right or wrong. Mean distance to the labels: "
                          f"{said}.")
    if not found.flips:
        return words_only("Which answers flipped is not known: it takes the recorded answers of A and of another run.")
    flips, total = found.flips, len(found.flips[0].kinds)
    labels = [html.escape(f.title) for f in flips]
    # With two classes no answer goes from one wrong to another: the legend then has no such colour.
    kinds = [kind for kind in (BROKEN, CHANGED, MENDED) if kind != CHANGED or any(f.count(kind) for f in flips)]
    data: list[Part] = [
        {"type": "bar", "orientation": "h", "y": labels, "x": [f.count(kind) for f in flips], "name": KINDS[kind],
         "text": [str(f.count(kind) or "") for f in flips], "textposition": "inside", "insidetextanchor": "middle",
         "textangle": 0, "textfont": {"size": 15}, "marker": {"color": TONES[kind]},
         "hovertemplate": f"%{{x}} {KINDS[kind]}<extra></extra>"} for kind in kinds]
    figure = build(data, {
        "barmode": "stack", "bargap": 0.35, "margin": {"l": 210, "t": 48, "b": 78},
        "xaxis": {"title": {"text": "answers that changed"}, "rangemode": "tozero", "nticks": 4},
        "yaxis": {"autorange": "reversed", "showgrid": False}}, 120 + 62 * len(flips), legend=True)
    table = pd.DataFrame([{"run": f.title, **{KINDS[k]: f.count(k) for k in (MENDED, BROKEN, CHANGED, SAME)}}
                          for f in flips])
    parts = [f"{letter(f.title)} mends {_answers(f.count(MENDED))} and breaks {style.count(f.count(BROKEN))}"
             for f in flips]
    claim = f"Of {style.count(total)} examples, against {letter(titles([runs[0].record])[0])}: {'; '.join(parts)}."
    return View(claim, figure, None, f"A bar of changed answers for {len(flips)} runs. {claim}", table,
                "Two runs with the same score need not make the same mistakes: set what was mended against what "
                "broke.",
                heading=_heading(flips, letter(titles([runs[0].record])[0])))
