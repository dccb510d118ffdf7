"""What is left of the heads and neurons of a run that removed whole units: module by module, from what it kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.bound import pattern_of
from core.runs.records import RunRecord
from core.runs.store import Run
from core.sparsity.patterns import Coupled, parse_pattern
from core.sparsity.units import Module, Noun
from core.views.drawing import style

MODULES: dict[Noun, str] = {"head": "attention", "neuron": "FFN"}


@dataclass(frozen=True)
class Left:
    """What is left of one module."""

    module: Module
    count: int  # units that are left
    kept: NDArray[np.bool_] | None  # `[units]`; None: only how many are left is known

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """`[units]`: which are left; the first ones where that is not known."""
        return np.arange(self.module.units) < self.count if self.kept is None else self.kept


def of_units(record: RunRecord) -> bool:
    """Did *record* remove whole units, and does it say how many are left?"""
    return record.units is not None and record.spec.method != "dense" and parse_pattern(record.spec.pattern).coupled


def left(run: Run) -> list[Left]:
    """Module by module, attention before FFN; [] for a run of another pattern.

    Raises InputError when header and arrays do not fit together.
    """
    if not of_units(run.record) or run.record.units is None:
        return []
    said = {"head": run.record.units.heads, "neuron": run.record.units.neurons}
    seen: dict[Noun, int] = {"head": 0, "neuron": 0}
    found = []
    for m in pattern_of(run).known().modules:
        counts, place = said[m.noun], seen[m.noun]
        seen[m.noun] += 1
        if place >= len(counts) or not 0 <= counts[place] <= m.units:
            raise InputError(f"The header of {run.record.id} does not say how many {m.noun}s the {m.title} keeps",
                             f"a number from 0 to {m.units}", "Make the run again.")
        found.append(Left(m, counts[place], _which(run, m, counts[place])))
    return found


def _which(run: Run, m: Module, count: int) -> NDArray[np.bool_] | None:
    """Which units of *m* are left, where the run kept that, or where *count* leaves no choice."""
    if count in (0, m.units):
        return np.full(m.units, count > 0)
    bits = run.array(f"unit/{m.noun}/{m.layer}")
    if bits is None:
        return None
    if bits.dtype != np.uint8 or bits.shape != (-(-m.units // 8),):
        raise InputError(f"Which {m.noun}s are left of the {m.title} of {run.record.id} has shape {bits.shape}",
                         f"{m.units} bits", "Make the run again, or fetch the file anew.")
    return np.unpackbits(bits, count=m.units).astype(np.bool_)


def of_matrix(run: Run, matrix: str) -> tuple[Left, int] | None:
    """What is left of the module that *matrix* belongs to, and along which side its units lie: 0 rows, 1 columns."""
    for found in left(run):
        if matrix in found.module.rows or matrix == found.module.columns:
            return found, int(matrix == found.module.columns)
    return None


def counted(run: Run, found: Sequence[Left]) -> str:
    """"4 of 8 heads and 256 of 512 neurons": of the kinds of unit that the run's pattern removes."""
    pattern = parse_pattern(run.record.spec.pattern)
    what = pattern.what if isinstance(pattern, Coupled) else "units"
    if what == "modules":
        return f"{sum(f.count > 0 for f in found)} of {len(found)} modules"
    nouns: tuple[Noun, ...] = ("head", "neuron")
    said = []
    for noun in nouns:
        mine = [f for f in found if f.module.noun == noun]
        if what in ("units", f"{noun}s"):
            said.append(f"{style.count(sum(f.count for f in mine))} of "
                        f"{style.count(sum(f.module.units for f in mine))} {noun}s")
    return " and ".join(said)


def gone(found: Sequence[Left]) -> str:
    """The modules that have lost all their units: "the FFNs of layers 1 and 2"; "" when none has."""
    said = []
    for noun, title in MODULES.items():
        layers = [f.module.layer for f in found if f.module.noun == noun and not f.count]
        if layers:
            several = len(layers) > 1
            listed = f"{', '.join(map(str, layers[:-1]))} and {layers[-1]}" if several else str(layers[0])
            said.append(f"the {title}{'s' if several else ''} of layer{'s' if several else ''} {listed}")
    return " and ".join(said)
