"""How large the numbers in a feature map are: the distribution of |a| on a log axis, dense and final."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.regions import EDGES, QUIET, REGION
from core.runs.store import Run
from core.views.activations.kept_sentence import of_layer
from core.views.activations.region_film import Film, film, map_title, map_words
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View

SIDES = ("dense", "final")
UNDER = 0.5 * (np.log10(EDGES[1]) - np.log10(EDGES[0]))  # half a bin, in decades: where the open bins are drawn


def sizes(run: Run, probe: str, name: str, layer: int) -> View:
    """Share of the features per bin of |a|, dense and final, on the training sample; the quiet threshold is marked.

    Raises InputError for an unknown sentence or map, and for counts that do not fit the bins.
    """
    found = film(run, probe, name)
    title = map_title(name)
    if layer < 1:
        return words_only("The distribution is kept of layers, not of the embeddings: choose a layer from 1 on.")
    counts = [_counts(run, name, layer, m.k) for m in (found.moments[0], found.moments[-1])] if found.watched else []
    if not counts or any(c is None or not c.sum() for c in counts):
        return words_only(f"This run kept no distribution of the {map_words(name)}.")
    shares = [c / c.sum() for c in counts if c is not None]
    limit = threshold(found, layer)
    data = [_area(share, side, _colour(run, side)) for share, side in zip(shares, SIDES, strict=True)]
    top = 1.18 * max(float(s[1:].max()) for s in shares)  # the open bin may hold half of all: it is said in words
    marks: Part = {"shapes": [] if limit is None else [_mark(limit)], "annotations": [
        *([] if limit is None else [_note(float(np.log10(limit)), f"quiet under {limit:.2g}")]), *_tiny(shares)]}
    decades = range(round(np.log10(EDGES[0])), round(np.log10(EDGES[-1])) + 1)
    figure = build(data, {
        **marks, "legend": legend_below(), "margin": {"t": 36, "b": 100, "l": 72, "r": 12},
        "xaxis": {"title": {"text": "|a|, log scale", "standoff": 6}, "tickvals": list(decades), "showgrid": False,
                  "ticktext": [f"{10.0 ** d:g}" for d in decades], "range": _reach(shares)},
        "yaxis": {"title": {"text": "share of the features"}, "tickformat": ".1~%", "range": [0, top or 1],
                  "nticks": 5},
    }, 420, legend=True, revision=f"{run.record.id}/{name}/{layer}")
    claim = _claim(title, layer, shares, limit)
    table = pd.DataFrame({"from": [0.0, *EDGES], "to": [*EDGES, np.inf], **dict(zip(SIDES, shares, strict=True))})
    return View(claim, figure, None, f"Two distributions over {len(EDGES) + 1} bins. {claim}", table,
                f"The mark: {QUIET:g} × the dense model's median region norm, spread evenly over the {REGION} features "
                f"of a region (÷ √{REGION}). Choose another layer in the bar on top.",
                heading="" if limit is None else
                f"{style.percent(share_under(shares[-1], limit))} of the features are small enough to be quiet.")


def threshold(found: Film, layer: int) -> float | None:
    """The size that every feature of a region has when the region stands at the quiet threshold: QUIET x the dense
    model's median on the training sample, else on this sentence, / sqrt(REGION). None: not known."""
    i = found.layers.index(layer) if layer in found.layers else None
    sample = found.moments[0].median.get(found.map, [])
    if i is None or not (found.dense[i] or i < len(sample)):
        return None
    return QUIET * (sample[i] if i < len(sample) else found.medians[i]) / REGION**0.5 or None


def share_under(shares: NDArray[np.floating], limit: float) -> float:
    """The share of features under *limit*, which cuts its bin in proportion on the log scale."""
    place = int(np.searchsorted(EDGES, limit, side="right"))
    whole = float(shares[:place].sum())
    if not 0 < place < len(EDGES):
        return whole
    low, high = np.log(EDGES[place - 1]), np.log(EDGES[place])
    return whole + float(shares[place] * (np.log(limit) - low) / (high - low))


def _counts(run: Run, name: str, layer: int, k: int) -> NDArray[np.int64] | None:
    key = f"distribution/{k}/{name}/{layer}"
    counts = run.array(key)
    if counts is not None and counts.shape != (len(EDGES) + 1,):
        raise InputError(f"{key} of {run.record.id} has shape {counts.shape}", f"shape ({len(EDGES) + 1},)",
                         "Make the run again, or fetch the file anew.")
    return counts


def _colour(run: Run, side: str) -> str:
    return style.colour("dense" if side == "dense" else run.record.spec.method)


def _middles() -> NDArray[np.float64]:
    """Where the bins are drawn, in decades: their middles; the two open ones half a bin outside."""
    logs = np.log10(EDGES)
    return np.concatenate([[logs[0] - UNDER], (logs[1:] + logs[:-1]) / 2, [logs[-1] + UNDER]])


def _area(share: NDArray[np.floating], name: str, colour: str) -> Part:
    return {"type": "scatter", "mode": "lines", "name": name, "x": np.round(_middles(), 4), "y": share,
            "fill": "tozeroy", "fillcolor": style.faded(colour, 0.18),
            "line": {"color": colour, "width": 2.5, "shape": "hvh"},
            "hovertemplate": f"{name}: %{{y:.2%}}<extra></extra>"}


def _note(x: float, text: str, **more: object) -> Part:
    return {"x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False, "font": {"size": 14},
            "text": text} | more


def _tiny(shares: list[NDArray[np.floating]]) -> list[Part]:
    """What lies under the first edge, in words at the left end, when it is more than one in a hundred."""
    if max(float(s[0]) for s in shares) < 0.01:
        return []
    said = " → ".join(style.percent(float(s[0]), 2) for s in shares)
    return [_note(0, f"under {EDGES[0]:g}: {said}", xref="paper", xanchor="left")]


def _mark(limit: float) -> Part:
    return {"type": "line", "x0": np.log10(limit), "x1": np.log10(limit), "y0": 0, "y1": 1, "yref": "paper",
            "line": {"color": style.GREY, "width": 2, "dash": "dot"}}


def _reach(shares: list[NDArray[np.floating]]) -> list[float]:
    """The part of the axis where either side has more than one feature in ten thousand, and a bin of room."""
    held = np.flatnonzero(np.max(shares, axis=0) > 1e-4)
    middles = _middles()
    return [float(middles[held[0]] - 2 * UNDER), float(middles[held[-1]] + 2 * UNDER)]


def _claim(title: str, layer: int, shares: list[NDArray[np.floating]], limit: float | None) -> str:
    head = f"{title} of {of_layer(layer)}, training sample"
    if limit is None:
        return f"{head}: how large its features are, dense and final."
    before, after = (style.percent(share_under(s, limit)) for s in shares)
    return f"{head}: {before} → {after} of the features lie under {limit:.2g}, the size of those of a region at the " \
           "quiet threshold."
