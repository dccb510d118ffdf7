"""METRICS: the scores that there are: of what each is the mean, which tasks it fits, its words on a page.

They are computed in `core.tasks.metrics`, and counted again in another way in `core.runs.checks.recount`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One main score of a task: the mean of its measures, mostly of one."""

    measures: tuple[str, ...]
    words: str  # inside a sentence
    fits: Literal["classes", "two classes", "numbers"]  # the labels that it can be counted on
    correlation: bool = False  # -1 to 1; else a share, 0 to 1

    def suits(self, classes: int) -> bool:
        """Can it score a task with so many *classes* (0: its labels are numbers)?"""
        return (self.fits == "numbers") == (classes == 0) and (self.fits != "two classes" or classes == 2)


def metric_name(measures: Sequence[str]) -> str:
    """The name of the mean of *measures*: "accuracy_f1_mean"; of one measure its own."""
    return measures[0] if len(measures) == 1 else "_".join(measures) + "_mean"


METRICS: dict[str, Metric] = {
    metric_name(metric.measures): metric
    for metric in (
        Metric(("accuracy",), "accuracy", "classes"),
        Metric(("f1",), "f1", "two classes"),
        Metric(("matthews_correlation",), "Matthews correlation", "classes", correlation=True),
        Metric(("pearson",), "pearson", "numbers", correlation=True),
        Metric(("spearman",), "spearman", "numbers", correlation=True),
        Metric(("accuracy", "f1"), "mean of accuracy and F1", "two classes"),
        Metric(("pearson", "spearman"), "mean of Pearson and Spearman correlation", "numbers", correlation=True),
    )
}


def measures_of(metric: str) -> list[str]:
    """The measures whose mean the main score *metric* is; empty for a name that is not known."""
    return list(METRICS[metric].measures) if metric in METRICS else []


def is_correlation(metric: str) -> bool:
    """Is *metric* a correlation, -1 to 1? One that is not known counts as a share."""
    return metric in METRICS and METRICS[metric].correlation


def metric_words(metric: str) -> str:
    """A metric as written on a page."""
    return METRICS[metric].words if metric in METRICS else metric.replace("_", " ")
