"""The core table: ways to prune down, GLUE tasks across, at one pattern; and the gaps between them on average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import InputError
from core.evidence.cells import Cell
from core.evidence.estimates import Estimate
from core.evidence.places import averaged
from core.evidence.quantities import AGREEMENT, SCORE
from core.evidence.tables import Row, table
from core.evidence.ways import DENSE, key_of
from core.methods import position_of

TRAINED = "asp"
OURS, OTHERS = ("admm", "admm-layer+train"), (TRAINED, DENSE)  # whose gaps are said, and to whom


@dataclass(frozen=True)
class Grid:
    """*rows*: by key of a way, an estimate a task (None: no run), then the average over all tasks (None: one is
    missing). *constants*: what a constant answer reaches, a task each. *idle*: (key, task) that do not beat it."""

    tasks: tuple[str, ...]
    model: str
    pattern: str
    rows: dict[str, list[Estimate | None]]
    constants: tuple[float, ...]
    idle: frozenset[tuple[str, str]]
    gaps: dict[tuple[str, str], Estimate]  # (ours, other): the paired difference of the averages
    nearer: dict[tuple[str, str], Estimate]  # the same of agreement with dense, over the tasks with classes
    of_dense: dict[str, float]  # by ours: its average as a share of that of the dense models that it started from


def core_grid(cells: Sequence[Cell], model: str, pattern: str) -> Grid:
    """The core table of *model* at *pattern*, over all GLUE tasks that have runs. Only ways with runs on at least half
    of the tasks. Raises InputError where no task has runs at this pattern."""
    tasks = averaged(cells, model)
    made = {}
    for task in tasks:
        try:
            made[task] = table(cells, (task,), model, pattern)
        except InputError:
            continue
    if not made:
        raise InputError(f"No GLUE task has runs at {pattern} with {model}", "a pattern with recorded runs",
                         "See `python -m core list`.")
    found: dict[str, dict[str, Row]] = {}
    for task, one in made.items():
        for row in one.rows:
            found.setdefault(key_of(row.groups[0]), {})[task] = row
    found = {key: found[key] for key in sorted(found, key=_order) if 2 * len(found[key]) >= len(made)}
    against = {other: _means(cells, tuple(made), model, pattern, other) for other in OTHERS}
    means = against[DENSE]
    rows = {key: [*(by[t].value if t in by else None for t in made), means[key].value if key in means else None]
            for key, by in found.items()}
    gaps = {key: gap for other, found_there in against.items() for key, gap in _gaps(found_there, other).items()}
    classes = tuple(task for task in averaged(cells, model, AGREEMENT) if task in made)
    nearer = _gaps(_means(cells, classes, model, pattern, TRAINED, AGREEMENT), TRAINED)
    share = {ours: held for ours in OURS if ours in means and (held := _share(means[ours], gaps.get((ours, DENSE))))}
    return Grid(tuple(made), model, pattern, rows, tuple(one.constant for one in made.values()),
                frozenset((key, task) for key, by in found.items() for task, row in by.items() if row.idle), gaps,
                nearer, share)


def _gaps(rows: dict[str, Row], other: str) -> dict[tuple[str, str], Estimate]:
    """By how much each of OURS differs from *other*, against which *rows* are held."""
    return {(ours, other): versus for ours in OURS if ours in rows and (versus := rows[ours].versus)}


def _share(row: Row, gap: Estimate | None) -> float:
    """The average of *row* as a share of its own dense models', which lie *gap* above: other seeds have no say. 0 where
    it is not known."""
    mine = row.value.interval.value
    dense = 0.0 if gap is None else mine - gap.interval.value
    return mine / dense if dense > 0 else 0.0


def _means(cells: Sequence[Cell], tasks: tuple[str, ...], model: str, pattern: str, reference: str,
           quantity: str = SCORE) -> dict[str, Row]:
    try:
        return {key_of(row.groups[0]): row for row in table(cells, tasks, model, pattern, quantity, reference).rows}
    except InputError:
        return {}


def _order(key: str) -> tuple[tuple[int, str], str]:
    """As METHODS, dense first."""
    method, _, train = key.partition("+")
    return position_of(method), train
