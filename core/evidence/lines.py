"""The lines of a chart: one way to prune over its patterns, on one task or on the mean over tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from core.evidence.cells import Cell
from core.evidence.estimates import (
    Estimate,
    Pools,
    dense_of,
    difference,
    drawn,
    drawn_apart,
    estimate,
    idle,
)
from core.evidence.groups import Group, groups, usual
from core.evidence.tables import DENSE, key_of
from core.sparsity.parsing import PATTERNS

NM = "nm"


@dataclass(frozen=True)
class Spot:
    """One pattern of a line: a group a task."""

    groups: tuple[Group, ...]
    value: Estimate
    versus: Estimate | None  # minus dense
    idle: bool  # no better than the best constant answer, on one task at least

    @property
    def pattern(self) -> str:
        """The pattern."""
        return self.groups[0].spec.pattern

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

    key: str  # of `key_of`
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
    by_task: list[dict[tuple[str, int, str], Group]] = []
    for task in tasks:
        mine = [c for c in cells if (c.record.spec.task, c.record.spec.model) == (task, model) and c.defines(quantity)]
        found = usual(g for g in groups(mine) if g.spec.method != DENSE and (grids or not g.spec.bits)
                      and (kind_of(g.spec.pattern) == kind or (grids and g.spec.pattern == DENSE)))
        by_task.append({(key_of(g), g.spec.bits, g.spec.pattern): g for g in found})
    shared = [key for key in by_task[0] if all(key in more for more in by_task)] if by_task else []
    ways = {key: tuple(held[key] for held in by_task) for key in shared}
    pools = {pattern: _pools([one for key, one in ways.items() if key[2] == pattern], quantity)
              for pattern in dict.fromkeys(key[2] for key in shared)}
    out = []
    for name, bits in dict.fromkeys(key[:2] for key in shared):
        spots = [_spot(one, quantity, *pools[key[2]]) for key, one in ways.items() if key[:2] == (name, bits)]
        if kept := _one_a_ratio([s for s in spots if s is not None]):
            out.append(Line(name, bits, tuple(kept)))
    return out


def _pools(ways: Sequence[tuple[Group, ...]], quantity: str) -> tuple[Pools, Pools]:
    """The noise of the seeds at one pattern: of values, and of differences to dense."""
    apart = [(one, drawn_apart(one, [dense_of(g) for g in one], quantity)) for one in ways]
    return (Pools(((one, drawn(one, quantity)) for one in ways), len(ways[0])),
            Pools(((one, found and found[0]) for one, found in apart), len(ways[0])))


def _spot(found: tuple[Group, ...], quantity: str, values: Pools, apart: Pools) -> Spot | None:
    value = estimate(found, quantity, values.of(found))
    if value is None:
        return None
    versus = difference(found, [dense_of(g) for g in found], quantity, apart.of(found))
    return Spot(found, value, versus, any(map(idle, found)))


def _one_a_ratio(spots: Sequence[Spot]) -> list[Spot]:
    at: dict[float, Spot] = {}
    for spot in sorted(spots, key=lambda s: (len(s.pattern), s.pattern)):
        at.setdefault(round(spot.sparsity, 3), spot)
    return [at[ratio] for ratio in sorted(at)]
