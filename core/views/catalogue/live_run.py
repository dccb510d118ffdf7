"""A run while it goes on: the trace as it grows and its latest numbers. Its film: `core.views.film.growing`."""

from __future__ import annotations

from dataclasses import replace

from core.runs.phases import TRACE
from core.runs.store import Run
from core.views.drawing import style
from core.views.drawing.build import words_only
from core.views.drawing.view import Number, View
from core.views.scores import trace_curves
from core.views.scores.stages import finite

HEIGHT = 470  # pixels of the curves beside the film
SAID = {"loss": "training loss", "primal": "primal residual", "score": "evaluation score"}


def latest(run: Run, key: str) -> float | None:
    """The last finite value of *key* in the trace so far."""
    return next((float(row[key]) for row in reversed(run.trace) if finite(row.get(key))), None)


def numbers(run: Run) -> list[Number]:
    """Loss, primal residual and score as last logged, each with what it was."""
    out = []
    for key, words in SAID.items():
        values = [float(row[key]) for row in run.trace if finite(row.get(key))]
        if values:
            shown = style.score if key == "score" else "{:.3g}".format
            past = f"{shown(max(values))} at its highest" if key == "primal" else f"began at {shown(values[0])}"
            out.append(Number(words.capitalize(), shown(values[-1]), past))
    return out


def growing(run: Run, beside: bool = False) -> View:
    """The timeline of `core.views.scores.trace_curves` over what was logged so far. *beside*: as high as the film of
    the run, beside which it stands, in few panels and few words."""
    if not run.trace:
        return words_only("Nothing was logged yet: the first row comes with the first step of training.")
    view, row = trace_curves.timeline(run, trace_curves.FEW if beside else trace_curves.PANELS), run.trace[-1]
    if beside and view.figure is not None:
        view.figure.update_layout(height=HEIGHT)
    if run.record.status == "succeeded":
        return replace(view, try_this="") if beside else view
    parts = [f"{words} {value:.3g}" for key, words in SAID.items() if (value := latest(run, key)) is not None]
    phase = TRACE.get(str(row.get("phase", "")), str(row.get("phase", "")))
    if beside:
        return replace(view, claim=f"Step {style.count(int(row.get('step', 0)))}, {phase}.", try_this="")
    claim = f"Step {style.count(int(row.get('step', 0)))}, {phase}: {', '.join(parts)}." if parts else view.claim
    hint = "Watch the primal residual fall while rho rises, and what the score does at the hard prune."
    return replace(view, claim=claim, try_this=hint if trace_curves.has_admm(run) else "")
