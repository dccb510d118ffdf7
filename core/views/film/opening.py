"""The film of the first page: the two copies of one matrix, and how far they have come, on a small space."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.runs.filmed import Filmed, filmed
from core.runs.store import Run
from core.views.drawing import style
from core.views.film import panels, telling
from core.views.film.copies import copies
from core.views.film.panels import Part
from core.views.film.reel import Film, Reel, column, evenly, row
from core.views.film.timeline import Timeline, groups_strip
from core.views.film.watch import MOST, window

if TYPE_CHECKING:  # the first page must not wait for pandas
    import pandas as pd

LOW = 104  # pixels of the row with the time axis
SECONDS = 12.0  # that the whole film takes


def film(run: Run) -> Film | None:
    """W and Z of the first matrix of *run*, over the groups that hold what obeys and how far W is from Z, as shares.
    It has no table, which the first page would wait for: `table` makes it.

    None when fewer than two moments of it were kept. Raises InputError for damaged arrays.
    """
    if not run.record.matrices:
        return None
    found = _shown(run)
    if len(found.frames) < 2:
        return None
    line = Timeline(tuple(f.phase for f in found.frames), tuple(f.step for f in found.frames))
    reel, exact = Reel(line.words(), line.spans(), pace=min(0.8, SECONDS / line.last)), telling.shares(found)
    copies(reel, found, window(found, 0, 0), found.pattern.name, found.pattern.grouping.cell)
    rows = [row(column("w"), column("z"))]
    if strips := _strips(found, exact):
        reel.add("time", panels.curves("", strips, alt=telling.time_alt(found, exact)))
        rows.append(row(column("time"), height=LOW))
    return reel.film(telling.claim(found, exact), _alt(found, exact), None, rows, opens=0)


def table(run: Run) -> pd.DataFrame:
    """The numbers of `film`, a row a moment, for a run that has one. Raises InputError for damaged arrays."""
    found = _shown(run)
    return telling.table(found, telling.shares(found))


def _shown(run: Run) -> Filmed:
    found = filmed(run, run.record.matrices[0].name)
    return replace(found, frames=[found.frames[k] for k in evenly(len(found.frames), MOST)])


def _strips(found: Filmed, exact: list[float]) -> list[Part]:
    out = [groups_strip(telling.held(found), exact)] if exact else []
    gaps = [(k, f.primal) for k, f in enumerate(found.frames) if f.primal is not None]
    if gaps:
        places, sizes = zip(*gaps, strict=True)
        name = "W away from Z"
        out.append(panels.strip(name, [(name, places, sizes, style.rgba(style.NEGATIVE))], low=0.0,
                                high=max(*sizes, 0.01) * 1.1, form="percent"))
    return out


def _alt(found: Filmed, exact: list[float]) -> str:
    return f"Film of {len(found.frames)} moments: W and Z of {style.matrix_words(found.matrix)}." \
           f"{telling.went_words(found, exact)}"
