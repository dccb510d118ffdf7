"""The layer lab as a film: W beside Z as single weights, a group, what every output loses, the curves as time axis."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.lab.results_layer import Floats, LayerPath
from core.runs.filmed import Filmed, Frame, histogram, kept_by_group, largest_by_group, limit_of
from core.sparsity.patterns import Pattern, parse_pattern
from core.views.drawing import maps, style
from core.views.film import copies as copying
from core.views.film import panels
from core.views.film.copies import Cut, copies, cut_of, fullness, whole_matrix
from core.views.film.panels import Part
from core.views.film.reel import Film, Reel, column, row
from core.views.film.watch import busiest
from core.views.patterns import groups
from core.views.touch.layerlab_levels import levels_of_w, stored
from core.views.touch.layerlab_levels import said as levels_said
from core.views.touch.layerlab_time import claim, rank, said, strips

LOW = 190  # pixels of the row with the time axis
SAYS = 28  # pixels of the sentence
GRID = 130  # pixels of the row with the levels
SECONDS = 14.0  # that the whole film takes
BARS = 64  # outputs with a bar of their own
ROOM = 1.25  # of the answer's largest bar: so high the bars may be at every stop
MILLION = 1_000_000  # the bars hold whole numbers: shares in millionths
DENSE, NOW = style.rgba(style.SEQUENTIAL_HUE, 0.55), style.rgba(style.NEGATIVE)  # W + U as in Watch


def film(path: LayerPath, lines: Mapping[str, float], pinned: LayerPath | None = None, top: int = 0,
         left: int = 0) -> Film:
    """The stops of *path*. *lines*: the error of every layer method at its defaults; *pinned*: a path of the same layer
    to compare with; *top*, *left*: where a large matrix is looked at."""
    pattern, stops = parse_pattern(path.pattern), range(len(path.stops))
    cut = cut_of(_shape(path), pattern.grouping.cell, top, left)
    start, cell = (cut[0].start, cut[1].start), pattern.grouping.cell or (1, groups.size_of(pattern))
    reel = Reel([path.words(k) for k in stops], pace=max(0.35, min(0.8, SECONDS / max(path.last, 1))))
    found = _filmed(path, pattern, cut)
    reel.add("say", panels.words("", [said(path, k, lines, pinned) for k in stops], large=True, height=SAYS))
    rules = style.pattern_words(pattern.name, 0 if path.grid is None else path.grid.bits)
    _, target, mask = copies(reel, found, (slice(None), slice(None)), rules, cell, start)
    maps_of = [column("w"), column("z")]
    if pinned is not None:
        _pinned(reel, path, pinned, cut, cell, found.limit)
        maps_of.append(column("pinned"))
    reel.add("held", fullness(reel, found))
    reel.add("lost", _lost(reel, path))
    reel.add("group", panels.columns(
        "One group", [("dense", reel.numbers(path.weight[cut][None]), DENSE), ("W + U", target, NOW)],
        follows="weights", group=cell, mask=mask, note="click another", first=_first(found, cell),
        alt="The weights of the chosen group as bars; the largest by W + U stay"))
    reel.add("time", panels.curves("", strips(path, lines, pinned), alt=_time_alt(path)))
    below = [column("time", weight=2.2, least=330), column("group", least=170)]
    if found.frames[0].w.shape != _shape(path):
        reel.add("whole", whole_matrix(reel, _means(path), _shape(path), cut, pick=True))
        below.insert(0, column("whole", weight=0.55, least=110))
    rows = [row(column("say"), height=SAYS), row(*maps_of, column("held", "lost", least=170)),
            row(*below, height=LOW)]
    if path.grid is not None and (names := levels_of_w(reel, path)):
        reel.add("near", panels.words("", [levels_said(path, k) for k in stops], height=SAYS))
        rows.append(row(column("near"), height=SAYS))
        rows.append(row(*(column(name) for name in names), height=GRID))
    return reel.film(claim(path), _alt(path, found, lines), _table(path, lines, pinned), rows, bar=1)


def clicked(path: LayerPath, cell: str) -> tuple[int, int] | None:
    """The first row and column to show once "row,column" of the picture of the whole layer was clicked."""
    return copying.clicked(_means(path).shape, _shape(path), cell)


def _means(path: LayerPath) -> Floats:
    multiple = parse_pattern(path.pattern).multiple
    return maps.means_over(np.abs(path.weight), *maps.block_size(_shape(path), multiple, 32))


def _shape(path: LayerPath) -> tuple[int, int]:
    rows, cols = path.weight.shape
    return rows, cols


def _filmed(path: LayerPath, pattern: Pattern, cut: Cut) -> Filmed:
    """The path as a film of the weights of *cut*; what is counted is counted of the whole layer."""
    frames, limit = [], limit_of(path.weight)
    for k, stop in enumerate(path.stops):
        answer, mask, w = stop.round > path.rounds, path.mask(k), path.w(k)
        # On a grid Z is not V under its mask: what stays is Z, what goes is the point that was projected.
        target = np.where(mask[cut] != 0, path.z(k)[cut], stop.v[cut].astype(np.float32))
        kept, gone = histogram(w, mask, limit)
        held = kept_by_group(mask, pattern) if answer else largest_by_group(w, float(mask.mean()), pattern)
        shown = path.z(k)[cut] if answer else w[cut]
        frames.append(Frame("layer-wise", stop.round, None, None, shown, target - shown, mask[cut], kept, gone, held))
    return Filmed(path.matrix, _shape(path), False, limit, pattern, frames)


def _first(found: Filmed, cell: tuple[int, int]) -> tuple[int, int]:
    masks = np.stack([f.mask for f in found.frames if f.mask is not None])
    return busiest(masks, np.stack([f.w if f.u is None else f.w + f.u for f in found.frames]), cell)


def _pinned(reel: Reel, path: LayerPath, pinned: LayerPath, cut: Cut, cell: tuple[int, int], limit: float) -> None:
    answer = pinned.z(pinned.last)[cut]
    gaps = np.stack([path.z(k)[cut] - answer for k in range(len(path.stops))])
    codes = np.rint(np.clip(gaps / limit, -1, 1) * 127 + style.ZERO_CODE).clip(0, 254).astype(np.uint8)
    reel.add("pinned", panels.pixels(
        "Z − pinned", reel.codes(codes), palette="weights", limit=limit, scale="codes", lead=True, link="weights",
        group=cell, key=False, note="its answer", say=("output", "input", "code"), start=(cut[0].start, cut[1].start),
        alt=f"Z minus the pinned answer, range ±{limit:.2g}"))


def _lost(reel: Reel, path: LayerPath) -> Part:
    """What every output loses of its own, in one range for all stops; of many outputs, several to a bar.

    The range is that of the answer, with some room: before it outputs may lose ten times as much, and in a range that
    held them too the answer would be a line on the floor.
    """
    rows = -(-len(path.energy) // BARS)
    shares = np.stack([_by_rows(path, k, rows) for k in range(len(path.stops))])
    count, most = shares.shape[1], float(shares.max())
    top = min(most, ROOM * float(shares[-1].max())) or most
    named = [f"output {i * rows}" if rows == 1 else f"outputs {i * rows}–{min((i + 1) * rows, len(path.energy)) - 1}"
             for i in range(count)]
    return panels.bars(
        "Loss by output", [("lost", reel.counts(np.rint(shares * MILLION).astype(np.int64).clip(0, 2**31 - 1)),
                                    style.colour(path.method))],
        top=max(top * MILLION, 1.0), share=MILLION,
        note=f"up to {loss_of(top)}{', higher ones cut' if top < most else ''}",
        ticks=[(0, "0"), (count, f"{len(path.energy) - 1}")], alt=_worst(path, path.last), hover=named,
        counted=False)


def loss_of(share: float) -> str:
    """A share in few digits."""
    return style.percent(share, 2)


def _by_rows(path: LayerPath, k: int, rows: int) -> Floats:
    """Share of the output lost at stop *k*, over every *rows* outputs together."""
    starts = np.arange(0, len(path.energy), rows)
    energy = np.add.reduceat(path.energy, starts)
    lost = np.add.reduceat(path.stops[k].rows, starts)
    return np.divide(lost, energy, out=np.zeros_like(energy), where=energy > 0)


def _worst(path: LayerPath, k: int) -> str:
    lost = path.lost(k)
    worst = int(np.argmax(lost))
    return f"Output {worst} loses most, {loss_of(float(lost[worst]))}"


def _time_alt(path: LayerPath) -> str:
    if not path.rounds:
        return f"{path.title} goes over the layer once: no rounds"
    return f"Time axis over {path.rounds} rounds; primal residual from {path.primal[0]:.2g} to {path.primal[-1]:.2g}"


def _alt(path: LayerPath, found: Filmed, lines: Mapping[str, float]) -> str:
    rows, cols = found.frames[0].w.shape
    part = "" if (rows, cols) == _shape(path) else f"{rows} × {cols} of "
    grid = "" if path.grid is None else f" {levels_said(path, path.last)} {stored(path, path.last)}"
    shape = f"{part}{path.weight.shape[0]} × {path.weight.shape[1]} weights"
    return f"{claim(path)}{rank(path, lines)} W and Z of {style.matrix_words(path.matrix)}, {shape}, " \
           f"{len(path.stops)} moments. In Z, {groups.exactness(path.mask(path.last), found.pattern)}. " \
           f"{_worst(path, path.last)}.{grid}"


def _table(path: LayerPath, lines: Mapping[str, float], pinned: LayerPath | None) -> pd.DataFrame:
    """A row a stop, then one a method at its defaults."""
    rows = [{"method": p.title, "moment": p.words(k), "outputs lost": float(p.errors[k]),
             "mask kept": float(p.mask(k).mean())} for p in (path, pinned) if p is not None
            for k in range(len(p.stops))]
    rows += [{"method": style.method_title(name), "moment": "the answer", "outputs lost": value} for name, value in
             lines.items()]
    return pd.DataFrame(rows)
