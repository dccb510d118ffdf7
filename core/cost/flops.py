"""The arithmetic of one pass through the encoder, counted from its shapes. No torch.

A multiplication and the addition after it are two operations (FLOPs), as `torch.utils.flop_counter` counts them. For a
sequence of L tokens:

    a matrix [out, in]                  2 L out in          counted over its non-zeros: 2 L nnz
    a correction of rank r beside it    2 L r (out + in)
    scores and sums of attention        2 L^2 (rows of the query + rows of the value)

Left out: norms, softmax, activation functions, biases, and the head over one token, together under 1 % where matrices
are wide. A batch of B needs B times as much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.runs.names import QUERY, VALUE, part_of
from core.runs.records import Matrix

FUSED = "query, key and value"


@dataclass(frozen=True)
class Flops:
    """Operations for one sequence: of the matrices and of attention's own products."""

    matrices: int
    attention: int

    @property
    def total(self) -> int:
        """All that is counted."""
        return self.matrices + self.attention


def dense_flops(shapes: Iterable[tuple[str, tuple[int, int]]], length: int) -> Flops:
    """What dense kernels do with matrices of these (name, `[out, in]`) on *length* tokens, zeros or not."""
    matrices = attention = 0
    for name, (out, into) in shapes:
        matrices += 2 * length * out * into
        attention += 2 * length * length * _across(name, out)
    return Flops(matrices, attention)


def sparse_flops(matrices: Iterable[Matrix], length: int, whole_rows: bool = False) -> Flops:
    """What is left where no zero of a matrix is multiplied.

    Attention's own products have no weights: they stay, unless the zeros are *whole_rows* of query and value. Those are
    removed heads, and their products go with them.
    """
    listed = list(matrices)
    shapes = [(m.name, (nonzeros(m) // m.shape[1] if whole_rows else m.shape[0], m.shape[1])) for m in listed]
    return Flops(2 * length * sum(nonzeros(m) + factors(m) for m in listed), dense_flops(shapes, length).attention)


def nonzeros(matrix: Matrix) -> int:
    """Weights of *matrix* that stay. A density is recorded as a share of whole weights: rounding gives their number."""
    return round(matrix.density * matrix.shape[0] * matrix.shape[1])


def factors(matrix: Matrix) -> int:
    """Numbers in the factors of the correction beside *matrix*; 0 without one."""
    return matrix.rank * sum(matrix.shape)


def _across(name: str, out: int) -> int:
    """Rows of a matrix that take part in a product of tokens with tokens."""
    part = part_of(name)
    return out if part in (QUERY, VALUE) else 2 * out // 3 if part == FUSED else 0
