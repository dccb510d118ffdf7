"""One layer at large: token × feature where the features were kept (the block output), else token × region."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.runs.regions import quiet_share
from core.runs.store import Run
from core.views.activations.all_layers import FELT, TOP
from core.views.activations.kept_sentence import RULE, Floats, both, layer_words, of_layer, tokens_of
from core.views.activations.region_film import BLOCK, Film, film, map_title, map_words
from core.views.drawing import maps, style
from core.views.drawing.build import words_only
from core.views.drawing.view import View


def one_layer(run: Run, probe: str, name: str, layer: int) -> View:
    """Dense, pruned and difference of feature map *name* in *layer*: its features, or its regions where only they are
    known. Raises InputError for an unknown sentence or map, and for damaged arrays."""
    return features(run, probe, layer) if name == BLOCK else regions(run, probe, name, layer)


def features(run: Run, probe: str, layer: int) -> View:
    """Token x feature of the block output of one layer: dense, pruned, difference, in one fixed colour range."""
    dense, pruned = both(run, probe, layer)
    if pruned is None and dense is None:
        return words_only(f"This run kept no activations of {of_layer(layer)}: its level leaves them out.")
    known = dense if dense is not None else pruned
    assert known is not None  # one of the two is there
    limit = maps.limit_of(known)
    change = None if dense is None or pruned is None else pruned - dense
    shares = {name: quiet_share(v, known) for name, v in (("dense", dense), ("pruned", pruned)) if v is not None}
    why = "Not kept by this run." if dense is not None else \
        "Not kept: the dense run or its activations are not in the store."
    panels = [maps.Panel(_title("Dense", shares.get("dense")), dense, limit=limit, why=why, unit="activation"),
              maps.Panel(_title("Pruned", shares.get("pruned")), pruned, limit=limit, why=why, unit="activation"),
              maps.Panel("Difference: pruned − dense", change, limit=limit, why=why, unit="difference")]
    claim = _claim(dense, pruned, shares, layer_words(layer).capitalize(), "activations")
    tokens = tokens_of(run, probe)
    return View(claim, _figure(panels, tokens, "feature", f"{run.record.id}/{probe}/{layer}"), None,
                f"{len(tokens)} tokens × {known.shape[1]} features. {claim}", _table(shares, layer),
                f"{RULE} Colours run to ±{limit:.2g}, the 99.5th percentile of the dense model here.",
                heading=style.lead(claim))


def regions(run: Run, probe: str, name: str, layer: int) -> View:
    """Token x region of any feature map of one layer, over the dense model's median: dense, pruned, difference."""
    found = film(run, probe, name)
    if layer not in found.layers:
        return words_only(f"The {map_words(name)} of {of_layer(layer)} was not kept." if layer else
                          "The embeddings have no such feature map: choose a layer from 1 on.")
    i = found.layers.index(layer)
    dense, pruned = found.relative(0, i), found.relative(found.last, i)
    if dense is None and pruned is None:
        return words_only(f"The {map_words(name)} of {of_layer(layer)} was not kept.")
    shares = {side: found.quiet(k, i) for side, k, v in (("dense", 0, dense), ("pruned", found.last, pruned))
              if v is not None}
    felt = {"scale": "sequential", "limit": TOP, "why": "Not kept.", "unit": "× the median", "colours": FELT}
    panels = [maps.Panel(_title("Dense", shares.get("dense")), dense, **felt),  # type: ignore[arg-type]
              maps.Panel(_title("Pruned", shares.get("pruned")), pruned, **felt),  # type: ignore[arg-type]
              maps.Panel("Difference: pruned − dense, in medians",
                         None if dense is None or pruned is None else pruned - dense, why="Not kept.")]
    claim = _claim(dense, pruned, shares, f"{map_title(name)} of {of_layer(layer)}", "region norms")
    tokens = tokens_of(run, probe)
    return View(claim, _figure(panels, tokens, "region", f"{run.record.id}/{probe}/{name}/{layer}"), None,
                f"{len(tokens)} tokens × {_width(found, i)} regions. {claim}", _table(shares, layer),
                f"{RULE} What is quiet is grey. Single features are kept of the block output only.",
                heading=style.lead(claim))


def _width(found: Film, i: int) -> int:
    return next(frame[i].shape[1] for frame in found.norms if frame[i] is not None)  # type: ignore[union-attr]


def _figure(panels: list[maps.Panel], tokens: list[str], unit: str, keep: str) -> go.Figure:
    side = min(max(18 * len(tokens), 120), 340)
    return maps.draw(panels, maps.Axes(unit, "", rows=tokens), height=3 * side + 180, stacked=True, keep=keep,
                     room={"l": 100}, tick=min(14, int(0.85 * side / max(len(tokens), 1))))


def _table(shares: dict[str, float], layer: int) -> pd.DataFrame:
    return pd.DataFrame([{"side": name, "quiet regions": share, "layer": layer} for name, share in shares.items()])


def _title(name: str, share: float | None) -> str:
    return name if share is None else f"{name} · {style.percent(share)} quiet"


def _claim(dense: Floats | None, pruned: Floats | None, shares: dict[str, float], where: str, what: str) -> str:
    if dense is None or pruned is None:
        name, share = next(iter(shares.items()))
        return f"{where}: {style.percent(share)} of the {name} model's regions are quiet; the other model's " \
               f"{what} are not known."
    norm = float(np.linalg.norm(dense))
    off = float(np.linalg.norm(pruned - dense)) / norm if norm else 0.0
    return f"{where}: the {what} moved by {style.percent(off)} of their size; quiet regions " \
           f"{style.percent(shares['dense'])} → {style.percent(shares['pruned'])}."
