"""ADMM beside its baselines: a row for every task, model and pattern, a column for every way to prune."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.evidence.single import Versus
from core.methods import METHODS, position_of
from core.runs.records import RunRecord
from core.views.compare.choice import MOST
from core.views.drawing import style
from core.views.drawing.telling_apart import off_default
from core.views.scores.points import Point, panels, points

if TYPE_CHECKING:
    import pandas as pd

Way = tuple[str, bool]  # a method, with or without training
OURS: tuple[Way, ...] = (("admm", True), ("admm-layer", False))
BASELINES: tuple[Way, ...] = (("magnitude", False), ("asp", True))
AGAINST = (*BASELINES, *reversed(OURS))  # who stands side by side when a row is opened, the reference first


@dataclass(frozen=True)
class Line:
    """One task, model and pattern: the dense score, and one run a way."""

    task: str
    model: str
    pattern: str
    dense: float
    runs: dict[Way, Point]

    @property
    def ids(self) -> list[str]:
        """The runs to compare, at most as many as stand side by side; the reference first."""
        ways = [way for way in AGAINST if way in self.runs]
        ways += [way for way in self.runs if way not in ways]
        return [self.runs[way].id for way in ways[:MOST]]

    @property
    def every(self) -> list[str]:
        """The ids of all its runs."""
        return [point.id for point in self.runs.values()]


def lines(records: Sequence[RunRecord], versus: Versus | None = None, own: Container[str] = ()) -> list[Line]:
    """A line for every task, model and pattern that an ADMM run and a run of another method share.

    Of several runs of a way the one that turns fewest knobs, a recorded one before one of *own* (ids made on this
    machine), then the lowest seed. All of a line are scored on the same examples (`points`).
    """
    by_id, out, places = {r.id: r for r in records}, [], panels(records)
    for task, model in places:
        kinds: dict[str, dict[Way, Point]] = defaultdict(dict)
        found = points(records, task, model, versus)
        for p in sorted(found, key=lambda p: (len(off_default(by_id[p.id])), p.id in own, p.seed, p.distill, p.id)):
            kinds[p.words].setdefault((p.method, p.trained), p)
        for pattern, runs in kinds.items():
            if any("admm" in method for method, _ in runs) and any("admm" not in method for method, _ in runs):
                dense = next(runs[way].dense for way in (*AGAINST, *runs) if way in runs)
                out.append(Line(task, model, pattern, dense, runs))
    return sorted(out, key=lambda line: (places.index((line.task, line.model)),
                                         -next(iter(line.runs.values())).sparsity, line.pattern))


def claim(found: Sequence[Line]) -> str:
    """In how many of the rows that hold all three dense is not clearly better than magnitude, than ASP, than ADMM."""
    three: tuple[Way, ...] = (*BASELINES, OURS[0])
    whole = [line for line in found if all(way in line.runs for way in three)]
    if not whole:
        return f"{style.count(len(found))} rows where ADMM stands beside another method." if found else \
            "No ADMM run stands beside another method's here."
    kept = [f"{way_words(way)} in {sum(line.runs[way].within for line in whole)}" for way in three]
    return f"Of {len(whole)} rows, dense is not clearly better than: {', '.join(kept)}."


def way_words(way: Way) -> str:
    """A column's name: the method, and "trained on" where it may go without."""
    method, trained = way
    more = trained and method in METHODS and METHODS[method].training == "optional"
    return f"{style.method_title(method)}{', trained on' if more else ''}"


def ways(found: Iterable[Line]) -> list[Way]:
    """The ways that occur: the baselines and ours first, then the rest in the order of METHODS."""
    held = {way for line in found for way in line.runs}
    rest = sorted(held - set(AGAINST), key=lambda w: (position_of(w[0]), w))
    return [way for way in AGAINST if way in held] + rest


def table(found: Sequence[Line]) -> pd.DataFrame:
    """The scores; empty where no run of that way is there."""
    import pandas as pd

    columns = {"task": [style.task_title(line.task) for line in found],
               "model": [style.model_title(line.model) for line in found],
               "pattern": [line.pattern for line in found],
               "Dense": pd.array([line.dense for line in found], dtype="Float64")}
    for way in ways(found):
        columns[way_words(way)] = pd.array(
            [line.runs[way].score if way in line.runs else None for line in found], dtype="Float64")
    return pd.DataFrame(columns)
