"""The first page's picture, figures and cards, against runs whose contents are known."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from core.errors import InputError
from core.runs.store import Store
from core.tasks import TASKS
from core.views.catalogue import overview
from core.views.drawing import style
from tests import makers


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


def test_the_three_figures(shared_store: Store) -> None:
    record = opened(shared_store).record
    score, zeros, exact = overview.numbers(record)
    assert score.value.startswith("98") and "0.882 of 0.900" in score.note
    assert zeros.value.startswith("50")
    weights = sum(m.shape[0] * m.shape[1] for m in record.matrices)
    assert exact.value == "all" and overview.groups(record) == weights // 4


@pytest.mark.parametrize(("pattern", "expected"), [("2:4", 98304 // 4), ("block:4x4:0.5", 98304 // 16),
                                                   ("unstructured:0.5", 12), ("global:0.5", 1)])
def test_groups_by_pattern(tmp_path: Path, pattern: str, expected: int) -> None:
    store = makers.empty_store(tmp_path)
    assert overview.groups(store.open(makers.make_run(store.recorded, pattern=pattern)).record) == expected


def test_a_score_near_zero_is_kept_as_a_difference() -> None:
    assert overview.kept_words(0.02, 0.01) == "+0.010"
    assert overview.kept_words(0.45, 0.9).startswith("50")


def test_cards_hold_the_pruned_runs_and_obey_the_filters(shared_store: Store) -> None:
    entries = shared_store.entries()
    cards = overview.cards(entries)
    assert len(cards) == 16 and all(c.method != "Dense" for c in cards)
    chosen = overview.cards(entries, task="cola", method="admm", pattern="1:4")
    assert [(c.task, c.pattern, c.made) for c in chosen] == [("CoLA", "1:4", "made here")]
    assert chosen[0].final == pytest.approx(0.8595) and chosen[0].dense == 0.9


def test_failed_and_damaged_folders_are_listed_with_their_reason(damaged_store: Store) -> None:
    told = dict(overview.troubles(damaged_store.entries()))
    assert "schema 99" in told["newer-schema"]
    assert told["half-trace"] == "failed: The loss became NaN at step 12"
    assert "a link out of the store" in told["link-out"]
    assert not any(card.id in told for card in overview.cards(damaged_store.entries()))


def test_real_tasks_come_before_synthetic_ones(good_store: Store) -> None:
    kinds = [TASKS[next(r for r in good_store.records() if r.id == c.id).spec.task].kind
             for c in overview.cards(good_store.entries())]
    assert set(kinds) == {"glue", "built-in"}
    assert kinds == sorted(kinds, reverse=True)


def test_a_card_says_what_its_run_sets_otherwise_once(tmp_path: Path) -> None:
    store = makers.empty_store(tmp_path)
    makers.make_run(store.recorded, method="asp", bits=8)
    for share in (0.5, 0.25):
        makers.make_run(store.recorded, knobs={"share": share, "dual": True})
    found = {(c.pattern, c.detail) for c in overview.cards(store.entries())}
    assert found == {("2:4, 8 bits", "tiny · 4 epochs · seed 0"), ("2:4", "tiny · 4 epochs · seed 0 · share 0.5"),
                     ("2:4", "tiny · 4 epochs · seed 0 · share 0.25")}
