"""The matrices of a model while they are solved one by one: which are sparse already, and what they kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.runs import solved
from core.runs.solved import Solved
from core.runs.store import Run
from core.views import maps, style
from core.views.build import PAGE_TEXT, Part, build, legend_below, map_axis, swatch, words_only
from core.views.view import View

STILL_DENSE = style.rgba(style.PRUNED)
TONES = ((0.0, STILL_DENSE), (1.0, style.ACCENT))  # 0: dense still, 1: solved
ROW, FEET = 34, 130  # pixels of a layer's row, and of all that stands above and below


def state_of(run: Run) -> tuple[list[str], list[Solved]]:
    """All matrices, and those that are solved, in that order. Of a run that has ended its header knows."""
    if run.record.matrices:
        done = [Solved(name=m.name, density=m.density, kept_energy=m.kept_energy) for m in run.record.matrices]
        return [m.name for m in done], done
    return solved.read(run.path)


def strip(run: Run) -> View:
    """A map of layers (down) and parts (across): grey while a matrix is dense, coloured once it obeys the pattern, with
    its kept energy (share of the squared dense weights) written in."""
    names, done = state_of(run)
    if not names:
        return words_only("No matrix is solved yet: the model is loaded and calibrated first.")
    spec = run.record.spec
    rule = style.pattern_words(spec.pattern, spec.bits)
    table = pd.DataFrame([{"solved": k, "matrix": style.matrix_words(s.name), "weights that stay":
                           style.percent(s.density), "kept energy": style.percent(s.kept_energy)}
                          for k, s in enumerate(done, 1)])
    claim, alt = _words(names, done, rule)
    layers, parts = maps.places(names)
    z = np.full((len(layers), len(parts)), np.nan, np.float32)
    text = [["" for _ in parts] for _ in layers]
    kept = {s.name: s for s in done}
    for name in names:
        row, column = layers.index(style.layer_of(name) or 0), parts.index(style.part_of(name))
        z[row, column] = float(name in kept)
        text[row][column] = style.percent(kept[name].kept_energy) if name in kept else ""
    heat: Part = {"type": "heatmap", "z": z, "x": parts, "y": [f"layer {n}" if n else "outside" for n in layers],
                  "text": text, "texttemplate": "%{text}", "textfont": {"color": "#ffffff", "size": 15},
                  "zmin": 0, "zmax": 1, "colorscale": TONES, "showscale": False, "xgap": 3, "ygap": 3,
                  "hovertemplate": "%{y} · %{x}<br>kept energy %{text}<extra></extra>"}
    legend = [swatch("dense still", STILL_DENSE), swatch(f"{rule}; the number: kept energy", style.ACCENT)]
    figure = build([heat, *legend], {
        "legend": legend_below(), "margin": {"l": 70, "r": 10, "t": 12, "b": 78}, "font": {"color": PAGE_TEXT},
        "xaxis": map_axis(type="category", range=[-0.5, len(parts) - 0.5]),
        "yaxis": map_axis(type="category", range=[len(layers) - 0.5, -0.5])}, FEET + ROW * len(layers), legend=True)
    return View(claim, figure, None, alt, table,
                "Which part of a layer loses most of its squared weights? Look for the smallest numbers of a column.")


def _words(names: list[str], done: list[Solved], rule: str) -> tuple[str, str]:
    count = f"All {len(names)}" if len(done) == len(names) else f"{len(done)} of {len(names)}"
    if not done:
        return f"All {len(names)} matrices are dense still: the first is being solved.", \
            f"A map of {len(names)} matrices, all dense still."
    mean = float(np.mean([s.kept_energy for s in done]))
    low = min(done, key=lambda s: s.kept_energy)
    claim = f"{count} matrices obey {rule}; on average they keep {style.percent(mean)} of their squared weights."
    alt = f"A map of {len(names)} matrices by layer and part. {claim} Least is kept in " \
          f"{style.matrix_words(low.name)}: {style.percent(low.kept_energy)}."
    return claim, alt
