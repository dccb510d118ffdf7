"""What the groups hold: of the dense weights, of W and of Z. The ragged histogram that becomes a spike.

Neither the dense weights nor W obey a pattern, so of them the largest count, wherever they are, as many as Z keeps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.lab.results_layer import LayerPath
from core.sparsity.occupancy import free_mask, occupancy
from core.sparsity.patterns import parse_pattern
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below
from core.views.drawing.view import View
from core.views.patterns import groups


def groups_of_z(path: LayerPath, k: int) -> View:
    """Shares of groups that hold 0, 1, ... entries: dense and W, their largest anywhere; Z, its support."""
    pattern, mask = parse_pattern(path.pattern), path.mask(k)
    density = float(mask.mean())
    held = {"dense": free_mask(path.weight, density), "W": free_mask(path.w(k), density), "Z": mask}
    counts = {name: occupancy(values, pattern).histogram for name, values in held.items()}
    names = groups.class_names(groups.size_of(pattern))
    shares = {name: groups.classes(h) / max(int(h.sum()), 1) for name, h in counts.items()}
    figure = build(_bars(path, names, shares), {
        "barmode": "group", "bargap": 0.15, "bargroupgap": 0.05, "margin": {"b": 104}, "legend": legend_below(),
        "xaxis": {"title": {"text": "entries in the group", "standoff": 4}, "type": "category"},
        "yaxis": {"range": [0, 1.02], "tickformat": ".0%", "title": {"text": f"share of the {_kind(path)}"}},
    }, 430, legend=True, revision=f"{path.matrix}/{path.pattern}")
    claim = _claim(path, counts)
    table = pd.DataFrame({"entries in the group": names} | {n: groups.classes(h) for n, h in counts.items()})
    return View(claim, figure, None, f"Histogram of groups by what they hold: dense, W and Z. {claim}", table,
                "Scrub from the first round: W's own largest weights fall into the pattern as W comes to Z.",
                heading=f"In Z, {groups.verdict(counts['Z'], parse_pattern(path.pattern))}.")


def _kind(path: LayerPath) -> str:
    return groups.group_words(parse_pattern(path.pattern))


def _bars(path: LayerPath, names: list[str], shares: Mapping[str, NDArray[np.floating]]) -> list[Part]:
    colour = style.colour(path.method)
    looks = {"dense": ("dense: the largest, anywhere", {"color": "rgba(0,0,0,0)",
                                                        "line": {"color": style.GREY, "width": 1.5}}),
             "W": ("W: the largest, anywhere", {"color": style.faded(colour, 0.45), "line": {"width": 0}}),
             "Z": ("Z: its support", {"color": colour, "line": {"width": 0}})}
    return [{"type": "bar", "x": names, "y": [float(v) for v in shares[key]], "name": words, "marker": look,
             "hovertemplate": f"{words}<br>%{{y:.1%}} hold %{{x}}<extra></extra>"}
            for key, (words, look) in looks.items()]


def _claim(path: LayerPath, counts: dict[str, NDArray[np.int64]]) -> str:
    pattern = parse_pattern(path.pattern)
    allowed, now = pattern.allowed, groups.verdict(counts["Z"], pattern)
    if allowed is None:
        return f"Z: {now}."
    share = {name: style.percent(float(h[allowed]) / max(int(h.sum()), 1)) for name, h in counts.items()}
    return f"Left to themselves, the dense weights would hold exactly {allowed} of {groups.size_of(pattern)} in " \
           f"{share['dense']} of the groups, W in {share['W']}; in Z, {now}."
