"""Record levels: their order, and what the recorded runs of each level really hold."""

from __future__ import annotations

from collections import defaultdict

import pytest

from core.runs.levels import RECORD_LEVELS, RecordLevel, holds, keeps, rank
from core.runs.store import Store
from tests.sources import ROOT


def test_each_level_holds_itself_and_those_before_it() -> None:
    order: list[RecordLevel] = ["answers", "summary", "masks", "full", "lab"]
    assert list(RECORD_LEVELS) == order and [rank(level) for level in order] == [0, 1, 2, 3, 4]
    for i, level in enumerate(order):
        assert [holds(level, least) for least in order] == [True] * (i + 1) + [False] * (4 - i)


def test_recorded_runs_hold_what_their_level_keeps_and_nothing_more() -> None:
    store = Store(recorded=ROOT / "cached_runs", live=ROOT / "no-such-folder")
    held: dict[RecordLevel, set[str]] = defaultdict(set)
    beyond = []
    for record in store.records():
        level = record.spec.record
        for key in store.open(record.id).keys:
            held[level].add(key.split("/", 1)[0])
            if not keeps(level, key):
                beyond.append((record.id, key))
    assert beyond == []
    assert held["answers"] == {"answers", "unseen", "method"}
    assert held["summary"] == {"answers", "method", "thumbnail", "unit", "occupancy", "occupancy.free", "levels"}
    assert held["masks"] >= {"mask", "activation", "attention", "region", "distribution"}
    assert held["full"] >= {"mask", "weight", "scale", "snapshot", "code", "grid", "library"}
    assert held["lab"] >= {"mask", "weight", "scale", "gram"}


@pytest.mark.parametrize(("key", "least"), [
    ("answers/logits", "answers"), ("thumbnail/m", "summary"), ("occupancy/m", "summary"),
    ("occupancy.free/m", "summary"), ("levels/m", "summary"), ("library", "summary"), ("library/m", "summary"),
    ("mask/m", "masks"), ("grid/m", "masks"), ("activation/p0/1.scale", "masks"), ("attention/p0/1", "masks"),
    ("region/0/block/p0/1", "masks"), ("distribution/0/block/1", "masks"), ("weight/m", "full"), ("scale/m", "full"),
    ("code/m", "full"), ("snapshot/0/mask/m", "full"), ("gram/m", "lab")])
def test_an_array_is_kept_from_its_level_on(key: str, least: RecordLevel) -> None:
    order = list(RECORD_LEVELS)
    assert [keeps(level, key) for level in order] == [order.index(level) >= order.index(least) for level in order]


def test_a_kind_without_a_level_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        keeps("lab", "activations/p0/1")
