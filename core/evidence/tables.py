"""The table of one pattern: every method's value and its paired difference from a reference, on a task or on average.

The page *Accuracy vs ratio*, the command `table` and the README's core table are this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.errors import InputError, unknown
from core.evidence.cells import Cell
from core.evidence.estimates import (
    Estimate,
    Pools,
    constant,
    dense_of,
    difference,
    drawn,
    drawn_apart,
    estimate,
    idle,
)
from core.evidence.groups import Group, groups, usual
from core.evidence.quantities import QUANTITIES, SCORE
from core.methods import METHODS
from core.statistics.corrected import holm, p_from

DENSE = "dense"


@dataclass(frozen=True)
class Row:
    """One way to prune at the table's pattern: a group a task, in the order of the table's tasks."""

    groups: tuple[Group, ...]
    value: Estimate
    versus: Estimate | None  # minus the reference; None for the reference itself, or with no seed in common
    p: float | None  # two-sided, of no difference, Holm's correction over the rows of the table
    idle: bool  # no better than the best constant answer, on one task at least

    @property
    def method(self) -> str:
        """The method's name."""
        return self.groups[0].spec.method

    @property
    def trained(self) -> bool:
        """Did it train, while or after pruning?"""
        return self.groups[0].trained


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

    @property
    def best(self) -> Row:
        """The row with the best value, dense left aside."""
        more = QUANTITIES[self.quantity].more
        return max((r for r in self.rows if r.method != DENSE),
                   key=lambda r: r.value.interval.value if more else -r.value.interval.value)


def key_of(group: Group) -> str:
    """How a row is named on the command line and in a link: the method, and "+train" where training is a choice of its
    own (`admm-layer+train`)."""
    method = group.spec.method
    optional = method in METHODS and METHODS[method].training == "optional"
    return f"{method}+train" if optional and group.trained else method


def table(cells: Iterable[Cell], tasks: Sequence[str], model: str, pattern: str, quantity: str = SCORE,
          reference: str = DENSE) -> Table:
    """The table of *pattern* for *model* on *tasks*: one, or several for the mean over them. *reference* is a key of
    `key_of`. Of several tasks a row needs all; it is left out otherwise.

    Raises InputError when no method was run so, and for a reference that has no row.
    """
    if quantity not in QUANTITIES:
        raise unknown("quantity", quantity, QUANTITIES)
    by_task = {task: _rows_of(cells, task, model, pattern, quantity) for task in tasks}
    names = [name for name in dict.fromkeys(n for found in by_task.values() for n in found)
             if all(name in found for found in by_task.values())]
    if not names:
        raise InputError(f"No method has runs at {pattern} with {model} on {', '.join(tasks)} whose answers are kept",
                         "a pattern and tasks of the list", "See `python -m core list`.")
    if reference not in (DENSE, *names):
        raise unknown("reference", reference, [DENSE, *names])
    pruned = [tuple(by_task[task][name] for task in tasks) for name in names]
    dense = tuple(dense_of(by_task[task][max(names, key=lambda n: len(by_task[task][n].cells))]) for task in tasks)
    against = dense if reference == DENSE else pruned[names.index(reference)]
    listed = [dense, *pruned]
    values = Pools(((one, drawn(one, quantity)) for one in listed), len(tasks))
    apart = Pools(((one, found[0]) for one in listed if one is not against
                   and (found := drawn_apart(one, against, quantity)) is not None), len(tasks))
    rows = [_row(one, None if one is against else against, quantity, values, apart) for one in listed]
    return Table(tuple(tasks), model, pattern, quantity, reference, tuple(_corrected([r for r in rows if r])),
                 sum(constant(g, quantity) for g in dense) / len(tasks))


def _rows_of(cells: Iterable[Cell], task: str, model: str, pattern: str, quantity: str) -> dict[str, Group]:
    mine = [c for c in cells if (c.record.spec.task, c.record.spec.model) == (task, model) and c.defines(quantity)]
    found = usual(g for g in groups(mine)
                  if g.spec.method != DENSE and g.spec.pattern == pattern and not g.spec.bits)
    return {key_of(g): g for g in found}


def _row(one: tuple[Group, ...], against: tuple[Group, ...] | None, quantity: str, values: Pools,
         apart: Pools) -> Row | None:
    value = estimate(one, quantity, values.of(one))
    if value is None:
        return None
    versus = None if against is None else difference(one, against, quantity, apart.of(one))
    p = None if versus is None else p_from(versus.interval)
    return Row(one, value, versus, p, any(map(idle, one)))


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """The same rows, their p values raised by Holm's rule: so many were compared."""
    asked = [r for r in rows if r.p is not None]
    raised = iter(holm([r.p for r in asked if r.p is not None]))
    return [r if r.p is None else replace(r, p=float(next(raised))) for r in rows]


def patterns(cells: Iterable[Cell], tasks: Sequence[str], model: str) -> list[str]:
    """The patterns at which at least one method was run on every one of *tasks*, fewest zeros first."""
    places: list[dict[str, float]] = []
    for task in tasks:
        mine = [c for c in cells if (c.record.spec.task, c.record.spec.model) == (task, model)]
        places.append({g.spec.pattern: g.sparsity for g in groups(mine)
                       if g.spec.method != DENSE and not g.spec.bits})
    shared = [p for p in places[0] if all(p in more for more in places)] if places else []
    return sorted(shared, key=lambda p: (round(places[0][p], 3), len(p), p))
