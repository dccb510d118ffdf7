"""Runs that were recorded: which there are, what they hold, what they look like."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from core.exports.pictures import PICTURES, of_run
from core.runs.opening import open_named
from core.runs.store import Run, default_store
from core.views.drawing.view import View

COLUMNS = ["id", "task", "model", "method", "pattern", "score", "dense", "sparsity", "status", "recorded"]


def runs() -> pd.DataFrame:
    """All runs of the store that can be read, the newest first: one row each.

    The store is `cached_runs/` of the clone and `runs/` beside it, or what SPARSESCOPE_CACHED and SPARSESCOPE_RUNS
    name. Columns: id, task, model, method, pattern (None for a dense run); score and dense (of the final model and of
    its dense parent: fractions of the task's main metric, None where there is none); sparsity (share of zeros, 0..1,
    over all prunable weights); status; recorded (True for `cached_runs/`). Headers only are read.
    """
    rows = []
    for entry in default_store().entries():
        if (record := entry.record) is None:
            continue
        spec, scores = record.spec, record.results
        rows.append((record.id, spec.task, spec.model, spec.method, None if spec.method == "dense" else spec.pattern,
                     scores and scores.final, scores and scores.dense, record.sparsity if record.matrices else None,
                     record.status, entry.recorded))
    return pd.DataFrame(rows, columns=COLUMNS)


def load_run(run: str | Path) -> Run:
    """Open a run: an id of the store, or a run folder wherever it lies. Its dense parent is opened with it.

    What it holds: `record` (typed header: spec, scores, matrices, times), `trace` (a dict a logged step), and by matrix
    `mask(name)` uint8 `[out, in]`, `weight(name)` float32 `[out, in]`, each None when the run's record level kept none.

    Raises InputError when there is no such run, or when it is damaged.
    """
    return open_named(run, default_store())


def view(run: Run | str | Path, name: str, matrix: str | None = None, **choices: str | int) -> View:
    """Draw the view *name* (see `views`) of *run*: an opened one, a run id or a run folder.

    *matrix*: which one, for the views of a matrix, by its name in the model's state dict without `.weight`; the first
    when it is left out. *choices*: the knobs of the page that shows it, named as in its link ("weights.model":
    figure="error", "moved", "energy" or "sparsity"; "activations.layer": layer=2), each at the page's default when left
    out. The view shows itself in a notebook; `figure` is its Plotly figure, `claim` the sentence that it shows, `alt`
    its text for who cannot see it, `table` its numbers.

    Raises InputError for a run, a view, a matrix or a choice that there is not, for a run that keeps nothing of it, and
    for damaged arrays.
    """
    return of_run(run if isinstance(run, Run) else load_run(run), name, matrix, **choices)


def views() -> dict[str, str]:
    """The names that `view` knows, and what each shows."""
    return {name: picture.title for name, picture in PICTURES.items() if picture.alone}
