"""Estimates with their intervals: of one group, of the difference of two, of the mean over tasks.

An interval holds both sources of noise where there are several seeds: other examples, and another dense model
(`core.statistics.seeds`). With one seed it knows the examples alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.evidence.cells import Cell, drawn_together
from core.evidence.groups import Group
from core.statistics.interval import Interval
from core.statistics.seeds import Draws, SeedNoise, over_tasks, seed_noise


@dataclass(frozen=True)
class Estimate:
    """An interval, and what it rests on."""

    interval: Interval
    seeds: tuple[int, ...]
    examples: int  # evaluation examples, over all tasks
    tasks: int = 1


Groups = Sequence[Group]  # of one way, a group a task


@dataclass(frozen=True)
class Judged:
    """One way at one pattern: a group a task, its value, and its difference from what it is held against."""

    groups: tuple[Group, ...]
    value: Estimate
    versus: Estimate | None  # None for the reference itself, or with no seed in common
    idle: bool  # no better than the best constant answer; over several tasks, on average

    @property
    def method(self) -> str:
        """The method's name."""
        return self.groups[0].spec.method

    @property
    def trained(self) -> bool:
        """Did it train, while or after pruning?"""
        return self.groups[0].trained

    @property
    def runs(self) -> list[str]:
        """The ids of its runs, task by task."""
        return [c.record.id for g in self.groups for c in g.cells]

    @property
    def pattern(self) -> str:
        """The pattern."""
        return self.groups[0].spec.pattern


def judged(ways: Sequence[tuple[Group, ...]], others: Sequence[Groups | None], quantity: str) -> list[Judged]:
    """Every one of *ways*, which are of one pattern, against its own of *others* (None: it is the reference).

    The noise of the seeds is pooled, a task each, over the ways that trained, and over those that did not. Without
    training a model may be past saving at one seed and not at another; trained ones are steadier.
    """
    ahead(ways, quantity)
    values = [drawn(one, quantity) for one in ways]
    apart = [None if other is None else drawn_apart(one, other, quantity)
             for one, other in zip(ways, others, strict=True)]
    of_values, of_apart = _pooled(ways, values), _pooled(ways, [found and found[0] for found in apart])
    return [Judged(one, _estimate(one, value, [g.seeds for g in one], of_values[one[0].trained]),
                   None if found is None else _estimate(one, *found, of_apart[one[0].trained]), idle(one))
            for one, value, found in zip(ways, values, apart, strict=True)]


def _pooled(ways: Sequence[Groups], known: Sequence[Sequence[Draws] | None]) -> dict[bool, list[SeedNoise | None]]:
    """The noise of the seeds, a task each, by whether a way trained."""
    tasks = range(len(ways[0]) if ways else 0)
    return {trained: [seed_noise(draws[k] for one, draws in zip(ways, known, strict=True)
                                 if draws is not None and one[0].trained == trained) for k in tasks]
            for trained in (False, True)}


def ahead(ways: Iterable[Groups], quantity: str) -> None:
    """Work out at once what intervals of *ways*, and of their differences from dense, are made of."""
    found = [c for one in ways for g in one for c in g.cells]
    drawn_together([*found, *(c.dense for c in found)], quantity)


def drawn(groups: Groups, quantity: str) -> list[Draws]:
    """What is known of *quantity*, which the cells of *groups* define: a task each."""
    return [Draws([c.value(quantity) for c in g.cells], [c.draws(quantity) for c in g.cells]) for g in groups]


def drawn_apart(groups: Groups, others: Groups, quantity: str) -> tuple[list[Draws], list[tuple[int, ...]]] | None:
    """The same of *quantity* minus that of *others*, by task, by seed and example by example, and the seeds that both
    have. None where a task has none in common."""
    out: list[Draws] = []
    seeds: list[tuple[int, ...]] = []
    for one, other in zip(groups, others, strict=True):
        pairs = in_pairs(one, other)
        if not pairs:
            return None
        out.append(Draws([a.value(quantity) - b.value(quantity) for a, b in pairs],
                         [a.draws(quantity) - b.draws(quantity) for a, b in pairs]))
        seeds.append(tuple(a.seed for a, _ in pairs))
    return out, seeds


def in_pairs(one: Group, other: Group) -> list[tuple[Cell, Cell]]:
    """The cells of both with the same seed and the same dense model, in the order of *one*."""
    mates = {c.seed: c for c in other.cells}
    return [(c, mates[c.seed]) for c in one.cells if c.seed in mates
            and c.dense.record.id == mates[c.seed].dense.record.id]


def estimate(groups: Groups, quantity: str) -> Estimate:
    """*quantity* of one way by itself; the mean over tasks. Its interval knows of no other way's seeds."""
    return _estimate(groups, drawn(groups, quantity), [g.seeds for g in groups], None)


def dense_of(group: Group) -> Group:
    """The dense models that the cells of *group* started from, a cell a seed."""
    return Group(tuple(c.dense for c in group.cells))


def constant(group: Group, quantity: str) -> float:
    """What the best constant answer reaches, the mean over seeds (for the score and the loss they are all the same)."""
    return sum(c.constant(quantity) for c in group.cells) / len(group.cells)


def idle(groups: Groups) -> bool:
    """Is the mean score of one way, over seeds and then over tasks, no better than that of the best constant answers?
    """
    scores = [sum(c.value("score") for c in g.cells) / len(g.cells) for g in groups]
    return sum(scores) <= sum(constant(g, "score") for g in groups)


def _estimate(groups: Groups, known: Sequence[Draws], seeds: Sequence[tuple[int, ...]],
              noises: Sequence[SeedNoise | None] | None) -> Estimate:
    shared = tuple(s for s in seeds[0] if all(s in more for more in seeds))
    return Estimate(over_tasks(known, noises), shared, sum(len(g.cells[0].answers) for g in groups), len(groups))
