"""Runs that read alike in a list are told apart by the settings in which they differ."""

from __future__ import annotations

import msgspec

from core.runs.records import RunRecord
from core.runs.store import Store
from core.views.catalogue.runs import _details
from core.views.drawing.telling_apart import off_default, told_apart


def variant(base: RunRecord, name: str, **fields: object) -> RunRecord:
    return msgspec.structs.replace(base, id=name, spec=msgspec.structs.replace(base.spec, **fields))


def test_only_what_differs_is_said(good_store: Store) -> None:
    base = next(r for r in good_store.records() if r.spec.method == "admm")
    one = variant(base, "one", knobs={"dual": True, "rho_end": 0.3, "metric": "none"})
    two = variant(base, "two", knobs={"dual": False, "rho_end": 0.3, "metric": "none"}, calibration=128)
    alone = variant(base, "alone", pattern="1:8")
    words = told_apart([one, two, alone])
    assert words == {"one": "calibration 256 · dual on", "two": "calibration 128 · dual off", "alone": ""}


def test_what_a_run_is_scored_on_is_said_once_and_in_words(good_store: Store) -> None:
    base = next(r for r in good_store.records() if r.spec.method == "admm")
    held = variant(base, "held", dev_examples=500, unseen_examples=500)
    assert told_apart([variant(base, "plain"), held]) == {
        "plain": "scored on validation", "held": "scored on 500 held out of train"}
    assert off_default(held) == []
    assert _details(held, "scored on 500 held out of train").count("scored on") == 1


def test_a_knob_that_only_one_has_is_said_of_that_one(good_store: Store) -> None:
    base = next(r for r in good_store.records() if r.spec.method == "admm")
    words = told_apart([variant(base, "plain", knobs={}), variant(base, "more", knobs={"ramp": 5})])
    assert words["more"] == "ramp 5" and "ramp" not in words["plain"] and words["plain"]


def test_runs_of_two_tasks_are_no_twins_and_equal_ones_show_their_id(good_store: Store) -> None:
    base = next(r for r in good_store.records() if r.spec.method == "admm")
    words = told_apart([variant(base, "a-1"), variant(base, "a-2", record="masks"), variant(base, "b", task="rte")])
    assert words == {"a-1": "1", "a-2": "2", "b": ""}


def test_a_knob_left_at_its_default_is_said_where_a_twin_turned_it(good_store: Store) -> None:
    base = next(r for r in good_store.records() if r.spec.method == "admm-layer")
    words = told_apart([variant(base, "plain", knobs={}), variant(base, "turned", knobs={"rise": "support"})])
    assert words == {"plain": "rise stages", "turned": "rise support"}


def test_what_is_set_otherwise_than_usual_is_said_without_a_twin(good_store: Store) -> None:
    base = next(r for r in good_store.records() if r.spec.method == "admm")
    assert off_default(base) == []
    assert off_default(variant(base, "x", knobs={"dual": True, "share": 0.5, "metric": "norms"})) == []
    turned = variant(base, "x", knobs={"dual": False, "rho_end": 0.5}, distill_hidden=1.0)
    assert off_default(turned) == ["distill hidden 1", "rho to 0.5", "dual off"]
    assert off_default(variant(base, "x", bits=8, chunk=0)) == ["chunk 0"]
    assert off_default(variant(base, "x", method="not-known", knobs={"a": 1})) == []
