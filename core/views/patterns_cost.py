"""What does a library cost? Kept energy against the size of the library, beside N:M and free choice.

Kept energy is of the dense weights: Σ of the squares that the best support of every block keeps, over Σ of all. The
supports of a library of K are the first K of one list, so the curve can only rise.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb, log2

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.store import Run
from core.sparsity.library import strongest
from core.views import style
from core.views.build import Part, build, legend_below, words_only
from core.views.pair import Recent
from core.views.patterns_source import Floats, Shape, dense_blocks, shape_of, stamp, supports
from core.views.view import View

Energies = NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """Shares of the squared weights of one matrix, 0..1."""

    kept: Energies  # [K]: under the first 1, 2 ... supports
    free: float  # every block keeps its largest
    group: tuple[int, int] | None  # N and M of the plain pattern of the same ratio; None when none fits
    plain: float | None  # under that pattern


_costs: Recent[Cost | None] = Recent(64)


def index_bits(choices: int, weights: int) -> float:
    """Bits a weight that say which of *choices* supports a block of *weights* took: whole bits a block."""
    return (choices - 1).bit_length() / weights


def plain_of(shape: Shape, width: int) -> tuple[int, int] | None:
    """N and M of the plain pattern that keeps the same share: M = 4 where that is possible; None when none fits."""
    ratio = Fraction(shape.keep, shape.size)
    m = 4 if 4 % ratio.denominator == 0 else ratio.denominator
    return None if m > 32 or width % m else (int(ratio * m), m)


def measured(blocks: Floats, held: NDArray[np.bool_], shape: Shape, width: int) -> Cost | None:
    """What *blocks* `[B, size]`, cut from rows of *width* inputs, keep; None when all of them are zero."""
    top = float(np.abs(blocks).max(initial=0.0))
    if not top:
        return None
    squares = (blocks.astype(np.float64) / top) ** 2  # divided first: very small weights would leave the range
    total, best, kept = squares.sum(), np.zeros(len(squares)), np.empty(len(held))
    for k, support in enumerate(held):
        np.maximum(best, squares @ support, out=best)
        kept[k] = best.sum() / total
    group, plain = plain_of(shape, width), None
    if group is not None:
        # Groups of M inputs lie along a row of the matrix, so a block narrower than M does not hold a whole one.
        rows = whole_rows(squares, shape, width).reshape(-1, group[1])
        plain = float(rows[strongest(rows, group[0])].sum() / total)
    return Cost(kept, float(squares[strongest(blocks, shape.keep)].sum() / total), group, plain)


def whole_rows(blocks: NDArray[np.floating], shape: Shape, width: int) -> NDArray[np.floating]:
    """Undo `patterns_source.cut`: `[B, size]` -> `[out, in]`, *width* inputs wide."""
    across = width // shape.columns
    split = blocks.reshape(-1, across, shape.rows, shape.columns)
    return split.transpose(0, 2, 1, 3).reshape(-1, width)


def cost_of(run: Run, matrix: str, shape: Shape, learned: str) -> Cost | None:
    """The cost of every library of *matrix*, kept under the files' times; None without dense weights."""
    def make() -> Cost | None:
        blocks = dense_blocks(run, matrix, shape)
        return None if blocks is None else measured(blocks, supports(run, matrix, shape, learned), shape,
                                                    run.width(matrix))

    return _costs.get((stamp(run), run.record.id, matrix, shape, learned), make)


def cost(run: Run, matrix: str, block: str, learned: str, count: int) -> View:
    """Kept energy against K, with free choice and plain N:M of the same ratio as lines; *count* is marked."""
    shape = shape_of(block)
    found = cost_of(run, matrix, shape, learned)
    if found is None:
        return words_only("Without dense weights (or with zeros alone) there is no energy to keep.")
    k = min(max(count, 1), len(found.kept))
    ways = comb(shape.size, shape.keep)
    rows = _rows(found, shape, ways)
    data = _traces(found, k, rows, ways)
    floor = min(shape.keep / shape.size, float(found.kept[0]))
    ends = log2(max(len(found.kept), 2))
    figure = build(data, {
        "margin": {"t": 12, "b": 108}, "legend": legend_below(),
        "xaxis": {"type": "log", "range": [-0.04 * log2(10), ends * 1.03 / log2(10)],
                  "tickvals": [2**i for i in range(int(ends) + 1)], "title": {"text": "supports in the library, K"}},
        "yaxis": {"range": [floor - 0.01, 1.005], "tickformat": ".0%", "title": {"text": "kept energy"}},
    }, 430, legend=True, revision=f"{matrix}/{block}")
    table = pd.DataFrame(rows, columns=["choice", "supports", "kept energy", "index bits a weight"])
    claim = _claim(found, k, shape, ways, style.matrix_words(matrix))
    ends_at = " to ".join(style.percent(float(found.kept[i])) for i in (0, -1))
    alt = f"Kept energy against the size of the library, 1 to {len(found.kept)} supports for blocks of " \
          f"{shape.words}: from {ends_at}. {claim}"
    return View(claim, figure, None, alt, table, _hint(found, k, shape))


def _rows(found: Cost, shape: Shape, ways: int) -> list[tuple[str, int, float, float]]:
    rows = [(f"library of {k + 1}", k + 1, float(e), index_bits(k + 1, shape.size)) for k, e in enumerate(found.kept)]
    if found.group is not None and found.plain is not None:
        n, m = found.group
        rows.append((f"{n}:{m}", comb(m, n), found.plain, index_bits(comb(m, n), m)))
    return [*rows, ("free choice", ways, found.free, index_bits(ways, shape.size))]


def _traces(found: Cost, k: int, rows: list[tuple[str, int, float, float]], ways: int) -> list[Part]:
    sizes = np.arange(1, len(found.kept) + 1)
    bits = [row[3] for row in rows]
    ends = [1, max(len(sizes), 2)]
    hover = "library of %{x}: %{y:.2%} kept<br>%{customdata:.3g} index bits a weight<extra></extra>"
    data: list[Part] = [{
        "type": "scatter", "mode": "lines+markers", "x": sizes, "y": found.kept, "name": "library",
        "customdata": bits[:len(sizes)], "hovertemplate": hover, "line": {"width": 2.5, "color": style.ACCENT},
        "marker": {"size": 5, "color": style.ACCENT}}]
    data.append({"type": "scatter", "mode": "lines", "x": ends, "y": [found.free] * 2, "hoverinfo": "skip",
                 "name": f"free choice of {style.count(ways)}: {style.percent(found.free)}",
                 "line": {"width": 2, "dash": "dot", "color": style.rgba(style.SEQUENTIAL_HUE)}})
    if found.plain is not None and found.group is not None:
        data.append({"type": "scatter", "mode": "lines", "x": ends, "y": [found.plain] * 2, "hoverinfo": "skip",
                     "name": f"{found.group[0]}:{found.group[1]}: {style.percent(found.plain)}",
                     "line": {"width": 2, "dash": "dash", "color": style.rgba(style.NEGATIVE)}})
    data.append({"type": "scatter", "mode": "markers", "x": [k], "y": [found.kept[k - 1]], "hoverinfo": "skip",
                 "name": f"K = {k}: {style.percent(float(found.kept[k - 1]))}",
                 "marker": {"size": 17, "symbol": "circle-open", "color": style.ACCENT, "line": {"width": 3.5}}})
    return data


def _claim(found: Cost, k: int, shape: Shape, ways: int, where: str) -> str:
    many = f"{k} supports keep" if k > 1 else "One support keeps"
    text = f"{many} {style.percent(float(found.kept[k - 1]))} of the squared weights of {where} for " \
           f"{_bits(index_bits(k, shape.size))} a weight"
    if found.group is not None and found.plain is not None:
        n, m = found.group
        text += f"; {n}:{m} keeps {style.percent(found.plain)} for {_bits(index_bits(comb(m, n), m))}"
    return f"{text}; free choice keeps {style.percent(found.free)} for {_bits(index_bits(ways, shape.size))}."


def _bits(value: float) -> str:
    return f"{value:.3g} index bit{'' if value == 1 else 's'}"


def _hint(found: Cost, k: int, shape: Shape) -> str:
    way = " (Index bits: the number of a support among those allowed, in whole bits a block.)"
    if 2 * k <= len(found.kept):
        more = float(found.kept[2 * k - 1] - found.kept[k - 1])
        return f"Double the library: one more bit a block brings {100 * more:.2g} points of energy.{way}"
    return f"Choose a smaller block: fewer supports, so a small library comes closer to free choice.{way}"
