"""What each record level keeps of a real run: all that the level before it keeps, and more. Where a model may be
exported to."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InputError
from core.running import pipeline
from core.running.pipeline import resolve, run
from core.runs.store import Store

GIVEN = {"task": "agreement", "model": "tiny", "method": "magnitude", "pattern": "2:4", "train_examples": 64,
         "dev_examples": 40, "dense_epochs": 1, "calibration": 32}
# By level: the first part of the keys that it is the first to keep.
ADDED = {"answers": {"answers"}, "summary": {"thumbnail", "occupancy", "occupancy.free"},
         "masks": {"mask", "activation", "attention", "region", "distribution"}, "full": {"weight", "scale"},
         "lab": {"gram"}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(recorded=tmp_path_factory.mktemp("none"), live=tmp_path_factory.mktemp("runs"))


def test_every_level_keeps_what_the_one_before_it_keeps_and_its_own(store: Store) -> None:
    held: set[str] = set()
    for level, added in ADDED.items():
        record = run(resolve({**GIVEN, "record": level}), store=store, again=True)
        keys = store.open(record.id).keys
        held |= added
        assert {key.partition("/")[0] for key in keys} == held, level
        assert bool(record.probes) == (level not in ("answers", "summary"))
        assert (len(record.moments) >= 2) == (level != "answers")
        assert all((m.gram is not None) == (level == "lab") for m in record.matrices)


def test_a_model_is_exported_into_a_new_folder_or_an_empty_one_and_no_other(store: Store, tmp_path: Path) -> None:
    record = run(resolve(GIVEN), store=store)
    empty = tmp_path / "empty"
    empty.mkdir()
    for to in (tmp_path / "a" / "new one", empty):
        assert pipeline.export(record.id, store=store, to=to) == to
        assert (to / "model.safetensors").read_bytes() == \
            (store.live / record.id / "checkpoint" / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="not empty"):
        pipeline.export(record.id, store=store, to=empty)
