"""The film of a run that goes on: W and Z of one matrix at the moments kept so far, and how full its groups are."""

from __future__ import annotations

from dataclasses import replace

from core.runs import partial
from core.runs.filmed import Filmed, Frame, filmed, has_film
from core.runs.partial import Taken
from core.runs.store import Run
from core.views.drawing import style
from core.views.film import panels, telling
from core.views.film.copies import copies, fullness
from core.views.film.reel import Film, Reel, column, evenly, row
from core.views.film.timeline import Timeline
from core.views.film.watch import MOST, window
from core.views.patterns import groups

PACE = 0.5  # seconds a moment
HELD = 110  # pixels of the row of groups
SAYS = 28  # pixels of the sentence


def matrices(run: Run) -> list[str]:
    """The matrices that a film can be made of by now."""
    if run.record.status == "succeeded":
        return [m.name for m in run.record.matrices] if has_film(run.record) else []
    return partial.matrices(run)


def film(run: Run, matrix: str) -> Film | None:
    """What was kept so far of *matrix*; of a run that is whole, its film. None before the first moment.

    Raises InputError for damaged arrays of a finished run.
    """
    if run.record.status == "succeeded":
        found = filmed(run, matrix)
        taken: list[Taken | None] = [None] * len(found.frames)
    else:
        whole = partial.so_far(run, matrix)
        found, taken = whole.film, whole.taken
    if not found.frames:
        return None
    shown = evenly(len(found.frames), MOST)
    found, taken = _only(found, shown), [taken[k] for k in shown]
    words = [said(k, f, t) for k, (f, t) in enumerate(zip(found.frames, taken, strict=True), 1)]
    line = Timeline(tuple(f.phase for f in found.frames), tuple(f.step for f in found.frames))
    reel = Reel(line.words(), line.spans(), pace=PACE)
    reel.add("say", panels.words("", words, large=True, height=SAYS))
    cell = found.pattern.grouping.cell or (1, groups.size_of(found.pattern))
    copies(reel, found, window(found, 0, 0), style.pattern_words(found.pattern.name), cell)
    reel.add("held", fullness(reel, found))
    exact = telling.shares(found)
    alt = f"{style.matrix_words(matrix)} so far, W and Z as single weights. {words[-1]}"
    return reel.film(words[-1], alt, telling.table(found, exact),
                     [row(column("say"), height=SAYS), row(column("w"), column("z")),
                      row(column("held"), height=HELD)], bar=2)


def said(number: int, f: Frame, taken: Taken | None) -> str:
    """One sentence on a moment; *number* counts the pictures, from 1."""
    away = "" if f.primal is None else f", W is {style.percent(f.primal)} away from Z"
    if f.phase == "dense":
        return "Dense: nothing is asked of W yet."
    if f.phase == "hard-pruned":
        return "Hard prune: what Z lacks is gone from W too."
    if f.phase == "final":
        return "The end: W obeys the pattern."
    if taken is None and not f.step:
        return f"Picture {number}{away}."  # of an older run that was stopped: it did not say when
    kind = "round" if f.phase == "layer-wise" else "step"
    of = f" of {style.count(taken.of)}" if taken is not None and taken.of else ""
    at = f"{kind} {style.count(f.step)}{of}"
    if taken is not None and taken.moments:
        at = f"moment {taken.place} of {taken.moments}: {at}"
    where = ", layer by layer" if f.phase == "layer-wise" else ""
    return f"{at[:1].upper()}{at[1:]}{where}{away}."


def _only(found: Filmed, shown: list[int]) -> Filmed:
    return replace(found, frames=[found.frames[k] for k in shown])
