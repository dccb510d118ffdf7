"""Every matrix of a model as a small picture of its first weights, the same part in one column, layer under layer.

Three walls play side by side: what a run begins with, where it stands, and the signed difference; or two runs and
theirs. A pruned weight counts as zero. Every matrix has its own range, as everywhere: the 99.5th percentile of its
dense |w|.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.filmed import PRUNED, Filmed, Frame, filmed
from core.runs.names import layer_of, matrix_words, part_of
from core.runs.store import Run
from core.views.drawing import maps, style
from core.views.film import panels
from core.views.film.panels import Part
from core.views.film.reel import Film, Reel, column, evenly, row
from core.views.film.timeline import Timeline

MOST = 24  # moments of a wall
BYTES = 1_300_000  # of its pictures; the rest is words
WIDE = 880  # pixels for three walls on a small screen, at two pixels a weight
SIZES = (64, 48, 40, 32, 24, 20, 16)  # weights a side of a picture: whole groups of the usual M
BESIDE = 3  # pictures in a row, where a model has few layers
SHORT = {"attention output": "att. out"}  # names that must fit over a small picture

Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class _Side:
    """One run on a wall: its timeline and the codes of its pictures, `[moments, matrices, side, side]`."""

    line: Timeline
    codes: Codes
    names: tuple[str, ...]


def alone(run: Run) -> Film | None:
    """Dense, now, and the difference of one run, moment by moment. None when it kept no weights."""
    found = _read(run)
    if not found:
        return None
    side = _side(found, _size(found, arrays=1))
    first, last = side.codes[:1], side.codes[-1]
    changed = _changed(first[0], last)
    claim = f"{style.percent(_zeros(last))} of the weights shown have gone at the end."
    return _film(side, (("Dense" if side.line.phases[0] == "dense" else "At first", first), ("Now", side.codes)),
                 claim, f"between the two {style.percent(changed)} of what is shown has another colour")


def between(runs: Sequence[Run]) -> Film | None:
    """Two runs of one model and their difference, B - A, at the same moment of each. None when one kept no weights.

    Moments are those of the run that has more; the other shows what it has of the same phase, at the same share of it.
    Raises InputError for runs whose matrices are not the same.
    """
    read = [_read(run) for run in runs[:2]]
    if len(read) < 2 or not all(read):
        return None
    if [(f.matrix, f.shape) for f in read[0]] != [(f.matrix, f.shape) for f in read[1]]:
        raise InputError("These two runs do not have the same matrices", "two runs of one model",
                         "Choose another run to compare with.")
    size = _size(max(read, key=lambda r: len(r[0].frames)), arrays=2)
    sides = [_side(found, size) for found in read]
    lead = max(sides, key=lambda s: s.line.last)
    both = [_aligned(side, lead.line) for side in sides]
    changed = _changed(both[0].codes[-1], both[1].codes[-1])
    claim = f"At the end {style.percent(changed)} of the weights shown differ between the two runs."
    return _film(lead, (("A", both[0].codes), ("B", both[1].codes)), claim, "moments of one phase stand side by side")


# -- pictures ----------------------------------------------------------------------------------------------------


def _read(run: Run) -> list[Filmed]:
    """The films of all matrices; those of which nothing was kept are left out."""
    return [found for m in run.record.matrices if (found := filmed(run, m.name)).frames]


def corner(found: Filmed, frame: Frame, rows: int, columns: int) -> Codes:
    """Codes of the first weights of *frame*, at most *rows* x *columns*; what is pruned is grey once W obeys."""
    mask = frame.mask[:rows, :columns] if frame.mask is not None and frame.phase in PRUNED else None
    return style.diverging_codes(frame.w[:rows, :columns], found.limit, mask)


def _side(found: Sequence[Filmed], size: int) -> _Side:
    line = found[0].frames
    ends = [k for k, f in enumerate(line) if f.phase in ("dense", "hard-pruned", "final")]
    kept = evenly(len(line), MOST, ends)
    codes = np.full((len(kept), len(found), size, size), style.ZERO_CODE, np.uint8)
    for n, matrix in enumerate(found):
        for at, k in enumerate(kept):
            if k >= len(matrix.frames):
                continue
            drawn = corner(matrix, matrix.frames[k], size, size)
            codes[at, n, :drawn.shape[0], :drawn.shape[1]] = drawn
    moments = [line[k] for k in kept]
    return _Side(Timeline(tuple(f.phase for f in moments), tuple(f.step for f in moments)), codes,
                 tuple(f.matrix for f in found))


def _size(found: Sequence[Filmed], arrays: int) -> int:
    """The most weights a side with which the pictures fit screen and bytes."""
    across = len(_columns([f.matrix for f in found]))
    moments = min(len(found[0].frames), MOST)
    largest = max(max(f.frames[0].w.shape) for f in found)
    for size in SIZES:
        cell = 2 if size < 64 else 1
        wide = 3 * (26 + across * (cell * size + 3))
        if size <= largest and wide <= WIDE and moments * arrays * len(found) * size**2 <= BYTES:
            return size
    return SIZES[-1]


def _columns(names: Sequence[str]) -> list[str]:
    """What stands over the columns: the parts of a layer; nothing where a layer takes two rows."""
    layers, parts = maps.places(list(names))
    return [""] * BESIDE if len(layers) <= BESIDE < len(parts) else parts


def _cells(names: Sequence[str]) -> tuple[list[Part], list[str], list[str]]:
    """Name, row and column of every picture; the names of rows and columns."""
    layers, parts = maps.places(list(names))
    cols = _columns(names)
    deep = -(-len(parts) // len(cols))
    cells = []
    for name in names:
        part = parts.index(part_of(name))
        cells.append({"name": name, "words": f"{matrix_words(name)}: open it", "column": part % len(cols),
                      "row": layers.index(layer_of(name) or 0) * deep + part // len(cols)})
    rows = [(f"L{layer}" if layer else "") if n == 0 else "" for layer in layers for n in range(deep)]
    return cells, rows, [SHORT.get(name, name) for name in cols]


def _aligned(side: _Side, line: Timeline) -> _Side:
    """*side* at the moments of *line*: the same phase, the same share of it; else the phase before."""
    places = []
    for k, phase in enumerate(line.phases):
        own = [i for i, p in enumerate(side.line.phases) if p == phase]
        theirs = [i for i, p in enumerate(line.phases) if p == phase]
        if own:
            share = theirs.index(k) / max(len(theirs) - 1, 1)
            places.append(own[round(share * (len(own) - 1))])
        else:
            places.append(places[-1] if places else 0)
    return _Side(line, side.codes[places], side.names)


def _changed(before: Codes, after: Codes) -> float:
    """Share of the pictures' cells that do not look alike, by more than a hundredth of the range."""
    flat = [np.where(codes == style.PRUNED_CODE, style.ZERO_CODE, codes).astype(np.int16) for codes in (before, after)]
    return float((np.abs(flat[1] - flat[0]) > 1).mean())


def _zeros(codes: Codes) -> float:
    return float((codes == style.PRUNED_CODE).mean())


# -- the film ----------------------------------------------------------------------------------------------------


def _film(lead: _Side, sides: Sequence[tuple[str, Codes]], claim: str, more: str) -> Film:
    line, size = lead.line, lead.codes.shape[-1]
    reel = Reel(line.words(), line.spans(), pace=max(0.3, min(0.8, 12 / max(line.last, 1))))
    palette = reel.palette("weights", style.diverging_palette())
    cells, rows, cols = _cells(lead.names)
    grain = f"first {size} × {size} weights of each"
    arrays = [reel.codes(codes) for _, codes in sides]
    for n, (title, _) in enumerate(sides):
        reel.add(f"side{n}", panels.wall(title, arrays[n], palette=palette, cells=cells, rows=rows, cols=cols,
                                         note=grain if n == 0 else "grey: pruned",
                                         alt=f"{title}: {len(cells)} matrices, {grain}"))
    names = f"{sides[1][0]} − {sides[0][0]}"
    reel.add("change", panels.wall(names, arrays[1], palette=palette, cells=cells, rows=rows, cols=cols,
                                   minus=arrays[0], note="blue more, orange less",
                                   alt=f"Signed difference of {len(cells)} matrices"))
    import pandas as pd

    table = pd.DataFrame({"moment": line.words(), **{
        f"zeros, {title}": [_zeros(codes[min(k, len(codes) - 1)]) for k in range(line.last + 1)]
        for title, codes in sides}})
    alt = f"Walls of {len(cells)} matrices over {line.last + 1} moments, {grain}; {more}."
    return reel.film(claim, alt, table, [row(column("side0"), column("side1"), column("change"))])
