"""All layers of a feature map for one sentence, moment by moment: regions grow loud and fall quiet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.runs.regions import QUIET
from core.runs.store import Run
from core.views.activations.all_layers import claim_at, heading_at
from core.views.activations.kept_sentence import RULE, layer_words
from core.views.activations.quiet_time import sampled
from core.views.activations.region_film import film as kept
from core.views.activations.region_film import map_title, moment_words
from core.views.drawing import style
from core.views.film import panels
from core.views.film.copies import sequential_palette
from core.views.film.panels import Part
from core.views.film.reel import Film, Reel, column, row

ACROSS = 6  # layers side by side
HIGH, TIME = 190, 96  # pixels of a row of layers, and of the curves
TOP = 2.0  # colours run to this many dense medians


def film(run: Run, probe: str, name: str) -> Film | None:
    """Region norms of feature map *name* of every layer, over the dense median; None where the run kept no moments, or
    not those of every layer.

    Raises InputError for an unknown sentence or map, and for damaged arrays.
    """
    found = kept(run, probe, name)
    frames = [[found.relative(k, i) for i in range(len(found.layers))] for k in range(found.last + 1)]
    if not found.watched or found.last < 1 or any(f is None or not f.size for frame in frames for f in frame):
        return None
    tokens = next(p.tokens for p in run.record.probes if p.id == probe)
    reel = Reel([moment_words(m) for m in found.moments], pace=0.8)
    palette = reel.palette("size", sequential_palette())
    for i, layer in enumerate(found.layers):
        norms = np.stack([np.asarray(frame[i], np.float32) for frame in frames])
        reel.add(f"layer{layer}", panels.pixels(
            layer_words(layer).capitalize(), reel.numbers(norms), palette=palette, limit=TOP, scale="sequential",
            mask=reel.bits(norms >= QUIET), rows=tokens[:norms.shape[1]] if i % ACROSS == 0 else (), stretch=True,
            say=("token", "region", "norm"), gone="quiet", most=40, key=False,
            alt=f"{layer_words(layer)}: {style.percent(found.quiet(0, i))} quiet at first, "
                f"{style.percent(found.quiet(found.last, i))} at the end"))
    reel.add("rule", panels.words("", [f"Grey is quiet. {RULE} Colour ends at twice that median."]))
    says = [claim_at(found, k, name) for k in range(found.last + 1)]
    heads = [heading_at(found, k, name) or words for k, words in enumerate(says)]
    reel.add("claim", panels.words("", heads, large=True, height=30))
    lines = [("sentence", [found.mean_quiet(k) for k in range(found.last + 1)], style.rgba(style.NEGATIVE)),
             ("training", sampled(found, name).mean(axis=1).tolist(), style.rgba(style.SEQUENTIAL_HUE))]
    reel.add("time", panels.curves("", [_strip(lines)], alt=f"Share of quiet regions. {says[-1]}"))
    table = pd.DataFrame({"moment": list(reel.moments)} | {
        f"quiet, {layer_words(layer)}": [found.quiet(k, i) for k in range(found.last + 1)]
        for i, layer in enumerate(found.layers)})
    layers = [f"layer{layer}" for layer in found.layers]
    rows = [row(*(column(n, least=120) for n in layers[i:i + ACROSS]), height=HIGH)
            for i in range(0, len(layers), ACROSS)]
    alt = f"{map_title(name)} of {len(layers)} layers, tokens down, regions across, {len(says)} moments. {says[-1]}"
    return reel.film(says[-1], alt, table, [row(column("claim"), height=30), *rows,
                                             row(column("time"), column("rule", weight=0.5), height=TIME)])


def _strip(lines: list[tuple[str, list[float], str]]) -> Part:
    """The share of quiet regions, mean over layers; curves that are not known are left out."""
    known = [(name, range(len(ys)), ys, colour) for name, ys, colour in lines if np.isfinite(ys).all()]
    top = max([0.05, *(max(ys) for _, _, ys, _ in known)])
    return panels.strip("quiet", known, low=0.0, high=min(1.1 * top, 1.0), form="percent")
