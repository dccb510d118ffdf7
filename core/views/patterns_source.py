"""Which supports do the blocks of a matrix take? The numbers behind the Patterns page. numpy alone.

A library is learned from the dense weights, as `core.sparsity.library.learn` does it: the supports that are most often
the strongest of a block, commonest first. Here they are counted once for a block shape, for one matrix or matrix by
matrix for a whole model; then every library of K supports is the first K of that count. A run that was pruned with a
library shows its own: the supports it recorded, and which of them each block took, from its masks.

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
from core.sparsity.library import Library, strongest
from core.views.pair import Recent, whole

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]
MOST, USUAL = 64, 16  # supports of a library: 6 bits a block at most; 4 to start with


@dataclass(frozen=True)
class Shape:
    """A block of *rows* x *columns* weights of which *keep* stay. To be counted, it has at most 16 entries."""

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
LEARNED = {RUN: "this run's own", MATRIX: "this matrix", MODEL: "the whole model"}


@dataclass(frozen=True)
class Found:
    """The blocks of one matrix under one library. Blocks are counted row by row."""

    matrix: str
    shape: Shape
    grid: tuple[int, int]  # blocks down, blocks across
    library: Library
    taken: NDArray[np.intp]  # [B]: the support of every block; -1 where the run's mask is none of the library
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
    found = re.fullmatch(r"([0-9]{1,2})x([0-9]{1,2}):([0-9]{1,3})", text)
    if found is None:
        raise unknown("block", text, SHAPES)
    return Shape(*(int(part) for part in found.groups()))


def recorded_shape(run: Run) -> Shape | None:
    """The block of the library that this run was pruned with; None for any other run."""
    found = re.fullmatch(r"library:([0-9]+x[0-9]+:[0-9]+):[0-9]+(?::each)?", run.record.spec.pattern)
    return shape_of(found[1]) if found else None


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
    return (*first, MATRIX, MODEL) if block in SHAPES else first


def dense_run(run: Run) -> Run | None:
    """The run whose final weights are the dense ones: this run, or its parent where the store holds it."""
    return run if run.record.spec.method == "dense" else run.parent


def cut(weight: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """The blocks of *weight* `[out, in]`, row by row: `[B, rows * columns]`."""
    down, across = weight.shape[0] // shape.rows, weight.shape[1] // shape.columns
    return np.ascontiguousarray(
        weight.reshape(down, shape.rows, across, shape.columns).transpose(0, 2, 1, 3)).reshape(-1, shape.size)


def codes(supports: NDArray[Any]) -> NDArray[np.int64]:
    """Every support of 0/1 `[B, size]`, size <= 16, as one number: the first entry is the highest bit."""
    packed = np.packbits(supports.astype(np.uint8), axis=1).astype(np.int64)
    return packed[:, 0] if packed.shape[1] == 1 else packed[:, 0] << 8 | packed[:, 1]


def census(blocks: Floats, keep: int) -> Counts:
    """How often every support is the strongest *keep* of *blocks* `[B, size]`, by its number.

    A block in which the last weight to stay and the first to go are equal has no strongest support and is left out,
    unless all are like that.
    """
    bits = 8 * -(-blocks.shape[1] // 8)
    sizes = np.sort(np.abs(blocks), axis=1)
    clear = sizes[:, -keep] > sizes[:, -keep - 1] if keep < blocks.shape[1] else np.ones(len(blocks), bool)
    counted = blocks[clear] if clear.any() else blocks
    return np.bincount(codes(strongest(counted, keep)), minlength=1 << bits).astype(np.int64)


def ranked(counts: Counts, shape: Shape) -> NDArray[np.bool_]:
    """The supports that occur `[K, size]`, commonest first; equally common ones as `library.learn` orders them."""
    found = np.flatnonzero(counts)
    order = found[np.lexsort((-found, -counts[found]))][:MOST]  # higher bits first: entries 0, 1 before 0, 2
    packed = order.astype(np.uint8 if shape.size <= 8 else ">u2").view(np.uint8).reshape(len(order), -1)
    return np.unpackbits(packed, axis=1, count=shape.size).astype(np.bool_)


# -- reading, kept under the files' times ------------------------------------------------------------------------

_blocks: Recent[Floats | None] = Recent(4)
_ranks: Recent[NDArray[np.bool_]] = Recent(64)
_found: Recent[Found] = Recent(8)
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
    return None if weight is None else cut(weight, shape)


def supports(run: Run, matrix: str, shape: Shape, learned: str) -> NDArray[np.bool_]:
    """The supports that a library may hold `[<= MOST, size]`, commonest first; of RUN, those recorded.

    Raises InputError when there is nothing to learn from.
    """
    if learned == RUN:
        return _recorded(run, matrix, shape)
    names = [matrix] if learned == MATRIX else [
        m.name for m in run.record.matrices if m.shape[0] % shape.rows == 0 and m.shape[1] % shape.columns == 0]

    def count() -> NDArray[np.bool_]:
        total: Counts | None = None
        for name in names:
            blocks = dense_blocks(run, name, shape)
            if blocks is not None:
                more = census(blocks, shape.keep)
                total = more if total is None else total + more
        if total is None:
            raise InputError(f"{run.record.id} has no dense weights in the store", "weights to learn a library from",
                             "Choose a run whose dense run keeps its weights (record level full).")
        return ranked(total, shape)

    return _ranks.get((stamp(run), tuple(names), shape), count)


def _recorded(run: Run, matrix: str, shape: Shape) -> NDArray[np.bool_]:
    kept = run.array(f"library/{matrix}")
    packed = run.array("library") if kept is None else kept
    if packed is None or packed.ndim != 2 or packed.shape[1] != -(-shape.size // 8) or shape != recorded_shape(run):
        raise InputError(f"{run.record.id} holds no library for blocks of {shape.words}",
                         "packed supports under the key library", "Learn one from this matrix instead.")
    return np.unpackbits(packed.astype(np.uint8), axis=1, count=shape.size).astype(np.bool_)


def most(run: Run, matrix: str, block: str, learned: str) -> int:
    """How many supports the slider may ask for: as many as occur, 64 at most."""
    return len(supports(run, matrix, shape_of(block), learned))


def load(run: Run, matrix: str, block: str, learned: str, count: int) -> Found:
    """The blocks of *matrix* under a library of *count* supports.

    *learned* RUN: the supports of the run, all of them, and what its masks took where they were kept. Raises
    InputError for damaged arrays, or when there is neither a library nor anything to learn one from.
    """
    key = (stamp(run), run.record.id, matrix, block, learned, count)
    return _found.get(key, lambda: _load(run, matrix, shape_of(block), learned, count))


def _load(run: Run, matrix: str, shape: Shape, learned: str, count: int) -> Found:
    rows, columns = run.shape(matrix)
    if rows % shape.rows or columns % shape.columns:
        raise InputError(f"Matrix {matrix!r} is {rows} x {columns}", f"sides that {shape.words} divides",
                         "Choose another block.")
    held = supports(run, matrix, shape, learned)
    library = Library(shape.rows, shape.columns, held if learned == RUN else held[:max(count, 1)])
    blocks = _blocks.get((stamp(run), matrix, shape), lambda: dense_blocks(run, matrix, shape))
    mask = whole(run.mask(matrix), (rows, columns), f"mask/{matrix} of {run.record.id}") if learned == RUN else None
    if mask is not None:
        taken = _matched(cut(mask, shape) != 0, library.supports)
    elif blocks is not None:
        taken = library.best(blocks)
    else:
        raise InputError(f"{run.record.id} keeps neither masks nor dense weights", "something to draw a map from",
                         "Choose a run of record level masks or full.")
    return Found(matrix, shape, (rows // shape.rows, columns // shape.columns), library, taken, blocks, learned)


def _matched(masks: NDArray[np.bool_], supports: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Which support every mask `[B, size]` is; -1 for none."""
    packed = [np.packbits(a, axis=1) for a in (masks, supports)]
    places = {row.tobytes(): k for k, row in enumerate(packed[1])}
    kinds, inverse = np.unique(packed[0], axis=0, return_inverse=True)
    return np.array([places.get(row.tobytes(), -1) for row in kinds], dtype=np.intp)[inverse.reshape(-1)]
