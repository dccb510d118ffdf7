"""What a run kept of one matrix: before, after, mask, at the end or at a snapshot of ADMM.

*Before* is the dense parent's matrix, *after* this run's: W; Z = mask o (W + U), the copy that obeys the pattern; or U,
the scaled dual, the running sum of W - Z. What was not kept is said in words, and the best of what was kept stands in:
the dense weights under the mask, else the block means of abs(w) that every record level keeps (`thumbnail/<matrix>`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from threading import Lock
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.arrays import coarser
from core.runs.phases import FILM
from core.runs.records import Matrix, RunRecord
from core.runs.store import ARRAYS, Run
from core.sparsity.patterns import Pattern, parse_pattern
from core.views.drawing import maps, style

What = Literal["w", "z", "u"]
T = TypeVar("T")
FINAL = "final"
WHAT: dict[str, str] = {"w": "W", "z": "Z = mask ∘ (W + U)", "u": "U, the scaled dual"}


@dataclass(frozen=True)
class Pair:
    """One matrix before and after, as far as it was kept. Arrays are `[out, in]`."""

    record: RunRecord
    entry: Matrix
    pattern: Pattern
    before: maps.Floats | None
    after: maps.Floats | None
    third: maps.Floats | None  # after - before; for U: W - Z, which U is the running sum of
    mask: maps.Bits | None
    moment: str = FINAL  # or the number of a snapshot
    what: What = "w"
    means: tuple[maps.Floats | None, maps.Floats | None] = (None, None)  # kept block means of abs(w): dense, this run
    measured: bool = True  # after holds this run's own weights (False: the dense ones under its mask)
    notes: tuple[str, ...] = ()  # what is missing, in plain words

    @cached_property
    def limit(self) -> float:
        """The colour range of all panels: the 99.5th percentile of the dense abs(w)."""
        known = self.before if self.before is not None else self.after
        return 1.0 if known is None else maps.limit_of(known)

    def blocks(self) -> tuple[tuple[int, int], list[maps.Floats | None]]:
        """Rows and columns of the blocks, and the means of abs(w) over them: dense, this run, difference.

        Means that a record kept are used where its weights are not known; the other side is then averaged over the
        same blocks. None where neither is known, or the blocks of the two do not match.
        """
        (rows, cols), multiple = self.entry.shape, self.pattern.multiple
        kept = next((m for m, w in zip(self.means, (self.before, self.after), strict=True)
                     if m is not None and w is None), None)
        if kept is None:
            size = maps.block_size(self.entry.shape, multiple)
        else:
            size = ceil(rows / kept.shape[0]), ceil(ceil(cols / kept.shape[1]) / multiple) * multiple
        sides = [m if w is None else maps.means_over(np.abs(w), *size)
                 for m, w in zip(self.means, (self.before, self.after), strict=True)]
        first, last = sides
        if first is not None and last is not None and first.shape != last.shape:
            sides, first = [None, last], None
        return size, [*sides, None if first is None or last is None else last - first]


def moments(run: Run, matrix: str) -> list[str]:
    """The moments that the scrubber steps through: kept snapshots in order, then the end."""
    kept = [str(s.k) for s in run.record.snapshots if f"snapshot/{s.k}/w/{matrix}" in run.keys]
    return [*kept, FINAL]


def moment_words(record: RunRecord, moment: str) -> str:
    """A moment as the scrubber names it."""
    found = next((s for s in record.snapshots if str(s.k) == moment), None)
    return "end" if found is None else f"{FILM.get(found.phase, found.phase)} {style.count(found.step)}"


def load(run: Run, matrix: str, moment: str = FINAL, what: What = "w") -> Pair:
    """Read one matrix. Raises InputError for a matrix or moment that the run has not, or for damaged arrays.

    The last few are kept, under the files' times: three pictures and every move of a slider share one reading.
    """
    files = [r.path / ARRAYS for r in (run, run.parent) if r is not None]
    times = tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files if f.exists())
    return _recent.get((run.record.id, times, matrix, moment, what), lambda: _load(run, matrix, moment, what))


class Recent(Generic[T]):
    """The *most* last made values, by key. Shared between sessions: nobody changes a value."""

    def __init__(self, most: int) -> None:
        self._most, self._made, self._lock = most, OrderedDict[Any, T](), Lock()

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """The value kept under *key*, or a new one."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = make()
        with self._lock:
            self._made[key] = made
            while len(self._made) > self._most:
                self._made.popitem(last=False)
        return made


_recent = Recent[Pair](4)  # of minilm-l6's largest matrix: 7 MB each


def _load(run: Run, matrix: str, moment: str, what: What) -> Pair:
    entry = next((m for m in run.record.matrices if m.name == matrix), None)
    if entry is None:
        raise InputError(f"{run.record.id} has no matrix {matrix[:80]!r}", "one of its prunable matrices",
                         "Choose one from the list.")
    if moment not in moments(run, matrix):
        raise InputError(f"{run.record.id} has no snapshot {moment[:20]!r} of {matrix}",
                         f"one of {', '.join(moments(run, matrix))}", "Choose a moment from the scrubber.")
    before, notes = _dense(run, matrix, entry.shape)
    pair = Pair(run.record, entry, parse_pattern(run.record.spec.pattern), before, None, None, None, moment,
                notes=tuple(notes))
    pair = _final(run, pair) if moment == FINAL else _snapshot(run, pair, int(moment), what)
    return pair if pair.after is not None and pair.before is not None else _with_means(run, pair)


def whole(array: NDArray[Any] | None, shape: tuple[int, int], what: str) -> NDArray[Any] | None:
    """Pass *array* on. Raises InputError when it has not the *shape* that the header declares."""
    if array is not None and array.shape != tuple(shape):
        raise InputError(f"{what} has shape {array.shape}", f"shape {tuple(shape)}, as the run's header says",
                         "Make the run again, or fetch the file anew.")
    return array


def dense_of(run: Run, matrix: str) -> maps.Floats | None:
    """The dense parent's weights; None when the parent or its weights are not kept, or cannot be read."""
    try:
        return None if run.parent is None else run.parent.weight(matrix)
    except (InputError, ValueError):
        return None


def _dense(run: Run, matrix: str, shape: tuple[int, int]) -> tuple[maps.Floats | None, list[str]]:
    if run.parent is None:
        wanted = f" ({run.record.parent})" if run.record.parent else ""
        return None, [f"The dense run this one started from{wanted} is not in the store: there is no before."]
    before = whole(dense_of(run, matrix), shape, f"weight/{matrix} of {run.parent.record.id}")
    return before, [] if before is not None else ["The dense run did not keep its weights, or they cannot be read."]


def _final(run: Run, pair: Pair) -> Pair:
    name, shape, notes = pair.entry.name, pair.entry.shape, list(pair.notes)
    mask = whole(run.mask(name), shape, f"mask/{name} of {run.record.id}")
    after = whole(run.weight(name), shape, f"weight/{name} of {run.record.id}")
    measured = after is not None
    if after is None and mask is not None and pair.before is not None:
        after = pair.before * mask
        notes.append("This run keeps its masks, not its weights: the dense weights are shown under its mask, and how "
                     "those that stayed have changed is not known.")
    third = None if after is None or pair.before is None else after - pair.before
    return replace(pair, after=after, third=third, mask=mask, measured=measured, notes=tuple(notes))


def _snapshot(run: Run, pair: Pair, k: int, what: What) -> Pair:
    name, shape = pair.entry.name, pair.entry.shape
    w, u, mask = (whole(run.snapshot(k, part, name), shape, f"snapshot/{k}/{part}") for part in ("w", "u", "mask"))
    if w is None:
        raise InputError(f"Snapshot {k} of {run.record.id} has no scales of W", "a snapshot with W and its scales",
                         "Choose another moment.")
    if what != "w" and (u is None or mask is None):
        raise InputError(f"Snapshot {k} of {run.record.id} has no U or no mask of {name}",
                         "a snapshot with W, U and mask", "Show W instead.")
    z = None if u is None or mask is None else mask * (w + u)
    after = {"w": w, "z": z, "u": u}[what]
    third = None if pair.before is None or after is None else after - pair.before
    if what == "u" and z is not None:
        third = w - z
    return replace(pair, after=after, third=third, mask=mask if what == "z" else None, what=what)


def _with_means(run: Run, pair: Pair) -> Pair:
    """Add the block means that both runs keep, and say what they stand in for."""
    own = run.array(f"thumbnail/{pair.entry.name}")
    try:
        dense = None if run.parent is None else run.parent.array(f"thumbnail/{pair.entry.name}")
    except InputError:
        dense = None
    if dense is not None and own is not None and dense.shape != own.shape:
        dense = coarser(dense, pair.entry.shape)
        dense = dense if dense.shape == own.shape else None
    means = tuple(None if a is None else a.astype(np.float32) for a in (dense, own))
    said = list(pair.notes)
    if pair.after is None and pair.mask is not None:
        said.append("This run keeps its masks, not its weights: which weights stay is known one by one, their sizes "
                    "only as the mean of |w| over small blocks.")
    elif pair.after is None and own is not None:
        said.append("This run kept neither its weights nor its masks: shown is the mean of |w| over small blocks.")
    elif pair.after is None:
        said.append("This run kept no weights, no mask and no thumbnail of this matrix.")
    return replace(pair, means=(means[0], means[1]), notes=tuple(said))


def notes(run: Run, matrix: str, moment: str = FINAL, what: What = "w") -> tuple[str, ...]:
    """What this run did not keep of *matrix*, in plain words; empty when everything is there."""
    return load(run, matrix, moment, what).notes
