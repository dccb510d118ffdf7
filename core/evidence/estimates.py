"""Estimates with their intervals: of one group, of the difference of two, of the mean over tasks.

An interval holds both sources of noise where there are several seeds: other examples, and another dense model
(`core.statistics.seeds`). With one seed it knows the examples alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
Noises = Sequence[SeedNoise | None]  # one a task


def drawn(groups: Groups, quantity: str) -> list[Draws] | None:
    """What is known of *quantity*, a task each. None where it is not defined."""
    if not all(c.defines(quantity) for g in groups for c in g.cells):
        return None
    return [Draws([c.value(quantity) for c in g.cells], [c.draws(quantity) for c in g.cells]) for g in groups]


def drawn_apart(groups: Groups, others: Groups, quantity: str) -> tuple[list[Draws], list[tuple[int, ...]]] | None:
    """The same of *quantity* minus that of *others*, by task, by seed and example by example, and the seeds that both
    have. None where a task has none in common."""
    out: list[Draws] = []
    seeds: list[tuple[int, ...]] = []
    for one, other in zip(groups, others, strict=True):
        mates = {c.seed: c for c in other.cells}
        pairs = [(c, mates[c.seed]) for c in one.cells if c.seed in mates and c.defines(quantity)
                 and c.dense.record.id == mates[c.seed].dense.record.id]
        if not pairs:
            return None
        out.append(Draws([a.value(quantity) - b.value(quantity) for a, b in pairs],
                         [a.draws(quantity) - b.draws(quantity) for a, b in pairs]))
        seeds.append(tuple(a.seed for a, _ in pairs))
    return out, seeds


def estimate(groups: Groups, quantity: str, noises: Noises | None = None) -> Estimate | None:
    """*quantity* of a way; the mean over tasks. *noises*: of the seeds, pooled (`Pools`); None: of these seeds alone.
    None where it is not defined."""
    known = drawn(groups, quantity)
    return None if known is None else _estimate(groups, known, [g.seeds for g in groups], noises)


def difference(groups: Groups, others: Groups, quantity: str, noises: Noises | None = None) -> Estimate | None:
    """*quantity* of *groups* minus that of *others*, paired (`drawn_apart`); the mean over tasks."""
    known = drawn_apart(groups, others, quantity)
    return None if known is None else _estimate(groups, *known, noises)


class Pools:
    """The noise of the seeds of the ways of one pattern, a task each: pooled over those that trained, and over those
    that did not. Without training a model may be past saving at one seed and not at another; trained ones are
    steadier."""

    def __init__(self, ways: Iterable[tuple[Groups, Sequence[Draws] | None]], tasks: int) -> None:
        listed = [(groups[0].trained, draws) for groups, draws in ways if draws is not None]
        self._noises: dict[bool, list[SeedNoise | None]] = {
            trained: [seed_noise(draws[k] for kind, draws in listed if kind == trained) for k in range(tasks)]
            for trained in (False, True)}

    def of(self, groups: Groups) -> list[SeedNoise | None]:
        """Those that *groups* belongs to."""
        return self._noises[groups[0].trained]


def dense_of(group: Group) -> Group:
    """The dense models that the cells of *group* started from, a cell a seed."""
    return Group(tuple(c.dense for c in group.cells))


def constant(group: Group, quantity: str) -> float:
    """What the best constant answer reaches, the mean over seeds (for the score and the loss they are all the same)."""
    return sum(c.constant(quantity) for c in group.cells) / len(group.cells)


def idle(group: Group) -> bool:
    """Is its mean score no better than the best constant answer's?"""
    return sum(c.value("score") for c in group.cells) / len(group.cells) <= constant(group, "score")


def _estimate(groups: Groups, known: Sequence[Draws], seeds: Sequence[tuple[int, ...]],
              noises: Noises | None) -> Estimate:
    shared = tuple(s for s in seeds[0] if all(s in more for more in seeds))
    return Estimate(over_tasks(known, noises), shared, sum(len(g.cells[0].answers) for g in groups), len(groups))
