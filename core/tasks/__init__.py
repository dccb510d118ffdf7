"""TASKS: the one list of tasks, and what a task's data are. No torch, no datasets, no pyarrow.

GLUE tasks (Wang et al., 2019, https://gluebenchmark.com) come by their Hugging Face names and with GLUE's own metrics.
The built-in tasks are synthetic: generated from a grammar of ours, for a machine without data and for the lessons.
Beside the list there are a person's own tasks, `core.tasks.own`: a table of theirs, kept on this machine.
`core.tasks.loading` looks a name up in both and reads the data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.statistics.measures import metric_name

PERMUTATION_SEED = 0  # of the training subset: the same for every run, whatever the run's own seed
# The splits: the one that counts, and the one that knobs are chosen on.
VALIDATION, HELD_OUT = "validation", "held out of train"
OWN_TASK = re.compile(r"own-([a-z0-9][a-z0-9-]{0,30})-([0-9a-f]{8})")  # the full name of an own task: with its digest


@dataclass(frozen=True)
class TaskEntry:
    """One task as lists, links and legends know it."""

    name: str
    title: str
    question: str  # what the model is asked, in one friendly sentence
    kind: Literal["glue", "built-in", "own"]
    columns: tuple[str, str | None]  # of the text, and of the second text where there are pairs
    labels: tuple[str, ...]  # class names in the order of their codes; empty = regression
    metric: str  # the main score
    metrics: tuple[str, ...]  # the scores that are measured; the main one is their mean
    scale: tuple[float, float] = (0.0, 5.0)  # of the label, for regression

    @property
    def outputs(self) -> int:
        """Width of the model's head: the number of classes, 1 for regression."""
        return len(self.labels) or 1


def _glue(name: str, title: str, question: str, columns: tuple[str, str | None], labels: tuple[str, ...],
          metrics: tuple[str, ...] = ("accuracy",)) -> TaskEntry:
    return TaskEntry(name, title, question, "glue", columns, labels, metric_name(metrics), metrics)


def _ours(name: str, question: str, columns: tuple[str, str | None], labels: tuple[str, ...]) -> TaskEntry:
    return TaskEntry(name, f"{name.capitalize()} (synthetic)", question, "built-in", columns, labels, "accuracy",
                     ("accuracy",))


PAIR = ("sentence1", "sentence2")
ENTAILS = ("entailment", "not_entailment")

TASKS: dict[str, TaskEntry] = {
    entry.name: entry
    for entry in (
        _glue("cola", "CoLA", "Could an English speaker say this sentence?", ("sentence", None),
              ("unacceptable", "acceptable"), ("matthews_correlation",)),
        _glue("sst2", "SST-2", "Does this piece of a film review praise or complain?", ("sentence", None),
              ("negative", "positive")),
        _glue("mrpc", "MRPC", "Do these two news sentences say the same thing?", PAIR,
              ("not_equivalent", "equivalent"), ("accuracy", "f1")),
        _glue("stsb", "STS-B", "How close in meaning are these two sentences, from 0 to 5?", PAIR, (),
              ("pearson", "spearman")),
        _glue("rte", "RTE", "Does the second sentence follow from the first?", PAIR, ENTAILS),
        _glue("wnli", "WNLI", "Is the pronoun of the first sentence read rightly in the second?", PAIR, ENTAILS[::-1]),
        _glue("qnli", "QNLI", "Does this sentence answer the question?", ("question", "sentence"), ENTAILS),
        _glue("qqp", "QQP", "Do these two questions ask the same thing?", ("question1", "question2"),
              ("not_duplicate", "duplicate"), ("accuracy", "f1")),
        _glue("mnli", "MNLI (matched)", "Does the second sentence follow from the first, contradict it, or neither?",
              ("premise", "hypothesis"), ("entailment", "neutral", "contradiction")),
        _ours("agreement", "Does every verb agree with its own noun, whatever stands between them?",
              ("sentence", None), ("unacceptable", "acceptable")),
        _ours("sentiment", "After every not, hardly and but: is the speaker pleased?", ("sentence", None),
              ("negative", "positive")),
        _ours("entailment", "All, most, some or no: does the second sentence follow from the first?",
              ("premise", "hypothesis"), ("entailment", "neutral", "contradiction")),
    )
}


@dataclass(frozen=True)
class Examples:
    """*n* labelled texts. `labels` is int64 `[n]` (codes of the entry's classes), or float32 `[n]` for regression."""

    text: list[str]
    pair: list[str] | None
    labels: NDArray[np.int64] | NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.text)

    def take(self, indices: NDArray[np.int64]) -> Examples:
        """The examples at *indices*, in that order."""
        pair = None if self.pair is None else [self.pair[i] for i in indices]
        return Examples([self.text[i] for i in indices], pair, self.labels[indices])


@dataclass(frozen=True)
class TaskData:
    """A task's data: what to train on, and what to score on. `split` says where the latter comes from; `unseen` are
    examples that are neither trained nor chosen by, for a last look."""

    entry: TaskEntry
    train: Examples
    evaluation: Examples
    split: str
    unseen: Examples | None = None


def position_of(name: str) -> tuple[int, str]:
    """What tasks are sorted by: their place in the list, own ones after them by name."""
    return (list(TASKS).index(name) if name in TASKS else len(TASKS), name)


def title_of(name: str) -> str:
    """A task's name as written on a page; the bare name for one that this version does not know."""
    own = OWN_TASK.fullmatch(name)
    return TASKS[name].title if name in TASKS else f"{own[1]} (own data, {own[2][:4]})" if own else name
