"""Keeping a run: nothing more than the level, nothing less, and it still checks."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.runs.arrays import coarser
from core.runs.checks.folder_check import check
from core.runs.keeping import keep
from core.runs.levels import FIRST_KEPT
from core.runs.records import RunRecord
from core.runs.store import Store
from tests import makers


@pytest.fixture
def store(empty_store: Store) -> Store:
    parent = makers.make_run(empty_store.live, method="dense", pattern="dense")
    makers.make_run(empty_store.live, parent=parent, method="admm")
    return empty_store


def pruned(store: Store) -> RunRecord:
    return next(r for r in store.records() if r.spec.method == "admm")


@pytest.mark.parametrize("level", ["answers", "summary", "masks", "full"])
def test_a_kept_run_holds_what_its_level_says_and_checks(store: Store, level: str) -> None:
    record = pruned(store)
    dense = record.parent
    assert dense is not None
    before = store.open(record.id)
    whole = {key: before.array(key) for key in before.keys}
    for name in (dense, record.id):
        keep(store, name, level)  # type: ignore[arg-type]
    kept = Store(recorded=store.recorded, live=store.recorded / "none").open(record.id)
    words = {key.split("/", 1)[0] for key in kept.keys}
    expected = {"answers": {"answers"}}
    expected["summary"] = expected["answers"] | {"thumbnail", "occupancy", "occupancy.free"}
    expected["masks"] = expected["summary"] | {"mask", "activation", "attention"}
    expected["full"] = expected["masks"] | {"weight", "scale", "snapshot"}
    assert words == expected[level]
    same = [key for key in kept.keys if level == "full" or not key.startswith("thumbnail/")]
    assert same and all(np.array_equal(kept.array(key), whole[key]) for key in same)  # type: ignore[arg-type]
    assert kept.record.spec.record == level
    assert kept.record.id == record.id == kept.record.spec.run_id
    assert not check(kept).problems


@pytest.mark.parametrize("level", ["summary", "masks"])
def test_thumbnails_get_coarser_and_still_are_block_means(empty_store: Store, level: str) -> None:
    store, sizes = empty_store, {"hidden": 192, "ffn": 768, "layers": 1}
    parent = makers.make_dense(store.live, **sizes)
    record = store.open(makers.make_run(store.live, parent=parent, snapshots=0, **sizes)).record
    keep(store, record.id, level)  # type: ignore[arg-type]
    kept = Store(recorded=store.recorded, live=store.recorded / "none").open(record.id)
    halved = 0
    for m in record.matrices:
        after, weight = kept.array(f"thumbnail/{m.name}"), store.open(record.id).weight(m.name)
        fine = store.open(record.id).array(f"thumbnail/{m.name}")
        assert after is not None and weight is not None and fine is not None
        if after.shape == fine.shape:
            continue
        halved += 1
        r, c = m.shape[0] // after.shape[0], m.shape[1] // after.shape[1]
        for i, j in ((0, 0), (after.shape[0] - 1, after.shape[1] - 1)):
            mean = np.abs(weight[r * i:r * (i + 1), c * j:c * (j + 1)]).mean()
            assert float(after[i, j]) == pytest.approx(mean, rel=0.02)  # int8 rows and float16 cells
    assert halved


def test_a_thumbnail_with_unequal_blocks_stays_as_it_is() -> None:
    uneven = np.ones((44, 24), np.float16)  # 256 rows in 44 blocks: the last block is smaller
    assert coarser(uneven, (256, 192)) is uneven


def test_a_level_that_the_run_does_not_hold_is_refused(store: Store) -> None:
    record = pruned(store)
    keep(store, record.id, "summary")
    only = Store(recorded=store.recorded, live=store.recorded / "none")
    with pytest.raises(InputError, match="--record full"):
        keep(only, record.id, "full")


def test_an_unfinished_run_is_refused(empty_store: Store) -> None:
    name = makers.make_run(empty_store.live, method="dense", pattern="dense", status="running")
    with pytest.raises(InputError, match="--resume"):
        keep(empty_store, name)


def test_every_array_key_has_a_level() -> None:
    import core.runs.arrays

    named = {line.split("`")[1].split("/")[0] for line in (core.runs.arrays.__doc__ or "").splitlines()
             if line.startswith("| `")}
    assert named <= set(FIRST_KEPT)


def test_the_weights_of_a_pruned_run_are_kept_when_asked_for(store: Store) -> None:
    run = store.open(pruned(store).id)
    with pytest.raises(InputError, match="0 bytes of weights"):
        keep(store, run.record.id, weights=True)
    assert not (store.recorded / run.record.id).exists()
    (run.path / "checkpoint").mkdir()
    (run.path / "checkpoint" / "model.safetensors").write_bytes(b"weights")
    assert not (keep(store, run.record.id) / "checkpoint").exists()
    assert (keep(store, run.record.id, weights=True) / "checkpoint" / "model.safetensors").read_bytes() == b"weights"
