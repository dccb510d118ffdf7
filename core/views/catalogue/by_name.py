"""VIEWS: the views of one run that can be asked for by name, outside of the pages: the page and the figure on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import InputError, unknown
from core.runs.store import Run
from core.views.drawing.view import View
from core.views.patterns import certificate, occupancy_map
from core.views.scores import stages, trace_curves
from core.views.weights import before_after, modelmap, tile


@dataclass(frozen=True)
class NamedView:
    """A view by its name. `shows`: what is to be seen, in words. `of`: run (and matrix, for the views of a `matrix`) ->
    view. `choice`: the one further argument that it takes by name; "" for none."""

    name: str
    shows: str
    of: Callable[..., View]
    matrix: bool = False
    choice: str = ""


def _model(run: Run, figure: str = "error") -> View:
    return modelmap.model_map(run, figure)


VIEWS: dict[str, NamedView] = {
    view.name: view
    for view in (
        NamedView("weights.maps", "A matrix before and after", before_after.panels, matrix=True),
        NamedView("weights.tile", "Sixteen by sixteen weights in numbers", tile.tile, matrix=True),
        NamedView("weights.histogram", "The weights by size, before and after", tile.histogram, matrix=True),
        NamedView("weights.model", "All matrices by one figure", _model, choice="figure"),
        NamedView("occupancy.groups", "How many weights of every group matter", occupancy_map.group_maps, matrix=True),
        NamedView("occupancy.certificate", "The certificate", certificate.certificate),
        NamedView("occupancy.history", "From ragged to exact", occupancy_map.history, matrix=True),
        NamedView("occupancy.strip", "All matrices, group by group", occupancy_map.strip),
        NamedView("trace.timeline", "Residuals, rho, flips and score over the steps", trace_curves.timeline),
        NamedView("trace.waterfall", "The score from dense to final", stages.waterfall),
    )
}


def view_of(run: Run, name: str, matrix: str | None = None, **choices: str) -> View:
    """The view *name* of *run*; of its first matrix, where it is of a matrix and none is named. *choices*: what the
    view lets one choose, by name ("weights.model": figure, one of `modelmap.FIGURES`).

    Raises InputError for a name that is not in VIEWS, for a matrix that the run has not, for a view of the whole run
    with a matrix, for a choice that there is not, and for damaged arrays.
    """
    if name not in VIEWS:
        raise unknown("view", name, VIEWS)
    wanted = VIEWS[name]
    for key in choices:
        if key != wanted.choice:
            raise InputError(f"View {name!r} with {key[:40]!r}",
                             wanted.choice or ("a matrix at most" if wanted.matrix else "no choices"), "Leave it out.")
    if not wanted.matrix:
        if matrix is not None:
            raise InputError(f"View {name!r} of the matrix {matrix[:80]!r}", "no matrix: it shows the whole run",
                             "Leave the matrix out.")
        return wanted.of(run, **choices)
    names = [entry.name for entry in run.record.matrices]
    if not names:
        raise InputError(f"{run.record.id} lists no matrices", "a finished run", "Choose another run.")
    if matrix is not None and matrix not in names:
        raise unknown("matrix", matrix, names)
    return wanted.of(run, matrix or names[0], **choices)
