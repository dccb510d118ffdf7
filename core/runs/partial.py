"""`partial/<k>.safetensors`: the moments of W of a run that goes on, or was stopped; what `core.runs.filmed` is for one
that is whole. numpy only.

A run writes them as they come and gathers them at its end. Beside its arrays, named as in a finished run, each says
which moment it is. A file that is written at this very moment is passed over, and so is one that is none of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from core.runs import arrays as enc
from core.runs.filmed import (
    Filmed,
    Floats,
    Frame,
    histogram,
    largest_by_group,
    limit_of,
)
from core.runs.owned import owned
from core.runs.records import Snapshot
from core.runs.store import Run, file_times
from core.sparsity.patterns import Pattern, parse_pattern

FOLDER = "partial"
SAID = "moment"  # the key of `Taken` in a file's metadata
MOST = 64 << 20  # bytes of one file: a moment of the largest model that keeps any is a tenth of it


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which moment a file holds. *of* and *moments* are 0 where they are not known beforehand."""

    snapshot: Snapshot
    of: int = 0  # steps of the whole training, or rounds of the layer-wise solution
    place: int = 0  # among the moments of its phase, from 1
    moments: int = 0  # planned of its phase

    def said(self) -> dict[str, str]:
        """As the metadata of a safetensors file."""
        return {SAID: msgspec.json.encode(self).decode()}


@dataclass(frozen=True)
class SoFar:
    """The film of one matrix as far as it was kept, and what each of its frames is; None for one of an older run, which
    did not say, and for the dense frame that a whole film takes from the parent."""

    film: Filmed
    taken: list[Taken | None]


def numbers(folder: Path) -> list[int]:
    """The numbers of the moments in the run folder *folder*, in order."""
    if not owned(folder / FOLDER):
        return []
    try:
        return sorted(int(p.stem) for p in (folder / FOLDER).glob("*.safetensors") if _is_number(p.stem))
    except OSError:
        return []


def stamp(folder: Path) -> tuple[tuple[int, int], ...]:
    """A value that changes whenever a moment is written."""
    return file_times(folder / FOLDER, [f"{k}.safetensors" for k in numbers(folder)])


def matrices(run: Run) -> list[str]:
    """The matrices of which a moment can be read, by name; none yet: empty."""
    for k in numbers(run.path):
        names = {key.removeprefix(head) for key in _names(run.path, k) if not key.endswith(".scale")
                 for head in (f"snapshot/{k}/w/", f"film/{k}/w/") if key.startswith(head)}
        if names:
            return sorted(names)
    return []


def so_far(run: Run, matrix: str) -> SoFar:
    """The moments of *matrix* that can be read by now: no frames when there are none.

    A whole film begins with the dense weights of the parent, where these are kept; a corner film has its own.
    """
    pattern = parse_pattern(run.record.spec.pattern)
    known = None if run.parent is None else next((m for m in run.parent.record.matrices if m.name == matrix), None)
    frames: list[Frame] = []
    taken: list[Taken | None] = []
    limit, whole = 0.0, True
    dense = None if known is None or run.parent is None else run.parent.weight(matrix)
    for k in numbers(run.path):
        found, said = _read(run.path, k, matrix)
        w = [enc.moment(found, f"{kind}/{k}", "w", matrix, 0) for kind in ("snapshot", "film")]
        if w[0] is not None:
            if not limit:
                limit = limit_of(w[0] if dense is None or dense.shape != w[0].shape else dense)
            frame = _whole(found, f"snapshot/{k}", matrix, w[0], said, limit, pattern)
        elif w[1] is not None:
            limit = limit or float(found.get(f"film/limit/{matrix}", np.zeros(1)).flat[0]) or limit_of(w[1])
            whole = False
            frame = _corner(found, f"film/{k}", matrix, w[1], said)
        else:
            continue
        if frame is not None and (not frames or frame.w.shape == frames[0].w.shape):
            frames.append(frame)
            taken.append(said)
    if whole and dense is not None and frames and dense.shape == frames[0].w.shape:
        kept, gone = histogram(dense, None, limit)
        groups = largest_by_group(dense, pattern.density, pattern)
        frames.insert(0, Frame("dense", 0, None, None, dense, None, None, kept, gone, groups))
        taken.insert(0, None)
    shape = frames[0].w.shape if frames and (whole or known is None) else known.shape if known else (0, 0)
    return SoFar(Filmed(matrix, (shape[0], shape[1]), whole, limit or 1.0, pattern, frames), taken)


def _whole(found: Mapping[str, np.ndarray], head: str, matrix: str, w: Floats, said: Taken | None, limit: float,
           pattern: Pattern) -> Frame | None:
    """A frame of a whole film: W, U and the mask, or nothing."""
    u, mask = (enc.moment(found, head, part, matrix, w.shape[1]) for part in ("u", "mask"))
    if u is None or mask is None or u.shape != w.shape or mask.shape != w.shape:
        return None
    s = Snapshot(k=0, step=0, rho=0.0, primal=0.0) if said is None else said.snapshot
    kept, gone = histogram(w, mask, limit)
    groups = largest_by_group(w, float(mask.mean()), pattern)
    return Frame(s.phase, s.step, s.rho or None, s.primal if s.rho else None, w, u, mask, kept, gone, groups)


def _corner(found: Mapping[str, np.ndarray], head: str, matrix: str, w: Floats, said: Taken | None) -> Frame | None:
    """A frame of a corner film: with the exact counts of the whole matrix, or nothing."""
    bars, groups = found.get(f"{head}/histogram/{matrix}"), found.get(f"{head}/occupancy/{matrix}")
    mask = enc.moment(found, head, "mask", matrix, w.shape[1])
    if mask is not None and mask.shape != w.shape:
        mask = None
    if bars is None or groups is None or bars.ndim != 2 or len(bars) != 2:
        return None
    phase = "dense" if mask is None else "admm"  # of an older run, which did not say
    s = Snapshot(k=0, step=0, rho=0.0, primal=0.0, phase=phase) if said is None else said.snapshot
    if mask is None and s.phase != "dense":
        return None
    kept, gone = bars.astype(np.int64)
    return Frame(s.phase, s.step, s.rho or None, s.primal if s.rho else None, w, None, mask, kept, gone, groups)


# -- files that may be half written ----------------------------------------------------------------------------------


def _names(folder: Path, k: int) -> list[str]:
    """The arrays of moment *k*; none of a file that cannot be read."""
    found: list[str] = []
    _opened(folder, k, lambda file: found.extend(file.keys()))
    return found


def _read(folder: Path, k: int, matrix: str) -> tuple[dict[str, np.ndarray], Taken | None]:
    """What moment *k* holds of *matrix*, and which moment it is; nothing of a file that cannot be read."""
    out: dict[str, np.ndarray] = {}
    said: list[Taken] = []

    def look(file) -> None:  # type: ignore[no-untyped-def]  # safetensors has no types
        out.update({key: file.get_tensor(key) for key in file.keys()  # noqa: SIM118  no dict
                    if key.removesuffix(".scale").endswith(f"/{matrix}")})
        if words := (file.metadata() or {}).get(SAID):
            said.append(msgspec.json.decode(words, type=Taken))

    return (out, said[0] if said else None) if _opened(folder, k, look) else ({}, None)


def _opened(folder: Path, k: int, look: Callable[..., None]) -> bool:
    """Let *look* see the file of moment *k*; False for one that is half written, damaged or far too large."""
    from safetensors import SafetensorError, safe_open

    file = folder / FOLDER / f"{k}.safetensors"
    try:
        if file.stat().st_size > MOST:
            return False
        with safe_open(file, framework="np") as opened:
            look(opened)
    except (SafetensorError, OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return False
    return True


def _is_number(stem: str) -> bool:
    return stem.isascii() and stem.isdecimal() and len(stem) < 7
