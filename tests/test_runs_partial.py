"""The moments of a run that goes on: planted ones, half files, foreign ones, and real runs read before and after."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.running.pipeline import resolve, run
from core.running.snapshots import Snapshots
from core.runs import partial
from core.runs.filmed import filmed
from core.runs.store import ARRAYS, Run, Store, write_header
from core.views.film import growing
from tests.makers import make_dense, make_run
from tests.planting_moments import NAMES, STEPS, plant_moments, weights_at

FILM = "ADMM, step 0", "ADMM, step 36", "ADMM, step 107"


@pytest.fixture
def going(empty_store: Store) -> Run:
    """A run without a parent at hand, three moments kept."""
    run = empty_store.open(make_run(empty_store.live, status="running"))
    plant_moments(run.path)
    return run


def test_planted_moments_are_read_as_they_were_written(going: Run) -> None:
    assert partial.matrices(going) == sorted(NAMES)
    found = partial.so_far(going, NAMES[1])
    assert [f.step for f in found.film.frames] == list(STEPS) and found.film.whole
    for k, frame in enumerate(found.film.frames):
        w, u, mask = weights_at(k, NAMES[1])
        assert np.abs(frame.w - w).max() <= np.abs(w).max() / 127 and frame.u is not None
        assert np.abs(frame.u - u).max() <= np.abs(u).max() / 127
        assert frame.mask is not None and np.array_equal(frame.mask, mask) and frame.primal == [*STEPS.values()][k]
        assert frame.kept.sum() == 64 * 32 == frame.gone.sum()
        kept = np.zeros(w.size, bool)
        kept[np.argsort(-np.abs(frame.w).ravel(), kind="stable")[: w.size // 2]] = True
        assert frame.occupancy.tolist() == np.bincount(kept.reshape(-1, 4).sum(1), minlength=5).tolist()


def test_a_moment_is_said_in_words(going: Run) -> None:
    film = growing.film(going, NAMES[0])
    assert film is not None and tuple(film.header["moments"]) == FILM
    assert film.header["panels"]["say"]["texts"] == [
        "Moment 1 of 8: step 0 of 250, W is 61\u202f% away from Z.",
        "Moment 2 of 8: step 36 of 250, W is 60\u202f% away from Z.",
        "Moment 3 of 8: step 107 of 250, W is 32\u202f% away from Z."]
    assert film.claim == film.header["panels"]["say"]["texts"][-1] and len(film.packed()) < 200_000


@pytest.mark.parametrize("size", [0, 7, 60, -1])
def test_a_file_that_is_half_written_is_passed_over_until_it_is_whole(going: Run, size: int) -> None:
    file = going.path / "partial" / "2.safetensors"
    whole = file.read_bytes()
    before = partial.stamp(going.path)
    file.write_bytes(whole[:size])
    assert [f.step for f in partial.so_far(going, NAMES[0]).film.frames] == [0, 36]
    assert partial.stamp(going.path) != before
    file.write_bytes(whole)
    assert [f.step for f in partial.so_far(going, NAMES[0]).film.frames] == [0, 36, 107]


def test_an_older_run_said_no_steps_and_is_shown_all_the_same(going: Run) -> None:
    plant_moments(going.path, told=False)
    film = growing.film(going, NAMES[0])
    assert film is not None and film.last == 2
    assert film.header["panels"]["say"]["texts"] == ["Picture 1.", "Picture 2.", "Picture 3."]


def test_what_is_no_moment_of_ours_is_no_moment(going: Run, tmp_path: Path) -> None:
    folder = going.path / "partial"
    good = load_file(folder / "2.safetensors")
    head = f"snapshot/3/w/{NAMES[0]}"
    for k, wrong in enumerate([
            {},  # nothing in it
            {head: np.zeros((64, 64), np.int8)},  # no scale, no U, no mask
            {key.replace("snapshot/2", "snapshot/3"): values for key, values in good.items() if "/mask/" not in key},
            {key.replace("snapshot/2", "snapshot/3"): values[:32] for key, values in good.items()},  # half as high
            {key.replace("snapshot/2", "snapshot/3"): values for key, values in good.items()
             if "scale" not in key} | {f"{head}.scale": np.ones(3, np.float32)}]):
        for metadata in (None, {"moment": "{"}, {"moment": "[" * 100_000}):
            save_file(wrong, folder / "3.safetensors", metadata=metadata)
            assert len(partial.so_far(going, NAMES[0]).film.frames) == 3, k
    (folder / "3.safetensors").unlink()
    (folder / "x.safetensors").write_bytes(b"")
    (folder / ("9" * 5000)[:40]).with_suffix(".safetensors").write_bytes(b"")
    assert partial.numbers(going.path) == [0, 1, 2]
    (folder / "4.safetensors").symlink_to(tmp_path)  # a link may lead anywhere: then nothing of the folder is read
    assert partial.numbers(going.path) == [] and growing.film(going, NAMES[0]) is None


def test_without_a_moment_there_is_no_film(empty_store: Store) -> None:
    run = empty_store.open(make_run(empty_store.live, status="running"))
    assert growing.matrices(run) == [] and growing.film(run, NAMES[0]) is None
    (run.path / "partial").mkdir()
    assert growing.matrices(run) == [] and growing.film(run, NAMES[0]) is None


def test_the_dense_weights_of_the_parent_come_first(empty_store: Store) -> None:
    parent = make_dense(empty_store.recorded)
    run = empty_store.open(make_run(empty_store.live, status="running", parent=parent))
    plant_moments(run.path, names=NAMES[:1])
    assert run.parent is not None
    found = partial.so_far(run, NAMES[0])
    assert [f.phase for f in found.film.frames] == ["dense", "admm", "admm", "admm"]
    assert np.array_equal(found.film.frames[0].w, run.parent.weight(NAMES[0]))
    assert growing.film(run, NAMES[0]).header["panels"]["say"]["texts"][0].startswith("Dense")  # type: ignore[union-attr]


# -- real runs: what is read on the way is what the whole run holds --------------------------------------------------

QUICK = {"task": "agreement", "model": "tiny", "train_examples": 320, "dev_examples": 50, "dense_epochs": 1,
         "epochs": 2, "calibration": 40, "method": "admm", "pattern": "2:4", "film": 4}


@pytest.mark.parametrize("kept", ["full", "masks"])
def test_a_run_is_read_on_its_way_as_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                      kept: str) -> None:
    store = Store(recorded=tmp_path / "recorded", live=tmp_path / "runs")
    monkeypatch.setattr(Snapshots, "clear", lambda self: None)
    whole = store.open(run(resolve(QUICK | {"record": kept}), store=store).id)
    there = Store(recorded=store.live, live=tmp_path / "going")
    shutil.copytree(whole.path, there.live / whole.record.id, ignore=shutil.ignore_patterns(ARRAYS))
    record = msgspec.structs.replace(whole.record, status="running", matrices=[], snapshots=[], film=[], results=None)
    write_header(there.live / record.id, record)
    on_its_way = there.open(record.id)
    matrix = whole.record.matrices[0].name
    found, end = partial.so_far(on_its_way, matrix), filmed(whole, matrix)
    assert found.film.limit == end.limit and found.film.shape == end.shape and found.film.whole == end.whole
    frames = end.frames if kept == "masks" else end.frames[:-2]  # a whole film's ends follow from what is kept at last
    assert len(found.film.frames) == len(frames) > 8
    for ours, theirs in zip(found.film.frames, frames, strict=True):
        assert (ours.phase, ours.step, ours.rho, ours.primal) == (theirs.phase, theirs.step, theirs.rho, theirs.primal)
        for part in ("w", "u", "mask", "kept", "gone", "occupancy"):
            assert np.array_equal(getattr(ours, part), getattr(theirs, part)), part
    film = growing.film(on_its_way, matrix)
    assert film is not None
    said = film.header["panels"]["say"]["texts"]
    assert said[1].startswith("Moment 1 of 7: round 1 of 24, layer by layer, W is ")
    assert any(words.startswith("Moment 4 of 4: step 10 of 20, W is ") for words in said)
    assert growing.film(whole, matrix).last == len(end.frames) - 1  # type: ignore[union-attr]
