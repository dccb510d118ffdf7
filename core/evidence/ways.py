"""The ways to prune that several tasks share: what a row of a table and a line of a chart are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from core.evidence.cells import Cell
from core.evidence.groups import Group, groups, usual
from core.methods import METHODS

DENSE = "dense"
Key = tuple[str, int, str]  # of `key_of`; bits of the grid, 0 = float32; pattern


def key_of(group: Group) -> str:
    """How a way is named on the command line and in a link: the method, and "+train" where training is a choice of its
    own (`admm-layer+train`)."""
    method = group.spec.method
    optional = method in METHODS and METHODS[method].training == "optional"
    return f"{method}+train" if optional and group.trained else method


def ways(cells: Iterable[Cell], tasks: Sequence[str], model: str, quantity: str,
         keep: Callable[[Group], bool]) -> dict[Key, tuple[Group, ...]]:
    """The pruned groups of *model* that *keep* accepts, a group a task, in the order of METHODS. Of a method the usual
    way (`usual`); only what every one of *tasks* has, where *quantity* is defined."""
    listed = list(cells)
    by_task: list[dict[Key, Group]] = []
    for task in tasks:
        mine = groups(c for c in listed if (c.record.spec.task, c.record.spec.model) == (task, model)
                      and c.defines(quantity))
        found = usual(g for g in mine if g.spec.method != DENSE and keep(g))
        by_task.append({(key_of(g), g.spec.bits, g.spec.pattern): g for g in found})
    shared = [key for key in by_task[0] if all(key in more for more in by_task)] if by_task else []
    return {key: tuple(held[key] for held in by_task) for key in shared}
