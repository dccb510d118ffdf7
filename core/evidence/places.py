"""Where there is evidence: tasks and models with pruned runs that keep their answers, and the tasks of an average."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from core.evidence.cells import Cell
from core.evidence.quantities import SCORE
from core.tasks import TASKS, position_of

AVERAGE = "average"  # in place of a task: the mean over the GLUE tasks of a model


def places(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """(task, model) with at least one pruned run, in the order of the list of tasks."""
    found = {(c.record.spec.task, c.record.spec.model) for c in cells if c.record.spec.method != "dense"}
    return sorted(found, key=lambda p: (position_of(p[0]), p))


def averaged(cells: Iterable[Cell], model: str, quantity: str = SCORE) -> tuple[str, ...]:
    """The GLUE tasks that the average of *model* is over: all that have runs; empty where there are fewer than two. Of
    another quantity than the score only tasks with classes: an error of numbers has another unit."""
    listed = list(cells)
    numbers = {c.record.spec.task for c in listed if c.answers.regression}
    found = tuple(task for task, name in places(listed) if name == model and task in TASKS
                  and TASKS[task].kind != "built-in" and (quantity == SCORE or task not in numbers))
    return found if len(found) > 1 else ()


def richest(cells: Iterable[Cell]) -> tuple[str, str] | None:
    """The place with most pruned runs. Of a real model before a built-in task's."""
    listed = list(cells)
    counts = Counter((c.record.spec.task, c.record.spec.model) for c in listed if c.record.spec.method != "dense")
    real = {place for place in counts if averaged(listed, place[1])}
    return max(counts, key=lambda p: (p in real, counts[p], p), default=None)


def first(cells: Iterable[Cell], story: Iterable[str]) -> tuple[str, str] | None:
    """The task and the model that a page opens with: the richest place; AVERAGE for its task where there are several
    and those methods of *story* that it has were run on all of them, at a pattern in common."""
    listed = list(cells)
    best = richest(listed)
    if best is None:
        return None
    by_task = {task: {(c.record.spec.method, c.record.spec.pattern) for c in listed
                      if (c.record.spec.task, c.record.spec.model) == (task, best[1])}
               for task in (best[0], *averaged(listed, best[1]))}
    told = {method for method, _ in by_task[best[0]]} & set(story)
    shared = {method for method, _ in set.intersection(*by_task.values())}
    return AVERAGE if len(by_task) > 1 and told <= shared else best[0], best[1]


def floor(cells: Iterable[Cell], task: str, model: str) -> float | None:
    """The score of the best constant answer to *task*; None where no run of it keeps answers."""
    found = next((c for c in cells if (c.record.spec.task, c.record.spec.model) == (task, model)), None)
    return None if found is None else found.constant(SCORE)
