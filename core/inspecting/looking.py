"""Look into a checkpoint: all its matrices, one by one, and what else there is."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from pathlib import Path

from core.errors import InputError
from core.inspecting import words
from core.inspecting.finding import SOME, Finding, find, judge
from core.inspecting.folder import Checkpoint, open_checkpoint
from core.inspecting.header import SIZES, Tensor
from core.inspecting.levels import grid_of
from core.inspecting.numbers import FLOATS, support, zeros
from core.inspecting.report import Asked, Matrix, Report, Rest
from core.runs.names import heads_of, matrix_name, natural, place_of
from core.sparsity.patterns import Pattern, Unstructured
from core.sparsity.storage import FLOAT, storage_of

LARGEST = 1 << 28  # weights of a matrix that is looked into: its mask and counts then take some 3 GB


def inspect(path: Path, names: str = "", pattern: Pattern | None = None) -> Report:
    """Look into the checkpoint at *path*: all its matrices, or those whose names match *names* (`*` and `?`).

    With *pattern*, every matrix of the layers (or every one that *names* chooses) is judged by it. Raises InputError
    for a path that holds no checkpoint, a damaged one, *names* that match nothing, and a pattern that matrices alone
    cannot be judged by.
    """
    checkpoint = open_checkpoint(path)
    ordered = sorted(checkpoint.tensors, key=lambda t: natural(t.name))
    known = [t for t in ordered if len(t.shape) == 2 and t.dtype in FLOATS and t.count]
    chosen = [t for t in known if fnmatch.fnmatchcase(matrix_name(t.name), names)] if names else \
        [t for t in known if place_of(t.name) != "embeddings"]
    if names and not chosen:
        if not known:
            raise InputError(f"No matrix matches {names[:80]!r}", "a checkpoint with matrices", "Leave the names out.")
        first = matrix_name(known[0].name)
        last = first.rpartition(".")[2][:40]
        raise InputError(f"None of {words.many(len(known), 'matrix')} matches {names[:80]!r}",
                         "a name, or a part of one between stars", f"The first is {first[:120]!r}: '*{last}' finds it.")
    small = [t for t in chosen if t.count <= LARGEST]
    judged = small if names else [t for t in small if place_of(t.name) == "layers"] or small
    looked = {t.name for t in small}
    matrices = tuple(_look(t, checkpoint, pattern if t in judged else None) for t in small)
    rest = () if names else _rest([t for t in checkpoint.tensors if t.name not in looked])
    report = Report(checkpoint.path, len(checkpoint.files), checkpoint.size, matrices, rest,
                    (*checkpoint.remarks, *words.remarks(matrices, rest)), pattern.name if pattern else "")
    return replace(report, verdict=words.verdict(report))


def _look(tensor: Tensor, checkpoint: Checkpoint, pattern: Pattern | None) -> Matrix:
    name = matrix_name(tensor.name)
    mask, wild = support(tensor)
    found = find(mask, name, heads_of(name, tensor.shape, checkpoint.config))
    asked = None if pattern is None else Asked(pattern.name, *judge(mask, pattern, name))
    gone = mask.size - int(mask.sum())
    shape = (tensor.shape[0], tensor.shape[1])
    return Matrix(name, place_of(tensor.name), tensor.dtype, shape, gone, found, grid_of(tensor), wild, tensor.size,
                  _compact(tensor, shape, found, gone), asked)


def _compact(tensor: Tensor, shape: tuple[int, int], found: Finding, gone: int) -> int:
    """Bytes of a compact file: values as wide as they are stored, indices by the pattern, or a bitmap; never more than
    dense."""
    size = tensor.count
    if gone == size:
        return 0
    holds = found.rule is not None and not found.violations
    rule = found.rule if holds and found.rule is not None else Unstructured(gone / size)
    counted = storage_of(rule, None, [shape], [size - gone])
    bits = counted.values // FLOAT * 8 * SIZES[tensor.dtype] + counted.indices
    return min(-(-bits // 8), tensor.size) if gone >= SOME * size else tensor.size


def _rest(tensors: list[Tensor]) -> tuple[Rest, ...]:
    kinds: dict[str, list[Tensor]] = {}
    for t in tensors:
        kind = t.dtype if t.dtype not in FLOATS else "embeddings" if place_of(t.name) == "embeddings" else \
            "too large to look into" if len(t.shape) == 2 and t.count > LARGEST else "norms, biases and other"
        kinds.setdefault(kind, []).append(t)
    return tuple(Rest(kind, len(group), sum(t.count for t in group),
                      None if group[0].dtype not in FLOATS else sum(map(zeros, group)), sum(t.size for t in group))
                 for kind, group in kinds.items())
