"""What does every group hold? The map of groups, and the way from a ragged histogram to a spike.

Dense weights are hardly ever exactly zero, so for them an entry "counts" when its size is among the largest share of
its matrix. At the share that the pattern keeps, this is what the groups would hold if the largest weights stayed
wherever they are (`occupancy.free/<matrix>` of the record): the ragged histogram that a pattern has to press flat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.runs.store import Run
from core.sparsity.occupancy import free_mask, occupancy
from core.sparsity.patterns import Pattern, parse_pattern
from core.views.drawing import maps, style
from core.views.drawing.build import Part, build, legend_below, map_axis, shared_title, swatch, words_only
from core.views.drawing.view import View
from core.views.patterns import groups
from core.views.weights.pair import FINAL, dense_of, moment_words, moments, whole

NUMBERED = 8  # moments up to which the bars carry their numbers: more of them are too narrow to be read
CELLS = 40_000  # of one map of groups: int8 codes, so about 0.05 MB each
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """What the groups of one matrix hold. `map` is None where only the histogram was kept; both None: nothing was."""

    map: NDArray[np.integer] | None
    histogram: Counts | None  # how many groups hold 0, 1, 2 ... entries
    words: str  # which entries count


def usual_share(run: Run, matrix: str) -> int:
    """The share of *matrix* that stays, in whole percent: where the knob for the dense side starts."""
    return round(100 * next((m.density for m in run.record.matrices if m.name == matrix), 1.0))


def after(run: Run, matrix: str) -> Side:
    """What the groups of the pruned matrix hold. Raises InputError for damaged arrays."""
    pattern = parse_pattern(run.record.spec.pattern)
    mask = whole(run.mask(matrix), run.shape(matrix), f"mask/{matrix} of {run.record.id}")
    if mask is None:
        return Side(None, run.array(f"occupancy/{matrix}"), "kept weights")
    held = occupancy(mask, pattern)
    return Side(held.map, held.histogram, "kept weights")


def before(run: Run, matrix: str, share: int | None = None) -> Side:
    """What the groups of the dense matrix hold of its largest *share* percent; None: of as many as the run keeps."""
    pattern = parse_pattern(run.record.spec.pattern)
    density = next(m.density for m in run.record.matrices if m.name == matrix)
    wanted = density if share is None or share == usual_share(run, matrix) else share / 100
    weight = whole(dense_of(run, matrix), run.shape(matrix), f"weight/{matrix} of {run.record.parent}")
    if weight is None:
        return Side(None, run.array(f"occupancy.free/{matrix}"), f"the largest {style.percent(density)} of the matrix")
    chosen = free_mask(weight, wanted)
    held = occupancy(chosen, pattern)
    least = float(np.abs(weight[chosen != 0]).min(initial=np.inf))
    limit = f", |w| ≥ {least:.3g}" if np.isfinite(least) else ""
    return Side(held.map, held.histogram, f"the largest {style.percent(wanted)} of the matrix{limit}")


# -- the certificate ---------------------------------------------------------------------------------------------

def group_maps(run: Run, matrix: str, share: int | None = None) -> View:
    """How many entries count in every group, before | after. Large matrices: every k-th row (and column) of groups."""
    pattern = parse_pattern(run.record.spec.pattern)
    sides = {"Before: dense": before(run, matrix, share), "After: pruned": after(run, matrix)}
    drawn = [side.map for side in sides.values() if side.map is not None]
    if not drawn:
        return words_only("Neither masks nor dense weights were kept: the counts below are exact, the map of groups is "
                          "not known.")
    step = stride(drawn[0].shape)
    figure = _map_figure(sides, pattern, step, f"{run.record.id}/{matrix}")
    first, last = sides["Before: dense"], sides["After: pruned"]
    where = style.matrix_words(matrix)
    claim = _map_claim(first, last, pattern, where)
    thin = "" if step == (1, 1) else f" Of {step[0] * step[1]} groups one is drawn; the counts are of all."
    size = groups.size_of(pattern)
    table = pd.DataFrame({"entries in the group": groups.class_names(size)} | {
        name: groups.classes(side.histogram) for name, side in sides.items() if side.histogram is not None})
    alt = f"Maps of the {groups.group_words(pattern)} of {where}. {claim}"
    return View(claim, figure, None, alt, table, f"Before counts {first.words}: move the threshold and see where the "
                f"groups fill up.{thin}",
                heading="" if last.histogram is None else
                style.lead(f"{where[0].upper()}{where[1:]}: now {groups.verdict(last.histogram, pattern)}", " ("))


def stride(shape: tuple[int, ...]) -> tuple[int, int]:
    """Which groups of a map `[rows, columns]` are drawn: every k-th row, every l-th column, whole groups always."""
    columns = -(-shape[1] // 256)
    rows = -(-(shape[0] * -(-shape[1] // columns)) // CELLS)
    return rows, columns


def _map_claim(first: Side, last: Side, pattern: Pattern, where: str) -> str:
    allowed = pattern.allowed
    then = "" if last.histogram is None else groups.verdict(last.histogram, pattern)
    if first.histogram is None:
        return f"After: {then}. What the groups held before is not known."
    total = int(first.histogram.sum())
    if allowed is not None:
        off = total - int(first.histogram[allowed])
        ragged = f"In {where}, {style.percent(off / total)} of the groups did not hold {allowed} of the dense " \
                 "weights that count"
    else:
        ragged = f"In {where}, before: {groups.verdict(first.histogram, pattern)}"
    return f"{ragged}; now {then}." if then else f"{ragged}; what they hold now was not kept."


def _map_figure(sides: dict[str, Side], pattern: Pattern, step: tuple[int, int], keep: str) -> go.Figure:
    tones, size = groups.palette(pattern), groups.size_of(pattern)
    names, (r, c) = groups.class_names(size), groups.cell_of(pattern)
    top = len(names) - 1
    steps = [(edge, tone) for k, tone in enumerate(tones) for edge in (k / (top + 1), (k + 1) / (top + 1))]
    data: list[Part] = []
    notes: list[Part] = [shared_title("input")]
    layout: Part = {"margin": {"t": 30, "b": 84, "r": 12}, "legend": _legend(size)}
    for i, (title, side) in enumerate(sides.items()):
        mark, span = ("", [0.0, 0.49]) if i == 0 else ("2", [0.51, 1.0])
        layout[f"xaxis{mark}"] = map_axis(domain=span, anchor=f"y{mark}", nticks=4, **({"matches": "x"} if i else {}))
        layout[f"yaxis{mark}"] = map_axis(anchor=f"x{mark}", showticklabels=i == 0, nticks=4, **(
            {"matches": "y"} if i else {"autorange": "reversed", "title": {"text": "output", "standoff": 4}}))
        note = {"showarrow": False, "x": sum(span) / 2, "xref": "paper", "yref": "paper", "xanchor": "center",
                "font": {"size": 15}}
        notes.append({**note, "text": title, "y": 1, "yanchor": "bottom"})
        if side.map is None:
            notes.append({**note, "text": maps.wrapped("Not kept by this run: see the counts below."), "y": 0.5})
            continue
        codes = groups.class_of(side.map[::step[0], ::step[1]], size).astype(np.int8)
        data.append({"type": "heatmap", "z": codes, "zmin": -0.5, "zmax": top + 0.5, "colorscale": steps,
                     "showscale": False, "x0": (c - 1) / 2, "dx": c * step[1], "y0": (r - 1) / 2, "dy": r * step[0],
                     "xaxis": f"x{mark}", "yaxis": f"y{mark}",
                     "hovertemplate": "output %{y}, inputs around %{x}<br>%{z} count<extra></extra>"})
    data += [swatch(names[k], tones[k]) for k in (range(top + 1) if top <= 8 else groups.few(pattern))]
    return build(data, {**layout, "annotations": notes}, 440, legend=True, revision=keep)


def _legend(size: int) -> Part:
    """One row for the tones of what a group of *size* holds, in the same words under every figure that has them."""
    title = {"text": f"held of {size}", "side": "left", "font": {"size": 14}}
    return {**legend_below(), "traceorder": "normal", "title": title}


# -- from ragged to a spike --------------------------------------------------------------------------------------

def history(run: Run, matrix: str, share: int | None = None) -> View:
    """Shares of groups that hold 0, 1, ... entries: dense, then W at every snapshot, then the end."""
    pattern = parse_pattern(run.record.spec.pattern)
    density = next(m.density for m in run.record.matrices if m.name == matrix)
    wanted = density if share is None or share == usual_share(run, matrix) else share / 100
    columns: dict[str, Counts] = {}
    first = before(run, matrix, share)
    if first.histogram is not None:
        columns["dense"] = first.histogram
    for moment in moments(run, matrix):
        if moment == FINAL:
            continue
        w = whole(run.snapshot(int(moment), "w", matrix), run.shape(matrix), f"snapshot/{moment}/w/{matrix}")
        if w is not None:
            name = f"W, {moment_words(run.record, moment)}"
            columns[name] = occupancy(free_mask(w, wanted), pattern).histogram
    last = after(run, matrix)
    if last.histogram is not None:
        columns["pruned"] = last.histogram
    if not columns:
        return words_only("No counts of this matrix were kept.")
    return history_view(columns, pattern, run, matrix)


def history_view(columns: dict[str, Counts], pattern: Pattern, run: Run, matrix: str) -> View:
    """Stacked bars of *columns* (how many groups of *matrix* hold 0, 1, ... entries, at each moment)."""
    size = groups.size_of(pattern)
    names = groups.class_names(size)
    shares = {k: groups.classes(h) / max(int(h.sum()), 1) for k, h in columns.items()}
    data: list[Part] = []
    for k, (name, tone, ink) in enumerate(zip(names, groups.palette(pattern), groups.inks(pattern), strict=True)):
        heights = [float(s[k]) for s in shares.values()]
        data.append({"type": "bar", "x": list(shares), "y": heights, "name": name,
                     "marker": {"color": tone, "line": {"width": 0}}, "textposition": "inside",
                     "insidetextfont": {"color": ink},
                     "text": [style.percent(v, 2) if v >= 0.06 and len(shares) <= NUMBERED else "" for v in heights],
                     "insidetextanchor": "middle", "textangle": 0, "showlegend": len(names) <= 9,
                     "hovertemplate": f"%{{x}}: %{{y:.1%}} of the groups hold {name}<extra></extra>"})
    if len(names) > 9:
        data += [swatch(names[k], groups.palette(pattern)[k]) for k in groups.few(pattern)]
    figure = build(data, {
        "barmode": "stack", "bargap": 0.25, "margin": {"t": 22, "b": 78, "l": 94},
        "legend": _legend(size),
        "xaxis": _moments(list(shares)),
        "yaxis": {"range": [0, 1], "tickvals": [0, 0.5, 1], "tickformat": ".0%",
                  "title": {"text": "share of the groups"}},
    }, 420, legend=True, revision=f"{run.record.id}/{matrix}")
    table = pd.DataFrame({"entries in the group": names} | {k: groups.classes(h) for k, h in columns.items()})
    claim = _history_claim(columns, pattern)
    alt = f"Stacked shares of groups by what they hold: {', '.join(columns)}. {claim}"
    return View(claim, figure, None, alt, table,
                "Choose 1:4 and 2:4 of the same method: the harder the pattern, the further the groups had to go.",
                heading=_history_heading(columns, pattern))


def _moments(names: list[str], most: int = 7) -> Part:
    """The axis of the moments: at most *most* of them named, the first and the last always."""
    every = sorted({round(k * (len(names) - 1) / (most - 1)) for k in range(most)})
    return {"tickvals": [names[k] for k in every], "ticktext": [names[k].removeprefix("W, ") for k in every],
            "tickangle": 0}


def _history_heading(columns: dict[str, Counts], pattern: Pattern) -> str:
    if pattern.allowed is None:
        return style.lead(_history_claim(columns, pattern), " (", ";")
    name, first = next(iter(columns.items()))
    share = float(first[pattern.allowed] / max(int(first.sum()), 1))
    return f"At first ({name}) {style.percent(share)} of the groups held exactly {pattern.allowed} of " \
           f"{groups.size_of(pattern)}."


def _history_claim(columns: dict[str, Counts], pattern: Pattern) -> str:
    allowed, parts = pattern.allowed, list(columns.items())
    if allowed is None:
        return f"{parts[0][0].capitalize()}: {groups.verdict(parts[0][1], pattern)}; " \
               f"{parts[-1][0]}: {groups.verdict(parts[-1][1], pattern)}."
    hits = {name: float(h[allowed] / max(int(h.sum()), 1)) for name, h in parts}
    walk = " → ".join(style.percent(v) for v in hits.values())
    names = f" ({' → '.join(hits)})" if len(hits) < 4 else f", from {parts[0][0]} to {parts[-1][0]}"
    return f"Groups that hold exactly {allowed} of {groups.size_of(pattern)}: {walk}{names}."
