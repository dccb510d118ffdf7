"""What knobs are chosen on, and what is kept for a last look: both out of train, apart, and counted again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.running.pipeline import run
from core.runs import answers
from core.runs.checks.folder_check import check as check_run
from core.runs.store import Store
from core.specs.resolving import dense_spec, resolve
from core.tasks import Examples
from core.tasks.loading import load_task
from tests.damage import replace_arrays

SMALL = {"task": "agreement", "model": "tiny", "method": "asp", "train_examples": 64, "dev_examples": 40,
         "unseen_examples": 30, "dense_epochs": 1, "epochs": 0.5, "calibration": 16, "record": "answers"}


def texts(examples: Examples | None) -> list[str]:
    assert examples is not None
    return examples.text


def test_the_three_parts_of_train_share_no_example() -> None:
    whole, held = load_task("agreement"), load_task("agreement", dev_examples=50, unseen_examples=40)
    parts = [texts(held.train), texts(held.evaluation), texts(held.unseen)]
    assert [len(part) for part in parts] == [len(whole.train) - 90, 50, 40]
    assert sorted(text for part in parts for text in part) == sorted(whole.train.text)
    assert held.split != whole.split


def test_what_is_judged_by_stays_the_same_when_more_is_kept_apart() -> None:
    plain, more = load_task("agreement", dev_examples=50), load_task("agreement", dev_examples=50, unseen_examples=40)
    assert texts(plain.evaluation) == texts(more.evaluation) and plain.unseen is None
    assert texts(more.unseen) == texts(load_task("agreement", dev_examples=90).evaluation)[:40]


@pytest.mark.parametrize("given", [{"unseen_examples": 40}, {"dev_examples": 5, "unseen_examples": -1},
                                   {"dev_examples": 5, "unseen_examples": 10**7}])
def test_parts_that_cannot_be_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(InputError):
        load_task("agreement", **given)


def test_a_setting_of_later_is_no_part_of_older_ids() -> None:
    plain = resolve({**SMALL, "unseen_examples": 0})
    assert plain.digest == resolve({k: v for k, v in SMALL.items() if k != "unseen_examples"}).digest
    kept = resolve(SMALL)
    assert kept.digest != plain.digest
    assert dense_spec(kept).unseen_examples == 30 and dense_spec(kept).digest != dense_spec(plain).digest
    assert resolve({"task": "agreement", "method": "dense", "dev_examples": 40, "unseen_examples": 30}).unseen_examples


def test_a_run_answers_what_was_kept_apart_and_the_check_counts_it(empty_store: Store, tmp_path: Path) -> None:
    record = run(resolve(SMALL), store=empty_store)
    found = empty_store.open(record.id)
    apart = answers.read(found, answers.UNSEEN)
    assert record.results is not None and len(apart) == 30 and len(answers.read(found)) == 40
    hits = sum(int(row.argmax()) == label for row, label in zip(apart.logits, apart.labels, strict=True))
    assert record.results.unseen == hits / 30
    data = load_task("agreement", train_examples=64, dev_examples=40, unseen_examples=30)
    assert data.unseen is not None and np.array_equal(data.unseen.labels, apart.labels)
    assert not check_run(found).problems

    right = np.flatnonzero(apart.classes == apart.labels)[0]
    apart.logits[right] *= -1
    replace_arrays(found.path, apart.arrays(answers.UNSEEN))
    assert any("unseen" in text for text in check_run(empty_store.open(record.id)).problems)
    replace_arrays(found.path, {"unseen/logits": apart.logits[:-1]})
    assert any(text.startswith("unseen: logits are") for text in check_run(empty_store.open(record.id)).problems)


def test_a_run_without_such_a_part_says_so(small_store: Store) -> None:
    entry = next(e for e in small_store.entries() if e.record is not None and e.record.spec.method == "magnitude")
    with pytest.raises(InputError, match="unseen-examples"):
        answers.read(small_store.open(entry.id), answers.UNSEEN)
