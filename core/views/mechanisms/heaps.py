"""Group lasso: the norms of all groups while the penalty acts, parting into two heaps: those that die and those that
stay."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.arrays import METHOD
from core.runs.heaps import BINS, HIGH, LOW, QUIET
from core.runs.store import Run
from core.views.drawing import style
from core.views.drawing.build import build
from core.views.drawing.view import View

TALL = 400  # pixels
FULL = 0.12  # share of the groups at which a cell is at its darkest


def pictures(run: Run) -> list[View]:
    """The one picture: sizes over steps.

    Raises InputError for looks that do not fit together.
    """
    steps, counts = run.array(f"{METHOD}/steps"), run.array(f"{METHOD}/heaps")
    if steps is None or counts is None or counts.shape != (len(steps), BINS + 2) or not counts[0].any():
        raise InputError("The looks at the groups' norms do not fit together",
                         f"steps [looks] and heaps [looks, {BINS + 2}]", "Make the run again.")
    return [_over_time(run, steps.astype(np.int64), counts.astype(np.float64))]


def quiet(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the groups under QUIET of the threshold at every look. counts `[looks, BINS + 2]`."""
    edge = round((np.log10(QUIET) - LOW) * BINS / (HIGH - LOW))
    return np.asarray(counts[:, : 1 + edge].sum(axis=1) / counts.sum(axis=1))


def _over_time(run: Run, steps: NDArray[np.int64], counts: NDArray[np.float64]) -> View:
    shares = counts / counts.sum(axis=1, keepdims=True)
    under = quiet(counts)
    width = (HIGH - LOW) / BINS
    middle = LOW + width * (np.arange(-1, BINS + 1) + 0.5)
    figure = build([{
        "type": "heatmap", "x": steps, "y": middle, "z": shares.T, "zmin": 0.0, "zmax": FULL,
        "colorscale": style.SEQUENTIAL,
        "colorbar": {"title": {"text": "share of the groups", "side": "right"}, "thickness": 10, "outlinewidth": 0,
                     "tickvals": [0.0, FULL / 2, FULL], "ticktext": ["0", f"{FULL / 2:.0%}", f"{FULL:.0%} or more"]},
        "customdata": np.broadcast_to(10.0**middle[:, None], shares.T.shape),
        "hovertemplate": "step %{x}<br>about %{customdata:.2g} of the threshold<br>%{z:.1%} of the groups"
                         "<extra></extra>"}], {
        "xaxis": {"title": {"text": "optimiser step"}, "showgrid": False, "range": [float(steps[0]), float(steps[-1])]},
        "yaxis": {"title": {"text": "norm of a group, in dense thresholds"}, "showgrid": False, "zeroline": False,
                  "range": [LOW - width, HIGH + width],
                  "tickvals": [LOW - width / 2, -2, -1, 0, 1], "ticktext": ["less", "0.01", "0.1", "1", "10"]},
        "shapes": [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0,
                    "line": {"color": style.GREY, "width": 1.5, "dash": "dash"}}],
        "annotations": [{"xref": "paper", "x": 1, "xanchor": "right", "y": 0, "yanchor": "bottom", "showarrow": False,
                         "text": "where the dense model would be cut", "font": {"size": 14}}],
    }, TALL, revision=run.record.id)
    table = pd.DataFrame({"step": steps, "groups": counts.sum(axis=1).astype(np.int64),
                          "under a tenth of the threshold": under, "no norm left": shares[:, 0]})
    end = style.percent(float(under[-1]))
    claim = (f"When the mask is fixed, after {style.count(int(steps[-1]))} steps, {end} of the groups have less than a "
             f"tenth of the norm at which the dense model would be cut; in the dense model it was "
             f"{style.percent(float(under[0]))}. The pattern cuts {style.percent(_sparsity(run))}.")
    groups = style.count(int(counts[0].sum()))
    alt = (f"Sizes of {groups} groups at {len(steps)} looks, steps {steps[0]} to {steps[-1]}. "
           f"Under a tenth of the threshold: {style.percent(float(under[0]))} at first, {end} at the end.")
    return View(claim, figure, None, alt, table,
                "Make a run with the proximal form, --knob form=proximal, and watch the lower heap reach the floor.",
                heading=f"The penalty brought {end} of the groups near zero.")


def _sparsity(run: Run) -> float:
    matrices = run.record.matrices
    total = sum(m.shape[0] * m.shape[1] for m in matrices)
    return 1 - sum(m.density * m.shape[0] * m.shape[1] for m in matrices) / total if total else 0.0
