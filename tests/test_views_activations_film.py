"""Feature maps over a run: every share from a naive loop over the stored norms, planted counts, planted regions."""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from core.errors import InputError
from core.runs.names import part_of
from core.runs.records import Moment
from core.runs.regions import EDGES
from core.runs.store import Run, read_header
from core.views.activations import all_layers, chain, magnitudes, one_layer, quiet_time, region_film
from core.views.drawing import style
from tests.damage import change_header, replace_arrays
from tests.makers import empty_store, make_dense, make_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    store = empty_store(tmp_path)
    return store.open(make_run(store.recorded, parent=make_dense(store.recorded), watched=True))


def reopened(run: Run) -> Run:
    return Run(read_header(run.path), run.path, True, run.parent)


def quiet_by_loop(run: Run, k: int, name: str, probe: str, layer: int) -> float:
    """The share of regions under a quarter of the dense median, one by one."""
    dense = [float(v) for row in run.array(f"region/0/{name}/{probe}/{layer}") for v in row]
    now = [float(v) for row in run.array(f"region/{k}/{name}/{probe}/{layer}") for v in row]
    return sum(v < 0.25 * median(dense) for v in now) / len(now)


@pytest.mark.parametrize("name", ["attention", "ffn", "block"])
@pytest.mark.parametrize("k", [0, 4, 8])
def test_every_share_of_the_glance_equals_a_loop(run: Run, name: str, k: int) -> None:
    view = all_layers.glance(run, "p1", name, 2, k)
    assert view.table["quiet, shown"].tolist() == [quiet_by_loop(run, k, name, "p1", layer) for layer in (1, 2)]
    assert view.table["quiet, dense"].tolist() == [quiet_by_loop(run, 0, name, "p1", layer) for layer in (1, 2)]
    texts = " ".join(f"{a.text} " for a in view.figure.layout.annotations)
    for layer in (1, 2):
        assert f"<b>layer {layer}</b> {style.percent(quiet_by_loop(run, 0, name, 'p1', layer), 2)} " in texts
        points = 100 * (quiet_by_loop(run, k, name, "p1", layer) - quiet_by_loop(run, 0, name, "p1", layer))
        assert (f"{points:+.1f} points".replace("-", "−") if points else "same") in texts


def test_the_tiles_are_the_norms_over_the_median_and_quiet_ones_are_grey(run: Run) -> None:
    view = all_layers.glance(run, "p0", "ffn", 2, 5)
    felt, change = view.figure.data
    assert (felt.zmin, felt.zmax, change.zmin, change.zmax) == (0, 200, -100, 100)
    dense, now = (run.array(f"region/{k}/ffn/p0/2").astype(float) for k in (0, 5))
    middle = float(np.float32(median(dense.ravel().tolist())))
    rows, cols = dense.shape
    columns = felt.z.shape[1]
    for band, values in ((0, dense), (1, now)):
        top = (felt.z.shape[0] // 3) * (band + 1) - rows
        tile = felt.z[top:top + rows, columns - cols:]
        for r in range(rows):
            for c in range(cols):
                share = values[r, c] / middle
                expected = 1 if share < 0.25 else 100 * min(share, 2)
                assert abs(int(tile[r, c]) - expected) <= 0.51, (band, r, c)
    colours = [colour for at, colour in felt.colorscale if at <= 1 / 200]
    assert colours[0] == colours[1] == style.rgba(style.PRUNED, 0) and colours[2] == style.rgba(style.PRUNED)
    tile = change.z[-rows:, columns - cols:]
    assert np.abs(tile - np.clip((now - dense) / middle, -1, 1) * 100).max() <= 0.51


def test_the_chosen_layer_is_outlined_in_all_three_bands(run: Run) -> None:
    boxes = all_layers.glance(run, "p0", "ffn", 2, 5).figure.layout.shapes
    marked = [box for box in boxes if box.line.color == style.ACCENT]
    assert len(marked) == 3 and len(boxes) == 6
    assert len({(box.x0, box.x1) for box in marked}) == 1


@pytest.mark.parametrize(("layers", "lines", "across"), [(2, 1, 2), (6, 1, 6), (7, 1, 7), (12, 2, 6), (9, 2, 5)])
def test_tiles_never_overlap_and_stay_inside(layers: int, lines: int, across: int) -> None:
    sheet = all_layers._Sheet(9, 24, layers, 9.0)
    assert (sheet.lines, sheet.across) == (lines, across)
    seen = np.zeros(sheet.shape, int)
    for i in range(layers):
        for band in range(3):
            top, left = sheet.corner(i, band)
            assert seen[top:top + 9, left:left + 24].shape == (9, 24)
            seen[top:top + 9, left:left + 24] += 1
    assert seen.max() == 1 and seen.sum() == layers * 3 * 9 * 24


def test_a_move_of_the_scrubber_is_small_and_quick_on_a_large_model(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    large = store.open(make_run(store.recorded, layers=12, hidden=64, ffn=1536, record="masks", watched=True))
    seconds = []
    for k in range(9):
        start = time.process_time()
        views = [make(large, "p0", "ffn", 12, k) for make in (all_layers.glance, quiet_time.over_time)]
        size = sum(len(view.figure.to_json()) for view in views)
        seconds.append(time.process_time() - start)
        assert size < 300_000
    assert median(seconds) < 0.15  # a slider's budget; measured 0.03
    assert "12 layers" in views[0].alt


def test_the_lines_over_the_run_are_the_headers_and_the_sentences(run: Run) -> None:
    view = quiet_time.over_time(run, "p0", "ffn", 1, 3)
    lines = {t.name: list(t.y) for t in view.figure.data if t.name}
    shares = [m.quiet["ffn"] for m in run.record.moments]
    assert lines["training sample, mean over layers"] == pytest.approx([sum(s) / 2 for s in shares])
    assert lines["layer 1, training sample"] == [s[0] for s in shares]
    assert lines["the same, at one level"] == pytest.approx(
        [sum(m.level["ffn"]) / 2 for m in run.record.moments])
    assert lines["this sentence, mean over layers"] == pytest.approx(
        [(quiet_by_loop(run, k, "ffn", "p0", 1) + quiet_by_loop(run, k, "ffn", "p0", 2)) / 2 for k in range(9)])
    cursor, = view.figure.layout.shapes
    assert cursor.x0 == cursor.x1 == 3
    assert list(view.figure.layout.xaxis.ticktext)[:3] == ["dense", "start", "ADMM<br>step 120"]
    assert style.percent(sum(shares[3]) / 2) + " at ADMM, step 240" in view.claim
    assert view.table["step"].tolist() == [m.step for m in run.record.moments]


def test_the_widest_step_is_named(run: Run) -> None:
    shares = [0.1, 0.1, 0.12, 0.15, 0.5, 0.52, 0.53, 0.55, 0.55]
    change_header(run.path, moments=[{"k": m.k, "step": m.step, "phase": m.phase, "quiet": {"ffn": [s, s]}}
                                     for m, s in zip(run.record.moments, shares, strict=True)])
    claim = quiet_time.over_time(reopened(run), "p0", "ffn", 1).claim.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "from 10 % in the dense model to 55 % at the end" in claim
    assert "the largest step is from ADMM, step 240 to ADMM, step 360" in claim


def test_a_header_without_shares_leaves_the_sentence(run: Run) -> None:
    change_header(run.path, moments=[{"k": m.k, "step": m.step, "phase": m.phase, "quiet": {"ffn": [0.5]}}
                                     for m in run.record.moments])  # one share, two layers
    view = quiet_time.over_time(reopened(run), "p0", "ffn", 1)
    assert [t.name for t in view.figure.data] == ["this sentence, mean over layers"]
    assert "on this sentence" in view.claim


def test_the_distribution_is_the_planted_one_and_its_threshold_the_medians(run: Run) -> None:
    dense, final = (np.zeros(50, np.int64) for _ in range(2))
    dense[30], final[10], final[30] = 400, 300, 100  # three quarters become tiny
    replace_arrays(run.path, {"distribution/0/ffn/2": dense, "distribution/8/ffn/2": final,
                              "region/0/ffn/p0/2": np.full((9, 16), 0.8, np.float16)})
    change_header(run.path, moments=[{"k": m.k, "step": m.step, "phase": m.phase} for m in run.record.moments])
    run = reopened(run)
    view = magnitudes.sizes(run, "p0", "ffn", 2)
    assert view.table["dense"].tolist() == [float(i == 30) for i in range(50)]
    assert view.table["final"].tolist() == [{10: 0.75, 30: 0.25}.get(i, 0.0) for i in range(50)]
    limit = 0.25 * 0.8 / 4  # a region of 16 equal features at the threshold: norm = 4 x feature
    mark, = view.figure.layout.shapes
    assert mark.x0 == mark.x1 == pytest.approx(math.log10(limit), abs=1e-3)
    assert EDGES[9] < limit < EDGES[29]
    assert "0 % → 75 % of the features lie under 0.05" in view.claim.replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_the_training_samples_median_comes_before_the_sentences(run: Run) -> None:
    change_header(run.path, moments=[{"k": m.k, "step": m.step, "phase": m.phase, "median": {"ffn": [5.0, 1.6]}}
                                     for m in run.record.moments])
    view = magnitudes.sizes(reopened(run), "p0", "ffn", 2)
    assert view.figure.layout.shapes[0].x0 == pytest.approx(math.log10(0.25 * 1.6 / 4))
    assert "lie under 0.1," in view.claim


def test_what_lies_under_the_first_bin_is_said_and_does_not_flatten_the_rest(run: Run) -> None:
    dense, final = (np.zeros(50, np.int64) for _ in range(2))
    dense[30], final[0], final[30] = 100, 80, 20
    replace_arrays(run.path, {"distribution/0/ffn/2": dense, "distribution/8/ffn/2": final})
    view = magnitudes.sizes(reopened(run), "p0", "ffn", 2)
    said = [a.text.replace("\N{NARROW NO-BREAK SPACE}", " ") for a in view.figure.layout.annotations]
    assert "under 0.0001: 0 % → 80 %" in said
    final[0] = 900_000
    replace_arrays(run.path, {"distribution/0/ffn/2": final, "distribution/8/ffn/2": final})
    shared = magnitudes.sizes(reopened(run), "p0", "ffn", 2).figure.layout.yaxis.range[1]
    assert shared == pytest.approx(1.18 * 20 / 900_020)


def test_the_share_under_a_limit_equals_a_count_of_numbers() -> None:
    sizes = 10.0 ** np.random.default_rng(1).uniform(-4.5, 2.5, 20_000)  # even on the log scale, as within a bin
    bins = [0] * 50
    for value in sizes:
        bins[sum(edge <= value for edge in EDGES)] += 1
    shares = np.array(bins) / sizes.size
    for limit in (1e-4, 0.003, 0.05, 1.0, 77.0):
        exact = sum(value < limit for value in sizes) / sizes.size
        assert magnitudes.share_under(shares, limit) == pytest.approx(exact, abs=0.005)  # a third of a bin


def test_counts_that_do_not_fit_the_bins_are_an_error(run: Run) -> None:
    replace_arrays(run.path, {"distribution/8/ffn/2": np.ones(7, np.int64)})
    with pytest.raises(InputError, match=r"distribution/8/ffn/2 .* has shape \(7,\)\. Expected shape \(50,\)"):
        magnitudes.sizes(reopened(run), "p0", "ffn", 2)


def test_other_maps_show_their_regions_at_large(run: Run) -> None:
    view = one_layer.one_layer(run, "p0", "ffn", 2)
    dense, final = (run.array(f"region/{k}/ffn/p0/2").astype(np.float64) for k in (0, 8))
    pictures = [t for t in view.figure.data if t.type == "heatmap"]
    middle = float(np.median(dense))
    for picture, values in zip(pictures, (dense, final, final - dense), strict=True):
        assert np.allclose(picture.z, values / middle, atol=1e-5)
    assert [(p.zmin, p.zmax) for p in pictures] == [(0, 2), (0, 2), (-1, 1)]
    moved = math.sqrt(sum((final - dense).ravel() ** 2) / sum(dense.ravel() ** 2))
    assert f"the region norms moved by {style.percent(moved)}" in view.claim
    assert "choose a layer from 1 on" in one_layer.one_layer(run, "p0", "ffn", 0).claim


@pytest.mark.parametrize(("name", "matrix"), [("attention", "attention.self.value"), ("ffn", "intermediate.dense"),
                                              ("block", "output.dense")])
def test_the_strip_shows_the_weights_that_make_the_region_that_changed_most(run: Run, name: str, matrix: str) -> None:
    region = 3
    arrays = {f"region/{k}/{name}/p0/2": np.ones((9, 16 if name == "ffn" else 4), np.float16) for k in range(9)}
    arrays[f"region/8/{name}/p0/2"][:, region] = 0.1
    replace_arrays(run.path, arrays)
    run = reopened(run)
    view = chain.chain(run, "p0", name, 2)
    full = f"bert.encoder.layer.1.{matrix}"
    mask, weight = run.mask(full), run.weight(full)
    grey, shown, felt, *_ = view.figure.data
    rows = range(16 * region, 16 * region + 16)
    for i, row in enumerate(rows):
        for column in range(48):
            assert grey.z[i, column] == 1 - mask[row, column]
            if mask[row, column]:
                assert shown.z[i, column] == weight[row, column]
            else:
                assert np.isnan(shown.z[i, column])
    marked = [box for box in view.figure.layout.shapes if box.line.color == style.ACCENT]
    assert {(box.x0, box.x1) for box in marked} == {(region - 0.5, region + 0.5)} and len(marked) == 2
    share = 1 / (16 if name == "ffn" else 4)
    assert f"50 % of “{part_of(full)}” in layer 2 is zero" in view.claim.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert f"{style.percent(0.0)} → {style.percent(share)}; " in view.claim
    assert view.table["pruned"].tolist()[:2] == [0.5, share]
    assert (felt.z == 1).sum() >= 9  # the quiet column is grey


def test_the_strip_of_a_run_without_weights_shows_its_mask(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    run = store.open(make_run(store.recorded, parent="lost", record="masks", watched=True))
    grey, shown, *_ = chain.chain(run, "p0", "ffn", 1).figure.data
    assert np.array_equal(np.isnan(shown.z), grey.z == 1)
    assert shown.zmax == -shown.zmin


def test_the_reshaped_map_is_opened_first(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    for maps, expected in (("ffn", "ffn"), ("attention", "attention"), ("all", "block")):
        run = store.open(make_run(store.recorded, id=f"run-{maps}", knobs={"maps": maps}, watched=True))
        assert region_film.usual_map(run, "p0") == expected


def test_what_was_lost_is_said_tile_by_tile(run: Run) -> None:
    replace_arrays(run.path, {"region/8/ffn/p0/2": None})
    run = reopened(run)
    view = all_layers.glance(run, "p0", "ffn", 1)
    assert [a.text for a in view.figure.layout.annotations].count("not kept") == 2  # now, and change
    assert math.isnan(view.table["quiet, shown"][1])
    replace_arrays(run.path, {f"region/0/ffn/p0/{layer}": None for layer in (1, 2)})
    lost = all_layers.glance(reopened(run), "p0", "ffn", 1)
    assert "the other model's are not known" in lost.claim


def test_unknown_maps_and_moments_are_errors(run: Run) -> None:
    with pytest.raises(InputError, match="Unknown feature map 'gut'"):
        all_layers.glance(run, "p0", "gut", 1)
    with pytest.raises(InputError, match=r"There is no moment 9\. Expected 0 to 8"):
        all_layers.glance(run, "p0", "ffn", 1, 9)
    with pytest.raises(InputError, match="Unknown sentence 'p9'"):
        quiet_time.over_time(run, "p9", "ffn", 1)


@pytest.mark.parametrize(("phase", "words"), [("dense", "dense"), ("admm", "ADMM, step 1\N{NARROW NO-BREAK SPACE}200"),
                                              ("refine", "refinement, step 1\N{NARROW NO-BREAK SPACE}200"),
                                              ("hard-pruned", "hard-pruned"), ("something", "something")])
def test_a_moment_reads_as_words(phase: str, words: str) -> None:
    assert region_film.moment_words(Moment(k=1, step=1200, phase=phase)) == words


@pytest.mark.parametrize(("layers", "norms"), [((), ()), ((0,), (np.zeros((0, 4), np.float32),)), ((0,), (None,))])
def test_nothing_kept_is_no_number_and_no_warning(layers: tuple[int, ...],
                                                  norms: tuple[np.ndarray | None, ...]) -> None:
    moment = Moment(k=0, step=0, phase="final")
    film = region_film.Film("block", layers, (moment,), (norms,), (1.0,) * len(layers), (True,) * len(layers), True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(film.mean_quiet(0))
