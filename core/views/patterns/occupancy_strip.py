"""The occupancy of every matrix at once: small histograms, layers down, matrices across."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd

from core.errors import InputError
from core.runs.names import layer_of, part_of
from core.runs.store import Run
from core.sparsity.patterns import Pattern, parse_pattern
from core.views.drawing import maps, style
from core.views.drawing.build import Part, build, legend_below, map_axis, merge, swatch, words_only
from core.views.drawing.view import View
from core.views.patterns import groups
from core.views.patterns.occupancy_map import Counts


def strip(run: Run) -> View:
    """A small histogram for every matrix, layers down, matrices across: dense (hollow) and pruned (filled)."""
    pattern = parse_pattern(run.record.spec.pattern)
    size = groups.size_of(pattern)
    width, tones = len(groups.class_names(size)), groups.palette(pattern)
    rows, columns = maps.places([m.name for m in run.record.matrices])
    held = {m.name: (run.array(f"occupancy.free/{m.name}"), run.array(f"occupancy/{m.name}"))
            for m in run.record.matrices}
    if all(h[1] is None for h in held.values()):
        return words_only("This run did not keep its counts.")
    data: list[Part] = []
    table: list[Part] = []
    for which, name in ((0, "dense: the largest weights, anywhere"), (1, "pruned")):
        xs, ys, base, colours, texts = [], [], [], [], []
        for matrix, pair in held.items():
            histogram = pair[which]
            if histogram is None:
                continue
            if len(histogram) != size + 1:
                raise InputError(f"occupancy of {matrix} has {len(histogram)} entries",
                                 f"{size + 1} for {pattern.name}", "Make the run again.")
            share = groups.classes(histogram) / max(int(histogram.sum()), 1)
            down, across = rows.index(layer_of(matrix) or 0), columns.index(part_of(matrix))
            xs += [across * (width + 1.5) + k for k in range(width)]
            ys += [0.82 * float(v) for v in share]
            base += [-down] * width
            colours += tones
            texts += [f"{style.matrix_words(matrix)}: {style.percent(float(v))} hold {k}" for k, v in
                      zip(groups.class_names(size), share, strict=True)]
            table += [{"matrix": matrix, "side": name, "entries in the group": k, "groups": int(v)} for k, v in
                      zip(groups.class_names(size), groups.classes(histogram), strict=True)]
        look = {"color": "rgba(0,0,0,0)", "line": {"color": style.GREY, "width": 1.3}} if which == 0 else \
            {"color": colours, "line": {"width": 0}}
        data.append({"type": "bar", "x": xs, "y": ys, "base": base, "width": 0.95 if which == 0 else 0.62,
                     "marker": look, "name": name, "hovertext": texts, "hoverinfo": "text", "showlegend": False})
    data += [merge(swatch("dense", style.GREY), {"marker": {"symbol": "square-open", "line": {"width": 2}}}),
             swatch("pruned", tones[groups.allowed_class(pattern) or -1])]
    middles = [a * (width + 1.5) + (width - 1) / 2 for a in range(len(columns))]
    figure = build(data, {
        "barmode": "overlay", "margin": {"t": 44, "b": 48, "l": 78}, "legend": legend_below(),
        "xaxis": map_axis(tickvals=middles, ticktext=[html.escape(name) for name in columns], side="top"),
        "yaxis": {"tickvals": [-d for d in range(len(rows))],
                  "ticktext": [f"layer {k}" if k else "other" for k in rows],
                  "range": [-len(rows) + 0.9, 0.95], "zeroline": False},
    }, 114 + 74 * len(rows), legend=True, revision=run.record.id)
    claim = _claim(held, pattern)
    return View(claim, figure, None, f"Small histograms of {len(held)} matrices. {claim}", pd.DataFrame(table),
                "Hollow: where the largest weights would leave the groups; filled: what they hold now. 0 is left.",
                heading=_heading(claim))


def _heading(claim: str) -> str:
    """What the line of the certificate does not say: who was the most ragged; the whole claim where nobody was."""
    ragged = claim.partition("; the ")[2]
    return f"The {ragged}" if ragged else style.lead(claim, " (")


def _claim(held: dict[str, tuple[Counts | None, Counts | None]], pattern: Pattern) -> str:
    now = [h[1] for h in held.values() if h[1] is not None]
    claim = f"All {len(now)} matrices together: {groups.verdict(np.sum(now, axis=0), pattern)}"
    allowed = pattern.allowed
    off = {m: 1 - float(h[0][allowed] / max(int(h[0].sum()), 1)) for m, h in held.items() if h[0] is not None} \
        if allowed is not None else {}
    if not off:
        return claim + "."
    worst = max(off, key=lambda m: off[m])
    return f"{claim}; the most ragged before was {style.matrix_words(worst)}, with {style.percent(off[worst])} of " \
           "its groups off."
