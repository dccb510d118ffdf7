"""The lines of a chart: one way to prune over its patterns, on one task or on the mean over tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from core.evidence.cells import Cell
from core.evidence.estimates import Judged, ahead, dense_of, judged
from core.evidence.groups import Group
from core.evidence.ways import DENSE, Key, ways
from core.sparsity.parsing import PATTERNS

NM = "nm"


@dataclass(frozen=True)
class Spot(Judged):
    """One pattern of a line, held against dense."""

    @property
    def sparsity(self) -> float:
        """Share of zeros, the mean over tasks."""
        return fmean(g.sparsity for g in self.groups)

    @property
    def stored(self) -> float:
        """Bits per prunable weight; nan where it is not known."""
        return fmean(g.stored for g in self.groups)


@dataclass(frozen=True)
class Line:
    """One way to prune, its spots from few zeros to many."""

    key: str  # of `core.evidence.ways.key_of`
    bits: int  # of the grid that its weights are on; 0 = float32
    spots: tuple[Spot, ...]

    @property
    def group(self) -> Group:
        """A group of the line, for its words."""
        return self.spots[0].groups[0]


def kind_of(pattern: str) -> str:
    """The kind of a pattern (a key of PATTERNS): "nm" of 2:4, "unstructured" of unstructured:0.5."""
    head = pattern.partition(":")[0]
    return NM if head.isdigit() else head


def kinds(cells: Iterable[Cell], tasks: Sequence[str], model: str) -> list[str]:
    """The kinds of pattern with runs on any of *tasks*, in the order of PATTERNS."""
    found = {kind_of(c.record.spec.pattern) for c in cells if c.record.spec.method != DENSE
             and c.record.spec.task in tasks and c.record.spec.model == model}
    return [kind for kind in PATTERNS if kind in found]


def lines(cells: Iterable[Cell], tasks: Sequence[str], model: str, quantity: str, kind: str = NM,
          grids: bool = False) -> list[Line]:
    """The lines of *kind* for *model* on *tasks*, in the order of METHODS; with *grids* also those on a grid of few
    bits, in which no weight need be zero.

    Where a way has two patterns of one ratio (2:4 and 4:8) the line goes through the one with the smaller groups. Of
    several tasks a spot needs all.
    """
    found = line_ways(cells, tasks, model, quantity, kind, grids)
    ahead(found.values(), quantity)
    spots: dict[Key, Spot] = {}
    for pattern in dict.fromkeys(key[2] for key in found):
        held = {key: one for key, one in found.items() if key[2] == pattern}
        made = judged(list(held.values()), [[dense_of(g) for g in one] for one in held.values()], quantity)
        spots |= {key: Spot(one.groups, one.value, one.versus, one.idle) for key, one in zip(held, made, strict=True)}
    return [Line(name, bits, tuple(_one_a_ratio([spots[key] for key in found if key[:2] == (name, bits)])))
            for name, bits in dict.fromkeys(key[:2] for key in found)]


def line_ways(cells: Iterable[Cell], tasks: Sequence[str], model: str, quantity: str, kind: str = NM,
              grids: bool = False) -> dict[Key, tuple[Group, ...]]:
    """What `lines` are made of, before anything is estimated: enough for their names."""
    return ways(cells, tasks, model, quantity, lambda g: (grids or not g.spec.bits) and (
        kind_of(g.spec.pattern) == kind or (grids and g.spec.pattern == DENSE)))


def _one_a_ratio(spots: Sequence[Spot]) -> list[Spot]:
    at: dict[float, Spot] = {}
    for spot in sorted(spots, key=lambda s: (len(s.pattern), s.pattern)):
        at.setdefault(round(spot.sparsity, 3), spot)
    return [at[ratio] for ratio in sorted(at)]
