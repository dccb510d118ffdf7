"""The weights as pictures: what is drawn is what was planted, in the stated range, at a bounded size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from core.errors import InputError
from core.runs.keeping import keep
from core.runs.store import Run, Store
from core.views.drawing import maps, style
from core.views.drawing.view import View
from core.views.weights import before_after, pair, tile
from tests.damage import replace_arrays
from tests.makers import empty_store, make_dense, make_run
from tests.making import dense_weights

QUERY = "bert.encoder.layer.0.attention.self.query"
WIDE = "bert.encoder.layer.0.intermediate.dense"
KEY = "agreement/tiny/0"
HALF_MEGABYTE = 500_000


def opened(root: Path, **fields: object) -> Run:
    """A pruned run and its dense parent, opened."""
    root.mkdir(exist_ok=True)
    store = empty_store(root)
    sizes = {k: v for k, v in fields.items() if k in ("layers", "hidden", "ffn", "heads")}
    parent = make_dense(store.recorded, **sizes)
    return store.open(make_run(store.recorded, parent=parent, **fields))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return opened(tmp_path)


def heatmaps(view: View, axis: str) -> list[go.Heatmap]:
    """The heatmaps on one panel ("x", "x2", "x3"), in drawing order."""
    assert view.figure is not None
    return [t for t in view.figure.data if t.type == "heatmap" and (t.xaxis or "x") == axis]


def percentile(values: np.ndarray, share: float) -> float:
    """Linear percentile by sorting: the oracle of the colour range."""
    ordered = sorted(abs(float(v)) for v in values.reshape(-1))
    at = (len(ordered) - 1) * share
    low = int(at)
    return ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def test_three_panels_show_the_planted_weights_in_one_range(run: Run) -> None:
    view = before_after.panels(run, QUERY)
    truth = dense_weights(KEY, 2, 64, 256)[QUERY]
    mask = run.mask(QUERY)
    (before,), (grey, after), (_, change) = (heatmaps(view, a) for a in ("x", "x2", "x3"))
    step = np.abs(truth).max() / 127
    assert np.abs(before.z - truth).max() <= step
    assert np.array_equal(np.isnan(after.z), mask == 0)
    assert np.array_equal(grey.z, 1 - mask)
    assert grey.z.dtype == np.uint8
    kept = mask == 1
    assert np.allclose(change.z[kept], (after.z - before.z)[kept], atol=1e-6)
    limit = percentile(before.z, 0.995)
    for picture in (before, after, change):
        assert picture.zmax == pytest.approx(limit, rel=1e-5)
        assert picture.zmin == -picture.zmax
        assert picture.z.dtype == np.float32


def test_the_figure_keeps_its_zoom_and_says_what_grey_means(run: Run) -> None:
    figure = before_after.panels(run, QUERY).figure
    assert run.record.id in figure.layout.uirevision
    assert QUERY in figure.layout.uirevision
    assert "pruned: exactly zero" in [t.name for t in figure.data]
    assert figure.layout.xaxis2.matches == "x"
    assert figure.layout.height > 0


def test_the_sentence_states_energy_moved_mask_and_change(run: Run) -> None:
    view = before_after.panels(run, QUERY)
    before, after, mask = run.parent.weight(QUERY), run.weight(QUERY), run.mask(QUERY)
    gone = kept = moved = total = 0.0
    for w, v, m in zip(before.flat, after.flat, mask.flat, strict=True):
        total += float(w) ** 2
        gone += 0.0 if m else float(w) ** 2
        kept += float(w) ** 2 if m else 0.0
        moved += (float(v) - float(w)) ** 2 if m else 0.0
    entry = next(m for m in run.record.matrices if m.name == QUERY)
    assert style.percent(gone / total) in view.claim
    assert style.percent((moved / kept) ** 0.5, 2) in view.claim
    assert f"{style.percent(entry.moved)} of the mask differs" in view.claim
    assert "50" in view.claim.split("of the weights went")[0]


def test_magnitude_moves_nothing_and_is_said_so(tmp_path: Path) -> None:
    run = opened(tmp_path, method="magnitude")
    claim = before_after.panels(run, QUERY).claim
    assert "the mask is plain magnitude's" in claim
    assert claim.endswith("the weights that stayed did not move.")


def test_the_alternative_text_is_made_from_the_mask(run: Run) -> None:
    assert f"all {style.count(64 * 16)} groups hold exactly 2 of 4" in before_after.panels(run, QUERY).alt


def test_a_broken_mask_is_told_in_the_alternative_text(run: Run) -> None:
    mask = run.mask(QUERY)
    mask[5, 8:12] = 1
    replace_arrays(run.path, {f"mask/{QUERY}": np.packbits(mask, axis=-1), f"weight/{QUERY}": None})
    again = Run(run.record, run.path, True, run.parent)
    assert "1 of" in (alt := before_after.panels(again, QUERY).alt)
    assert "groups hold more than 2 of 4" in alt


def test_snapshots_show_w_z_and_u(run: Run) -> None:
    w, u, mask = (run.snapshot(2, part, QUERY) for part in ("w", "u", "mask"))
    split = pair.load(run, QUERY, "2", "z")
    assert np.allclose(split.after, np.where(mask == 1, w + u, 0), atol=1e-7)
    assert np.array_equal(split.mask, mask)
    dual = pair.load(run, QUERY, "2", "u")
    assert np.allclose(dual.after, u)
    assert np.allclose(dual.third, w - np.where(mask == 1, w + u, 0), atol=1e-6)
    trained = pair.load(run, QUERY, "2", "w")
    assert np.allclose(trained.third, w - run.parent.weight(QUERY), atol=1e-7)
    assert trained.mask is None
    found = run.record.snapshots[2]
    claim = before_after.panels(run, QUERY, "2", "w").claim
    assert f"step {found.step}" in claim
    assert style.percent(found.primal) in claim


def test_the_scrubber_knows_the_kept_moments(run: Run, tmp_path: Path) -> None:
    assert pair.moments(run, QUERY) == ["0", "1", "2", "3", "4", "final"]
    assert pair.moments(opened(tmp_path / "other", method="asp"), QUERY) == ["final"]
    assert pair.moment_words(run.record, "final") == "end"
    assert pair.moment_words(run.record, "0") == "step 0"


def test_a_run_without_weights_shows_the_dense_ones_under_its_mask(tmp_path: Path) -> None:
    run = opened(tmp_path, record="masks")
    held = pair.load(run, QUERY)
    assert np.array_equal(held.after, run.parent.weight(QUERY) * run.mask(QUERY))
    assert before_after.change_of_kept(held) is None
    assert "keeps its masks, not its weights" in pair.notes(run, QUERY)[0]
    view = before_after.panels(run, QUERY)
    assert "Before, under the mask" in [a.text for a in view.figure.layout.annotations]
    assert "stayed" not in view.claim


def test_a_summary_shows_block_means_on_both_sides(tmp_path: Path) -> None:
    run = opened(tmp_path, record="summary", hidden=192, ffn=768, layers=1)
    view = before_after.panels(run, QUERY)
    before, after, change = (heatmaps(view, a)[0] for a in ("x", "x2", "x3"))
    dense = run.parent.weight(QUERY)
    r, c = before.dy, before.dx
    assert c % 4 == 0
    assert before.z[1, 2] == pytest.approx(np.abs(dense[r:2 * r, 2 * c:3 * c]).mean(), rel=2e-3)
    assert np.allclose(after.z, run.array(f"thumbnail/{QUERY}").astype(np.float32))
    assert np.allclose(change.z, after.z - before.z, atol=1e-6)
    assert (before.zmin, change.zmin) == (0, -change.zmax)
    assert "mean of |w| over small blocks" in pair.notes(run, QUERY)[0]
    assert tile.tile(run, QUERY).figure is None
    assert tile.histogram(run, QUERY).figure is None


def light_pair(root: Path, record: str) -> Run:
    """A large run whose dense parent keeps no weights."""
    store, sizes = empty_store(root), {"hidden": 192, "ffn": 768, "layers": 1}
    parent = make_dense(store.recorded, record="masks", **sizes)
    return store.open(make_run(store.recorded, parent=parent, record=record, snapshots=0, **sizes))


def test_a_summary_beside_a_parent_with_finer_thumbnails_still_shows_both(tmp_path: Path) -> None:
    run = light_pair(tmp_path, "masks")
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    run = store.open(keep(store, run.record.id, "summary").name)
    own, dense = run.array(f"thumbnail/{QUERY}"), run.parent.array(f"thumbnail/{QUERY}").astype(np.float32)
    assert dense.shape == (2 * own.shape[0], 2 * own.shape[1])
    before, after, change = (heatmaps(before_after.panels(run, QUERY), a)[0] for a in ("x", "x2", "x3"))
    assert np.allclose(after.z, own.astype(np.float32))
    assert before.z[1, 2] == pytest.approx(dense[2:4, 4:6].mean(), rel=2e-3)
    assert np.allclose(change.z, after.z - before.z)


def test_masks_without_any_weights_show_block_means_and_what_stays(tmp_path: Path) -> None:
    run = light_pair(tmp_path, "masks")
    view = before_after.panels(run, QUERY)
    before, after, change = (heatmaps(view, a)[0] for a in ("x", "x2", "x3"))
    assert np.allclose(before.z, run.parent.array(f"thumbnail/{QUERY}").astype(np.float32))
    assert np.allclose(after.z, run.array(f"thumbnail/{QUERY}").astype(np.float32))
    assert np.allclose(change.z, after.z - before.z)
    entry = next(m for m in run.record.matrices if m.name == QUERY)
    assert style.percent(1 - entry.kept_energy) in view.claim
    assert "which weights stay is known one by one" in " ".join(pair.notes(run, QUERY))
    near = before_after.panels(run, QUERY, zoom=True, row=100, column=100)
    grey, stays = heatmaps(near, "x")
    top, left = int(stays.y0), int(stays.x0)
    mask = run.mask(QUERY)[top:top + 96, left:left + 96]
    assert np.array_equal(~np.isnan(stays.z), mask == 1)
    assert np.array_equal(grey.z, 1 - mask)
    close = tile.tile(run, QUERY, 8, 16)
    mask = run.mask(QUERY)[8:24, 16:32]
    assert np.array_equal(close.figure.data[1].z, mask)
    assert f"{int((1 - mask).sum())} of 256 weights go" in close.claim
    assert "without single weights" in tile.histogram(run, QUERY).claim.lower()


def test_weights_whose_parent_kept_none_are_averaged_over_the_parents_blocks(tmp_path: Path) -> None:
    run = light_pair(tmp_path, "full")
    before, after, change = (heatmaps(before_after.panels(run, QUERY), a)[0] for a in ("x", "x2", "x3"))
    assert np.allclose(before.z, run.parent.array(f"thumbnail/{QUERY}").astype(np.float32))
    r, c = after.dy, after.dx
    own = np.abs(run.weight(QUERY))
    assert after.z[2, 1] == pytest.approx(own[2 * r:3 * r, c:2 * c].mean(), rel=1e-5)
    assert change.z.shape == before.z.shape == after.z.shape
    near = before_after.panels(run, QUERY, zoom=True)
    assert heatmaps(near, "x") == []
    assert len(heatmaps(near, "x2")) == 2


def test_a_missing_parent_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    run = store.open(make_run(store.recorded, parent="agreement-tiny-dense-lost"))
    view = before_after.panels(run, QUERY)
    assert "(agreement-tiny-dense-lost) is not in the store" in pair.notes(run, QUERY)[0]
    assert heatmaps(view, "x") == []
    assert len(heatmaps(view, "x2")) == 2
    assert "not in the store" in " ".join(a.text.replace("<br>", " ") for a in view.figure.layout.annotations)
    assert tile.tile(run, QUERY).figure is not None
    assert tile.histogram(run, QUERY).figure is not None


def test_a_parent_that_cannot_be_read_counts_as_missing(run: Run) -> None:
    file = run.parent.path / "arrays.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    run.parent.__dict__.pop("keys", None)
    assert "cannot be read" in pair.notes(run, QUERY)[0]


def test_truncated_arrays_are_an_error_with_a_remedy(damaged_store: Store) -> None:
    broken = damaged_store.open("truncated-arrays")
    with pytest.raises(InputError, match=r"cannot be read .* Make the run again"):
        before_after.panels(broken, QUERY)


def test_a_shape_that_the_header_does_not_say_is_an_error(run: Run) -> None:
    replace_arrays(run.path, {f"mask/{QUERY}": np.zeros((63, 8), np.uint8)})
    with pytest.raises(InputError, match=r"has shape \(63, 64\).*as the run's header says"):
        before_after.panels(Run(run.record, run.path, True, run.parent), QUERY)


@pytest.mark.parametrize(("matrix", "moment", "words"), [
    ("no.such", "final", "has no matrix 'no.such'"), (QUERY, "77", "has no snapshot '77'")])
def test_unknown_choices_are_errors(run: Run, matrix: str, moment: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        pair.load(run, matrix, moment)


def test_a_file_that_changes_is_read_again(run: Run) -> None:
    first = pair.load(run, QUERY)
    assert pair.load(run, QUERY) is first
    other = np.zeros_like(run.array(f"weight/{QUERY}"))
    replace_arrays(run.path, {f"weight/{QUERY}": other})
    assert not pair.load(Run(run.record, run.path, True, run.parent), QUERY).after.any()


def test_a_large_matrix_is_drawn_as_blocks_or_as_a_window(tmp_path: Path) -> None:
    run = opened(tmp_path, hidden=192, ffn=768, layers=1, snapshots=0)
    dense, after = run.parent.weight(WIDE), run.weight(WIDE)
    view = before_after.panels(run, WIDE)
    before, then, change = (heatmaps(view, a)[0] for a in ("x", "x2", "x3"))
    assert max(before.z.shape) <= 96
    r, c = before.dy, before.dx
    assert c % 4 == 0
    assert before.z[3, 1] == pytest.approx(np.abs(dense[3 * r:4 * r, c:2 * c]).mean(), rel=1e-5)
    assert then.z[3, 1] == pytest.approx(np.abs(after[3 * r:4 * r, c:2 * c]).mean(), rel=1e-5)
    assert np.allclose(change.z, then.z - before.z, atol=1e-6)
    assert f"{r} × {c} weights" in view.try_this
    near = before_after.panels(run, WIDE, zoom=True, row=400, column=101)
    window = heatmaps(near, "x")[0]
    top, left = int(window.y0), int(window.x0)
    assert left % 4 == 0
    assert top <= 400 <= 416 <= top + 96 and left <= 100 <= 116 <= left + 96
    assert np.array_equal(window.z, dense[top:top + 96, left:left + 96])
    assert near.figure.layout.shapes[0].x0 == 99.5
    for picture in (view, near):
        assert len(picture.figure.to_json()) < HALF_MEGABYTE


def test_a_finer_difference_has_a_tenth_of_the_range(run: Run) -> None:
    plain, fine = (heatmaps(before_after.panels(run, QUERY, finer=f), "x3")[1].zmax for f in (False, True))
    assert fine == pytest.approx(plain / 10)


def test_the_widest_exact_figure_stays_under_half_a_megabyte(run: Run) -> None:
    assert maps.CELLS >= 256 * 64
    assert len(before_after.panels(run, WIDE).figure.to_json()) < HALF_MEGABYTE
