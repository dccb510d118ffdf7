"""Policy gradient: the probabilities of staying, sliding to 0 and 1, and the losses that moved them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.arrays import METHOD
from core.runs.store import Run
from core.runs.told import kept
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below
from core.views.drawing.view import View

CHANCES = f"{METHOD}/chances/"
EDGE = 0.05  # within this of 0 or 1 a unit counts as decided
FULL = 0.25  # share of the units at which a cell is at its darkest
TALL = 400  # pixels
SHORT = 340
FIRST = 20  # steps whose baselines are averaged for "at first", and as many for "in the end"


def pictures(run: Run) -> list[View]:
    """The probabilities, then the losses. Raises InputError for damaged arrays."""
    steps = kept(run, "steps", 1).astype(np.int64)
    found = {key.removeprefix(CHANCES): kept(run, key.removeprefix(f"{METHOD}/"), 2).astype(np.float64)
             for key in sorted(run.keys) if key.startswith(CHANCES)}
    rewards = run.array(f"{METHOD}/rewards")  # a mask may have had no loss: that is a gap, not damage
    counted = found and all(len(c) == len(steps) and c.sum(axis=1).all() for c in found.values())
    if not counted or rewards is None or rewards.ndim != 2 or not rewards.size or rewards.shape[1] < 2 \
            or not np.isfinite(rewards[:, 0]).all():
        raise InputError(f"The probabilities that {run.record.id} kept do not fit together",
                         "counts of units for every look, and a loss for every mask", "Make the run again.")
    return [chances(run, steps, found), losses(run, rewards.astype(np.float64))]


def decided(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the units within EDGE of 0 or 1 at every look. counts `[looks, bins]`, bins a whole number of EDGEs."""
    ends = round(EDGE * counts.shape[1])
    return np.asarray((counts[:, :ends].sum(axis=1) + counts[:, -ends:].sum(axis=1)) / counts.sum(axis=1))


def chances(run: Run, steps: NDArray[np.int64], found: dict[str, NDArray[np.float64]]) -> View:
    """Probability over steps, one panel a kind of unit; colour: share of the units, 0 to FULL."""
    data: list[Part] = []
    layout: Part = {"annotations": [], "margin": {"t": 34}}
    width = 1.0 / len(found)
    spans = [[i * width + (0.04 if i else 0), (i + 1) * width - 0.02] for i in range(len(found))]
    for i, (kind, counts) in enumerate(found.items()):
        axis = "" if i == 0 else str(i + 1)
        bins = counts.shape[1]
        data.append({
            "type": "heatmap", "x": steps, "y": (np.arange(bins) + 0.5) / bins, "xaxis": f"x{axis}",
            "yaxis": f"y{axis}", "z": (counts / counts.sum(axis=1, keepdims=True)).T, "zmin": 0.0, "zmax": FULL,
            "colorscale": style.SEQUENTIAL, "showscale": i == 0,
            "colorbar": {"title": {"text": "share of the units", "side": "right"}, "thickness": 10, "outlinewidth": 0,
                         "tickvals": [0.0, FULL], "ticktext": ["0", f"{FULL:.0%} or more"]},
            "hovertemplate": "step %{x}<br>probability about %{y:.2f}<br>%{z:.1%} of the " + kind + "<extra></extra>"})
        layout[f"xaxis{axis}"] = {"title": {"text": "step"}, "showgrid": False, "anchor": f"y{axis}",
                                  "domain": spans[i], "nticks": 4}
        layout[f"yaxis{axis}"] = {"showgrid": False, "zeroline": False, "range": [0, 1], "anchor": f"x{axis}",
                                  "tickvals": [0, 0.5, 1],
                                  **({"showticklabels": False} if i else
                                     {"title": {"text": "probability of staying"}})}
        layout["annotations"].append({"text": f"{style.count(int(counts[0].sum()))} {kind}", "showarrow": False,
                                      "x": sum(spans[i]) / 2, "xref": "paper", "xanchor": "center", "y": 1.0,
                                      "yref": "paper", "yanchor": "bottom", "font": {"size": 15}})
    figure = build(data, layout, TALL, revision=run.record.id)
    units = sum(float(counts[0].sum()) for counts in found.values())
    sure = [sum(float(decided(counts)[at] * counts[at].sum()) for counts in found.values()) / units for at in (0, -1)]
    table = pd.DataFrame([{"step": int(step), "units": kind, "decided": float(share)} for kind, counts in found.items()
                          for step, share in zip(steps, decided(counts), strict=True)])
    claim = (f"At first {style.percent(sure[0])} of the probabilities were within {EDGE} of 0 or 1, after "
             f"{style.count(int(steps[-1]))} steps {style.percent(sure[1])}.")
    return View(claim, figure, None, f"Probabilities of {style.count(int(units))} units at {len(steps)} looks. {claim}",
                table, "Run it with more steps, or with --knob push=0.1: what is undecided slides to one of the ends.",
                heading=f"{style.percent(sure[1])} of the units are decided.")


def losses(run: Run, rewards: NDArray[np.float64]) -> View:
    """The loss of every sampled mask, and the running mean that it is judged by. rewards `[steps, 1 + masks]`."""
    steps = np.arange(1, len(rewards) + 1)
    colour = style.colour("policy-gradient")
    dots = [{"type": "scattergl" if len(steps) > 2000 else "scatter", "mode": "markers", "x": steps, "y": rewards[:, k],
             "name": "loss of a sampled mask", "showlegend": k == 1, "marker": {"size": 4, "color": style.GREY,
             "opacity": 0.45}, "hovertemplate": "step %{x}: %{y:.3f}<extra></extra>"}
            for k in range(1, rewards.shape[1])]
    line = {"type": "scatter", "mode": "lines", "x": steps, "y": rewards[:, 0], "name": "baseline",
            "line": {"color": colour, "width": 3}, "hovertemplate": "step %{x}: baseline %{y:.3f}<extra></extra>"}
    finite = rewards[np.isfinite(rewards)]
    high = float(np.quantile(finite, 0.995)) if len(finite) else 1.0
    figure = build([*dots, line], {
        "legend": legend_below(), "margin": {"b": 92, "t": 12},
        "xaxis": {"title": {"text": "step"}, "showgrid": False, "range": [0, len(steps) + 1]},
        "yaxis": {"title": {"text": "loss"}, "range": [0, 1.05 * max(high, 1e-6)]}}, SHORT, legend=True,
        revision=run.record.id)
    first, last = float(np.mean(rewards[:FIRST, 0])), float(np.mean(rewards[-FIRST:, 0]))
    claim = (f"The baseline, a running mean of the losses of sampled masks, was {first:.3g} over the first {FIRST} "
             f"steps and {last:.3g} over the last.")
    return View(claim, figure, None, f"{rewards.shape[1] - 1} losses a step over {len(steps)} steps. {claim}",
                pd.DataFrame(rewards, columns=["baseline", *(f"mask {k}" for k in range(1, rewards.shape[1]))]),
                "A dot below the line makes its units likelier, one above it less likely.",
                heading=f"Sampled masks ended at a loss of {last:.3g}.")
