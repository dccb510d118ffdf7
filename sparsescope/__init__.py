"""SparseScope in a program or a notebook of your own: prune a model in memory, open recorded runs, draw what they show.

    import sparsescope

    result = sparsescope.prune(model, tokenizer, texts, pattern="2:4", method="admm-layer")
    result                                       # every matrix: shape, zeros, exact?, error
    result.view("weights.maps")                  # one matrix before and after: a Plotly figure
    sparsescope.view("cola-minilm-l6-admm-2of4-e4-s0-0123abcd", "trace.timeline")

What a person can mend is raised as `InputError`: what was given, what was expected, what to do. Importing this package
loads no torch; `prune` does. The engine is `core`, whose names may change; those of this package stay.
"""

from core.errors import InputError
from core.views.drawing.view import View
from sparsescope.pruning import methods, prune
from sparsescope.recorded import load_run, runs, view, views
from sparsescope.results import MatrixReport, Pruned, Report

__all__ = ["InputError", "MatrixReport", "Pruned", "Report", "View", "load_run", "methods", "prune", "runs", "view",
           "views"]
