"""A run's film: its moments of one matrix in order, from dense to refined, whole or as a corner of it. numpy only.

    dense -> rounds of the layer-wise solution -> steps of ADMM in training -> hard prune -> refined

Two ways in which a film is kept, read as one:

- whole (small models): `snapshot/<k>/w|u|mask/<matrix>` of rounds and steps. The other three follow from the dense
  parent's weights, from the last W under its mask, and from the final weights.
- corner (large ones, when a film was asked for): `film/<k>/w|mask/<matrix>`, the first CORNER x CORNER weights, at all
  moments; of the whole matrix the histogram and the occupancy, both exact: `film/<k>/histogram|occupancy/<matrix>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs import arrays as enc
from core.runs.records import RunRecord, Snapshot
from core.runs.store import Run
from core.sparsity.occupancy import free_mask, occupancy
from core.sparsity.patterns import Pattern, parse_pattern

CORNER = 64  # weights a side; whole groups of every M that divides it
PRUNED = ("hard-pruned", "final")  # the phases in which W is under its mask
BINS = 61  # of a histogram; odd, so that zero has a bin of its own

Floats = NDArray[np.float32]
Bits = NDArray[np.uint8]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """One moment. `w`, `u` and `mask` are `[rows, cols]`: the whole matrix, or its corner."""

    phase: str  # one of `core.runs.phases.FILM`
    step: int  # of the optimiser; with phase "layer-wise" the round
    rho: float | None  # None where the phase has none
    primal: float | None  # |W - Z| / |W| over all matrices
    w: Floats
    u: Floats | None  # the scaled dual, where it is kept
    mask: Bits | None  # the support of Z; None while dense
    kept: Counts  # [BINS]: weights of the whole matrix inside the mask (all, while there is none), by value
    gone: Counts  # [BINS]: those outside of it
    occupancy: Counts  # [cells + 1]: groups by how many of the matrix's largest |W| they hold, as many as may stay

    @property
    def z(self) -> Floats | None:
        """The copy that obeys the pattern, mask o (W + U); where U is not kept mask o W."""
        if self.mask is None:
            return None
        return self.mask * (self.w if self.u is None else self.w + self.u)


@dataclass(frozen=True)
class Filmed:
    """The film of one matrix."""

    matrix: str
    shape: tuple[int, int]  # [out, in] of the whole matrix
    whole: bool  # False: w, u and mask of the frames are its corner
    limit: float  # the range of colours and histograms is -limit to limit
    pattern: Pattern
    frames: list[Frame]


def limit_of(dense: Floats) -> float:
    """The range that one matrix is shown in: the 99.5th percentile of the dense |w|, never 0."""
    size = np.abs(dense)
    return float(np.percentile(size, 99.5)) or float(size.max(initial=0.0)) or 1.0


def histogram(w: Floats, mask: Bits | None, limit: float) -> Counts:
    """How many weights inside and outside *mask* (None: all are inside) have which value: int64 `[2, BINS]` over
    -*limit* to *limit*, what lies beyond in the last bins."""
    place = np.clip(np.floor((w.ravel() + limit) * (BINS / (2 * limit))), 0, BINS - 1).astype(np.int64)
    if mask is not None:
        place += BINS * (mask.ravel() == 0)
    return np.bincount(place, minlength=2 * BINS).reshape(2, BINS).astype(np.int64)


def largest_by_group(w: Floats, density: float, pattern: Pattern) -> Counts:
    """How many groups hold how many of the largest |w|, a share *density* of the matrix: int64 `[cells + 1]`. Ragged
    while dense; all groups at N once W obeys."""
    return occupancy(free_mask(w, density), pattern).histogram


def kept_by_group(mask: Bits, pattern: Pattern) -> Counts:
    """The same of W once it has gone under *mask*: no kept weight is told from a pruned one by its size then, as one
    that rounds to 0 would be."""
    return occupancy(mask, pattern).histogram


def has_film(record: RunRecord) -> bool:
    """Does the run keep more than its two ends?"""
    return bool(record.snapshots or record.film)


def filmed(run: Run, matrix: str) -> Filmed:
    """Read the film of *matrix*. A run without moments gives those of its two ends that are kept.

    Raises InputError for a matrix that the run has not, and for arrays that are missing or have another shape.
    """
    entry = next((m for m in run.record.matrices if m.name == matrix), None)
    if entry is None:
        raise InputError(f"{run.record.id} has no matrix {matrix[:80]!r}", "one of its prunable matrices",
                         "Choose one from the list.")
    pattern = parse_pattern(run.record.spec.pattern)
    read = _corners if run.record.film else _wholes
    limit, frames = read(run, matrix, entry.shape, entry.density, pattern)
    return Filmed(matrix, entry.shape, not run.record.film, limit, pattern, frames)


def _wholes(run: Run, matrix: str, shape: tuple[int, int], density: float,
            pattern: Pattern) -> tuple[float, list[Frame]]:
    dense = None if run.parent is None else _shaped(run.parent.weight(matrix), shape, f"weight/{matrix}")
    final = _shaped(run.weight(matrix), shape, f"weight/{matrix}")
    known = final if dense is None else dense
    limit = 1.0 if known is None else limit_of(known)
    frames: list[Frame] = []

    def add(s: Snapshot, w: Floats, u: Floats | None, mask: Bits | None) -> None:
        kept, gone = histogram(w, mask, limit)
        groups = kept_by_group(mask, pattern) if mask is not None and s.phase in PRUNED else \
            largest_by_group(w, density, pattern)
        frames.append(Frame(s.phase, s.step, s.rho or None, s.primal if s.rho else None, w, u, mask, kept, gone, groups))

    if dense is not None:
        add(Snapshot(k=-1, step=0, rho=0.0, primal=0.0, phase="dense"), dense, None, None)
    held = run.several(f"snapshot/{s.k}/{part}/{matrix}{end}" for s in run.record.snapshots
                       for part, end in (("w", ""), ("w", ".scale"), ("u", ""), ("u", ".scale"), ("mask", "")))
    for s in run.record.snapshots:
        w, u, mask = (_shaped(enc.moment(held, f"snapshot/{s.k}", part, matrix, shape[1]), shape,
                              f"snapshot/{s.k}/{part}/{matrix}") for part in ("w", "u", "mask"))
        if w is None or u is None or mask is None:
            raise InputError(f"Snapshot {s.k} of {run.record.id} lacks W, U or the mask of {matrix}",
                             "a moment with all three", "Make the run again, or fetch the file anew.")
        add(s, w, u, mask)
    last = frames[-1] if frames else None
    pruned = run.record.results is not None and run.record.results.hard_pruned is not None
    if last is not None and last.mask is not None and last.phase == "admm" and pruned:
        add(Snapshot(k=-1, step=last.step, rho=0.0, primal=0.0, phase="hard-pruned"), last.w * last.mask, None,
            last.mask)
    mask = _shaped(run.mask(matrix), shape, f"mask/{matrix}")
    if final is not None and mask is not None:
        end = max((int(row.get("step", 0)) for row in run.trace), default=0)
        add(Snapshot(k=-1, step=end, rho=0.0, primal=0.0, phase="final"), final, None, mask)
    return limit, frames


def _corners(run: Run, matrix: str, shape: tuple[int, int], density: float,
             pattern: Pattern) -> tuple[float, list[Frame]]:
    corner = corner_of(shape)
    keys = [f"film/{s.k}/{part}/{matrix}" for s in run.record.film
            for part in ("w", "mask", "histogram", "occupancy")]
    held = run.several([*keys, *(f"film/{s.k}/w/{matrix}.scale" for s in run.record.film), f"film/limit/{matrix}"])
    frames = []
    try:
        limit = float(held[f"film/limit/{matrix}"][0])
        for s in run.record.film:
            w = enc.decode_rows(held[f"film/{s.k}/w/{matrix}"], held[f"film/{s.k}/w/{matrix}.scale"])
            mask = None if s.phase == "dense" else enc.unpack_mask(held[f"film/{s.k}/mask/{matrix}"], corner[1])
            kept, gone = held[f"film/{s.k}/histogram/{matrix}"].astype(np.int64)
            for part in (w, mask):
                _shaped(part, corner, f"film/{s.k}/{matrix}")
            frames.append(Frame(s.phase, s.step, s.rho or None, s.primal if s.rho else None, w, None, mask, kept, gone,
                                held[f"film/{s.k}/occupancy/{matrix}"]))
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"The film of {matrix} in {run.record.id} is not whole ({str(error)[:80]})",
                         "W, mask, histogram and occupancy of every moment",
                         "Make the run again, or fetch the file anew.") from None
    return limit, frames


def corner_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the corner that is kept of a matrix of *shape*."""
    return min(shape[0], CORNER), min(shape[1], CORNER)


def _shaped(array: NDArray[Any] | None, shape: tuple[int, int], what: str) -> NDArray[Any] | None:
    if array is not None and array.shape != shape:
        raise InputError(f"{what[:120]} has shape {list(array.shape)}", f"shape {list(shape)}",
                         "Make the run again, or fetch the file anew.")
    return array
