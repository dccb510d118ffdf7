"""The first page's picture and its numbers, against runs whose contents are known."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from core.errors import InputError
from core.runs.store import Store
from core.views.catalogue import overview
from core.views.drawing import style
from tests import makers

SPACE = "\N{NARROW NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """18 whole runs over two tasks, made once: these tests only read them."""
    return makers.make_store(tmp_path_factory.mktemp("store"))


def opened(store: Store, **which: str):
    return store.open(makers.run_named(store, **which))


def test_the_strip_goes_from_dense_over_the_snapshots_to_the_pattern(shared_store: Store) -> None:
    run = opened(shared_store)
    strip = overview.strip(run)
    assert strip is not None
    titles = [title for title, _, _ in strip.tiles]
    assert titles[0] == "dense" and titles[-1] == "2:4" and len(titles) == overview.TILES
    assert titles[1:-1] == [f"step {s.step}" for s in run.record.snapshots]
    assert strip.tiles[-1][2] == pytest.approx(0.5)  # exactly half of every group of four
    assert strip.tiles[0][2] == 0


def test_the_last_tile_is_grey_exactly_where_the_mask_is_zero(shared_store: Store) -> None:
    run = opened(shared_store)
    strip = overview.strip(run)
    assert strip is not None
    image = np.asarray(Image.open(io.BytesIO(strip.image)).convert("RGBA"))
    side = overview.CELLS * overview.SCALE
    tile = image[:, -side:]
    centres = tile[overview.SCALE // 2::overview.SCALE, overview.SCALE // 2::overview.SCALE]
    grey = (centres == np.array(style.PRUNED)).all(axis=-1)
    mask = run.mask(run.record.matrices[0].name)
    assert mask is not None
    np.testing.assert_array_equal(grey, mask[:overview.CELLS, :overview.CELLS] == 0)


def test_the_first_tile_is_blue_where_the_dense_weight_is_positive(shared_store: Store) -> None:
    run = opened(shared_store)
    strip = overview.strip(run)
    assert strip is not None and run.parent is not None
    image = np.asarray(Image.open(io.BytesIO(strip.image)).convert("RGBA"))
    centres = image[overview.SCALE // 2::overview.SCALE, overview.SCALE // 2::overview.SCALE][:, :overview.CELLS]
    weight = run.parent.weight(run.record.matrices[0].name)
    assert weight is not None
    corner = weight[:overview.CELLS, :overview.CELLS]
    strong = np.abs(corner) > 0.02
    assert (centres[strong & (corner > 0)][:, :3] == style.POSITIVE).all()
    assert (centres[strong & (corner < 0)][:, :3] == style.NEGATIVE).all()


def test_the_words_under_the_picture_say_what_is_in_it(shared_store: Store) -> None:
    strip = overview.strip(opened(shared_store))
    assert strip is not None
    assert "50\N{NARROW NO-BREAK SPACE}% of the weights" in strip.claim and "0.882 where dense has 0.900" in strip.claim
    assert "rows 1 to 32" in strip.alt and "2:4: 50" in strip.alt
    table = strip.view().table
    assert list(table["moment"])[-1] == "2:4" and table["share of zeros"].iloc[-1] == pytest.approx(0.5)


def test_a_start_inside_the_pattern_is_called_that(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    run = store.open(makers.make_run(store.recorded))
    first = msgspec.structs.replace(run.record.snapshots[0], primal=0.0)
    run.record.snapshots[0] = first
    strip = overview.strip(run)
    assert strip is not None
    assert [note for _, note, _ in strip.tiles][:2] == ["starts in 2:4", "distance 0.18"]  # no parent: no dense tile


def test_a_run_without_snapshots_shows_before_and_after_over_whole_groups(shared_store: Store) -> None:
    strip = overview.strip(opened(shared_store, method="asp"))
    assert strip is not None
    assert [title for title, _, _ in strip.tiles] == ["dense", "2:4"]


def test_masks_alone_show_the_dense_weights_under_the_mask(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    parent = makers.make_dense(store.recorded)
    run = store.open(makers.make_run(store.recorded, parent=parent, record="masks"))
    strip = overview.strip(run)
    assert strip is not None and strip.tiles[-1][1] == "dense, masked"


def test_a_summary_has_no_picture_and_a_cut_file_says_so(tmp_path: Path, damaged_store: Store) -> None:
    store = Store(tmp_path / "a", tmp_path / "b")
    store.recorded.mkdir()
    assert overview.strip(store.open(makers.make_run(store.recorded, record="summary"))) is None
    with pytest.raises(InputError, match="cannot be read"):
        overview.strip(damaged_store.open("truncated-arrays"))


def test_the_three_numbers_are_shares_of_all_weights_and_of_the_dense_score(shared_store: Store) -> None:
    record = opened(shared_store).record
    zeros, kept, cut = overview.numbers(record)
    weights = sum(m.shape[0] * m.shape[1] for m in record.matrices)
    assert zeros.value == f"50{SPACE}%" and style.count(weights) in zeros.note
    assert kept.value == f"98{SPACE}%" and "0.882 of dense's 0.900" in kept.note  # 0.882 / 0.9
    assert cut.value == f"80{SPACE}%" and "0.720 of dense's 0.900" in cut.note and "magnitude" in cut.label


def test_what_a_run_does_not_know_is_no_number(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    running = store.open(makers.make_run(store.live, status="running")).record
    assert overview.numbers(running) == []
    record = store.open(makers.make_run(store.live, seed=1, scores={"one_shot": None})).record
    assert [n.label for n in overview.numbers(record)] == ["Zeros", "Score kept by ADMM in training"]


def test_a_score_near_zero_is_kept_as_a_difference() -> None:
    assert overview.kept_words(0.02, 0.01) == "+0.010"
    assert overview.kept_words(0.45, 0.9).startswith("50")
