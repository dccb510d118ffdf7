"""Which cells belong together: the same settings over seeds (a group), and the groups of one way to prune (a way)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import InputError
from core.evidence.cells import Cell
from core.evidence.settings import PER_TASK, settings
from core.methods import METHODS, position_of
from core.methods.knobs import knobs_of
from core.runs.records import RunRecord, RunSpec
from core.sparsity.storage import storage_of_record


@dataclass(frozen=True)
class Group:
    """The same settings, a cell a seed: what a point of a chart or a row of a table is made of."""

    cells: tuple[Cell, ...]

    @property
    def spec(self) -> RunSpec:
        """The settings, with the seed of the first cell."""
        return self.cells[0].record.spec

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(cell.seed for cell in self.cells)

    @property
    def way(self) -> str:
        """What a line of a chart keeps the same: all settings but the pattern and what is set for a task."""
        return settings(self.spec, but=("pattern", *PER_TASK))

    @property
    def trained(self) -> bool:
        """Did it train, while or after pruning?"""
        return self.spec.epochs > 0

    @property
    def sparsity(self) -> float:
        """Share of zeros over the prunable matrices, the mean over seeds."""
        return sum(cell.sparsity for cell in self.cells) / len(self.cells)

    @property
    def stored(self) -> float:
        """Bits per prunable weight; nan where it cannot be worked out."""
        return stored_bits(self.cells[0].record)

    @property
    def processors(self) -> tuple[str, ...]:
        """The makes of processor that the cells were made on."""
        found = (cell.record.environment for cell in self.cells)
        return tuple(dict.fromkeys(e.processor for e in found if e is not None))


def groups(cells: Iterable[Cell]) -> list[Group]:
    """The groups of *cells*, dense ones among them, by method, training and pattern."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.settings, []).append(cell)
    out = [Group(tuple(sorted(one, key=lambda c: c.seed))) for one in found.values()]
    return sorted(out, key=lambda g: (position_of(g.spec.method), g.trained, g.spec.bits, g.sparsity, g.spec.pattern,
                                      g.cells[0].settings))


def stored_bits(record: RunRecord) -> float:
    """Bits per prunable weight that *record*'s final matrices take (`core.sparsity.storage`); nan where it cannot be
    worked out."""
    try:
        value = float(storage_of_record(record).bits_per_weight)
    except InputError:  # a pattern that this version does not know
        return math.nan
    return value if math.isfinite(value) and value > 0 else math.nan


def turned(spec: RunSpec) -> int:
    """How many knobs of its method *spec* sets otherwise than the method does by itself."""
    if spec.method not in METHODS:
        return len(spec.knobs)
    usual = {knob.name: knob.default for knob in knobs_of(METHODS[spec.method].knobs)}
    return sum(spec.knobs.get(name, value) != value for name, value in usual.items())


def usual(found: Iterable[Group]) -> list[Group]:
    """Of every method, with and without training and by grid, the groups of one way: the one that turns fewest knobs,
    of several the one with most runs. What a chart draws and a table lists, so that a line is one thing."""
    kinds: dict[tuple[str, bool, int], dict[str, list[Group]]] = {}
    listed = list(found)
    for g in listed:
        kinds.setdefault((g.spec.method, g.trained, g.spec.bits), {}).setdefault(g.way, []).append(g)
    chosen = {min(ways, key=lambda way: (turned(ways[way][0].spec), -sum(len(g.cells) for g in ways[way]), way))
              for ways in kinds.values()}
    return [g for g in listed if g.way in chosen]
