"""What a run's final model says to every example of its evaluation split, and where two runs say something else.

Kept as `answers/logits` (float32 `[n, outputs]`; regression: one output) and `answers/labels` (`[n]`: int16 codes, or
float32 for regression), in the order of the split; those to the examples kept out for a last look as `unseen/...`. An
example is its index: its text is never kept. numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import InputError
from core.runs.records import RunRecord
from core.runs.checks.recount import values_of
from core.runs.store import CHECKPOINT, Run
from core.statistics.measures import measures_of

SAID, UNSEEN = "answers", "unseen"  # the two parts: what runs are judged by, and what nothing was chosen by
LOGITS, LABELS = f"{SAID}/logits", f"{SAID}/labels"
EXACT = 1e-6  # a score is the recorded one up to this: the order of a sum may move a correlation by less

Kind = Literal["mended", "broken", "both wrong"]


@dataclass(frozen=True)
class Answers:
    """*logits* float32 `[n, outputs]`, *labels* `[n]`. With one output the task is a regression."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int16] | NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    def same_examples(self, other: Answers) -> bool:
        """Do both answer the same question to the same examples: as many outputs, and the same labels in order?"""
        return self.logits.shape == other.logits.shape and np.array_equal(self.labels, other.labels)

    @property
    def regression(self) -> bool:
        """Whether the answer is a number, not a class."""
        return self.logits.shape[1] == 1

    @property
    def classes(self) -> NDArray[np.int64] | NDArray[np.float32]:
        """`[n]`: the code of the class with the largest logit (the lower code of two equal ones); for a regression the
        value itself."""
        return self.logits[:, 0] if self.regression else self.logits.argmax(axis=1)

    @property
    def margin(self) -> NDArray[np.float32] | None:
        """`[n]`, 0 or more: the largest logit minus the runner-up. None for a regression."""
        if self.regression:
            return None
        top = np.partition(self.logits, -2, axis=1)
        return top[:, -1] - top[:, -2]

    @property
    def right(self) -> NDArray[np.bool_] | None:
        """`[n]`: whether the class is the label. None for a regression."""
        return None if self.regression else self.classes == self.labels

    @property
    def error(self) -> NDArray[np.float32] | None:
        """`[n]`: how far the value is from the label, in the label's unit. None where the answer is a class."""
        return np.abs(self.logits[:, 0] - self.labels) if self.regression else None

    def arrays(self, part: str = SAID) -> dict[str, np.ndarray]:
        """As they are kept in `arrays.safetensors`, as *part*."""
        return {f"{part}/logits": self.logits, f"{part}/labels": self.labels}


@dataclass(frozen=True)
class Flips:
    """The examples to which two models give different classes, the most decided first: by the smaller of the two
    margins, larger ones first, then by index. All arrays are `[flips]`; *n* is the number of examples compared."""

    n: int
    index: NDArray[np.int64]  # of the example in the evaluation split
    label: NDArray[np.int64]
    before: NDArray[np.int64]  # class
    after: NDArray[np.int64]
    margin_before: NDArray[np.float32]
    margin_after: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def kind(self) -> list[Kind]:
        """Of every flip: *mended* (wrong before, right after), *broken* (the reverse), or *both wrong*."""
        return ["mended" if a == y else "broken" if b == y else "both wrong"
                for b, a, y in zip(self.before, self.after, self.label, strict=True)]

    @property
    def mended(self) -> NDArray[np.int64]:
        """Indices of the examples that are right after and were wrong before."""
        return self.index[self.after == self.label]

    @property
    def broken(self) -> NDArray[np.int64]:
        """Indices of the examples that were right before and are wrong after."""
        return self.index[self.before == self.label]

    @property
    def both_wrong(self) -> NDArray[np.int64]:
        """Indices of the examples that were wrong, and are wrong in another way."""
        return self.index[(self.before != self.label) & (self.after != self.label)]


def answers_of(logits: ArrayLike, labels: ArrayLike) -> Answers:
    """Answers as they are kept, from *logits* `[n, outputs]` or `[n]` and *labels* `[n]` (codes, or numbers)."""
    table = np.asarray(logits, dtype=np.float32)
    table = table.reshape(len(table), -1)
    if table.shape[1] == 1:
        return Answers(table, np.asarray(labels, dtype=np.float32))
    return Answers(table, np.asarray(labels, dtype=np.int16))


def read(run: Run, part: str = SAID) -> Answers:
    """The answers of *run* to the examples of *part*. Raises InputError when it keeps none (older runs do not, and few
    keep the part `UNSEEN`), or none that can be used."""
    logits, labels = f"{part}/logits", f"{part}/labels"
    held = run.several((logits, labels))
    if not held and part == UNSEEN:
        raise InputError(f"{run.record.id} kept no examples apart", "a run with --unseen-examples",
                         "Look at its answers to the examples it was judged by.")
    if not held:
        here = not run.recorded and (run.path / CHECKPOINT).is_dir()
        raise InputError(f"{run.record.id} does not keep what its model says to each example",
                         "a finished run that was made since answers are kept",
                         f"Add them: python -m core evaluate {run.record.id} --record" if here
                         else f"Make it here: {run.record.command}")
    if wrong := _wrong(held, run.record, part):
        raise InputError(f"The answers of {run.record.id} cannot be used: {wrong}", "one answer an example",
                         "Make the run again, or fetch the file anew.")
    return Answers(held[logits], held[labels])


def flips(before: Answers, after: Answers) -> Flips:
    """Where *after* gives another class than *before*. Raises InputError when they answer other examples (another
    number of them, or other labels), choose among other classes, or are of a regression."""
    for one in (before, after):
        if one.regression:
            raise InputError("These answers are numbers, which move and do not flip", "a task with classes",
                             "Compare their errors instead.")
    if len(before) != len(after) or not np.array_equal(before.labels, after.labels):
        raise InputError(f"The two runs answer different examples ({len(before)} and {len(after)}, or with other "
                         "labels)", "two runs on one evaluation split",
                         "Choose runs of one task, with the same data and --dev-examples.")
    if before.logits.shape != after.logits.shape:
        raise InputError(f"The two runs choose among {before.logits.shape[1]} and {after.logits.shape[1]} classes",
                         "two runs of one task", "Choose runs of one task.")
    first, second = before.margin, after.margin
    assert first is not None and second is not None
    index = np.flatnonzero(before.classes != after.classes)
    index = index[np.argsort(-np.minimum(first, second)[index], kind="stable")]
    return Flips(len(before), index, before.labels[index].astype(np.int64), before.classes[index].astype(np.int64),
                 after.classes[index].astype(np.int64), first[index], second[index])


def check(record: RunRecord, held: dict[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """What was verified of the answers among the arrays *held*, and the problems: their shapes and types, and every
    score of the final model, counted again from them by `core.runs.checks.recount`."""
    if LOGITS not in held and LABELS not in held:
        return ["not verified: the run does not keep its answers, so its score cannot be counted again"], []
    parts = (SAID, UNSEEN) if record.spec.unseen_examples else (SAID,)
    for part in parts:
        if wrong := _wrong(held, record, part):
            return [], [f"{part}: {wrong}"]
    results = record.results
    assert results is not None  # _wrong has seen it
    known, main = values_of(held[LOGITS], held[LABELS]), measures_of(results.metric)
    said = [(name, value, known[name]) for name, value in results.detail.items() if name in known]
    if results.final is not None and main:
        said.append((results.metric, results.final, float(np.mean([known[name] for name in main]))))
    if results.unseen is not None and main and UNSEEN in parts:
        apart = values_of(held[f"{UNSEEN}/logits"], held[f"{UNSEEN}/labels"])
        said.append(("unseen", results.unseen, float(np.mean([apart[name] for name in main]))))
    problems = [f"answers: they give {name} {ours:.6f}, the header says {value:.6f}"
                for name, value, ours in said if not abs(ours - value) <= EXACT]
    problems = list(dict.fromkeys(problems))
    if problems or not said:
        return ([] if problems else [f"not verified: no count of ours gives {results.metric}"]), problems
    count = f"{len(held[LABELS]):,}".replace(",", " ")
    return [f"answers to {count} examples give the header's {', '.join(sorted({name for name, *_ in said}))}"], []


def _wrong(held: dict[str, np.ndarray], record: RunRecord, part: str) -> str | None:
    """What is wrong with the two arrays of *part*, or None."""
    logits, labels = held.get(f"{part}/logits"), held.get(f"{part}/labels")
    outputs, results = len(record.labels) or 1, record.results
    if results is None or logits is None or labels is None:
        return f"{f'{part}/labels' if labels is None else f'{part}/logits' if logits is None else 'the results'} missing"
    n = results.n_eval if part == SAID else record.spec.unseen_examples
    if logits.dtype != np.float32 or logits.shape != (n, outputs):
        return f"logits are {logits.dtype} {list(logits.shape)}, not float32 {[n, outputs]}"
    kind = np.float32 if outputs == 1 else np.int16
    if labels.dtype != kind or labels.shape != (n,):
        return f"labels are {labels.dtype} {list(labels.shape)}, not {np.dtype(kind)} [{n}]"
    if not np.isfinite(logits).all() or not np.isfinite(labels).all():
        return "one of them is not finite"
    if outputs > 1 and not ((labels >= 0) & (labels < outputs)).all():
        return f"a label is none of the {outputs} classes"
    return None
