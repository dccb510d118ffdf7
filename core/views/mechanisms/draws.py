"""DPP: how the draws of single tiles become certain, and how much drawn masks still differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.names import matrix_words
from core.runs.store import Run
from core.runs.told import kept
from core.sparsity.patterns import parse_pattern
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View
from core.views.scores.stages import finite

DRAWS = 64  # masks behind a share, as `core.methods.dpp` draws them
# What goes is grey, as pruned weights are everywhere.
SCALE = [[0.0, style.rgba(style.PRUNED[:3], 0.2)], [0.5, style.rgba(style.SEQUENTIAL_HUE, 0.55)],
         [1.0, style.rgba(style.SEQUENTIAL_HUE, 1)]]
ROWS = 48  # weights that have room in the picture
HEIGHT = 470
NO_TILES = "This pattern has no tiles: single draws were not kept, only how the mask moved."


def pictures(run: Run) -> list[View]:
    """The tiles, then the diversity; words alone for a pattern without tiles. Raises InputError for damaged arrays."""
    return [tiles(run), draws(run)] if "method/steps" in run.keys else [words_only(NO_TILES)]


def _tiles(run: Run) -> tuple[NDArray[np.float64], list[str], NDArray[np.int64]]:
    """Of the watched tiles those most open at first: how often each weight stays `[looks, tiles, M]`, their names, and
    the steps of the looks."""
    names = [m.name for m in run.record.matrices]
    steps = kept(run, "steps", 1).astype(np.int64)
    parts = [kept(run, f"kept/{name}", 3) for name in names]
    if any(p.shape[::2] != (len(steps), parts[0].shape[2]) or int(p.max()) > DRAWS for p in parts):
        raise InputError(f"The draws that {run.record.id} kept do not fit together",
                         "for every look and tile M counts", "Make the run again.")
    shares = np.concatenate(parts, axis=1).astype(np.float64) / DRAWS
    words = [f"{matrix_words(name)}" for name, p in zip(names, parts, strict=True) for _ in range(p.shape[1])]
    openness = (shares[0] * (1 - shares[0])).sum(axis=1)
    chosen = np.sort(np.argsort(-openness, kind="stable")[: max(ROWS // shares.shape[2], 1)])
    return shares[:, chosen], [words[i] for i in chosen], steps


def tiles(run: Run) -> View:
    """Rows: the weights of a few tiles; columns: steps; colour: the share of drawn masks that keep the weight, 0 to 1.
    Tiles are set apart by a gap. Raises InputError for damaged arrays."""
    shares, names, steps = _tiles(run)
    _, count, m = shares.shape
    rows: list[NDArray[np.float64]] = []
    hover: list[str] = []
    middles = []
    for t in range(count):
        middles.append(len(rows) + (m - 1) / 2)
        rows += [*shares[:, t].T, np.full(len(steps), np.nan)]
        hover += [f"{names[t]}, weight {j + 1} of {m}" for j in range(m)] + [""]
    z = np.array(rows[:-1], dtype=np.float32)
    heat: Part = {
        "type": "heatmap", "z": z, "x": [str(s) for s in steps], "y": list(range(len(z))), "zmin": 0, "zmax": 1,
        "colorscale": SCALE, "hoverongaps": False,
        "customdata": np.array(hover[:-1])[:, None].repeat(len(steps), 1),
        "colorbar": {"title": {"text": "drawn masks that keep it", "side": "right"}, "tickformat": ".0%",
                     "tickvals": [0, 0.5, 1], "thickness": 14, "outlinewidth": 0},
        "hovertemplate": "%{customdata}, step %{x}: %{z:.0%}<extra></extra>"}
    figure = build([heat], {
        "margin": {"l": 190, "r": 12, "t": 12, "b": 56},
        "xaxis": {"title": {"text": "steps"}, "type": "category", "nticks": 8, "showgrid": False, "tickangle": 0},
        "yaxis": {"tickvals": middles, "ticktext": names, "range": [len(z) - 0.5, -0.5], "showgrid": False,
                  "zeroline": False}}, HEIGHT, revision=run.record.id)
    firm = [float(((s == 0) | (s == 1)).all(axis=1).mean()) for s in (shares[0], shares[-1])]
    claim = (f"Of these {count} tiles, the most open ones of those that were watched, {round(firm[0] * count)} drew "
             f"the same weights every time at first, and {round(firm[1] * count)} in the end.")
    table = pd.DataFrame([{"tile": names[t], "weight": j + 1, "at first": float(shares[0, t, j]),
                           "in the end": float(shares[-1, t, j])} for t in range(count) for j in range(m)])
    return View(claim, figure, None, f"{count} tiles of {m} weights over {len(steps)} looks; dark: every drawn mask "
                f"keeps the weight. {claim}", table,
                f"Follow one tile to the right: its {m} rows part into dark and empty. One that stays pale is a tie "
                "that the loss does not care about.",
                heading=f"{round(firm[1] * count)} of {count} open tiles have become certain.")


def draws(run: Run) -> View:
    """Diversity over the steps: the mean distance of two drawn masks, as a share of the largest there is; fixed range,
    from 0 (all the same) to pure chance. In the words, what drawn masks score beside the likeliest."""
    rows = [(row["step"], row["diversity"]) for row in run.trace
            if finite(row.get("diversity")) and finite(row.get("step"))]
    if not rows:
        raise InputError(f"The trace of {run.record.id} holds no diversity", "one for every look",
                         "Make the run again.")
    pattern = parse_pattern(run.record.spec.pattern)
    units = pattern.grouping.units
    chance = 1.0 - pattern.budget.density(units)  # two draws of k of n share k / n of their k on average
    line: Part = {"type": "scatter", "mode": "lines+markers", "x": [x for x, _ in rows], "y": [y for _, y in rows],
                  "name": "two drawn masks differ by", "line": {"color": style.colour("dpp"), "width": 3},
                  "marker": {"size": 6}, "hovertemplate": "step %{x}: %{y:.1%}<extra></extra>"}
    pure: Part = {"type": "scatter", "mode": "lines", "x": [rows[0][0], rows[-1][0]], "y": [chance, chance],
                  "name": "pure chance", "line": {"color": style.GREY, "width": 2, "dash": "dash"},
                  "hoverinfo": "skip"}
    figure = build([line, pure], {
        "legend": legend_below(), "margin": {"l": 72, "r": 12, "t": 12, "b": 92},
        "xaxis": {"title": {"text": "steps"}, "showgrid": False},
        "yaxis": {"title": {"text": "diversity"}, "tickformat": ".0%", "range": [0, 1.08 * chance]}}, HEIGHT,
        legend=True, revision=run.record.id)
    first, last = rows[0][1], rows[-1][1]
    claim = (f"Two masks drawn at first differ in {style.percent(first)} of what they keep, two drawn at the end in "
             f"{style.percent(last)}; pure chance would be {style.percent(chance)}.{_scores(run)}")
    table = pd.DataFrame(rows, columns=["step", "diversity"])
    return View(claim, figure, None, f"A line over {len(rows)} looks. {claim}", table,
                "With --knob certainty=softmax, the published entropy, the line stays up at 2:4: it knows one winner "
                "of a tile.",
                heading=f"Two drawn masks end up {style.percent(last)} apart.")


def _scores(run: Run) -> str:
    """What drawn masks score, beside the likeliest one; "" where none was tried."""
    results, key = run.record.results, "method/scores"
    if key not in run.keys or results is None or results.hard_pruned is None:
        return ""
    found = kept(run, "scores", 1)
    return (f" The likeliest mask scores {style.score(results.hard_pruned)} before refinement, {len(found)} drawn "
            f"ones {style.score(float(found.min()))} to {style.score(float(found.max()))}.")
