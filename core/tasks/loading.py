"""A task by its name: in the list, or among a person's own; and its data, from wherever they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.errors import InputError
from core.tasks import PERMUTATION_SEED, TASKS, Examples, TaskData, TaskEntry, glue, grammars, own


def entry_of(name: str) -> TaskEntry:
    """Look a task up: in TASKS, then among the own tasks of this machine (`own:NAME` or NAME is the version added
    last; the entry's own name says which). Raises InputError, with a suggestion, for a name that is in neither."""
    if name in TASKS:
        return TASKS[name]
    return own.find(name).entry


def load_task(name: str, *, data_dir: Path | None = None, train_examples: int | None = None,
              dev_examples: int = 0) -> TaskData:
    """Load the task *name*.

    GLUE is read from *data_dir* (or SPARSESCOPE_GLUE_DIR), a folder holding `<task>/{train,validation}.parquet` in the
    columns of `nyu-mll/glue`, or else from the hub.

    *train_examples*: train on the first that many of a fixed permutation of the training set: the same ones for every
    seed, and fewer are always a part of more. None, or more than there are: all. *dev_examples* > 0: score on the last
    that many of the same permutation, taken out of the training set, and leave the validation set alone, for choosing
    knobs.

    Raises InputError for an unknown task, numbers out of range, data that cannot be reached or cannot be used.
    """
    entry = entry_of(name)
    if train_examples is not None and train_examples < 1:
        raise InputError(f"train_examples is {train_examples}", "a number from 1 up, or none for all of them",
                         "Leave it out to train on the whole training set.")
    if dev_examples < 0:
        raise InputError(f"dev_examples is {dev_examples}", "a number from 0 up",
                         "Use 0 to score on the validation set.")
    train, evaluation = _read(entry, data_dir, need_validation=dev_examples == 0)
    order = np.random.default_rng(PERMUTATION_SEED).permutation(len(train))
    if dev_examples >= len(train):
        raise InputError(f"dev_examples is {dev_examples}, and {name} has {len(train)} training examples",
                         "fewer than there are", "Lower dev_examples.")
    held_out, rest = order[len(train) - dev_examples:], order[:len(train) - dev_examples]
    split = "validation"
    if dev_examples:
        evaluation, split = train.take(held_out), "held out of train"
    assert evaluation is not None  # _read brings it whenever it is needed
    if train_examples is not None or dev_examples:
        train = train.take(rest[:train_examples])
    return TaskData(entry, train, evaluation, split)


def _read(entry: TaskEntry, data_dir: Path | None, need_validation: bool) -> tuple[Examples, Examples | None]:
    if entry.kind == "built-in":
        return grammars.generate(entry.name)
    if entry.kind == "own":
        return own.read(entry)
    return glue.read(entry, data_dir, need_validation)
