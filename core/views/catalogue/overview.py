"""The first page: one matrix on its way from dense to pruned, and three numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.records import RunRecord
from core.runs.store import Run
from core.sparsity.patterns import parse_pattern
from core.views.drawing import style
from core.views.drawing.view import Number, View

TILES = 7  # at most: more would be too small to read from the last row
CELLS = 32  # rows of a tile, and its inputs when there are many tiles
SCALE = 10  # pixels a cell
GAP = 2  # cells between two tiles
LOW = 0.05  # a dense score nearer to zero than this: no share of it means anything


@dataclass(frozen=True)
class Tile:
    """One moment of the matrix: signed palette codes of its corner `[rows, cols]`, and what stands under it."""

    codes: NDArray[np.uint8]
    title: str
    note: str
    zeros: float  # share of exact zeros in the whole matrix


@dataclass(frozen=True)
class Strip:
    """The wide picture. Light on purpose: the first page shows it before Plotly or pandas is imported."""

    claim: str
    image: bytes
    alt: str
    legend: str
    tiles: tuple[tuple[str, str, float], ...]  # title, note, share of zeros
    gap: float  # width of a gap, as a share of the picture's width

    def view(self) -> View:
        """The same as a `View`, with its table."""
        import pandas as pd

        table = pd.DataFrame(self.tiles, columns=["moment", "note", "share of zeros"])
        return View(self.claim, None, self.image, self.alt, table, "")


def strip(run: Run) -> Strip | None:
    """The corner of one matrix as a row of tiles: dense, ADMM snapshots, pruned.

    All tiles share one fixed range: ± the 99th percentile of |w| of the first tile. None when the run (and its parent)
    kept no weights. Raises InputError for a damaged array file.
    """
    matrix = _matrix(run)
    if matrix is None:
        return None
    moments = list(_moments(run, matrix))
    if not moments:
        return None
    rows, cols = _corner(run, matrix, len(moments))
    limit = float(np.percentile(np.abs(moments[0][1]), 99)) or 1.0
    tiles = [
        Tile(style.diverging_codes(w[:rows, :cols], limit, None if mask is None else mask[:rows, :cols]), title, note,
             0.0 if mask is None else float((mask == 0).mean()))  # a zero of int8 rounding is no pruned weight
        for (title, note), w, mask in moments
    ]
    words = style.matrix_words(matrix)
    alt = (f"{words}, rows 1 to {rows}, inputs 1 to {cols}, as {len(tiles)} tiles. "
           + "; ".join(f"{t.title}: {style.percent(t.zeros)} zeros" for t in tiles) + ".")
    legend = (f"{words[0].upper() + words[1:]}, first {rows} rows × {cols} inputs, colour range ±{limit:.2g}: "
              "blue above zero, orange below, grey pruned.")
    if len(tiles) > 2:
        legend += f" Distance to {run.record.spec.pattern}: the primal residual ‖W − Z‖ / ‖W‖."
    width = len(tiles) * cols + (len(tiles) - 1) * GAP
    return Strip(_claim(run, words), _picture([t.codes for t in tiles]), alt, legend,
                 tuple((t.title, t.note, t.zeros) for t in tiles), GAP / width)


def _claim(run: Run, words: str) -> str:
    record = run.record
    score = record.results
    kept = (f" and keeps a score of {style.score(score.final)} where dense has {style.score(score.dense)}"
            if score and score.final is not None and score.dense is not None else "")
    return (f"{style.method_title(record.spec.method)} sets {style.percent(record.sparsity)} of the weights to zero"
            f"{kept}: watch {words} on its way to {record.spec.pattern}.")


def _matrix(run: Run) -> str | None:
    """The matrix to show: the first with snapshots, else the first whose mask or weights were kept."""
    names = [m.name for m in run.record.matrices]
    keys = run.keys
    for test in ((lambda n: any(f"snapshot/{s.k}/w/{n}" in keys for s in run.record.snapshots)),
                 (lambda n: f"mask/{n}" in keys), (lambda n: f"weight/{n}" in keys)):
        for name in names:
            if test(name):
                return name
    return None


def _moments(
    run: Run, matrix: str,
) -> Iterable[tuple[tuple[str, str], NDArray[np.float32], NDArray[np.uint8] | None]]:
    """Pairs of (title, note), weights and mask, in time: what of them was kept."""
    before = run.parent.weight(matrix) if run.parent is not None else None
    if before is not None:
        yield ("dense", "all weights in use"), before, None
    held = [s for s in run.record.snapshots if f"snapshot/{s.k}/w/{matrix}" in run.keys]
    for i in np.unique(np.linspace(0, len(held) - 1, TILES - 2).round().astype(int)) if held else []:
        w = run.snapshot(held[i].k, "w", matrix)
        if w is not None:
            pattern = run.record.spec.pattern  # a layer-wise start is in the pattern before the first step
            note = f"distance {held[i].primal:.2g}" if held[i].primal > 0 else f"starts in {pattern}"
            yield (f"step {held[i].step}", note), w, None
    mask, after = run.mask(matrix), run.weight(matrix)
    if after is None and before is not None and mask is not None:
        after = before * mask  # the run kept its mask only: the dense weights under it
        yield (run.record.spec.pattern, "dense, masked"), after, mask
    elif after is not None:
        yield (run.record.spec.pattern, f"{style.percent(1 - float(mask.mean()))} zeros" if mask is not None else ""), \
            after, mask


def _corner(run: Run, matrix: str, tiles: int) -> tuple[int, int]:
    """Rows and columns to show; whole groups, and wider when there are fewer tiles."""
    height, width = run.shape(matrix)
    multiple = multiple_of(run.record)
    wanted = CELLS if tiles > 4 else CELLS * 7 // max(tiles, 1)
    return min(height, CELLS), max(multiple, min(width, wanted) // multiple * multiple)


def multiple_of(record: RunRecord) -> int:
    """Entries of a group along the input dimension; 1 for a pattern that this version does not know."""
    try:
        return parse_pattern(record.spec.pattern).multiple
    except InputError:
        return 1


def _picture(tiles: Sequence[NDArray[np.uint8]]) -> bytes:
    """The tiles side by side, each with a hairline around it: zero is the page's own tone, so edges need one."""
    framed = []
    for codes in tiles:
        big = codes.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
        big[[0, -1], :] = big[:, [0, -1]] = style.PRUNED_CODE
        framed += [big, np.full((big.shape[0], GAP * SCALE), style.ZERO_CODE, dtype=np.uint8)]
    return style.to_png(np.hstack(framed[:-1]), style.diverging_palette())


# -- three numbers -----------------------------------------------------------------------------------------------


def numbers(record: RunRecord) -> list[Number]:
    """Zeros, the score against dense, and what one-shot magnitude has of it: three shares, as far as they are known."""
    out = []
    if record.matrices:
        weights = sum(math.prod(m.shape) for m in record.matrices)
        out.append(Number("Zeros", style.percent(record.sparsity), f"of {style.count(weights)} weights"))
    results = record.results
    if results is None or results.dense is None:
        return out
    metric = f"{style.metric_words(results.metric)}, {style.count(results.n_eval)} examples"
    for words, value, note in (
            (f"Score kept by {style.method_title(record.spec.method)}", results.final, metric),
            ("Score kept by one-shot magnitude", results.one_shot, "the smallest weights cut at once")):
        if value is not None:
            out.append(Number(words, kept_words(value, results.dense),
                              f"{style.score(value)} of dense's {style.score(results.dense)}: {note}"))
    return out


def kept_words(final: float, dense: float) -> str:
    """The score as a share of dense; as a difference where dense is too near zero for a share to mean anything."""
    return style.percent(final / dense) if dense > LOW else style.change(final - dense)
