"""Look into a checkpoint: all its matrices, one by one, and what else there is."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import InputError
from core.inspecting import words
from core.inspecting.finding import SOME, Finding, Mask, find, judge
from core.inspecting.folder import Checkpoint, open_checkpoint
from core.inspecting.header import Tensor
from core.inspecting.levels import grid_of
from core.inspecting.numbers import BITS_OF, rows, support, zeros
from core.inspecting.recognising import EMBEDDINGS, Beside, recognise
from core.inspecting.report import Asked, Matrix, Report, Rest
from core.inspecting.sources import Source
from core.runs.names import heads_of, in_order, matrix_name
from core.sparsity.patterns import Pattern, Unstructured
from core.sparsity.storage import FLOAT, storage_of

LARGEST = 1 << 28  # weights of a matrix that is looked into: its mask and counts then take some 3 GB
_FUSED = re.compile(r"(?:^|\.)(?:qkv|qkv_proj|Wqkv|c_attn|in_proj(?:_weight)?)$")  # NeoX and BLOOM mix them by heads
TOO_LARGE = "too large to look into"


def inspect(path: Path, names: str = "", pattern: Pattern | None = None) -> Report:
    """Look into the checkpoint at *path*: all its matrices, or those whose names match *names* (`*` and `?`).

    With *pattern*, every matrix of the layers (or every one that *names* chooses) is judged by it. Raises InputError
    for a path that holds no checkpoint, a damaged one, *names* that match nothing, and a pattern that matrices alone
    cannot be judged by.
    """
    checkpoint = open_checkpoint(path)
    found = recognise(checkpoint.tensors, checkpoint.config)
    known = sorted(found.sources, key=lambda s: in_order(s.name))
    blind = [b for b in found.beside if b.unread]
    chosen = _chosen(known, blind, names) if names else [s for s in known if s.place != EMBEDDINGS]
    small = [s for s in chosen if s.count <= LARGEST]
    judged = small if names else [s for s in small if s.place == "layers"] or small
    looked = {s.name for s in small}
    matrices = tuple(_look(s, checkpoint, pattern if s in judged else None) for s in small)
    rest = () if names else _rest(found.beside, [s for s in known if s.name not in looked])
    counts = [*(s.count for s in known), *(b.weights for b in found.beside)]
    total = None if None in counts else sum(n for n in counts if n is not None)
    remarks = (*checkpoint.remarks, *words.shrunk(checkpoint.config), *words.remarks(matrices, rest),
               *words.promises(checkpoint.config, matrices))
    report = Report(checkpoint.path, len(checkpoint.files), checkpoint.size, matrices, rest, remarks,
                    pattern.name if pattern else "", (), total)
    return replace(report, verdict=words.verdict(report))


def _chosen(known: Sequence[Source], blind: Sequence[Beside], names: str) -> list[Source]:
    """The matrices whose names match. Raises InputError when none does, and for what matches and cannot be read."""
    glob = re.sub(r"\[([0-9]+)\]", r"[[]\1]", names)  # "experts.down_proj[3]" is a name, no choice of letters
    chosen = [s for s in known if fnmatch.fnmatchcase(s.name, glob)]
    if chosen:
        return chosen
    for b in blind:
        if fnmatch.fnmatchcase(matrix_name(b.names[0]), glob):
            raise InputError(f"{matrix_name(b.names[0])[:120]!r} is not read ({b.kind})", "a matrix that can be read",
                             "Inspect the checkpoint before it was packed.")
    if not known:
        raise InputError(f"No matrix matches {names[:80]!r}", "a checkpoint with matrices", "Leave the names out.")
    first = known[0].name
    last = first.rpartition(".")[2].partition("[")[0][:40]
    raise InputError(f"None of {words.many(len(known), 'matrix')} matches {names[:80]!r}",
                     "a name, or a part of one between stars",
                     f"The first is {first[:120]!r}: '*{last}{'*' * first.endswith(']')}' finds it.")


def _look(source: Source, checkpoint: Checkpoint, pattern: Pattern | None) -> Matrix:
    read = source.open()
    mask, wild, faint = support(read, source.shape)
    found = find(mask, source.name, heads_of(source.name, source.shape, checkpoint.config), _rounding(source))
    asked = None if pattern is None else Asked(pattern.name, *judge(mask, pattern, source.name))
    gone = mask.size - int(mask.sum())
    grid = source.grid if source.eps is None else grid_of(read, source.shape, source.eps)
    return Matrix(source.name, source.place, source.dtype, source.shape, gone, found, grid, wild, source.size,
                  _compact(source, found, gone), asked, source.forms, faint, _thirds(mask, source, found))


def _thirds(mask: Mask, source: Source, found: Finding) -> tuple[str, ...]:
    """The patterns of query, key and value that lie one above the other in a matrix, where the whole obeys none."""
    if found.rule is not None or mask.shape[0] % 3 or not _FUSED.search(source.name):
        return ()
    parts = tuple(find(part, source.name).pattern for part in np.split(mask, 3))
    return parts if any(p != found.pattern for p in parts) else ()


def _rounding(source: Source) -> float:
    """Zeros that rounding alone makes in dense weights, as a share, with room: an eighth of a bell curve at 4 bits."""
    if source.bits <= 4:
        return 0.25 if source.bits == 4 else 0.6
    return 0.03 if source.grid is not None else SOME


def _compact(source: Source, found: Finding, gone: int) -> int:
    """Bytes of a compact file: values as wide as they are stored, indices by the pattern, or a bitmap; never more than
    now."""
    size = source.count
    if gone == size:
        return 0
    holds = found.rule is not None and not found.violations
    rule = found.rule if holds and found.rule is not None else Unstructured(gone / size)
    counted = storage_of(rule, None, [source.shape], [size - gone])
    bits = counted.values // FLOAT * source.bits + counted.indices
    written_out = 8 * source.size >= size * source.bits
    return min(-(-bits // 8), source.size) if written_out and gone >= SOME * size else source.size


def _rest(beside: Sequence[Beside], sources: Sequence[Source]) -> tuple[Rest, ...]:
    """What is not looked into matrix by matrix: kind by kind, those of the layers that could not be judged apart."""
    out: dict[tuple[str, bool], Rest] = {}
    entries = [Rest(b.kind, max(len(b.tensors), 1), b.weights or 0, None if b.unread else _zeros(b.tensors),
                    sum(t.size for t in b.tensors), int(b.unread), b.unread and b.place == "layers") for b in beside]
    for s in sources:
        large = s.place != EMBEDDINGS
        entries.append(Rest(TOO_LARGE if large else EMBEDDINGS, 1, s.count, _zeros_of(s), s.size, int(large),
                            s.place == "layers"))
    for e in entries:
        key = (e.kind, e.layers)
        out[key] = out[key].and_more(e) if key in out else e
    return tuple(out.values())


def _zeros(tensors: Sequence[Tensor]) -> int | None:
    """Zeros of the floats among *tensors*; None where there are none."""
    floats = [t for t in tensors if t.dtype in BITS_OF]
    return sum(map(zeros, floats)) if floats else None


def _zeros_of(source: Source) -> int:
    return sum(part.size - int(np.count_nonzero(part)) for _, part in rows(source.open(), source.shape))
