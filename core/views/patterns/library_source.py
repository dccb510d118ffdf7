"""Which supports do the blocks of a matrix take? The numbers behind the Patterns page. numpy alone.

A library is learned from the dense weights as `core.sparsity.library` does it: the supports that are most often the
strongest of a block, commonest first. They are counted once for a block shape, over one matrix or all of a model; a
library of K supports is the first K of that count. A run that was pruned with a library shows its own: the supports it
recorded, and which of them each block took, from its masks.

Recorded weights are int8 codes, one scale a row: entries may tie that differed before the rounding. Counting such
blocks by the rule that the first of equals stays would fill the library with supports of early entries (in minilm-l6
it did), so they are not counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError, unknown
from core.runs.store import ARRAYS, Run, file_times
from core.sparsity.library import TIE, Library, codes_of, commonest, tally, tiles
from core.sparsity.patterns import parse_pattern
from core.views.weights.pair import Recent, whole

Floats = NDArray[np.float32]
KEY = "library"  # of the arrays of a run; "library/<matrix>" where every matrix has its own
MOST, USUAL = 64, 16  # supports of a library: 6 bits a block at most; 4 to start with


@dataclass(frozen=True)
class Shape:
    """A block of *rows* x *columns* weights of which *keep* stay."""

    rows: int
    columns: int
    keep: int

    @property
    def size(self) -> int:
        """Weights of a block."""
        return self.rows * self.columns

    @property
    def text(self) -> str:
        """As the link says it: 4x4:8."""
        return f"{self.rows}x{self.columns}:{self.keep}"

    @property
    def words(self) -> str:
        """As a page says it."""
        return f"{self.rows} × {self.columns}, keep {self.keep}"


SHAPES: dict[str, Shape] = {s.text: s for s in (
    Shape(4, 4, 8), Shape(2, 4, 4), Shape(1, 8, 4), Shape(1, 4, 2), Shape(4, 4, 4), Shape(2, 4, 2), Shape(1, 4, 1))}
RUN, MATRIX, MODEL = "run", "matrix", "model"
LEARNED = {RUN: "as this run recorded", MATRIX: "this matrix", MODEL: "the whole model"}


@dataclass(frozen=True)
class March:
    """What blocks take of a growing list of supports: of the first 1, 2 ... K."""

    taken: NDArray[np.uint8]  # [K, B]: the support with the most energy among the first k + 1; ties to the lower index
    kept: NDArray[np.float64]  # [K]: share of the squared weights of all blocks together, 0..1; nan for zeros alone


def march(blocks: Floats, held: NDArray[np.bool_]) -> March:
    """Add the supports *held* `[K <= 256, size]` one by one: what all *blocks* `[B, size]` take after each.

    The same choice as `Library.best` of every first part of the list, at the price of one.
    """
    top = float(np.abs(blocks).max(initial=0.0))
    squares = (blocks.astype(np.float64) / (top or 1.0)) ** 2  # divided first: small weights would leave the range
    taken, kept = np.empty((len(held), len(blocks)), dtype=np.uint8), np.empty(len(held))
    best, winner = np.full(len(blocks), -1.0), np.zeros(len(blocks), dtype=np.uint8)
    for k, support in enumerate(held):
        energy = squares @ support.astype(np.float64)
        better = energy > best * (1.0 + TIE)
        winner[better] = k
        np.maximum(best, energy, out=best)
        taken[k], kept[k] = winner, best.sum()
    return March(taken, kept / squares.sum() if top else np.full(len(held), np.nan))


@dataclass(frozen=True)
class Found:
    """The blocks of one matrix under one library. Blocks are counted row by row."""

    matrix: str
    shape: Shape
    grid: tuple[int, int]  # blocks down, blocks across
    library: Library
    taken: NDArray[np.intp]  # [B]: the support of every block; -1 where the run's mask is none of the library
    best: NDArray[np.intp] | None  # [B]: the support with the most dense energy; None without dense weights
    blocks: Floats | None  # [B, rows * columns]: the dense weights; None when they were not kept
    learned: str  # RUN, MATRIX or MODEL

    @property
    def count(self) -> int:
        """K: how many supports the library offers."""
        return len(self.library.supports)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of the blocks that take each support `[K]`."""
        return np.bincount(self.taken[self.taken >= 0], minlength=self.count) / len(self.taken)


def shape_of(text: str) -> Shape:
    """Read "4x4:8". Raises InputError when it is no such text."""
    found = re.fullmatch(r"([0-9]{1,2})x([0-9]{1,2}):([0-9]{1,2})", text)
    if found is None:
        raise unknown("block", text, SHAPES)
    return Shape(*(int(part) for part in found.groups()))


def recorded_shape(run: Run) -> Shape | None:
    """The block of the library that this run was pruned with; None for any other run."""
    pattern = parse_pattern(run.record.spec.pattern)
    cell = pattern.grouping.cell
    return None if pattern.budget.ways is None or cell is None else Shape(*cell, pattern.allowed or 0)


def shapes(run: Run, matrix: str) -> tuple[str, ...]:
    """Which blocks cut *matrix* evenly, as the link says them; the one that the run was pruned with comes first.

    Raises InputError when none fits.
    """
    own, (rows, columns) = recorded_shape(run), run.shape(matrix)
    fitting = [t for t, s in SHAPES.items() if rows % s.rows == 0 and columns % s.columns == 0]
    if own is None and not fitting:
        raise InputError(f"Matrix {matrix!r} is {rows} x {columns}", f"sides that a block divides: {', '.join(SHAPES)}",
                         "Choose another matrix.")
    return tuple(fitting) if own is None else tuple(dict.fromkeys([own.text, *fitting]))


def sources(run: Run, block: str) -> tuple[str, ...]:
    """What a library for *block* can be taken from."""
    own = recorded_shape(run)
    first = () if own is None or own.text != block else (RUN,)
    return (*first, MATRIX, MODEL)


def dense_run(run: Run) -> Run | None:
    """The run whose final weights are the dense ones: this run, or its parent where the store holds it."""
    return run if run.record.spec.method == "dense" else run.parent


def clear(blocks: Floats, keep: int) -> Floats:
    """The *blocks* `[B, size]` that have a strongest support: the last weight to stay is larger than the first to go.
    All of them when none has."""
    if keep >= blocks.shape[1]:
        return blocks
    sizes = np.sort(np.abs(blocks), axis=1)
    found = blocks[sizes[:, -keep] > sizes[:, -keep - 1]]
    return found if len(found) else blocks


# -- reading, kept under the files' times ------------------------------------------------------------------------

_blocks: Recent[Floats | None] = Recent(4)
_ranks: Recent[NDArray[np.bool_]] = Recent(64)
_marches: Recent[March] = Recent(4)
Key = tuple[Any, ...]


def stamp(run: Run) -> Key:
    """A value that changes whenever the arrays do that are shown for *run*."""
    return tuple((str(r.path), file_times(r.path, (ARRAYS,))) for r in (run, dense_run(run)) if r is not None)


def dense_blocks(run: Run, matrix: str, shape: Shape) -> Floats | None:
    """The blocks of the dense weights of *matrix* `[B, size]`; None when the store does not hold them.

    Raises InputError for damaged arrays.
    """
    dense = dense_run(run)
    weight = None if dense is None else whole(dense.weight(matrix), run.shape(matrix),
                                              f"weight/{matrix} of {dense.record.id}")
    return None if weight is None else tiles(weight, shape.rows, shape.columns)


def blocks_of(run: Run, matrix: str, shape: Shape) -> Floats | None:
    """`dense_blocks`, kept."""
    return _blocks.get((stamp(run), matrix, shape), lambda: dense_blocks(run, matrix, shape))


def nothing_to_learn(run: Run) -> str:
    """Words for a run whose dense weights the store does not hold, and that brings no library of its own; else ""."""
    dense = dense_run(run)
    if recorded_shape(run) is not None or (dense is not None and any(k.startswith("weight/") for k in dense.keys)):
        return ""
    return ("The dense weights of this run are not kept, so there is nothing to learn shapes from. Choose another run: "
            "those of tiny and of CoLA keep theirs.")


def no_library(run: Run) -> str:
    """Words for a run that removed whole heads, neurons or blocks: it has no library of small patterns; else ""."""
    pattern = parse_pattern(run.record.spec.pattern)
    if run.record.spec.method == "dense" or not (pattern.coupled or pattern.whole):
        return ""
    what = "heads and neurons" if pattern.coupled else f"{pattern.grouping.noun}s"
    return f"This run removed whole {what}: it has no library of small patterns."


def supports(run: Run, matrix: str, shape: Shape, learned: str) -> NDArray[np.bool_]:
    """The supports that a library may hold `[<= MOST, size]`, commonest first; of RUN, those recorded.

    Raises InputError when there is nothing to learn from.
    """
    if learned == RUN:
        return _recorded(run, matrix, shape)
    names = [matrix] if learned == MATRIX else [
        m.name for m in run.record.matrices if m.shape[0] % shape.rows == 0 and m.shape[1] % shape.columns == 0]

    def count() -> NDArray[np.bool_]:
        tallies = []
        for name in names:
            blocks = dense_blocks(run, name, shape)
            if blocks is not None:
                tallies.append(tally(clear(blocks, shape.keep), shape.keep))
        if not tallies:
            raise InputError(f"{run.record.id} has no dense weights in the store", "weights to learn a library from",
                             "Choose a run whose dense run keeps its weights (record level full).")
        occur = len(np.unique(np.concatenate([codes for codes, _ in tallies])))
        return commonest(tallies, shape.rows, shape.columns, shape.keep, min(occur, MOST)).supports

    return _ranks.get((stamp(run), tuple(names), shape), count)


def _recorded(run: Run, matrix: str, shape: Shape) -> NDArray[np.bool_]:
    pattern = parse_pattern(run.record.spec.pattern)
    if pattern.budget.ways is None or shape != recorded_shape(run):
        raise InputError(f"{run.record.id} holds no library for blocks of {shape.words}", "a run pruned with one",
                         "Learn one from this matrix instead.")
    held = {key: array for key in (KEY, f"{KEY}/{matrix}") if (array := run.array(key)) is not None}
    return pattern.restored(held).of(matrix).library.supports


def most(run: Run, matrix: str, block: str, learned: str) -> int:
    """How many supports the slider may ask for: as many as occur, 64 at most."""
    return len(supports(run, matrix, shape_of(block), learned))


def marched(run: Run, matrix: str, shape: Shape, learned: str) -> March | None:
    """`march` over the blocks of *matrix* and all supports it may have; None without dense weights."""
    blocks = blocks_of(run, matrix, shape)
    return None if blocks is None else _marches.get(
        (stamp(run), run.record.id, matrix, shape, learned),
        lambda: march(blocks, supports(run, matrix, shape, learned)))


def load(run: Run, matrix: str, block: str, learned: str, count: int) -> Found:
    """The blocks of *matrix* under a library of *count* supports.

    *learned* RUN: the supports of the run, all of them, and what its masks took where they were kept. Raises
    InputError for damaged arrays, or when there is neither a library nor anything to learn one from.
    """
    shape, (rows, columns) = shape_of(block), run.shape(matrix)
    if rows % shape.rows or columns % shape.columns:
        raise InputError(f"Matrix {matrix!r} is {rows} x {columns}", f"sides that {shape.words} divides",
                         "Choose another block.")
    held = supports(run, matrix, shape, learned)
    library = Library(shape.rows, shape.columns, held if learned == RUN else held[:max(count, 1)])
    mask = whole(run.mask(matrix), (rows, columns), f"mask/{matrix} of {run.record.id}") if learned == RUN else None
    known = marched(run, matrix, shape, learned)
    best = None if known is None else known.taken[len(library.supports) - 1].astype(np.intp)
    taken = best if mask is None else _matched(tiles(mask, shape.rows, shape.columns) != 0, library.supports)
    if taken is None:
        raise InputError(f"{run.record.id} keeps neither masks nor dense weights", "something to draw a map from",
                         "Choose a run of record level masks or full.")
    return Found(matrix, shape, (rows // shape.rows, columns // shape.columns), library, taken, best,
                 blocks_of(run, matrix, shape), learned)


def _matched(masks: NDArray[np.bool_], held: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Which support of *held* `[K, size]` every mask `[B, size]` is; -1 for none."""
    wanted, codes = codes_of(masks), codes_of(held)
    order = np.argsort(codes)
    place = order[np.searchsorted(codes, wanted, sorter=order).clip(max=len(codes) - 1)]
    return np.where(codes[place] == wanted, place, -1)
