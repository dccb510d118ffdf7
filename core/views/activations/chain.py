"""Mask -> activation -> answer: three small pictures that belong together.

The weights on the left make one region of the feature map in the middle: 16 features are 16 outputs of the matrix. It
is the region that changed most, and it is outlined there. What the last layer feels decides the answer on the right.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from core.runs.names import layer_of, part_of
from core.runs.regions import REGION
from core.runs.store import Run
from core.views.activations import margins
from core.views.activations.all_layers import SHEET, STEPS, felt_codes
from core.views.activations.kept_sentence import layer_words, of_layer, tokens_of
from core.views.activations.region_film import BLOCK, Film, film, map_title, map_words
from core.views.drawing import maps, style
from core.views.drawing.build import Part, build, map_axis
from core.views.drawing.view import View
from core.views.weights.pair import Pair, load

MAKES = {"attention": "value", "ffn": "FFN in", BLOCK: "FFN out"}  # the matrix whose outputs are a map's features
INPUTS = 48  # of the weights drawn; cut to whole groups
SPANS = ([0.0, 0.27], [0.385, 0.665], [0.80, 1.0])
HEIGHT = 350


@dataclass(frozen=True)
class _Link:
    """What the three pictures share: the region of the map that changed most, and how quiet the map is."""

    region: int | None
    quiet: tuple[float, float]  # dense, pruned; NaN where not known


def chain(run: Run, probe: str, name: str, layer: int) -> View:
    """The matrix that makes feature map *name* of *layer*, that map dense and pruned, and what both models answer.

    Raises InputError for an unknown sentence or map, and for damaged arrays.
    """
    found = film(run, probe, name)
    held = matrix_of(run, name, layer)
    pair = None if held is None else load(run, held)
    link = _link(found, layer)
    chances, labels = margins.answers(run, probe)
    weights, weight_axes = _weights(pair, link.region)
    felt, felt_layout = _felt(found, layer, link, tokens_of(run, probe))
    bars = [{**bar, "xaxis": "x3", "yaxis": "y3"} for bar in margins.bars(run, *margins.leading(chances, labels))]
    titles = [_weights_title(pair, link.region), f"{map_title(name)}, {layer_words(layer)}", "The answer"]
    empty = ["" if weights else "No matrix is pruned here." if pair is None else "Neither weights nor mask were kept.",
             "" if felt else "Not kept.", "" if bars else "Not kept."]
    answer_axis: Part = {"range": [0, 1.3], "tickformat": ".0%", "tickvals": [0, 0.5, 1]} if labels else {}
    layout = {**weight_axes, **felt_layout, "barmode": "group", "bargap": 0.3,
              "margin": {"l": 60, "r": 12, "t": 56, "b": 44},
              "annotations": [*_titles(titles), *_arrows(), *_said(empty), *felt_layout["annotations"]],
              "xaxis3": {"domain": SPANS[2], "anchor": "y3", **answer_axis},
              "yaxis3": {"domain": [0.08, 0.92], "anchor": "x3", "autorange": "reversed", "showgrid": False},
              "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 0, "yref": "container",
                         "yanchor": "bottom"}}
    figure = build([*weights, *felt, *bars], layout, HEIGHT, legend=True, revision=f"{run.record.id}/{probe}/{name}")
    claim = _claim(pair, found, layer, link, margins.claim(chances, labels))
    alt = f"Three pictures: a piece of a matrix, the regions of a feature map, bars of the answers. {claim}"
    return View(claim, figure, None, alt, _table(pair, link, chances, labels), _try(link, pair),
                heading=_heading(link, layer, margins.heading(chances, labels)))


def matrix_of(run: Run, name: str, layer: int) -> str | None:
    """The prunable matrix whose outputs are the features of map *name* in *layer*; the layer's last where none is
    called so; None for the embeddings."""
    mine = [m.name for m in run.record.matrices if layer_of(m.name) == layer]
    return next((m for m in mine if part_of(m) == MAKES.get(name)), mine[-1] if mine else None)


def _link(found: Film, layer: int) -> _Link:
    if layer not in found.layers:
        return _Link(None, (np.nan, np.nan))
    i = found.layers.index(layer)
    before, after = found.relative(0, i), found.relative(found.last, i)
    region = None if before is None or after is None else int(np.abs(after - before).sum(axis=0).argmax())
    return _Link(region, (found.quiet(0, i), found.quiet(found.last, i)))


# -- the weights -------------------------------------------------------------------------------------------------

def piece(pair: Pair, region: int | None) -> tuple[slice, slice]:
    """Rows and columns of the weights drawn: the outputs of *region* (None: the first), whole groups of inputs."""
    rows, cols = pair.entry.shape
    top = min((region or 0) * REGION, max(rows - REGION, 0))
    group = pair.pattern.multiple
    return slice(top, min(top + REGION, rows)), slice(0, min(max(INPUTS // group, 1) * group, cols))


def _weights(pair: Pair | None, region: int | None) -> tuple[list[Part], Part]:
    axes = {"xaxis": map_axis(domain=SPANS[0], anchor="y", title={"text": "input", "standoff": 14}, nticks=5),
            "yaxis": map_axis(domain=[0, 1], anchor="x", title={"text": "output", "standoff": 4}, nticks=4,
                              autorange="reversed")}
    if pair is None or (pair.after is None and pair.mask is None):
        return [], axes
    cut = piece(pair, region)
    gone = None if pair.mask is None else (1 - pair.mask[cut]).astype(np.uint8)
    values, limit = (pair.after[cut], pair.limit) if pair.after is not None else \
        (pair.mask[cut].astype(np.float32), 1.5)  # type: ignore[index]  # one of the two is there
    shown = values if gone is None else np.where(gone != 0, np.float32(np.nan), values)
    place = {"type": "heatmap", "xaxis": "x", "yaxis": "y", "x0": cut[1].start, "y0": cut[0].start, "showscale": False}
    grey = [] if gone is None else [{**place, "z": gone, "zmin": 0, "zmax": 1, "colorscale": maps.GREY_CELL,
                                     "hoverinfo": "skip"}]
    heat = {**place, "z": shown, "zmin": -limit, "zmax": limit, "colorscale": style.DIVERGING, "hoverongaps": False,
            "hovertemplate": "output %{y}<br>input %{x}<br>%{z:.3g}<extra></extra>"}
    return [*grey, heat], axes


def _zeros(pair: Pair) -> float:
    return 1.0 - pair.entry.density


def _weights_title(pair: Pair | None, region: int | None) -> str:
    if pair is None:
        return "The weights"
    cut = piece(pair, region)[0]
    return f"{part_of(pair.entry.name)}, outputs {cut.start}–{cut.stop - 1}"


# -- the map -----------------------------------------------------------------------------------------------------

def _felt(found: Film, layer: int, link: _Link, tokens: list[str]) -> tuple[list[Part], Part]:
    """Dense above, pruned below, in one heatmap; the region that changed most is outlined."""
    i = found.layers.index(layer) if layer in found.layers else None
    sides = [None, None] if i is None else [found.relative(0, i), found.relative(found.last, i)]
    axes = {"xaxis2": map_axis(domain=SPANS[1], anchor="y2", title={"text": "region", "standoff": 14}, nticks=5),
            "yaxis2": map_axis(domain=[0, 1], anchor="x2", autorange="reversed", ticks="")}
    known = next((v for v in sides if v is not None), None)
    if known is None:
        return [], {**axes, "annotations": [], "shapes": []}
    rows, cols = known.shape
    down = rows + max(rows // 6, 1)
    sheet = np.zeros((down + rows, cols), np.uint8)
    boxes: list[Part] = []
    for k, values in enumerate(sides):
        if values is not None:
            sheet[k * down:k * down + rows] = felt_codes(values)
        edge = {"type": "rect", "xref": "x2", "yref": "y2", "y0": k * down - 0.5, "y1": k * down + rows - 0.5}
        boxes.append({**edge, "x0": -0.5, "x1": cols - 0.5, "line": {"width": 1, "color": style.RULE}})
        if link.region is not None:
            half = max(0.5, cols / 64)  # a line of 2 pixels would cover a region of one
            boxes.append({**edge, "x0": link.region - half, "x1": link.region + half,
                          "line": {"width": 2, "color": style.ACCENT}})
    words = [f"{side}<br>{style.percent(share, 2)} quiet" if np.isfinite(share) else f"{side}<br>not kept"
             for side, share in zip(("dense", "pruned"), link.quiet, strict=True)]
    axes["yaxis2"] |= {"tickvals": [(rows - 1) / 2, down + (rows - 1) / 2], "ticktext": words}
    return [{"type": "heatmap", "xaxis": "x2", "yaxis": "y2", "z": sheet, "zmin": 0, "zmax": STEPS, "colorscale": SHEET,
             "showscale": False, "hoverinfo": "skip"}], {**axes, "annotations": [], "shapes": boxes}


# -- words -------------------------------------------------------------------------------------------------------

def _note(x: float, y: float, text: str, **more: object) -> Part:
    return {"x": x, "y": y, "xref": "paper", "yref": "paper", "text": text, "showarrow": False,
            "xanchor": "center", "font": {"size": 15}} | more


def _titles(titles: list[str]) -> list[Part]:
    return [_note(sum(span) / 2, 1, text, yanchor="bottom", yshift=6) for span, text in zip(SPANS, titles, strict=True)]


def _arrows() -> list[Part]:
    return [_note((a[1] + b[0]) / 2, 1, "→", yanchor="bottom", font={"size": 24})
            for a, b in pairwise(SPANS)]


def _said(texts: list[str]) -> list[Part]:
    return [_note(sum(span) / 2, 0.5, maps.wrapped(text, 22)) for span, text in zip(SPANS, texts, strict=True) if text]


def _claim(pair: Pair | None, found: Film, layer: int, link: _Link, answer: str) -> str:
    cause = "" if pair is None else \
        f"{style.percent(_zeros(pair))} of “{part_of(pair.entry.name)}” in {of_layer(layer)} is zero; "
    before, after = link.quiet
    if np.isfinite(before) and np.isfinite(after):
        felt = f"quiet regions of its {map_words(found.map)} {style.percent(before)} → {style.percent(after)}; "
    else:
        felt = ""
    whole = f"{cause}{felt if cause else felt.replace('its', 'the', 1)}{answer}."
    return whole[0].upper() + whole[1:]


def _heading(link: _Link, layer: int, answer: str) -> str:
    """The answer, and how much falls quiet on the way to it."""
    quiet = link.quiet[1]
    felt = f"; {style.percent(quiet)} of the regions of {of_layer(layer)} are quiet" if np.isfinite(quiet) else ""
    return f"{answer[0].upper()}{answer[1:]}{felt}."


def _try(link: _Link, pair: Pair | None) -> str:
    if pair is None:
        return "The embeddings stay dense. Choose a layer in the bar: the three pictures follow."
    which = "The weights make the outlined region, the one that changed most. " if link.region is not None else ""
    return f"{which}Grey is pruned, or quiet. Choose another layer in the bar: all three follow. What a layer " \
           "feels also carries what was pruned in the layers before it."


def _table(pair: Pair | None, link: _Link, chances: margins.Chances, labels: list[str]) -> pd.DataFrame:
    rows: list[tuple[str, float, float]] = []
    if pair is not None:
        rows.append((f"zeros in {style.matrix_words(pair.entry.name)}", 0.0, _zeros(pair)))
    rows.append(("quiet regions", *link.quiet))
    for i, label in enumerate(labels or (["value"] if chances else [])):
        before, after = (float(chances[s][i]) if s in chances else float("nan") for s in ("dense", "pruned"))
        rows.append((f"answer: {label}", before, after))
    return pd.DataFrame(rows, columns=["what", "dense", "pruned"])
