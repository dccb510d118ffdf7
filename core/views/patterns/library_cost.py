"""What does a library cost? Kept energy against the size of the library, beside N:M and free choice.

Kept energy is of the dense weights: Σ of the squares that the best support of every block keeps, over Σ of all. The
supports of a library of K are the first K of one list, so the curve can only rise.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb, log2
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.store import Run
from core.sparsity.library import strongest
from core.sparsity.patterns import NM, Learned, Pattern, Unstructured
from core.sparsity.storage import storage_of
from core.views.drawing import style
from core.views.drawing.build import Part, build, legend_below, words_only
from core.views.drawing.view import View
from core.views.patterns.library_source import Floats, Shape, blocks_of, march, marched, shape_of, stamp
from core.views.weights.pair import Recent

Energies = NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """Shares of the squared weights of one matrix, 0..1."""

    kept: Energies  # [K]: under the first 1, 2 ... supports
    random: Energies  # [K]: under as many supports drawn at random
    free: float  # every block keeps its largest
    group: tuple[int, int] | None  # N and M of the plain pattern of the same ratio; None when none fits
    plain: float | None  # under that pattern


class Row(NamedTuple):
    """One choice in numbers."""

    name: str
    supports: int
    kept: float  # share of the squared weights, 0..1
    bits: float  # index bits a weight


_costs: Recent[Cost | None] = Recent(64)


def index_bits(pattern: Pattern) -> float:
    """Bits a weight that say which weights stay, as `core.sparsity.storage` counts them."""
    rows, columns = pattern.grouping.cell or (1, 1)
    return storage_of(pattern, None, [(rows, columns)], [0]).indices / (rows * columns)


def plain_of(shape: Shape, width: int) -> tuple[int, int] | None:
    """N and M of the plain pattern that keeps the same share: M = 4 where that is possible; None when none fits."""
    ratio = Fraction(shape.keep, shape.size)
    m = 4 if 4 % ratio.denominator == 0 else ratio.denominator
    return None if m > 32 or width % m else (int(ratio * m), m)


def drawn(shape: Shape, count: int) -> NDArray[np.bool_]:
    """*count* supports `[count, size]` drawn at random, no two alike; the same for the same block."""
    rng, found = np.random.default_rng(0), dict[bytes, NDArray[np.bool_]]()
    while len(found) < count:
        support = rng.permutation(shape.size) < shape.keep
        found.setdefault(support.tobytes(), support)
    return np.array(list(found.values()))


def measured(blocks: Floats, kept: Energies, shape: Shape, width: int) -> Cost | None:
    """The other choices for *blocks* `[B, size]`, cut from rows of *width* inputs, beside a library that keeps *kept*
    with 1, 2 ... supports; None when all weights are zero."""
    top = float(np.abs(blocks).max(initial=0.0))
    if not top:
        return None
    squares = (blocks.astype(np.float64) / top) ** 2  # divided first: very small weights would leave the range
    total, group, plain = squares.sum(), plain_of(shape, width), None
    if group is not None:
        # Groups of M inputs lie along a row of the matrix, so a block narrower than M does not hold a whole one.
        rows = whole_rows(squares, shape, width).reshape(-1, group[1])
        plain = float(rows[strongest(rows, group[0])].sum() / total)
    free = float(squares[strongest(blocks, shape.keep)].sum() / total)
    return Cost(kept, march(blocks, drawn(shape, len(kept))).kept, free, group, plain)


def whole_rows(blocks: NDArray[np.floating], shape: Shape, width: int) -> NDArray[np.floating]:
    """Undo `core.sparsity.library.tiles`: `[B, size]` -> `[out, in]`, *width* inputs wide."""
    across = width // shape.columns
    split = blocks.reshape(-1, across, shape.rows, shape.columns)
    return split.transpose(0, 2, 1, 3).reshape(-1, width)


def cost_of(run: Run, matrix: str, shape: Shape, learned: str) -> Cost | None:
    """The cost of every library of *matrix*, kept under the files' times; None without dense weights."""
    def make() -> Cost | None:
        blocks, known = blocks_of(run, matrix, shape), marched(run, matrix, shape, learned)
        return None if blocks is None or known is None else measured(blocks, known.kept, shape, run.width(matrix))

    return _costs.get((stamp(run), run.record.id, matrix, shape, learned), make)


def cost(run: Run, matrix: str, block: str, learned: str, count: int) -> View:
    """Kept energy against K, with free choice and plain N:M of the same ratio as lines; *count* is marked."""
    shape = shape_of(block)
    found = cost_of(run, matrix, shape, learned)
    if found is None:
        return words_only("Without dense weights (or with zeros alone) there is no energy to keep.")
    k = min(max(count, 1), len(found.kept))
    rows = _rows(found, shape)
    data = _traces(found, k, rows)
    floor = min(shape.keep / shape.size, float(found.kept[0]))
    ends = log2(max(len(found.kept), 2))
    figure = build(data, {
        "margin": {"t": 12, "b": 108}, "legend": legend_below(),
        "xaxis": {"type": "log", "range": [-0.04 * log2(10), ends * 1.03 / log2(10)],
                  "tickvals": [2**i for i in range(int(ends) + 1)], "title": {"text": "supports in the library, K"}},
        "yaxis": {"range": [floor - 0.01, 1.005], "tickformat": ".0%", "nticks": 4,
                  "title": {"text": "kept energy"}},
    }, 430, legend=True, revision=f"{matrix}/{block}")
    table = pd.DataFrame(rows).set_axis(["choice", "supports", "kept energy", "index bits a weight"], axis=1)
    table["as many drawn at random"] = [*found.random, *[np.nan] * (len(rows) - len(found.random))]
    claim = _claim(found, k, rows, style.matrix_words(matrix))
    ends_at = " to ".join(style.percent(float(found.kept[i])) for i in (0, -1))
    alt = f"Kept energy against the size of the library, 1 to {len(found.kept)} supports for blocks of " \
          f"{shape.words}: from {ends_at}. {claim}"
    return View(claim, figure, None, alt, table, _hint(found, k, rows[-1].supports),
                heading=f"{k} supports keep {style.percent(rows[k - 1].kept)} of the squared weights." if k > 1 else "")


def _rows(found: Cost, shape: Shape) -> list[Row]:
    """Every choice: its name, how many supports it has, kept energy, index bits a weight. Free choice comes last."""
    rows = [Row(f"library of {k}", k, float(e), index_bits(Learned(shape.rows, shape.columns, shape.keep, k)))
            for k, e in enumerate(found.kept, 1)]
    if found.group is not None and found.plain is not None:
        n, m = found.group
        rows.append(Row(f"{n}:{m}", comb(m, n), found.plain, index_bits(NM(n, m))))
    return [*rows, Row("free choice", comb(shape.size, shape.keep), found.free, index_bits(Unstructured(0.5)))]


def _traces(found: Cost, k: int, rows: list[Row]) -> list[Part]:
    sizes = np.arange(1, len(found.kept) + 1)
    bits = [row.bits for row in rows]
    ends = [1, max(len(sizes), 2)]
    hover = "library of %{x}: %{y:.2%} kept<br>%{customdata:.3g} index bits a weight<extra></extra>"
    data: list[Part] = [{
        "type": "scatter", "mode": "lines+markers", "x": sizes, "y": found.kept, "name": "library",
        "customdata": bits[:len(sizes)], "hovertemplate": hover, "line": {"width": 2.5, "color": style.ACCENT},
        "marker": {"size": 5, "color": style.ACCENT}}]
    data.append({"type": "scatter", "mode": "lines", "x": sizes, "y": found.random, "name": "drawn at random",
                 "hovertemplate": "%{x} drawn at random: %{y:.2%} kept<extra></extra>",
                 "line": {"width": 2, "color": style.GREY}})
    data.append({"type": "scatter", "mode": "lines", "x": ends, "y": [found.free] * 2, "hoverinfo": "skip",
                 "name": f"free choice: {style.percent(found.free)}",
                 "line": {"width": 2, "dash": "dot", "color": style.rgba(style.SEQUENTIAL_HUE)}})
    if found.plain is not None and found.group is not None:
        data.append({"type": "scatter", "mode": "lines", "x": ends, "y": [found.plain] * 2, "hoverinfo": "skip",
                     "name": f"{found.group[0]}:{found.group[1]}: {style.percent(found.plain)}",
                     "line": {"width": 2, "dash": "dash", "color": style.rgba(style.NEGATIVE)}})
    data.append({"type": "scatter", "mode": "markers", "x": [k], "y": [found.kept[k - 1]], "hoverinfo": "skip",
                 "name": f"K = {k}",
                 "marker": {"size": 17, "symbol": "circle-open", "color": style.ACCENT, "line": {"width": 3.5}}})
    return data


def _claim(found: Cost, k: int, rows: list[Row], where: str) -> str:
    many = f"{k} supports keep" if k > 1 else "One support keeps"
    own, *rest = rows[k - 1], *rows[len(found.kept):]
    if k == rest[-1].supports:
        return f"All {k} supports are in the library: it is free choice, and keeps {style.percent(own.kept)} of the " \
               f"squared weights of {where}."
    return f"{many} {style.percent(own.kept)} of the squared weights of {where} for {_bits(own.bits)} a weight; " + \
        "; ".join(f"{row.name} keeps {style.percent(row.kept)} for {_bits(row.bits)}" for row in rest) + "."


def _bits(value: float) -> str:
    return f"{value:.3g} index bit{'' if value == 1 else 's'}"


def _hint(found: Cost, k: int, ways: int) -> str:
    if k == ways:
        return "Choose a larger block: free choice has more supports there, and a small library gives up more."
    gain = 100 * float(found.kept[k - 1] - found.random[k - 1])
    learning = "no more than" if abs(gain) < 0.05 else f"{abs(gain):.1f} points {'more' if gain > 0 else 'less'} than"
    compared = f"The grey line is a list drawn at random: the learned one keeps {learning} it at K = {k}."
    if 2 * k <= len(found.kept):
        more = 100 * float(found.kept[2 * k - 1] - found.kept[k - 1])
        return f"Double the library: one more bit a block brings {more:.1f} points of energy. {compared}"
    return f"Choose a smaller block: a small library comes closer to free choice. {compared}"
