"""One block up close: its weights, what each support of the library would keep of them, and free choice beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.runs.store import Run
from core.sparsity.library import strongest
from core.views.drawing import style
from core.views.drawing.build import build, words_only
from core.views.drawing.view import View
from core.views.patterns.library_map import across_of, entries, sheet, tones
from core.views.patterns.library_source import MOST, RUN, Floats, Found, load, recorded_shape, shape_of
from core.views.touch import one_block

SHOWN = 8  # supports in the ranking: the rest are far behind, and in the table
LOST = "The dense weights were not kept: which support a block took is known, not what it costs."


@dataclass(frozen=True)
class Reach:
    """The last block row and block column of a matrix."""

    down: int
    across: int


def reach(run: Run, matrix: str, block: str) -> Reach:
    """How far the two position sliders go."""
    shape, (rows, columns) = shape_of(block), run.shape(matrix)
    return Reach(rows // shape.rows - 1, columns // shape.columns - 1)


def _block(found: Found, down: int, across: int) -> tuple[Floats, int] | None:
    """The weights `[size]` of the block at row *down*, column *across* (moved inside), and its number."""
    place = min(max(down, 0), found.grid[0] - 1) * found.grid[1] + min(max(across, 0), found.grid[1] - 1)
    return None if found.blocks is None else (found.blocks[place], place)


def close_up(run: Run, matrix: str, block: str, learned: str, count: int, down: int, across: int) -> View:
    """The numbers of one block under the support it takes; a ring where free choice would decide otherwise."""
    found = load(run, matrix, block, learned, count)
    picked = _block(found, down, across)
    if picked is None:
        return words_only(LOST)
    weights, place = picked
    view = one_block.block(found.library, weights.tolist())
    figure = view.figure
    assert figure is not None  # of a block there always is one
    figure.update_layout(height=140 + 70 * found.shape.rows, margin={"l": 4, "b": 56}, xaxis={"visible": False},
                         yaxis={"visible": False})
    taken = int(found.taken[place])
    best = taken if found.best is None else int(found.best[place])
    where = _where(found, place)
    if not weights.any():
        return replace(view, claim=f"{where}: all {found.shape.size} weights are zero, and every support keeps the "
                       "same.", try_this="Choose another block.")
    free = _share(weights, strongest(weights[None], found.shape.keep)[0])
    kept = _share(weights, found.library.supports[best])
    claim = f"{where}: support {best + 1} keeps {style.percent(kept)} of the squared weights, free choice " \
            f"{style.percent(free)}."
    if taken != best:
        own = "a mask that the library does not hold" if taken < 0 else f"support {taken + 1}"
        claim += f" The run took {own}: the training moved it."
    alt = f"A block of {found.shape.rows} × {found.shape.columns} weights; struck is what goes. {claim}"
    hint = "Count the rings: every pair of them is one weight given up for a smaller one, because the library has no " \
           "better support." if free > kept else "Here the library holds the very support that free choice takes."
    return replace(view, claim=claim, alt=alt, try_this=hint,
                   heading=f"Support {best + 1} keeps {style.percent(kept)} of this block.")


def ranking(run: Run, matrix: str, block: str, learned: str, count: int, down: int, across: int) -> View:
    """The supports of the library by what each keeps of one block, the best first and framed."""
    found = load(run, matrix, block, learned, count)
    picked = _block(found, down, across)
    if picked is None:
        return words_only(LOST)
    weights, _ = picked
    energies, best = found.library.energies(weights[None])[0], int(found.library.best(weights[None])[0])
    order = np.argsort(-energies, kind="stable")
    order = np.concatenate([[best], order[order != best]])[:SHOWN]  # equal but for rounding: the lower number first
    shape, colours = found.shape, tones(found.count)
    data, layout, height = sheet(found.library.supports[order], shape.rows, shape.columns,
                                 [colours[k] for k in order],
                                 [f"{k + 1}: {style.percent(float(energies[k]), 2)}" for k in order],
                                 across_of(min(len(order), 8), shape.columns), 0, 104)
    figure = build(data, layout, height, revision=f"{block}/{len(order)}")
    worst = style.percent(float(energies.min()))
    claim = "One support: there is nothing to choose." if found.count == 1 else \
        f"Of {found.count} supports, {best + 1} keeps most of this block: {style.percent(float(energies[best]))}; " \
        f"{order[1] + 1} comes next with {style.percent(float(energies[order[1]]))}, the worst keeps {worst}."
    table = pd.DataFrame({"support": np.arange(1, found.count + 1), "kept energy of the block": energies,
                          "keeps entries": entries(found.library.supports)})
    alt = f"The {len(order)} best supports as small pictures, the best first and framed. {claim}"
    return View(claim, figure, None, alt, table, "Move on to another block: how often is one "
                "support far ahead of the others?" if found.learned == RUN or found.count >= MOST else
                "Make the library larger: how soon does a better support come?",
                heading=f"Support {order[1] + 1} comes next." if found.count > 1 else "")


def _share(weights: Floats, support: np.ndarray) -> float:
    """Share of the squared weights that *support* keeps, 0..1."""
    squares = (weights.astype(np.float64) / float(np.abs(weights).max())) ** 2
    return float(squares[support].sum() / squares.sum())


def _where(found: Found, place: int) -> str:
    """Outputs and inputs of a block, as the tile of the Weights page names them."""
    row, column = place // found.grid[1] * found.shape.rows, place % found.grid[1] * found.shape.columns
    outputs = f"Output {row}" if found.shape.rows == 1 else f"Outputs {row}–{row + found.shape.rows - 1}"
    return f"{outputs}, inputs {column}–{column + found.shape.columns - 1}"


def note(run: Run, learned: str) -> str:
    """Whose weights the page shows, in words; "" for a dense run, whose they plainly are."""
    if run.record.spec.method == "dense":
        return ""
    if recorded_shape(run) is not None and learned == RUN:
        return "This run was pruned with a library: shown are its supports, and what its masks took."
    return "Shown are the dense weights that this run started from."
