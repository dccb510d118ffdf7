"""The range of every setting, at its ends: what is taken, what is refused and with which words."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from core.errors import InputError
from core.runs.records import RunSpec
from core.specs.resolving import resolve

# setting, the least and the most that is taken, what is just outside, the words. For a method that always trains.
RANGES: list[tuple[str, list[Any], list[Any], str]] = [
    ("seed", [0, 2147483647], [-1, 2147483648], "0 to 2147483647"),
    ("epochs", [1e-9, 1000], [0, -1, 1000.1, math.nan, math.inf], "more than 0, at most 1000"),
    ("dense_epochs", [0, 1000], [-0.1, 1001, math.nan, math.inf], "0 to 1000"),
    ("lr", [1e-9, 0.999], [0, 1, -1, math.nan, math.inf], "between 0 and 1"),
    ("dense_lr", [0, 0.999], [-1e-9, 1, math.nan], "0 to 1"),
    ("batch_size", [1, 4096], [0, 4097], "1 to 4096"),
    ("max_length", [4, 8192], [3, 8193], "4 to 8192 tokens"),
    ("train_examples", [1, 10**9], [0, -1], "1 or more"),
    ("dev_examples", [0, 10**9], [-1], "0 or more"),
    ("eval_examples", [0, 10**9], [-1], "0 or more"),
    ("calibration", [1, 10**9], [0, -1], "1 or more examples"),
    ("distill", [0, 1], [-0.001, 1.001, math.nan], "0 to 1"),
    ("distill_hidden", [0, 100], [-0.001, 100.1, math.nan], "0 to 100"),
    ("distill_attention", [0, 100], [-0.001, 100.1, math.nan], "0 to 100"),
    ("dropout", [0, 0.999], [-0.001, 1, math.nan], "0 to 1"),
]
BASE = {"task": "agreement", "model": "some/model", "method": "admm"}


@pytest.mark.parametrize(("name", "taken", "refused", "words"), RANGES, ids=[row[0] for row in RANGES])
def test_a_setting_is_taken_to_the_ends_of_its_range(name: str, taken: list[Any], refused: list[Any],
                                                     words: str) -> None:
    for value in taken:
        assert getattr(resolve({**BASE, name: value}), name) == value
    kind = float if isinstance(getattr(RunSpec(task="x"), name), float) else int
    for value in refused:
        for said in (value, str(value)):  # a form and a ticket give texts
            with pytest.raises(InputError) as caught:
                resolve({**BASE, name: said})
            assert str(caught.value) == \
                f"{name} = {kind(value)}. Expected {words}. Change --{name.replace('_', '-')}."


def test_what_a_method_does_not_need_may_be_none_of_it() -> None:
    """A dense run reads no calibration text; a method that may train need not."""
    dense = resolve({"task": "agreement", "method": "dense"})
    assert (dense.calibration, dense.dense_epochs, dense.dense_lr) == (0, 0.0, 0.0)
    one_shot = resolve({**BASE, "method": "magnitude", "lr": 7})  # that decides nothing there
    assert (one_shot.epochs, one_shot.lr) == (0.0, 1e-4)
    with pytest.raises(InputError, match=r"epochs = -1\.0\. Expected 0 to 1000\."):
        resolve({**BASE, "method": "admm-layer", "epochs": -1})


def test_a_header_outside_of_the_ranges_still_reads() -> None:
    """Whoever wrote it may have been allowed more than this version allows; only types are a reader's matter."""
    good = msgspec.to_builtins(RunSpec(task="cola"))
    for name, _, refused, _ in RANGES:
        for value in refused:
            if value == value and abs(value) < math.inf:  # what JSON can say
                raw = msgspec.json.encode({**good, name: value})
                assert getattr(msgspec.json.decode(raw, type=RunSpec), name) == value
