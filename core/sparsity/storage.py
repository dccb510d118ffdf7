"""Storage: what a pruned and quantised model takes, in bits, written as compact formats write it.

| part | counted |
|---|---|
| values | a kept weight: the grid's bits, 32 without a grid; N:M stores N a group, always |
| indices, N:M | a group: N positions of ceil(log2 M) bits, or M bits if fewer; none for N = M |
| indices, unstructured | a bitmap: 1 bit a weight, also for a pattern over the whole model |
| indices, blocks | a bitmap: 1 bit a block |
| indices, heads, neurons, modules | none: what is gone is cut out, and a shape says it |
| indices, library of K supports | ceil(log2 K) bits a block |
| library | every support as a bitmap of its block, once for all matrices or once for each |
| scales | 32 bits a chunk: they are float32 here; formats with 16 bits exist, ours is not one |
| correction | 32 bits a number of both factors, r (out + in) of a matrix |
| other weights | 32 bits: embeddings, norms, biases, pooler and classifier stay as they are |

A grid of some bits has 2^bits - 1 levels, which fit into as many bits. M bits are a bitmap of the
group. Not counted: names, shapes and padding of a file. Entropy coding could go lower; what is
counted here can be read at random. Nothing of it says how fast a model runs.

No torch: pages count storage too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from core.sparsity.grids import Grid
from core.sparsity.patterns import Dense, Pattern, parse_pattern

# Bits of a float32: a weight without a grid, a scale, a weight that is never pruned.
FLOAT = 32


@dataclass(frozen=True)
class Storage:
    """Bits of the prunable matrices by part, and of the whole model where *other* is known."""

    weights: int  # prunable weights, zeros included
    values: int
    indices: int
    scales: int
    library: int
    other: int | None = None  # weights that are never pruned
    factors: int = 0  # of corrections of low rank beside the matrices

    @property
    def bits(self) -> int:
        """All that the prunable matrices take, and what stands beside them."""
        return self.values + self.indices + self.scales + self.library + self.factors

    @property
    def bits_per_weight(self) -> float:
        """Bits per prunable weight, zeros included; nan for a model without any.

        A dense model in float32 takes 32.
        """
        return self.bits / self.weights if self.weights else math.nan

    @property
    def compression(self) -> float:
        """How many times smaller than in float32 the prunable matrices are; nan without any."""
        return FLOAT * self.weights / self.bits if self.bits else math.nan

    @property
    def model_bits(self) -> int | None:
        """The whole model, its other weights as float32; None where their number is not known."""
        return None if self.other is None else self.bits + FLOAT * self.other

    @property
    def model_compression(self) -> float | None:
        """How many times smaller than in float32 the whole model is.

        None where the number of its other weights is not known.
        """
        total = self.model_bits
        return (None if total is None or self.other is None
                else FLOAT * (self.weights + self.other) / total)


def storage_of(pattern: Pattern, grid: Grid | None, shapes: Sequence[tuple[int, int]],
               kept: Sequence[int], other: int | None = None,
               ranks: Sequence[int] = ()) -> Storage:
    """What matrices of *shapes* `[out, in]` take under *pattern* and on *grid*.

    *kept*: how many weights of each stay. *other*: weights of the model that are never pruned, None
    where their number is not known. *ranks*: of the correction of each; () without any.

    Raises InputError for a matrix that fits pattern or grid not.
    """
    grouping, budget = pattern.grouping, pattern.budget
    values = indices = scales = 0
    for shape, stay in zip(shapes, kept, strict=True):
        pattern.fits("weights", shape)
        size, units = math.prod(shape), grouping.units_in(shape)
        groups = size // (units * grouping.weights_in(shape))
        # So many places a group are written, whatever stands in them.
        if budget.number is not None:
            stay = groups * budget.number
        indices += 0 if pattern.coupled else groups * budget.index_bits(units)
        values += stay * (FLOAT if grid is None else grid.bits)
        if grid is not None:
            grid.fits("weights", shape)
            scales += shape[0] * (shape[1] // (grid.chunk or shape[1])) * FLOAT
    libraries = len(shapes) if pattern.each else 1
    library = (0 if budget.ways is None
               else libraries * budget.ways * math.prod(grouping.cell or (0, 0)))
    of_each = zip(shapes, ranks or [0] * len(shapes), strict=True)
    factors = FLOAT * sum(rank * sum(shape) for shape, rank in of_each)
    weights = sum(math.prod(s) for s in shapes)
    return Storage(weights, values, indices, scales, library, other, factors)


class Recorded(Protocol):
    """What is read of a `core.runs.records.RunRecord`."""

    @property
    def spec(self) -> Any:
        """method, pattern, bits, chunk."""

    @property
    def matrices(self) -> Any:
        """shape, density and rank of each."""

    @property
    def other_weights(self) -> int | None:
        """Parameters that are never pruned."""

    @property
    def units(self) -> Any:
        """other_weights of the shrunk model; None for a run that pruned no whole units."""


def storage_of_record(record: Recorded) -> Storage:
    """What the final model of a run takes; that of a dense run takes 32 bits a weight.

    Raises InputError for a pattern that is not known.
    """
    spec = record.spec
    pattern = Dense() if spec.method == "dense" else parse_pattern(spec.pattern)
    grid = Grid(spec.bits, spec.chunk) if spec.bits else None
    shapes = tuple((m.shape[0], m.shape[1]) for m in record.matrices)
    # A density is recorded as a share of whole weights, so rounding gives their number back.
    kept = tuple(round(m.density * math.prod(m.shape)) for m in record.matrices)
    # With its units a model loses biases that no pattern of single weights touches.
    other = record.other_weights if record.units is None else record.units.other_weights
    return _known(pattern, grid, shapes, kept, other, tuple(m.rank for m in record.matrices))


@lru_cache(maxsize=512)
def _known(pattern: Pattern, grid: Grid | None, shapes: tuple[tuple[int, int], ...],
           kept: tuple[int, ...], other: int | None, ranks: tuple[int, ...]) -> Storage:
    """`storage_of`: hundreds of runs of one model and pattern take the same."""
    return storage_of(pattern, grid, shapes, kept, other, ranks)

