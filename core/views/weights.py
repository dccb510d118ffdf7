"""Which weights went, and what happened to those that stayed? One matrix of one run: before, after, difference.

*Before* is the dense parent's matrix, *after* this run's, at its end or at a snapshot of ADMM (W; Z = mask o (W + U),
the copy that obeys the pattern; U, the scaled dual: the running sum of W - Z). What a run did not keep is said in words
and the best of what it did keep is drawn: the dense weights under the mask, else block means of abs(w).
Kept weights are stored as int8 codes, one scale a row: differences under about 1 % of a row's largest are rounding.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from threading import Lock
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.records import Matrix, RunRecord
from core.runs.store import ARRAYS, Run
from core.sparsity.patterns import Pattern, parse_pattern
from core.views import maps, style
from core.views.groups import exactness
from core.views.view import View

What = Literal["w", "z", "u"]
FINAL = "final"
WHAT: dict[str, str] = {"w": "W", "z": "Z = mask ∘ (W + U)", "u": "U, the scaled dual"}
ROUNDING = 0.01  # relative change that int8 codes cannot tell from none


@dataclass(frozen=True)
class Pair:
    """One matrix before and after, as far as it was kept. Arrays are `[out, in]`, or block means of abs(w)."""

    record: RunRecord
    entry: Matrix
    pattern: Pattern
    before: maps.Floats | None
    after: maps.Floats | None
    third: maps.Floats | None  # after - before; for U: W - Z, which U is the running sum of
    mask: maps.Bits | None
    moment: str = FINAL  # or the number of a snapshot
    what: What = "w"
    blocks: tuple[int, int] | None = None  # rows and columns behind one value, when only block means were kept
    measured: bool = True  # after holds this run's own weights (False: the dense ones under its mask)
    notes: tuple[str, ...] = ()  # what is missing, in plain words

    @cached_property
    def limit(self) -> float:
        """The colour range of all panels: the 99.5th percentile of the dense abs(w)."""
        known = self.before if self.before is not None else self.after
        return 1.0 if known is None else maps.limit_of(known)


def moments(run: Run, matrix: str) -> list[str]:
    """The moments that the scrubber steps through: kept snapshots in order, then the end."""
    kept = [str(s.k) for s in run.record.snapshots if f"snapshot/{s.k}/w/{matrix}" in run.keys]
    return [*kept, FINAL]


def moment_words(record: RunRecord, moment: str) -> str:
    """A moment as the scrubber names it."""
    found = next((s for s in record.snapshots if str(s.k) == moment), None)
    return "end" if found is None else f"step {style.count(found.step)}"


def load(run: Run, matrix: str, moment: str = FINAL, what: What = "w") -> Pair:
    """Read one matrix. Raises InputError for a matrix or moment that the run has not, or for damaged arrays.

    The last few are kept, under the files' times: three pictures and every move of a slider share one reading.
    """
    files = [r.path / ARRAYS for r in (run, run.parent) if r is not None]
    times = tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files if f.exists())
    return _recent.get((run.record.id, times, matrix, moment, what), lambda: _load(run, matrix, moment, what))


class Recent:
    """The *most* last made values, by key. Shared between sessions: nobody changes a value."""

    def __init__(self, most: int) -> None:
        self._most, self._made, self._lock = most, OrderedDict[Any, Pair](), Lock()

    def get(self, key: Any, make: Callable[[], Pair]) -> Pair:
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


_recent = Recent(4)  # of minilm-l6's largest matrix: 7 MB each


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
    return pair if pair.after is not None else _thumbnails(run, pair)


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


def _thumbnails(run: Run, pair: Pair) -> Pair:
    """Fall back to the block means of abs(w) that every record level keeps."""
    name = pair.entry.name
    after = run.array(f"thumbnail/{name}")
    if after is None:
        return replace(pair, notes=(*pair.notes, "This run kept no weights, no mask and no thumbnail of this matrix."))
    (rows, cols), multiple = pair.entry.shape, pair.pattern.multiple
    r, c = ceil(rows / after.shape[0]), ceil(ceil(cols / after.shape[1]) / multiple) * multiple
    before = None if run.parent is None or pair.before is not None else _thumbnail_of(run.parent, name)
    if pair.before is not None:
        before = maps.means_over(np.abs(pair.before), r, c)
    fits = before is not None and before.shape == after.shape
    return replace(
        pair, before=before.astype(np.float32) if before is not None and fits else None, after=after.astype(np.float32),
        third=after.astype(np.float32) - before.astype(np.float32) if before is not None and fits else None,
        blocks=(r, c),
        notes=(*pair.notes,
               "This run kept neither its weights nor its masks: shown is the mean of |w| over small blocks."))


def _thumbnail_of(run: Run, name: str) -> NDArray[Any] | None:
    try:
        return run.array(f"thumbnail/{name}")
    except InputError:
        return None


def notes(run: Run, matrix: str, moment: str = FINAL, what: What = "w") -> tuple[str, ...]:
    """What this run did not keep of *matrix*, in plain words; empty when everything is there."""
    return load(run, matrix, moment, what).notes


# -- figures in words --------------------------------------------------------------------------------------------

def zeros(pair: Pair) -> float:
    """Share of exact zeros in what is shown as *after*."""
    return 1.0 - float(pair.mask.mean()) if pair.mask is not None else 1.0 - pair.entry.density


def kept_energy(pair: Pair) -> float:
    """Sum of kept w^2 over sum of w^2 on the dense weights; the header's figure when the arrays are not there."""
    if pair.mask is None or pair.before is None:
        return pair.entry.kept_energy
    total = float(np.square(pair.before).sum())
    return float(np.square(pair.before * pair.mask).sum()) / total if total else 1.0


def change_of_kept(pair: Pair) -> float | None:
    """|mask o (after - before)| / |mask o before|: how far the weights that stayed have moved. None: not known."""
    if not pair.measured or pair.mask is None or pair.before is None or pair.after is None:
        return None
    base = float(np.linalg.norm(pair.before * pair.mask))
    return float(np.linalg.norm((pair.after - pair.before) * pair.mask)) / base if base else 0.0


def sentence(pair: Pair) -> str:
    """The page's answer, from the data."""
    where, method = style.matrix_words(pair.entry.name), style.method_title(pair.record.spec.method)
    if pair.moment != FINAL:
        return _moment_sentence(pair, where)
    text = f"{method}, {where}: {style.percent(zeros(pair))} of the weights went, with " \
           f"{style.percent(1 - kept_energy(pair))} of the energy (Σw²)"
    moved = pair.entry.moved
    text += "; the mask is plain magnitude's" if moved == 0 else \
        f"; {style.percent(moved)} of the mask differs from plain magnitude's"
    changed = change_of_kept(pair)
    if changed is not None:
        far = f"moved by {style.percent(changed, 2)} of their size (‖ΔW‖/‖W‖)."
        text += f", and the weights that stayed {'did not move.' if changed < ROUNDING else far}"
    return text if text.endswith(".") else text + "."


def _moment_sentence(pair: Pair, where: str) -> str:
    found = next(s for s in pair.record.snapshots if str(s.k) == pair.moment)
    head = f"{where[0].upper()}{where[1:]} at step {style.count(found.step)} of ADMM (rho {found.rho:.3g})"
    if pair.what == "z":
        return f"{head}: Z obeys the pattern already, {style.percent(zeros(pair))} of it is zero; W follows."
    if pair.what == "u":
        return f"{head}: U adds up what W and Z still disagree on; the third map is that gap now, W − Z."
    return f"{head}: over the whole model W is still {style.percent(found.primal)} of its size away from Z (primal " \
           "residual)."


# -- the three maps ----------------------------------------------------------------------------------------------

def panels(run: Run, matrix: str, moment: str = FINAL, what: What = "w", zoom: bool = False, row: int = 0,
           column: int = 0, finer: bool = False) -> View:
    """Before | after | difference in one fixed colour range; the tile at (*row*, *column*) is marked.

    A matrix with more cells than a browser paints well is drawn as block means of abs(w), or, with *zoom*, as a window
    of single weights around the tile. With *finer* the difference (and U) is drawn in a tenth of the range, so that
    small changes show.
    """
    pair = load(run, matrix, moment, what)
    names = _titles(pair)
    parts = [pair.before, pair.after, pair.third]
    gone = None if pair.mask is None else (1 - pair.mask).astype(np.uint8)
    missing = " ".join(pair.notes) or "Not kept."
    if pair.blocks is not None:
        drawn, step, start = _as_blocks(names, parts, missing), pair.blocks, (0, 0)
    elif not zoom and not maps.drawn_whole(pair.entry.shape):
        reduced = [None if p is None else maps.block_means(np.abs(p), pair.pattern.multiple) for p in parts[:2]]
        step = next(r[1] for r in reduced if r is not None)
        means = [None if r is None else r[0] for r in reduced]
        last = means[1] - means[0] if means[0] is not None and means[1] is not None else None
        drawn, start = _as_blocks(names, [*means, last], missing), (0, 0)
    else:
        cut = maps.window(pair.entry.shape, row, column, pair.pattern.multiple)
        start, step = (cut[0].start, cut[1].start), (1, 1)
        limits = [pair.limit / 10 if finer and (i == 2 or (i == 1 and pair.what == "u")) else pair.limit
                  for i in range(3)]
        drawn = [maps.Panel(name, None if p is None else p[cut], limit=limits[i], why=missing,
                            pruned=None if gone is None or i == 0 else gone[cut])
                 for i, (name, p) in enumerate(zip(names, parts, strict=True))]
    single = pair.blocks is None and (pair.before is not None or pair.after is not None)
    box = maps.tile_at(pair.entry.shape, row, column, pair.pattern.multiple) if single else None
    figure = maps.draw(drawn, maps.Axes("input", "output", start, step), height=440, tile=box,
                       keep=f"{pair.record.id}/{pair.entry.name}/{start}/{step}")
    return View(sentence(pair), figure, None, _alt(pair, step), _table(pair, names, parts), _try(pair, step))


def _as_blocks(names: list[str], parts: list[maps.Floats | None], missing: str) -> list[maps.Panel]:
    known = next((p for p in parts if p is not None), None)
    limit = 1.0 if known is None else maps.limit_of(known)
    return [maps.Panel(name, part, "diverging" if i == 2 else "sequential", limit, why=missing, unit="mean |w|")
            for i, (name, part) in enumerate(zip(names, parts, strict=True))]


def _titles(pair: Pair) -> list[str]:
    if pair.moment == FINAL:
        after = "After" if pair.measured else "Before, under the mask"
        return ["Before: dense", after, "Difference: after − before"]
    return ["Before: dense", f"{WHAT[pair.what]}, {moment_words(pair.record, pair.moment)}",
            "W − Z" if pair.what == "u" else f"Difference: {pair.what.upper()} − before"]


def _alt(pair: Pair, step: tuple[int, int]) -> str:
    rows, cols = pair.entry.shape
    grain = "" if step == (1, 1) else f", drawn as means of |w| over blocks of {step[0]} × {step[1]}"
    held = "" if pair.mask is None else f" {style.percent(zeros(pair))} zero; {exactness(pair.mask, pair.pattern)}."
    head = f"Maps of {style.matrix_words(pair.entry.name)}, {rows} × {cols} weights{grain}"
    return f"{head}: {', '.join(_titles(pair))}.{held} {' '.join(pair.notes)}".strip()


def _table(pair: Pair, names: list[str], parts: list[maps.Floats | None]) -> pd.DataFrame:
    rows = [{"map": name, "norm": float(np.linalg.norm(p)), "mean |w|": float(np.abs(p).mean()),
             "smallest": float(p.min()), "largest": float(p.max()), "exact zeros": float((p == 0).mean())}
            for name, p in zip(names, parts, strict=True) if p is not None]
    return pd.DataFrame(rows, columns=["map", "norm", "mean |w|", "smallest", "largest", "exact zeros"])


def _try(pair: Pair, step: tuple[int, int]) -> str:
    if pair.blocks is not None:
        return "Choose a run that keeps its masks or weights to see single weights."
    scale = f"Colours run to ±{pair.limit:.2g}, the 99.5th percentile of the dense |w|" if step == (1, 1) else \
        f"Each cell is the mean of |w| over {step[0]} × {step[1]} weights; zoom in for single ones"
    return f"{scale}. Drag in one map: the other two follow."
