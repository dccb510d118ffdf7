"""The table of one pattern: every method's value and its paired difference from a reference, on a task or on average.

The page *Accuracy vs ratio*, the command `table` and the README's core table are this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.errors import InputError, unknown
from core.evidence.cells import Cell
from core.evidence.estimates import Judged, constant, dense_of, judged
from core.evidence.groups import Group, groups
from core.evidence.lines import kind_of
from core.evidence.quantities import QUANTITIES, SCORE
from core.evidence.ways import DENSE, ways
from core.statistics.corrected import holm, p_from


@dataclass(frozen=True)
class Row(Judged):
    """One way to prune at the table's pattern, held against the table's reference."""

    p: float | None  # two-sided, of no difference, Holm's correction over the rows of the table


@dataclass(frozen=True)
class Table:
    """Rows in the order of METHODS, the dense models first."""

    tasks: tuple[str, ...]
    model: str
    pattern: str
    quantity: str
    reference: str
    rows: tuple[Row, ...]
    constant: float  # what the best constant answer reaches, the mean over tasks


def ways_at(cells: Iterable[Cell], tasks: Sequence[str], model: str, pattern: str,
            quantity: str) -> dict[str, tuple[Group, ...]]:
    """The ways of a table's rows but the dense one, by their key (`core.evidence.ways.key_of`)."""
    found = ways(cells, tasks, model, quantity, lambda g: g.spec.pattern == pattern and not g.spec.bits)
    return {name: held for (name, _, _), held in found.items()}


def table(cells: Iterable[Cell], tasks: Sequence[str], model: str, pattern: str, quantity: str = SCORE,
          reference: str = DENSE) -> Table:
    """The table of *pattern* for *model* on *tasks*: one, or several for the mean over them. *reference* is a key of
    `core.evidence.ways.key_of`. Of several tasks a row needs all; it is left out otherwise.

    Raises InputError when no method was run so, and for a reference that has no row.
    """
    if quantity not in QUANTITIES:
        raise unknown("quantity", quantity, QUANTITIES)
    pruned = ways_at(cells, tasks, model, pattern, quantity)
    if not pruned:
        raise InputError(f"No method has runs at {pattern} with {model} on {', '.join(tasks)} whose answers are kept",
                         "a pattern and tasks of the list", "See `python -m core list`.")
    if reference not in (DENSE, *pruned):
        raise unknown("reference", reference, [DENSE, *pruned])
    dense = tuple(_dense_of_all(of_task) for of_task in zip(*pruned.values(), strict=True))
    listed = {DENSE: dense} | pruned
    found = judged(list(listed.values()), [None if name == reference else listed[reference] for name in listed],
                   quantity)
    return Table(tuple(tasks), model, pattern, quantity, reference, tuple(_corrected(found)),
                 sum(constant(g, quantity) for g in dense) / len(tasks))


def _dense_of_all(found: Iterable[Group]) -> Group:
    """The dense models that any of *found* started from, one a seed; where a seed has two, that of the group with most
    seeds."""
    held: dict[int, Cell] = {}
    for group in sorted(found, key=lambda g: -len(g.cells)):
        for cell in dense_of(group).cells:
            held.setdefault(cell.seed, cell)
    return Group(tuple(held[seed] for seed in sorted(held)))


def _corrected(found: Sequence[Judged]) -> list[Row]:
    """Rows with their p, raised by Holm's rule: so many were compared."""
    raised = iter(holm([p_from(one.versus.interval) for one in found if one.versus is not None]))
    return [Row(one.groups, one.value, one.versus, one.idle, None if one.versus is None else next(raised))
            for one in found]


def patterns(cells: Iterable[Cell], tasks: Sequence[str], model: str) -> list[str]:
    """The patterns at which at least one method was run on every one of *tasks*, fewest zeros first."""
    places: list[dict[str, float]] = []
    for task in tasks:
        mine = [c for c in cells if (c.record.spec.task, c.record.spec.model) == (task, model)]
        places.append({g.spec.pattern: g.sparsity for g in groups(mine)
                       if g.spec.method != DENSE and not g.spec.bits})
    shared = [p for p in places[0] if all(p in more for more in places)] if places else []
    return sorted(shared, key=lambda p: (round(places[0][p], 3), len(p), p))


def opening_pattern(there: Sequence[str], kind: str = "") -> str:
    """Which of *there* (not empty) a table opens with: one that halves the weights, else the first; where there are
    some of *kind* (a key of PATTERNS), one of them."""
    mine = [pattern for pattern in there if kind_of(pattern) == kind] or there
    return next((pattern for pattern in ("2:4", "unstructured:0.5") if pattern in mine), mine[0])
