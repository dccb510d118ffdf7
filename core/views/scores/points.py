"""The scored pruned runs of one task and model: the points that the panels of Accuracy are made of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.evidence import words
from core.evidence.groups import stored_bits
from core.evidence.quantities import SCORE
from core.evidence.single import Versus
from core.methods import position_of
from core.runs.records import RunRecord
from core.sparsity.storage import FLOAT
from core.statistics.interval import Interval
from core.statistics.noise import noise
from core.tasks import VALIDATION
from core.tasks import position_of as task_position
from core.views.drawing import style


@dataclass(frozen=True)
class Point:
    """One run as a panel draws it."""

    id: str
    method: str
    trained: bool
    pattern: str
    sparsity: float
    score: float
    dense: float
    noise: float
    seed: int
    epochs: float
    distill: float
    n_eval: int
    bits: int = 0  # of the grid that the weights are on; 0 = float32
    apart: Interval | None = None  # the score minus dense's, paired; None where answers were not kept
    stored: float = math.nan  # bits per prunable weight, all that a file needs counted; nan = not known

    @property
    def within(self) -> bool:
        """Is it level with its own dense parent, or above? With answers, by the interval of the paired difference; else
        by the cruder rule of `core.statistics.noise`."""
        return self.apart.high >= 0 if self.apart is not None else self.score >= self.dense - self.noise

    @property
    def apart_words(self) -> str:
        """The difference to dense in points, with its interval where it is known."""
        return words.signed(SCORE, self.score - self.dense) if self.apart is None else \
            words.signed_interval(SCORE, self.apart)

    @property
    def words(self) -> str:
        """Pattern and grid: "2:4, 8 bits"."""
        return style.pattern_words(self.pattern, self.bits)


def panels(records: Iterable[RunRecord]) -> list[tuple[str, str]]:
    """(task, model) of every panel, in the order of the list of tasks: those with at least one scored pruned run."""
    found = {(r.spec.task, r.spec.model) for r in records if scored(r)}
    return sorted(found, key=lambda k: (task_position(k[0]), k))


def scored(record: RunRecord) -> bool:
    """Is this a finished pruned run with its own score and that of its dense parent?"""
    results = record.results
    return (record.status == "succeeded" and record.spec.method != "dense" and results is not None
            and results.final is not None and results.dense is not None)


def point_of(record: RunRecord, versus: Versus | None = None) -> Point:
    """The point of one scored run (`scored`); *versus* knows its difference to dense."""
    spec, results = record.spec, record.results
    assert results is not None and results.final is not None and results.dense is not None
    return Point(record.id, spec.method, spec.epochs > 0, spec.pattern, record.sparsity, results.final, results.dense,
                 noise(results.metric, results.dense, results.n_eval), spec.seed, spec.epochs, spec.distill,
                 results.n_eval, spec.bits, versus(record.id) if versus is not None else None, stored_bits(record))


def points(records: Iterable[RunRecord], task: str, model: str, versus: Versus | None = None) -> list[Point]:
    """The scored pruned runs of one panel, by method, grid and sparsity. All are scored on the same examples: those of
    the validation split, or of the commonest other split where no run has a validation score."""
    mine = [r for r in records if scored(r) and (r.spec.task, r.spec.model) == (task, model)]
    split = _split(mine)
    found = [point_of(r, versus) for r in mine
             if r.results is not None and (r.results.split, r.results.n_eval) == split]
    return sorted(found, key=lambda p: (position_of(p.method), p.trained, -(p.bits or FLOAT), p.sparsity,
                                        p.pattern, p.seed, p.id))


def _split(records: Sequence[RunRecord]) -> tuple[str, int] | None:
    """(name, examples) of the evaluation set that a panel compares on."""
    found = Counter((r.results.split, r.results.n_eval) for r in records if r.results is not None)
    return max(found, key=lambda k: (k[0] == VALIDATION, found[k], k), default=None)
