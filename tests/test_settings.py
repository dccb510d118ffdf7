"""The range of every setting, at its ends: what is taken, what is refused and with which words."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import pytest

from core.errors import InputError
from core.live.asking import given_of
from core.runs.records import RunSpec
from core.runs.store import Store
from core.specs.recipes import expand
from core.specs.resolving import resolve
from core.specs.settings import help_of, kind_of, range_of, range_words, read
from tests import commands
from ui import run_form

# setting, the least and the most that is taken, what is just outside, the words. For a method that always trains.
RANGES: list[tuple[str, list[Any], list[Any], str]] = [
    ("seed", [0, 2147483647], [-1, 2147483648], "0 to 2147483647"),
    ("epochs", [1e-9, 1000], [0, -1, 1000.1, math.nan, math.inf], "more than 0, at most 1000"),
    ("dense_epochs", [0, 1000], [-0.1, 1001, math.nan, math.inf], "0 to 1000"),
    ("lr", [1e-9, 0.999], [0, 1, -1, math.nan, math.inf], "between 0 and 1"),
    ("dense_lr", [1e-9, 0.999], [-1e-9, 1, math.nan], "0 to 1"),
    ("batch_size", [1, 4096], [0, 4097], "1 to 4096"),
    ("max_length", [4, 8192], [3, 8193], "4 to 8192 tokens"),
    ("train_examples", [1, 10**7], [0, -1, 10**9], "1 to 10000000"),
    ("dev_examples", [0, 10**7], [-1, 10**9], "0 to 10000000"),
    ("eval_examples", [0, 10**7], [-1, 10**9], "0 to 10000000"),
    ("unseen_examples", [0, 10**7], [-1, 10**9], "0 to 10000000"),
    ("calibration", [1, 10**7], [0, -1, 10**9], "1 to 10000000 examples"),
    ("distill", [0, 1], [-0.001, 1.001, math.nan], "0 to 1"),
    ("distill_hidden", [0, 100], [-0.001, 100.1, math.nan], "0 to 100"),
    ("distill_attention", [0, 100], [-0.001, 100.1, math.nan], "0 to 100"),
    ("dropout", [0, 0.999], [-0.001, 1, math.nan], "0 to 1"),
    ("film", [0, 200], [-1, 201, 10**9], "0 to 200"),
    ("chunk", [64], [-1, 65537, 10**9], "0 to 65536 weights"),
    ("bits", [0], [-1, 9, 10**9], "0 to 8 bits"),
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
    one_shot = resolve({**BASE, "method": "magnitude", "lr": 0.7})  # that decides nothing there
    assert (one_shot.epochs, one_shot.lr) == (0.0, 1e-4)
    with pytest.raises(InputError, match=r"lr = 7\.0\. Expected between 0 and 1"):  # and yet it was typed
        resolve({**BASE, "method": "magnitude", "lr": 7})
    with pytest.raises(InputError, match=r"dense_lr = 0\.0\. Expected between 0 and 1"):
        resolve({**BASE, "dense_lr": 0})
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


NUMBERS = tuple(name for name in RunSpec.__struct_fields__ if kind_of(name) in (int, float))
NONSENSE: tuple[Any, ...] = (True, False, [], [1], {}, "", " ", "many", "1e400", "-1e400", "9" * 5000, 10**400,
                             -10**400, math.inf, -math.inf, math.nan, "nan", "inf", -1, "-1", -0.5, b"1")


def test_every_number_has_a_range_with_both_ends_and_no_other_setting_has_one() -> None:
    for name in RunSpec.__struct_fields__:
        limits = range_of(name)
        assert (limits is not None) is (name in NUMBERS)
        if limits is not None:
            assert (limits.gt is None) is not (limits.ge is None) and (limits.lt is None) is not (limits.le is None)
            assert {row[0] for row in RANGES} >= {name}
            default = getattr(RunSpec(task="x"), name)
            assert default is None or read(name, default) == default


@pytest.mark.parametrize("name", NUMBERS)
def test_nonsense_is_refused_with_the_same_words_from_wherever(name: str, cli: Any, empty_store: Store) -> None:
    """From a table, a form, a sweep, the command line: what was given, the range, which option. Nothing is written."""
    words = range_words(name)
    for value in NONSENSE:
        with pytest.raises(InputError) as caught:
            resolve({**BASE, "method": "magnitude", name: value})
        error = caught.value
        assert error.given.startswith(f"{name} = ") and error.remedy == f"Change --{name.replace('_', '-')}."
        assert len(str(error)) < 200
        if not (name == "calibration" and words not in error.expected):  # a method may ask for more
            assert error.expected in (words, f"a whole number, {words}", f"a number, {words}")
        with pytest.raises(InputError, match=f"{name} = .* in a sweep"):
            list(expand({**BASE, name: value if not isinstance(value, list) else [value]}, "a sweep"))
        if isinstance(value, str | float):  # what can be typed
            text = str(value)
            if text.strip():  # an empty box of the form is its default
                with pytest.raises(InputError, match=re.escape(words)):
                    given_of({"method": "admm", name: text})
            assert f"{words}. Change --{name.replace('_', '-')}." in commands.refused(
                cli("run", "--task", "agreement", f"--{name.replace('_', '-')}={text}"))
    assert not empty_store.live.exists() or not list(empty_store.live.iterdir())


def test_help_and_form_say_the_range(cli: Any) -> None:
    said = " ".join(cli("run", "--help").stdout.split())
    for name in NUMBERS:
        assert f"[{range_words(name)}; default: " in said
        assert run_form._help(name).startswith(help_of(name)) and range_words(name)[1:] in run_form._help(name)


@pytest.mark.parametrize(("name", "value", "words"), [
    ("model", "", "model = '' is no text"), ("model", "  ", "is no text"), ("model", "a\nb", "with control characters"),
    ("model", "a\0b", "with control characters"), ("model", "x" * 5000, "is too long"), ("model", 3, "Expected a text"),
    ("model", "\udcff", "with half a character"), ("task", "", "task = '' is no text"), ("task", 3, "Expected a text"),
    ("method", "", "method = '' is no text"), ("method", ["admm"], "Expected a text"),
    ("pattern", 24, "Expected a text"), ("freeze_embeddings", 2, "Expected true or false"),
    ("freeze_embeddings", "maybe", "Expected true or false"), ("record", "everything", "Unknown value of record"),
    ("record", True, "Unknown value of record 'True'"),
    ("knobs", "rho=1", "Expected a table of knobs"), ("knobs", [1], "Expected a table of knobs"),
    ("knobs", {"rho_end": math.nan}, "rho_end = nan"), ("knobs", {"rho_end": True}, "rho_end = True")])
def test_what_is_no_number_is_checked_too(name: str, value: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve({**BASE, name: value})
    assert words in str(caught.value)
