"""The check of a run's film: are its moments in order, does every Z obey the pattern, do the counts add up?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np

from core.runs import arrays as enc
from core.runs.filmed import BINS, corner_of
from core.runs.phases import FILM
from core.runs.records import Matrix, RunRecord, Snapshot
from core.sparsity.patterns import Pattern
from core.sparsity.verify import Verdict, verify_all

Arrays = Mapping[str, np.ndarray]
Masks = dict[str, np.ndarray]


def check_films(record: RunRecord, pattern: Pattern, held: Arrays,
                words: Callable[[Verdict], str | None]) -> tuple[list[str], list[str]]:
    """What was verified of the moments of W, and what is wrong with them, in words; [] and [] where none were kept.
    *held*: the run's arrays. *words* says what a verdict found."""
    verified, wrong = [], _order(record.snapshots) + _order(record.film)
    for s in record.snapshots:
        masks: Masks = {}
        for m in record.matrices:
            wrong += _whole(s, m, held, masks)
        wrong += [f"snapshot {s.k}, {text}" for v in verify_all(masks, pattern).values() if (text := words(v))]
    if record.snapshots and not wrong:
        verified.append(f"{len(record.snapshots)} ADMM snapshots: Z obeys {pattern.name}, shapes agree")
    found = [text for s in record.film for m in record.matrices if (text := _corner(s, m, held))]
    found += [text for m in record.matrices if record.film and (text := _end(record, m, held))]
    if record.film and not found and not wrong:
        verified.append(f"film of {len(record.film)} moments: every matrix's histogram and occupancy count it whole, "
                        "the last is the final mask's")
    return verified, wrong + found


def _order(moments: list[Snapshot]) -> list[str]:
    """Moments are numbered from 0 on; their phases come in the order of a film, the steps of one phase rise."""
    wrong, order = [], list(FILM)
    if [s.k for s in moments] != list(range(len(moments))):
        wrong.append("the moments of W are not numbered 0, 1, 2, ...")
    if unknown := sorted({s.phase for s in moments} - FILM.keys()):
        return [*wrong, f"moments of W in unknown phases: {', '.join(unknown)[:80]}"]
    for a, b in pairwise(moments):
        if (order.index(a.phase), a.step) >= (order.index(b.phase), b.step):
            wrong.append(f"moment {b.k} of W ({b.phase}, {b.step}) does not come after {a.phase}, {a.step}")
    return wrong


def _whole(s: Snapshot, m: Matrix, held: Arrays, masks: Masks) -> list[str]:
    mask = held.get(f"snapshot/{s.k}/mask/{m.name}")
    shapes = [a.shape if (a := held.get(f"snapshot/{s.k}/{what}/{m.name}")) is not None else None
              for what in ("w", "u")]
    if mask is None or mask.shape != (m.shape[0], -(-m.shape[1] // 8)) or shapes != [m.shape, m.shape]:
        return [f"snapshot {s.k}, {m.name}: W, U or the mask is missing or has another shape"]
    masks[m.name] = enc.unpack_mask(mask, m.shape[1])
    return []


def _corner(s: Snapshot, m: Matrix, held: Arrays) -> str | None:
    rows, cols = corner_of(m.shape)
    head, size = f"moment {s.k} of the film, {m.name}", m.shape[0] * m.shape[1]
    w, mask, histogram, occupancy = (held.get(f"film/{s.k}/{part}/{m.name}")
                                     for part in ("w", "mask", "histogram", "occupancy"))
    if w is None or w.shape != (rows, cols) or (mask is None) != (s.phase == "dense") or (
            mask is not None and mask.shape != (rows, -(-cols // 8))):
        return f"{head}: the corner of W or of the mask is missing or has another shape"
    if histogram is None or histogram.shape != (2, BINS) or histogram.sum() != size or (histogram < 0).any():
        return f"{head}: the histogram does not count {size} weights"
    last = held.get(f"occupancy/{m.name}")
    if occupancy is None or last is None or occupancy.shape != last.shape or occupancy.sum() != last.sum() or (
            (occupancy < 0).any()):
        return f"{head}: the occupancy does not count {0 if last is None else last.sum()} groups"
    return None


def _end(record: RunRecord, m: Matrix, held: Arrays) -> str | None:
    """The last moment of a film is the final model."""
    k = record.film[-1].k
    rows, cols = corner_of(m.shape)
    mask, corner = held.get(f"mask/{m.name}"), held.get(f"film/{k}/mask/{m.name}")
    histogram, occupancy = (held.get(f"film/{k}/{part}/{m.name}") for part in ("histogram", "occupancy"))
    if record.film[-1].phase != "final" or mask is None or corner is None or histogram is None or occupancy is None:
        return f"the film of {m.name} does not end with the final model"
    bits = enc.unpack_mask(mask, m.shape[1])
    if not np.array_equal(bits[:rows, :cols], enc.unpack_mask(corner, cols)):
        return f"the film of {m.name} does not end with the final mask"
    counted = held.get(f"occupancy/{m.name}")
    if histogram[0].sum() != bits.sum() or counted is None or not np.array_equal(occupancy, counted):
        return f"the last counts in the film of {m.name} are not those of the final mask"
    return None
