"""A task by its name: in the list, or among a person's own; and its data, from wherever they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.errors import InputError
from core.tasks import HELD_OUT, PERMUTATION_SEED, TASKS, VALIDATION, Examples, TaskData, TaskEntry, glue, grammars, own


def entry_of(name: str) -> TaskEntry:
    """Look a task up: in TASKS, then among the own tasks of this machine (`own:NAME` or NAME is the version added
    last; the entry's own name says which). Raises InputError, with a suggestion, for a name that is in neither."""
    if name in TASKS:
        return TASKS[name]
    return own.find(name).entry


def load_task(name: str, *, data_dir: Path | None = None, train_examples: int | None = None,
              dev_examples: int = 0, unseen_examples: int = 0) -> TaskData:
    """Load the task *name*.

    GLUE is read from *data_dir* (or SPARSESCOPE_GLUE_DIR), a folder holding `<task>/{train,validation}.parquet` in the
    columns of `nyu-mll/glue`, or else from the hub.

    *train_examples*: train on the first that many of a fixed permutation of the training set: the same ones for every
    seed, and fewer are always a part of more. None, or more than there are: all. *dev_examples* > 0: score on the last
    that many of the same permutation, taken out of the training set, and leave the validation set alone, for choosing
    knobs. *unseen_examples*: take out that many more, those before them, for a last look at what was chosen.

    Raises InputError for an unknown task, numbers out of range, data that cannot be reached or cannot be used.
    """
    entry = entry_of(name)
    if train_examples is not None and train_examples < 1:
        raise InputError(f"train_examples is {train_examples}", "a number from 1 up, or none for all of them",
                         "Leave it out to train on the whole training set.")
    if dev_examples < 0:
        raise InputError(f"dev_examples is {dev_examples}", "a number from 0 up",
                         "Use 0 to score on the validation set.")
    if unseen_examples < 0 or (unseen_examples and not dev_examples):
        raise InputError(f"unseen_examples is {unseen_examples} with dev_examples {dev_examples}",
                         "a number from 0 up, and examples to choose by",
                         "Add --dev-examples, or leave --unseen-examples out: the validation set is for the last look.")
    train, evaluation = _read(entry, data_dir, need_validation=dev_examples == 0)
    order = np.random.default_rng(PERMUTATION_SEED).permutation(len(train))
    away = dev_examples + unseen_examples
    if away >= len(train):
        raise InputError(f"{away} examples are to be held out, and {name} has {len(train)} to train on",
                         "fewer than there are", "Lower --dev-examples or --unseen-examples.")
    rest, unseen, held_out = np.split(order, [len(train) - away, len(train) - dev_examples])
    split = VALIDATION
    if dev_examples:
        evaluation, split = train.take(held_out), HELD_OUT
    assert evaluation is not None  # _read brings it whenever it is needed
    apart = train.take(unseen) if unseen_examples else None
    if train_examples is not None or dev_examples:
        train = train.take(rest[:train_examples])
    return TaskData(entry, train, evaluation, split, apart)


def _read(entry: TaskEntry, data_dir: Path | None, need_validation: bool) -> tuple[Examples, Examples | None]:
    if entry.kind == "built-in":
        return grammars.generate(entry.name)
    if entry.kind == "own":
        return own.read(entry)
    return glue.read(entry, data_dir, need_validation)
