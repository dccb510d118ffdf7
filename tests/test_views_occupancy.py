"""Groups as pictures: counted by loops, violations planted, ragged before and a spike after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.runs.store import Run, Store
from core.sparsity.patterns import parse_pattern
from core.views.drawing import style
from core.views.drawing.build import PAGE_TEXT
from core.views.patterns import certificate, groups, occupancy_map, occupancy_strip
from tests.damage import flip_bit, replace_arrays
from tests.makers import empty_store, make_dense, make_run

QUERY = "bert.encoder.layer.0.attention.self.query"
VALUE = "bert.encoder.layer.1.attention.self.value"


def opened(root: Path, **fields: object) -> Run:
    store = empty_store(root)
    sizes = {k: v for k, v in fields.items() if k in ("layers", "hidden", "ffn", "heads")}
    return store.open(make_run(store.recorded, parent=make_dense(store.recorded, **sizes), **fields))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return opened(tmp_path)


def again(run: Run) -> Run:
    return Run(run.record, run.path, True, run.parent)


def counted(chosen: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Entries per group of m along the input, and their histogram, by loops."""
    rows, cols = chosen.shape
    held = np.array([[sum(bool(v) for v in chosen[r, c:c + m]) for c in range(0, cols, m)] for r in range(rows)])
    return held, np.array([(held == k).sum() for k in range(m + 1)])


def largest(weight: np.ndarray, keep: int) -> np.ndarray:
    """The *keep* largest magnitudes, by a sort."""
    order = sorted(range(weight.size), key=lambda i: -abs(float(weight.flat[i])))
    chosen = np.zeros(weight.size, bool)
    chosen[order[:keep]] = True
    return chosen.reshape(weight.shape)


def test_the_certificate_counts_every_group(run: Run) -> None:
    view = certificate.certificate(run)
    total = sum(m.shape[0] * m.shape[1] // 4 for m in run.record.matrices)
    assert view.claim.startswith(f"12 matrices, {style.count(total)} groups of 4, 0 violations")
    assert view.table["groups"].sum() == total
    assert set(view.table["from"]) == {"mask"}


def test_a_flipped_bit_is_found_with_its_place(run: Run) -> None:
    row, group = 7, 3
    column = 4 * group + int(np.flatnonzero(run.mask(VALUE)[row, 12:16] == 0)[0])
    flip_bit(run.path, VALUE, row, column)
    replace_arrays(run.path, {f"weight/{VALUE}": None})
    broken = again(run)
    view = certificate.certificate(broken)
    assert "1 violation: this run does not hold 2:4" in view.claim
    assert "layer 2 · value" in view.claim
    assert certificate.violations(broken, VALUE) == ["output 7, inputs 12–15: 3 kept, 2 allowed"]
    assert certificate.violations(broken, QUERY) == []
    assert "1 of 1" in occupancy_map.group_maps(broken, VALUE).claim


def test_the_certificate_says_what_all_groups_hold(run: Run) -> None:
    total = style.count(sum(m.shape[0] * m.shape[1] // 4 for m in run.record.matrices))
    assert certificate.certificate(run).heading == f"Certificate: all {total} groups of the model hold exactly 2 of 4."
    assert certificate.listed(run) == []
    mask = run.mask(QUERY)
    flip_bit(run.path, QUERY, 5, int(np.flatnonzero(mask[5, :4])[0]))  # one that holds fewer breaks nothing
    assert certificate.certificate(again(run)).heading == \
        f"Certificate: 1 of {total} groups of the model hold fewer than 2 of 4, none more."


def test_groups_that_break_the_pattern_are_counted_and_listed_over_the_whole_run(run: Run) -> None:
    rows = {QUERY: [3], VALUE: list(range(30))}
    for name, planted in rows.items():
        for row in planted:
            flip_bit(run.path, name, row, int(np.flatnonzero(run.mask(name)[row, :4] == 0)[0]))
    broken = again(run)
    total = style.count(sum(m.shape[0] * m.shape[1] // 4 for m in run.record.matrices))
    assert certificate.certificate(broken).heading == f"Certificate: 31 of {total} groups of the model break 2:4."
    lines = certificate.listed(broken)
    assert lines[0] == "layer 1 · query, output 3, inputs 0–3: 3 kept, 2 allowed"
    assert lines[1:] == [f"layer 2 · value, output {row}, inputs 0–3: 3 kept, 2 allowed" for row in range(19)]


def test_without_masks_and_counts_the_certificate_is_the_header_s(tmp_path: Path) -> None:
    run = opened(tmp_path, record="answers")
    total = style.count(sum(m.shape[0] * m.shape[1] // 4 for m in run.record.matrices))
    assert certificate.certificate(run).heading == \
        f"Certificate: all {total} groups of the model hold 2:4, as its header says."


def test_the_certificate_of_a_summary_counts_what_was_kept(tmp_path: Path) -> None:
    run = opened(tmp_path, record="summary")
    view = certificate.certificate(run)
    assert "0 violations" in view.claim
    assert set(view.table["from"]) == {"counts"}
    replace_arrays(run.path, {f"occupancy/{QUERY}": None})
    assert certificate.certificate(again(run)).table["from"].tolist()[0] == "header"


@pytest.mark.parametrize(("pattern", "words"), [
    ("block:4x4:0.5", "blocks of 4 × 4, 0 violations: every block is whole or gone"),
    ("unstructured:0.5", "strips of 8, 0 violations: the pattern asks for no groups; 50"),
    ("global:0.5", "strips of 8, 0 violations: the pattern asks for no groups; 50"),
    ("4:8", "groups of 8, 0 violations: no group of 8 consecutive inputs holds more than 4")])
def test_every_kind_of_pattern_has_its_words(tmp_path: Path, pattern: str, words: str) -> None:
    run = opened(tmp_path, pattern=pattern)
    assert words in certificate.certificate(run).claim
    for view in (occupancy_map.group_maps(run, QUERY), occupancy_map.history(run, QUERY), occupancy_strip.strip(run)):
        assert view.figure is not None
        assert view.claim
        assert len(view.figure.to_json()) < 500_000


def test_the_maps_are_the_groups_of_the_dense_choice_and_of_the_mask(run: Run) -> None:
    view = occupancy_map.group_maps(run, QUERY)
    dense, mask = run.parent.weight(QUERY), run.mask(QUERY)
    ragged, histogram = counted(largest(dense, int(mask.sum())), 4)
    before, after = (t for t in view.figure.data if t.type == "heatmap")
    assert np.abs(before.z - ragged).max() <= 1 and (before.z != ragged).mean() < 0.01  # ties of int8 codes
    assert np.array_equal(after.z, counted(mask, 4)[0])
    for picture in (before, after):
        assert (picture.zmin, picture.zmax) == (-0.5, 4.5)
        assert picture.z.dtype == np.int8
        assert picture.dx == 4
    off = 1 - histogram[2] / histogram.sum()
    said = float(view.claim.split("layer 1 · query, ")[1].split(style.SPACE)[0])
    assert said == pytest.approx(100 * off, abs=0.5)
    assert f"all {style.count(1024)} groups hold exactly 2 of 4" in view.claim
    assert view.table["After: pruned"].tolist() == [0, 0, 1024, 0, 0]


def test_the_threshold_keeps_the_stated_share(run: Run) -> None:
    side = occupancy_map.before(run, QUERY, 25)
    dense = run.parent.weight(QUERY)
    assert (side.histogram * np.arange(5)).sum() == 64 * 64 // 4
    least = sorted(np.abs(dense).reshape(-1).tolist())[-1024]
    assert f"|w| ≥ {least:.3g}" in side.words
    half = occupancy_map.before(run, QUERY, 50)
    assert half.histogram.tolist() == occupancy_map.before(run, QUERY).histogram.tolist()
    assert occupancy_map.usual_share(run, QUERY) == 50


def test_without_dense_weights_the_kept_counts_are_used(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    run = store.open(make_run(store.recorded, parent="lost"))
    side = occupancy_map.before(run, QUERY)
    assert side.map is None
    assert np.array_equal(side.histogram, run.array(f"occupancy.free/{QUERY}"))
    view = occupancy_map.group_maps(run, QUERY)
    assert len([t for t in view.figure.data if t.type == "heatmap"]) == 1
    assert "see the counts below" in " ".join(a.text.replace("<br>", " ") for a in view.figure.layout.annotations)


def test_with_nothing_but_counts_the_map_says_so(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    run = store.open(make_run(store.recorded, parent="lost", record="summary"))
    view = occupancy_map.group_maps(run, QUERY)
    assert view.figure is None
    assert "the map of groups is not known" in view.claim
    assert occupancy_map.history(run, QUERY).figure is not None


def test_the_history_goes_from_ragged_to_a_spike(run: Run) -> None:
    view = occupancy_map.history(run, QUERY)
    columns = [c for c in view.table.columns if c != "entries in the group"]
    assert columns[0] == "dense" and columns[-1] == "pruned" and len(columns) == 7
    assert (view.table[columns].sum() == 1024).all()
    spike = view.table.set_index("entries in the group").loc["2"]
    assert spike["pruned"] == 1024
    assert spike["dense"] < spike[columns[4]] < spike[columns[5]]
    w = run.snapshot(2, "w", QUERY)
    expected = counted(largest(w, 64 * 32), 4)[1]
    assert np.abs(view.table[columns[3]].to_numpy() - expected).max() <= 6  # ties of int8 codes
    for bar in view.figure.data:
        assert len(bar.y) == 7
    assert sum(bar.y[0] for bar in view.figure.data) == pytest.approx(1)
    assert view.claim.endswith("from dense to pruned.")
    assert any("%" in text for bar in view.figure.data for text in bar.text)
    assert list(view.figure.layout.xaxis.ticktext)[::6] == ["dense", "pruned"]


@pytest.mark.parametrize(("pattern", "names"), [
    ("2:4", ["0", "1", "2", "3", "4"]), ("16:32", ["0", "8", "16", "24", "32"])])
def test_one_tone_has_one_name_under_both_figures(tmp_path: Path, pattern: str, names: list[str]) -> None:
    run = opened(tmp_path, pattern=pattern)
    legends = []
    for view in (occupancy_map.group_maps(run, QUERY), occupancy_map.history(run, QUERY)):
        shown = [t for t in view.figure.data if t.name is not None and t.showlegend]
        assert [t.name for t in shown] == names
        legends.append((view.figure.layout.legend.title.text, [t.marker.color for t in shown]))
    assert legends[0] == legends[1] and legends[0][0] == f"held of {pattern.partition(':')[2]}"


def test_many_moments_are_drawn_all_and_named_a_few(run: Run) -> None:
    columns = {name: np.array([0, k, 100 - k, 0, 0]) for k, name in enumerate(
        ["dense", *(f"W, step {k}" for k in range(40)), "pruned"])}
    figure = occupancy_map.history_view(columns, parse_pattern("2:4"), run, QUERY).figure
    assert all(len(bar.y) == 42 and not any(bar.text) for bar in figure.data)
    axis = figure.layout.xaxis
    assert len(axis.tickvals) == 7 and set(axis.tickvals) <= set(columns)
    assert (axis.ticktext[0], axis.ticktext[3], axis.ticktext[-1]) == ("dense", "step 19", "pruned")


def test_the_strip_has_a_histogram_for_every_matrix(run: Run) -> None:
    view = occupancy_strip.strip(run)
    hollow, filled, *named = view.figure.data
    assert [swatch.name for swatch in named] == ["dense", "pruned"]
    assert len(hollow.x) == len(filled.x) == 12 * 5
    free = run.array(f"occupancy.free/{QUERY}")
    assert np.allclose(hollow.y[:5], 0.82 * free / free.sum())
    assert list(filled.y[:5]) == [0, 0, 0.82, 0, 0]
    assert view.figure.layout.xaxis.ticktext[0] == "query"
    assert list(view.figure.layout.yaxis.ticktext) == ["layer 1", "layer 2"]
    assert len(set(zip(filled.x, filled.base, strict=True))) == 60


def test_counts_of_another_pattern_are_an_error(run: Run) -> None:
    replace_arrays(run.path, {f"occupancy/{QUERY}": np.array([1, 2, 3])})
    with pytest.raises(InputError, match=r"has 3 entries\. Expected 5 for 2:4"):
        occupancy_strip.strip(again(run))


def test_truncated_arrays_are_an_error(damaged_store: Store) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        certificate.certificate(damaged_store.open("truncated-arrays"))


@pytest.mark.parametrize(("shape", "step"), [
    ((64, 16), (1, 1)), ((384, 96), (1, 1)), ((1536, 96), (4, 1)), ((384, 384), (2, 2)), ((3072, 768), (20, 3))])
def test_large_maps_are_thinned_to_what_a_browser_paints(shape: tuple[int, int], step: tuple[int, int]) -> None:
    assert occupancy_map.stride(shape) == step
    assert (-(-shape[0] // step[0])) * (-(-shape[1] // step[1])) <= occupancy_map.CELLS


def test_thinning_is_said_and_counts_stay_whole(tmp_path: Path) -> None:
    run = opened(tmp_path, hidden=384, ffn=768, layers=1, snapshots=0, heads=12)
    view = occupancy_map.group_maps(run, "bert.encoder.layer.0.intermediate.dense")
    assert "Of 2 groups one is drawn" in view.try_this
    assert view.table["After: pruned"].sum() == 768 * 96
    assert len(view.figure.to_json()) < 500_000


@pytest.mark.parametrize(("pattern", "histogram", "words"), [
    ("2:4", [0, 0, 9, 0, 0], "all 9 groups hold exactly 2 of 4"),
    ("2:4", [0, 1, 8, 0, 0], "1 of 9 groups hold fewer than 2 of 4, none more"),
    ("2:4", [0, 1, 7, 1, 0], "1 of 9 groups hold more than 2 of 4"),
    ("block:1x2:0.5", [3, 0, 3], "all 6 blocks are whole or gone"),
    ("block:1x2:0.5", [3, 1, 3], "1 of 7 blocks are neither whole nor gone"),
    ("unstructured:0.5", [0, 0, 0, 0, 2, 0, 0, 0, 2], "4 strips hold 6.0 ± 2.0 of 8 (mean ± standard deviation)")])
def test_verdicts(pattern: str, histogram: list[int], words: str) -> None:
    assert groups.verdict(np.array(histogram), parse_pattern(pattern)) == words


def test_groups_larger_than_32_are_put_into_classes() -> None:
    names = groups.class_names(64)
    assert (len(names), names[0], names[1], names[-1]) == (33, "0", "≤ 2", "≤ 64")
    histogram = np.zeros(65, np.int64)
    histogram[[0, 1, 2, 3, 64]] = 1
    classes = groups.classes(histogram)
    assert (classes[0], classes[1], classes[2], classes[32], classes.sum()) == (1, 2, 1, 1, 5)
    assert groups.classes(np.array([1, 2, 3])).tolist() == [1, 2, 3]


@pytest.mark.parametrize("pattern", ["2:4", "16:32", "1:1", "block:4x4:0.5", "unstructured:0.5", "block:8x8:0.5"])
def test_every_count_has_a_tone(pattern: str) -> None:
    kind = parse_pattern(pattern)
    tones = groups.palette(kind)
    assert len(tones) == len(groups.class_names(groups.size_of(kind)))
    assert len(set(tones)) > len(tones) // 2
    assert len(groups.inks(kind)) == len(tones)


def test_numbers_on_full_tones_are_white_and_on_pale_ones_the_pages_own() -> None:
    assert groups.inks(parse_pattern("2:4")) == [PAGE_TEXT, PAGE_TEXT, "#ffffff", PAGE_TEXT, "#ffffff"]
