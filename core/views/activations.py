"""What does the network feel? Activations of the probe sentences, dense and pruned, and what they lead to.

A *region* is one token's run of 16 features. It is *quiet* when its norm is under a quarter of the dense model's median
region norm (same sentence, same layer). The share of quiet regions is the regional sparsity. Activations are stored as
int8 codes with one scale per sentence and layer: differences under about 1 % of the largest are rounding.
"""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.errors import InputError, unknown
from core.runs.records import Probe
from core.runs.store import Run
from core.views import maps, style
from core.views.build import Part, build, map_axis, words_only
from core.views.view import View

REGION = 16  # features
QUIET = 0.25  # of the dense model's median region norm
TOKENS = 32  # drawn at most
RULE = f"A region is one token × {REGION} features; it is quiet under {QUIET:g} × the dense model's median region norm."
Floats = NDArray[np.float32]


def probe_of(run: Run, probe: str) -> Probe:
    """The probe sentence *probe* as this run saw it. Raises InputError for one it has not."""
    found = next((p for p in run.record.probes if p.id == probe), None)
    if found is None:
        raise unknown("sentence", probe, [p.id for p in run.record.probes])
    return found


def dense_probe(run: Run, probe: str) -> Probe | None:
    """The same sentence as the dense parent saw it, or None."""
    return None if run.parent is None else next((p for p in run.parent.record.probes if p.id == probe), None)


def words_of(probe: Probe) -> str:
    """The sentence (pair) as a person reads it."""
    return probe.text if probe.text_pair is None else f"{probe.text} / {probe.text_pair}"


def region_norms(values: NDArray[np.floating]) -> Floats:
    """Norms of the regions of `[tokens, features]`: `[tokens, ceil(features / 16)]`. The last may be narrower."""
    squares = np.square(values.astype(np.float32))
    return np.sqrt(np.add.reduceat(squares, range(0, values.shape[1], REGION), axis=1))


def quiet_share(values: NDArray[np.floating], dense: NDArray[np.floating]) -> float:
    """Share of the regions of *values* that are quiet, measured against *dense* `[tokens, features]`."""
    return float((region_norms(values) < QUIET * np.median(region_norms(dense))).mean())


def softmax(logits: list[float]) -> NDArray[np.float64]:
    """Probabilities of *logits*."""
    powers = np.exp(np.asarray(logits, dtype=np.float64) - max(logits))
    return powers / powers.sum()


# -- the answer --------------------------------------------------------------------------------------------------

def answer(run: Run, probe: str) -> View:
    """What the model answers, dense and pruned, and by what margin over the next best answer."""
    now, then = probe_of(run, probe), dense_probe(run, probe)
    sides = {name: p.logits for name, p in (("dense", then), ("pruned", now)) if p is not None and p.logits}
    if not sides:
        return words_only("The answer to this sentence was not kept.")
    if any(len(v) == 1 for v in sides.values()):
        return _number_answer(sides)
    chances = {name: softmax(values) for name, values in sides.items()}
    classes = max(len(c) for c in chances.values())
    labels = run.record.labels if len(run.record.labels) == classes else [f"class {i}" for i in range(classes)]
    safe = [html.escape(label) for label in labels]
    data = [{"type": "bar", "orientation": "h", "y": safe, "x": chance, "name": name, "textposition": "auto",
             "text": [style.percent(float(v)) for v in chance], "marker": {"color": _side_colour(run, name)},
             "hovertemplate": f"{name}: %{{y}} %{{x:.1%}}<extra></extra>"} for name, chance in chances.items()]
    figure = build(data, {
        "barmode": "group", "bargap": 0.25, "margin": {"l": 150}, "xaxis": {"range": [0, 1], "tickformat": ".0%"},
        "yaxis": {"autorange": "reversed"}}, 130 + 46 * classes, legend=True, revision=run.record.id)
    claim = _answer_claim(chances, labels)
    table = pd.DataFrame({"answer": labels} | dict(chances))
    return View(claim, figure, None, f"Bars of the probability of each answer. {claim}", table, "")


def _side_colour(run: Run, side: str) -> str:
    return style.colour("dense" if side == "dense" else run.record.spec.method)


def _answer_claim(chances: dict[str, NDArray[np.float64]], labels: list[str]) -> str:
    def said(chance: NDArray[np.float64]) -> str:
        return f"“{labels[int(chance.argmax())]}” ({style.percent(float(chance.max()))})"

    pruned = chances.get("pruned")
    dense = chances.get("dense")
    if pruned is None or dense is None:
        (name, only), = chances.items()
        return f"The {name} model says {said(only)}; what the other one says is not known."
    top = int(dense.argmax())
    margins = [float(c[top] - np.delete(c, top).max()) for c in (dense, pruned)]
    before, after = (f"{100 * m:.1f}".replace("-", "−") for m in margins)
    change = f"its lead over the next answer goes from {before} to {after} percentage points"
    if int(pruned.argmax()) == top:
        return f"Both models say {said(pruned)}; {change}."
    return f"The answer flips: dense says {said(dense)}, pruned {said(pruned)}; {change}."


def _number_answer(sides: dict[str, list[float]]) -> View:
    values = {name: logits[0] for name, logits in sides.items()}
    claim = "; ".join(f"the {name} model says {value:.2f}" for name, value in values.items())
    return words_only(f"{claim[0].upper()}{claim[1:]}.", pd.DataFrame([values]))


# -- token x feature ---------------------------------------------------------------------------------------------

def _pair(run: Run, probe: str, layer: int) -> tuple[Floats | None, Floats | None]:
    """Activations of *layer*, dense and pruned. A parent that cannot be read counts as missing."""
    try:
        dense = None if run.parent is None else run.parent.activation(probe, layer)
    except InputError:
        dense = None
    pruned = run.activation(probe, layer)
    if dense is not None and pruned is not None and dense.shape != pruned.shape:
        dense = None
    cut = slice(0, TOKENS)
    return None if dense is None else dense[cut], None if pruned is None else pruned[cut]


def tokens_of(run: Run, probe: str) -> list[str]:
    """The tokens on an axis; cut at TOKENS."""
    return probe_of(run, probe).tokens[:TOKENS]


def layer_words(layer: int) -> str:
    """Layer 0 is what the embeddings put out."""
    return f"layer {layer}" if layer else "embeddings"


def features(run: Run, probe: str, layer: int) -> View:
    """Token x feature of one layer: dense, pruned, difference, in one fixed colour range."""
    dense, pruned = _pair(run, probe, layer)
    if pruned is None and dense is None:
        return words_only(f"This run kept no activations of {_of(layer_words(layer))}: its level leaves them out.")
    known = dense if dense is not None else pruned
    assert known is not None  # one of the two is there
    limit = maps.limit_of(known)
    change = None if dense is None or pruned is None else pruned - dense
    why = "Not kept by this run." if dense is not None else \
        "Not kept: the dense run or its activations are not in the store."
    shares = {name: quiet_share(v, known) for name, v in (("dense", dense), ("pruned", pruned)) if v is not None}
    panels = [maps.Panel(_title("Dense", shares.get("dense")), dense, limit=limit, why=why, unit="activation"),
              maps.Panel(_title("Pruned", shares.get("pruned")), pruned, limit=limit, why=why, unit="activation"),
              maps.Panel("Difference: pruned − dense", change, limit=limit, why=why, unit="difference")]
    tokens = tokens_of(run, probe)
    side = min(max(18 * len(tokens), 120), 340)
    figure = maps.draw(panels, maps.Axes("feature", "", rows=tokens), height=3 * side + 180, stacked=True,
                       keep=f"{run.record.id}/{probe}/{layer}", room={"l": 100},
                       tick=min(14, int(0.85 * side / max(len(tokens), 1))))
    claim = _feature_claim(dense, pruned, shares, layer)
    table = pd.DataFrame([{"side": name, "quiet regions": share, "layer": layer} for name, share in shares.items()])
    alt = f"{len(tokens)} tokens × {known.shape[1]} features. {claim}"
    return View(claim, figure, None, alt, table,
                f"{RULE} Colours run to ±{limit:.2g}, the 99.5th percentile of the dense model here.")


def _title(name: str, share: float | None) -> str:
    return name if share is None else f"{name} · {style.percent(share)} of the regions quiet"


def _feature_claim(dense: Floats | None, pruned: Floats | None, shares: dict[str, float], layer: int) -> str:
    where = layer_words(layer).capitalize()
    if dense is None or pruned is None:
        name, share = next(iter(shares.items()))
        return f"{where}: {style.percent(share)} of the {name} model's regions are quiet; the other model's " \
               "activations are not known."
    norm = float(np.linalg.norm(dense))
    off = float(np.linalg.norm(pruned - dense)) / norm if norm else 0.0
    return f"{where}: the activations moved by {style.percent(off)} of their size; quiet regions " \
           f"{style.percent(shares['dense'])} → {style.percent(shares['pruned'])}."


# -- all layers --------------------------------------------------------------------------------------------------

def layers(run: Run, probe: str) -> View:
    """Region norms of every layer as small maps: dense above, pruned below, the quiet share written on each."""
    pairs = {k: _pair(run, probe, k) for k in range(run.record.layers + 1)}
    pairs = {k: pair for k, pair in pairs.items() if pair[0] is not None or pair[1] is not None}
    if not pairs:
        return words_only("This run kept no activations: its record level leaves them out.")
    norms, shares = {}, []
    for k, pair in pairs.items():
        known = pair[0] if pair[0] is not None else pair[1]
        middle = float(np.median(region_norms(known))) or 1.0  # type: ignore[arg-type]
        norms[k] = [None if v is None else region_norms(v) / middle for v in pair]
        quiet = [np.nan if v is None else quiet_share(v, known) for v in pair]  # type: ignore[arg-type]
        shares.append({"layer": layer_words(k), "dense": quiet[0], "pruned": quiet[1]})
    table = pd.DataFrame(shares)
    claim = _layers_claim(table, run.record.sparsity)
    figure = _small_maps(norms, table, f"{run.record.id}/{probe}")
    return View(claim, figure, None, f"Small maps of region norms for {len(norms)} layers. {claim}", table,
                f"{RULE} Colours run from 0 to twice that median, layer by layer.")


def _layers_claim(table: pd.DataFrame, sparsity: float) -> str:
    if table["pruned"].isna().all() or table["dense"].isna().all():
        name = "dense" if table["pruned"].isna().all() else "pruned"
        return f"Quiet regions of the {name} model: {style.percent(float(table[name].mean()))} over all layers; the " \
               "other model's activations are not known."
    gap = (table["pruned"] - table["dense"]).abs()
    worst = table.iloc[int(gap.argmax())]
    both = f"{style.percent(float(table['dense'].mean()))} → {style.percent(float(table['pruned'].mean()))}"
    head = f"{style.percent(sparsity)} of the weights are zero; quiet regions over all layers: {both}"
    where = f"the largest change in {_of(str(worst['layer']))}" if gap.max() > 0 else "no layer changed"
    return f"{head}, {where}."


def _of(layer: str) -> str:
    return f"the {layer}" if layer == layer_words(0) else layer


def _small_maps(norms: dict[int, list[Floats | None]], table: pd.DataFrame, keep: str) -> go.Figure:
    """One heatmap holds all tiles, with gaps between them: a browser paints it as fast as one."""
    known = next(v for pair in norms.values() for v in pair if v is not None)
    rows, cols = known.shape
    gap = max(cols // 8, 1)
    down, across = rows + max(rows // 4, 2), cols + gap
    sheet = np.full((down + rows, across * len(norms) - gap), np.nan, np.float32)
    notes: list[Part] = []
    boxes: list[Part] = []
    for i, pair in enumerate(norms.values()):
        for j, values in enumerate(pair):
            if values is not None and values.shape == known.shape:
                sheet[j * down:j * down + rows, i * across:i * across + cols] = values
            share = table.iloc[i]["dense" if j == 0 else "pruned"]
            notes.append({"text": style.percent(float(share)) if np.isfinite(share) else "not kept", "showarrow": False,
                          "x": i * across + (cols - 1) / 2, "y": j * down - 0.6, "yanchor": "bottom",
                          "font": {"size": 14}})
            boxes.append({"type": "rect", "x0": i * across - 0.5, "x1": i * across + cols - 0.5, "y0": j * down - 0.5,
                          "y1": j * down + rows - 0.5, "line": {"width": 1, "color": style.RULE}})
    bar = {"thickness": 8, "outlinewidth": 0, "tickvals": [0, 1, 2], "x": 1.005, "ticktext": ["0", "median", "2 ×"]}
    middles = [i * across + (cols - 1) / 2 for i in range(len(norms))]
    return build([{"type": "heatmap", "z": sheet, "zmin": 0, "zmax": 2, "colorscale": style.SEQUENTIAL,
                   "hoverinfo": "skip", "hoverongaps": False, "colorbar": bar}], {
        "margin": {"l": 78, "t": 12, "b": 36, "r": 90}, "annotations": notes, "shapes": boxes,
        "xaxis": map_axis(tickvals=middles, ticktext=list(table["layer"])),
        "yaxis": map_axis(tickvals=[(rows - 1) / 2, down + (rows - 1) / 2], ticktext=["dense", "pruned"],
                          range=[down + rows - 0.5, -0.5 - max(rows // 4, 2)])}, 360, revision=keep)


# -- attention ---------------------------------------------------------------------------------------------------

ATTENTION_TOP = 0.5  # the colour range of every attention map ends here; larger shares are drawn as this


def attention(run: Run, probe: str, layer: int, head: int) -> View:
    """Who looks at whom: attention of one head, dense | pruned. Raises InputError for a head that is not there."""
    if not 1 <= head <= max(run.record.heads, 1):
        raise InputError(f"There is no head {head}", f"1 to {run.record.heads}", "Choose one from the list.")
    try:
        dense = None if run.parent is None else run.parent.attention(probe, layer)
    except InputError:
        dense = None
    now = run.attention(probe, layer)
    sides = [None if a is None else a[head - 1, :TOKENS, :TOKENS] for a in (dense, now)]
    if sides[0] is None and sides[1] is None:
        return words_only("No attention was kept." if layer else
                          "The embeddings have no attention: choose a layer from 1 on.")
    tokens = tokens_of(run, probe)
    panels = [maps.Panel(title, side, "sequential", ATTENTION_TOP, why="Not kept.", unit="attention")
              for title, side in zip(("Dense", "Pruned"), sides, strict=True)]
    figure = maps.draw(panels, maps.Axes("looks at", "token", rows=tokens, cols=tokens), height=560,
                       keep=f"{run.record.id}/{probe}/{layer}/{head}", room={"l": 110, "b": 170}, tick=14)
    claim, table = _attention_claim(sides, tokens, layer, head)
    return View(claim, figure, None, f"Attention of {len(tokens)} tokens. {claim}", table,
                f"Each row adds up to 1; colours end at {ATTENTION_TOP:g}. Heads that look only at [SEP] rest.")


def _attention_claim(sides: list[Floats | None], tokens: list[str], layer: int, head: int) -> tuple[str, pd.DataFrame]:
    name, size = f"Head {head} of layer {layer}", len(tokens)
    known = [(side, words) for side, words in zip(sides, ("dense", "pruned"), strict=True) if side is not None]
    rows = [{"token": tokens[i]} | {f"{words} looks most at": tokens[int(side[i].argmax())] for side, words in known}
            for i in range(size)]
    if sides[0] is None or sides[1] is None:
        return f"{name}: only one of the two models' attention was kept.", pd.DataFrame(rows)
    moved = float(np.abs(sides[0] - sides[1]).sum(axis=1).mean() / 2)
    turned = int((sides[0].argmax(axis=1) != sides[1].argmax(axis=1)).sum())
    claim = f"{name}: {style.percent(moved)} of the attention went to other tokens; {turned} of {size} tokens now " \
            "look mostly at another one."
    return claim, pd.DataFrame(rows)
