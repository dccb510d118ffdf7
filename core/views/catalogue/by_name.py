"""VIEWS: the views of one run that can be asked for by name, outside of the pages. One line each."""

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
    """A view by its name. `shows`: what is to be seen, in words. `of`: a run -> view, or a run and one of its matrices
    -> view where `matrix` says so."""

    name: str
    shows: str
    matrix: bool
    of: Callable[..., View]


VIEWS: dict[str, NamedView] = {
    view.name: view
    for view in (
        NamedView("before-after", "one matrix before, after, and the difference", True, before_after.panels),
        NamedView("tile", "a corner of one matrix, weight by weight, with numbers", True, tile.tile),
        NamedView("histogram", "how large the weights of one matrix were, and are", True, tile.histogram),
        NamedView("occupancy", "how many weights every group of one matrix holds, before and after", True,
                  occupancy_map.group_maps),
        NamedView("occupancy-history", "how the groups of one matrix fill up, moment by moment", True,
                  occupancy_map.history),
        NamedView("occupancy-all", "what the groups of every matrix hold", False, occupancy_map.strip),
        NamedView("certificate", "every matrix against its pattern: groups and violations", False,
                  certificate.certificate),
        NamedView("model-error", "the model at a glance: the output error of every matrix", False,
                  lambda run: modelmap.model_map(run, "error")),
        NamedView("model-moved", "the model at a glance: how much of every mask is not magnitude's", False,
                  lambda run: modelmap.model_map(run, "moved")),
        NamedView("model-energy", "the model at a glance: how much of every matrix's energy is kept", False,
                  lambda run: modelmap.model_map(run, "energy")),
        NamedView("trace", "what was logged on the way: residuals, rho, flips, loss, score", False,
                  trace_curves.timeline),
        NamedView("accuracies", "the scores of a run, stage by stage", False, stages.waterfall),
    )
}


def view_of(run: Run, name: str, matrix: str | None = None) -> View:
    """The view *name* of *run*; of its first matrix, where it is of a matrix and none is named.

    Raises InputError for a name that is not in VIEWS, for a matrix that the run has not, for a view of the whole run
    with a matrix, and for what the run did not keep and cannot say in words.
    """
    if name not in VIEWS:
        raise unknown("view", name, VIEWS)
    wanted = VIEWS[name]
    if not wanted.matrix:
        if matrix is not None:
            raise InputError(f"View {name!r} of the matrix {matrix[:80]!r}", "no matrix: it shows the whole run",
                             "Leave the matrix out.")
        return wanted.of(run)
    names = [entry.name for entry in run.record.matrices]
    if not names:
        raise InputError(f"{run.record.id} lists no matrices", "a finished run", "Choose another run.")
    if matrix is not None and matrix not in names:
        raise unknown("matrix", matrix, names)
    return wanted.of(run, matrix or names[0])
