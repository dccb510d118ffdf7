"""One trained method against the others, at every pattern that all of them were run at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from core.errors import InputError
from core.evidence import words
from core.evidence.cells import Cell
from core.evidence.estimates import Estimate, Judged, in_pairs
from core.evidence.quantities import QUANTITIES, SCORE
from core.evidence.tables import Row, table, ways_at
from core.evidence.ways import key_of
from core.statistics.corrected import holm, p_from
from core.statistics.interval import LEVEL

MINE, OTHERS = "admm", ("asp", "sr-ste", "admm-layer+train")  # keys of `core.evidence.ways.key_of`


@dataclass(frozen=True)
class Gap:
    """*mine* less *other* at one pattern."""

    mine: Judged
    other: Judged
    apart: Estimate
    p: float  # two-sided, of no difference, Holm's correction over all gaps

    @property
    def pattern(self) -> str:
        """The pattern of both."""
        return self.mine.pattern

    @property
    def clear(self) -> bool:
        """Is it a difference when so many are looked at?"""
        return self.p < 1 - LEVEL


@dataclass(frozen=True)
class Across:
    """*rows*: a pattern each, fewest zeros first; in it a gap to each of *others*, in their order."""

    tasks: tuple[str, ...]
    model: str
    quantity: str
    mine: str
    others: tuple[str, ...]
    rows: dict[str, tuple[Gap, ...]]
    zeros: dict[str, float]  # share of zeros that the runs measured, a pattern each

    @property
    def gaps(self) -> list[Gap]:
        """All gaps, row by row."""
        return [gap for row in self.rows.values() for gap in row]

    def of(self, other: str) -> list[Gap]:
        """The gaps to *other*, a pattern each."""
        return [row[self.others.index(other)] for row in self.rows.values()]

    def gain(self, gap: Gap) -> float:
        """By how much *mine* is better, in the quantity's own unit."""
        return gap.apart.interval.value * (1 if QUANTITIES[self.quantity].more else -1)


def across(cells: Sequence[Cell], tasks: Sequence[str], model: str, quantity: str = SCORE, mine: str = MINE,
           others: tuple[str, ...] = OTHERS) -> Across:
    """*quantity* of *mine* less that of each of *others*, paired by example and by seed, the mean over tasks.

    Not all methods were run at all patterns on all tasks. Of *tasks* it takes those that give most patterns
    (`largest`), so that every row is of the same tasks. Every gap is that of `core.evidence.tables.table`, held against
    the other. Raises InputError where the methods share no pattern on any of *tasks*.
    """
    chosen, patterns = largest({task: _shared(cells, task, model, quantity, (mine, *others)) for task in tasks})
    if not patterns:
        names = "; ".join(words.key_name(key) for key in others)
        raise InputError(f"{words.key_name(mine)} and {names} share no pattern on {', '.join(tasks)} with {model} that "
                         f"could be judged by {words.in_words(quantity)}", "a task on which all of them ran",
                         "See `python -m core list`.")
    found: dict[str, list[tuple[Row, Row]]] = {}
    for pattern in patterns:
        for other in others:
            rows = {key_of(r.groups[0]): r for r in table(cells, chosen, model, pattern, quantity, other).rows}
            found.setdefault(pattern, []).append((rows[mine], rows[other]))
    zeros = {pattern: sum(g.sparsity for g in pairs[0][0].groups) / len(chosen) for pattern, pairs in found.items()}
    apart = [one.versus for pairs in found.values() for one, _ in pairs]
    raised = iter(holm([p_from(versus.interval) for versus in apart if versus is not None]))
    made = {pattern: tuple(Gap(one, other, one.versus, next(raised)) for one, other in pairs if one.versus)
            for pattern, pairs in found.items()}
    order = sorted(made, key=lambda p: (round(zeros[p], 3), len(p), p))
    return Across(tuple(chosen), model, quantity, mine, others, {p: made[p] for p in order}, zeros)


def largest(there: Mapping[str, Collection[str]]) -> tuple[tuple[str, ...], list[str]]:
    """The table without a hole that has most patterns, of equal ones most tasks, then the first named: of tasks, each
    with its patterns, at least two where two have a pattern in common."""
    best: tuple[tuple[str, ...], list[str]] = ((), [])
    for fewest in (2, 1):
        for count in range(len(there), fewest - 1, -1):
            for tasks in combinations(there, count):
                shared = [p for p in there[tasks[0]] if all(p in there[task] for task in tasks)]
                if len(shared) > len(best[1]):
                    best = tasks, shared
        if best[1]:
            break
    return best


def _shared(cells: Sequence[Cell], task: str, model: str, quantity: str, keys: Sequence[str]) -> list[str]:
    """The patterns at which the first of *keys* has, for every other, a run from the same dense model."""
    methods: dict[str, set[str]] = {}
    mine = [c for c in cells if (c.record.spec.task, c.record.spec.model) == (task, model)]
    for cell in mine:
        methods.setdefault(cell.record.spec.pattern, set()).add(cell.record.spec.method)
    out = []
    # Few patterns have all the methods; to group the runs of the others would take most of the time.
    for pattern in (p for p, held in methods.items() if held >= {key.partition("+")[0] for key in keys}):
        found = ways_at(mine, (task,), model, pattern, quantity)
        if all(key in found for key in keys) and all(in_pairs(found[keys[0]][0], found[key][0]) for key in keys[1:]):
            out.append(pattern)
    return out
