"""The film of a matrix and the wall of a model, against the arrays that a run kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.errors import InputError
from core.runs import arrays as enc
from core.runs.filmed import BINS, filmed
from core.runs.records import Snapshot
from core.runs.store import Run, Store, write_arrays, write_header
from core.views.drawing import style
from core.views.film import regions, still, telling, wall, watch
from core.views.film.reel import MOST_BYTES
from tests.makers import empty_store, make_dense, make_run

QUERY = "bert.encoder.layer.0.attention.self.query"
FFN = "bert.encoder.layer.1.intermediate.dense"  # 256 x 64: larger than the window


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = empty_store(tmp_path_factory.mktemp("watch"))
    parent = make_dense(made.recorded)
    make_run(made.recorded, id="film", parent=parent, snapshots=6, watched=True)
    make_run(made.recorded, id="other", parent=parent, snapshots=3, seed=0, epochs=2.0)
    make_run(made.recorded, id="ends", parent=parent, method="asp")
    make_run(made.recorded, id="masks", parent=parent, method="magnitude", record="masks")
    make_run(made.recorded, id="bare", parent=parent, method="magnitude", record="summary", pattern="1:4")
    return made


@pytest.fixture
def run(store: Store) -> Run:
    return store.open("film")


def naive_counts(values: np.ndarray, keep: int, m: int = 4) -> list[int]:
    """Groups by how many of the *keep* largest sizes they hold, ties to the lower index."""
    order = sorted(range(values.size), key=lambda i: (-abs(float(values.flat[i])), i))
    chosen = np.zeros(values.size, int)
    chosen[order[:keep]] = 1
    held = chosen.reshape(-1, m).sum(axis=1)
    return [int((held == n).sum()) for n in range(m + 1)]


def test_the_pixels_are_the_kept_weights_moment_by_moment(run: Run) -> None:
    found = watch.film(run, QUERY)
    assert found is not None and run.parent is not None
    assert found.header["moments"][0] == "dense" and len(found.header["moments"]) == 1 + 6 + 1 + 1
    panels, limit = found.header["panels"], filmed(run, QUERY).limit
    for s in run.record.snapshots:
        w, u, mask = (run.snapshot(s.k, part, QUERY) for part in ("w", "u", "mask"))
        assert w is not None and u is not None and mask is not None
        step = 2 * np.abs(w + u).max() / 32767
        z = mask * (w + u)
        assert np.abs(found.array(panels["w"]["values"])[s.k + 1] - w).max() <= step
        assert np.abs(found.array(panels["gap"]["values"])[s.k + 1] - np.abs(w - z)).max() <= step
        drawn = still.codes(found, panels["z"], s.k + 1)
        assert np.array_equal(drawn == 255, mask == 0)
        want = np.rint(np.clip(z / limit, -1, 1) * 127 + 127)
        assert np.abs(drawn.astype(int) - want)[mask == 1].max() <= 1
    assert not (still.codes(found, panels["z"], 0) == 255).any()  # dense: nothing is pruned yet


def test_what_is_counted_is_counted_over_the_whole_matrix(run: Run) -> None:
    for matrix in (QUERY, FFN):
        found = watch.film(run, matrix)
        assert found is not None and run.parent is not None
        held = found.array(found.header["panels"]["occupancy"]["series"][0]["values"])
        dense = run.parent.weight(matrix)
        assert dense is not None
        assert held[0].tolist() == naive_counts(dense, dense.size // 2)
        assert held[-1].tolist() == [0, 0, dense.size // 4, 0, 0]
        kept, gone = (found.array(s["values"]) for s in found.header["panels"]["split"]["series"])
        assert (kept + gone).sum(axis=1).tolist() == [dense.size] * len(kept)
        assert gone[0].sum() == 0 and gone[-1].sum() == dense.size // 2


def test_the_sentence_has_the_share_of_exact_groups_before_and_after(run: Run) -> None:
    found = watch.film(run, QUERY)
    assert found is not None and run.parent is not None
    dense = run.parent.weight(QUERY)
    assert dense is not None
    share = naive_counts(dense, dense.size // 2)[2] / (dense.size // 4)
    assert found.claim == f"Layer 1 · query: at first {style.percent(share)} of the groups hold 2 of 4 large " \
                          "weights, at last every group."
    assert style.percent(share) in found.alt
    assert found.table["groups 2 of 4"].iloc[-1] == 1.0 and len(found.table) == found.last + 1


def test_every_moment_has_its_sentence_and_the_film_opens_where_w_and_z_are_furthest_apart(run: Run) -> None:
    found = watch.film(run, QUERY)
    assert found is not None and run.parent is not None
    dense = run.parent.weight(QUERY)
    assert dense is not None
    said = found.header["panels"]["say"]["texts"]
    share = naive_counts(dense, dense.size // 2)[2] / (dense.size // 4)
    assert said[0] == f"Dense: in layer 1 · query, {style.percent(share)} of the groups hold 2 of 4 large weights."
    for k, s in enumerate(run.record.snapshots, 1):
        assert said[k] == f"ADMM, step {style.count(s.step)}: W is {style.percent(s.primal)} of its size away from " \
                          "Z, over all matrices."
    assert said[-2:] == [f"{name}: in layer 1 · query, every group holds 2 of 4 large weights."
                         for name in ("Hard prune", "Refined")]
    gaps = [s.primal for s in run.record.snapshots]
    widest = 1 + gaps.index(max(gaps))
    assert found.opens == widest == found.header["opens"]
    assert found.header["named"] == [[0, "dense"], [widest, "furthest apart"], [len(gaps) + 1, "obeys"]]
    assert found.silent("?").header["named"] == [], "whoever is to guess first is not told where it is widest"


def test_the_time_axis_shows_what_was_logged_where_it_was_logged(run: Run) -> None:
    found = watch.film(run, QUERY)
    assert found is not None
    strips = {s["title"]: s for s in found.header["panels"]["time"]["strips"]}
    assert list(strips) == ["groups 2 of 4", "residuals", "rho", "flips", "score"]
    rows = [row for row in run.trace if row["phase"] == "admm"]
    primal = strips["residuals"]["lines"][0]
    assert primal["y"] == [float(f"{row['primal']:.4g}") for row in rows]
    first, last = run.record.snapshots[0].step, run.record.snapshots[-1].step
    places = {s.step: s.k + 1 for s in run.record.snapshots}
    for x, row in zip(primal["x"], rows, strict=True):
        if row["step"] in places:
            assert x == places[row["step"]]
    assert min(primal["x"]) >= 1 and max(primal["x"]) <= len(run.record.snapshots) + 1 and first < last
    score = strips["score"]["lines"][0]
    assert run.record.results is not None
    assert (score["y"][0], score["y"][-1]) == (run.record.results.dense, run.record.results.final)


def test_a_large_matrix_is_shown_in_part_and_a_click_moves_it(run: Run) -> None:
    found = watch.film(run, FFN, 100, 0)
    assert found is not None and run.parent is not None
    panels, dense = found.header["panels"], run.parent.weight(FFN)
    assert dense is not None
    assert panels["w"]["start"] == [100, 0] and found.array(panels["w"]["values"]).shape[1:] == (64, 64)
    assert np.abs(found.array(panels["w"]["values"])[0] - dense[100:164]).max() < 1e-3
    picture = run.array(f"thumbnail/{FFN}")
    assert picture is not None
    blocks = 256 / picture.shape[0]
    assert panels["whole"]["marked"][0] == pytest.approx(100 / blocks)
    assert panels["whole"]["marked"][2] == pytest.approx(64 / blocks)
    top = watch.clicked(run, FFN, f"{picture.shape[0] // 2},0")
    assert top is not None and abs(top[0] + 32 - 128) <= blocks and top[1] == 0
    assert watch.clicked(run, FFN, "x") is None and watch.clicked(run, FFN, "1,2,3") is None
    last = watch.film(run, FFN, 10**6, 10**6)
    assert last is not None and last.header["panels"]["w"]["start"] == [192, 0]


def test_the_group_to_begin_with_flips_and_is_decided_by_size() -> None:
    masks, values = np.ones((3, 2, 8), np.uint8), np.ones((3, 2, 8), np.float32)
    masks[:, :, 2:4] = masks[:, :, 6:] = 0
    values[:, 1] = [4, 3, 2, 1, 9, 8, 7, 6]
    masks[1, 1, 4:] = [0, 0, 1, 1]  # the smaller half stays: inputs were weighed
    assert watch.busiest(masks, values, (1, 4)) == (1, 4)  # nothing else flips
    values[1, 1, :4], masks[1, 1, :4] = [1, 2, 3, 4], [0, 0, 1, 1]  # smaller weights, but one can see why
    assert watch.busiest(masks, values, (1, 4)) == (1, 0)


def test_feature_maps_go_along_where_a_run_kept_them(run: Run, store: Store) -> None:
    found, without = watch.film(run, FFN), watch.film(store.open("other"), FFN)
    assert found is not None and without is not None and "feeling" not in without.header["panels"]
    panel = found.header["panels"]["feeling"]
    assert panel["title"].startswith("Layer 2: ")
    norms, loud = found.array(panel["values"]), found.array(panel["mask"])
    assert norms.shape[0] == found.last + 1
    assert np.array_equal(loud == 0, np.round(norms, 4) < 0.25) and loud.shape == norms.shape


def test_a_film_stays_under_its_bytes(store: Store) -> None:
    for name in ("film", "other", "ends"):
        for matrix in (QUERY, FFN):
            found = watch.film(store.open(name), matrix)
            assert found is not None and len(found.packed()) < MOST_BYTES / 3


def test_a_run_without_moments_shows_its_ends_and_says_so(store: Store) -> None:
    ends = store.open("ends")
    found = watch.film(ends, QUERY)
    assert found is not None and found.header["moments"] == ["dense", "pruned"]
    assert "two ends" in telling.missing(ends, QUERY) and telling.missing(store.open("film"), QUERY) == ""
    assert found.opens == 1 and "named" not in found.header, "W and Z are never apart: it opens where W obeys"


def test_a_run_that_kept_its_masks_shows_the_dense_weights_under_them(store: Store) -> None:
    masks = store.open("masks")
    found, mask = watch.film(masks, QUERY), masks.mask(QUERY)
    assert found is not None and mask is not None
    assert np.array_equal(still.codes(found, found.header["panels"]["z"], 1) == 255, mask == 0)
    assert found.array(found.header["panels"]["occupancy"]["series"][0]["values"])[1].tolist() == [0, 0, 1024, 0, 0]
    assert "not the weights" in telling.missing(masks, QUERY)


def test_a_run_that_kept_neither_shows_where_it_began(store: Store) -> None:
    found = watch.film(store.open("bare"), QUERY)
    assert found is not None and found.header["moments"] == ["dense"]
    assert "neither weights nor masks" in telling.missing(store.open("bare"), QUERY)


def test_unknown_matrices_and_damaged_moments_are_a_persons_mistake(tmp_path: Path) -> None:
    made = empty_store(tmp_path)
    make_run(made.recorded, id="torn", parent=make_dense(made.recorded))
    with pytest.raises(InputError, match="no matrix"):
        watch.film(made.open("torn"), "nothing")
    folder = made.recorded / "torn"
    arrays = dict(made.open("torn").arrays())
    arrays[f"snapshot/2/w/{QUERY}"] = arrays[f"snapshot/2/w/{QUERY}"][:, :8]
    write_arrays(folder, arrays)
    with pytest.raises(InputError, match="shape"):
        watch.film(made.open("torn"), QUERY)


def test_a_film_of_corners_is_shown_beside_the_whole_matrix(tmp_path: Path) -> None:
    """W, mask and counts of 64 x 64 of 256 x 64 weights, planted: what is drawn is the corner, what is counted the
    whole."""
    made = empty_store(tmp_path)
    make_run(made.recorded, id="corner", parent=make_dense(made.recorded), snapshots=2)
    run, rng = made.open("corner"), np.random.default_rng(3)
    moments = [Snapshot(k=k, step=10 * k, rho=rho, primal=0.2, phase=phase) for k, (phase, rho) in enumerate(
        [("dense", 0.0), ("layer-wise", 0.1), ("admm", 0.2), ("hard-pruned", 0.0), ("final", 0.0)])]
    arrays, weights, masks = dict(run.arrays()), [], []
    for s in moments:
        w = rng.normal(0, 0.1, (64, 64)).astype(np.float32)
        mask = (rng.permuted(np.tile([1, 1, 0, 0], (1024, 1)), axis=1)).reshape(64, 64).astype(np.uint8)
        arrays[f"film/{s.k}/w/{FFN}"], arrays[f"film/{s.k}/w/{FFN}.scale"] = enc.encode_rows(w)
        arrays[f"film/{s.k}/mask/{FFN}"] = enc.pack_mask(mask)
        arrays[f"film/{s.k}/histogram/{FFN}"] = rng.integers(0, 500, (2, BINS))
        arrays[f"film/{s.k}/occupancy/{FFN}"] = np.array([96, 1000, 2000 + 10 * s.k, 990 - 10 * s.k, 10])
        weights.append(w)
        masks.append(mask)
    arrays[f"film/limit/{FFN}"] = np.array([0.25], np.float32)
    write_arrays(run.path, arrays)
    write_header(run.path, msgspec.structs.replace(run.record, film=moments, snapshots=[]))
    run = made.open("corner")
    found = watch.film(run, FFN)
    assert found is not None
    panels = found.header["panels"]
    assert found.header["moments"] == ["dense", "layer by layer, round 10", "ADMM, step 20", "hard prune", "refined"]
    assert panels["whole"]["marked"][0] == 0 and not panels["whole"]["pick"]
    assert len(panels["group"]["series"]) == 1, "U is not kept"
    for k in range(1, 5):
        assert np.abs(found.array(panels["w"]["values"])[k] - weights[k]).max() < 0.004
        assert np.array_equal(still.codes(found, panels["z"], k) == 255, masks[k] == 0)
    assert found.array(panels["occupancy"]["series"][0]["values"])[2].tolist() == [96, 1000, 2020, 970, 10]
    assert np.array_equal(found.array(panels["split"]["series"][1]["values"])[3],
                          arrays[f"film/3/histogram/{FFN}"][1])
    last = style.percent(arrays[f"film/4/occupancy/{FFN}"][2] / 4096)
    assert found.claim.endswith(f": at last {last} of the groups hold 2 of 4 large weights.")
    assert f"from {style.percent(2000 / 4096)} to {last}" in found.alt and "first 64 × 64 of 256 × 64" in found.alt


def test_all_layers_of_a_feature_map_play_with_what_is_quiet(run: Run) -> None:
    probe = run.record.probes[0].id
    found = regions.film(run, probe, "ffn")
    assert found is not None and found.last == len(run.record.moments) - 1
    dense = [run.region(0, "ffn", probe, layer) for layer in (1, 2)]
    for layer, first in zip((1, 2), dense, strict=True):
        assert first is not None
        panel, median = found.header["panels"][f"layer{layer}"], float(np.median(first))
        for k in (0, 4, found.last):
            norms = run.region(k, "ffn", probe, layer)
            assert norms is not None
            np.testing.assert_allclose(found.array(panel["values"])[k], norms / median, atol=2e-3)
            assert np.array_equal(still.codes(found, panel, k) == 255, norms < 0.25 * median)
    shares = [np.mean([(run.region(k, "ffn", probe, layer) < 0.25 * np.median(first)).mean()  # type: ignore[operator]
                       for layer, first in zip((1, 2), dense, strict=True)]) for k in range(found.last + 1)]
    lines = {line["name"]: line["y"] for line in found.header["panels"]["time"]["strips"][0]["lines"]}
    np.testing.assert_allclose(lines["sentence"], shares, rtol=1e-3)
    assert regions.film(run, probe, "ffn") is not None and len(found.packed()) < 100_000


def test_a_run_that_watched_nothing_has_no_film_of_its_regions(store: Store) -> None:
    other = store.open("other")
    assert regions.film(other, other.record.probes[0].id, "block") is None


# -- the wall ----------------------------------------------------------------------------------------------------


def test_the_wall_shows_the_corner_of_every_matrix_in_its_own_range(run: Run) -> None:
    found = wall.alone(run)
    assert found is not None and run.parent is not None
    panels = found.header["panels"]
    cells = panels["side1"]["cells"]
    assert [c["name"] for c in cells] == [m.name for m in run.record.matrices]
    assert len({(c["row"], c["column"]) for c in cells}) == len(cells)
    dense, now = (found.array(panels[f"side{n}"]["values"]) for n in (0, 1))
    assert len(dense) == 1 and len(now) == found.last + 1
    size = dense.shape[-1]
    for n, m in enumerate(run.record.matrices):
        weight, final, mask = run.parent.weight(m.name), run.weight(m.name), run.mask(m.name)
        assert weight is not None and final is not None and mask is not None
        limit = filmed(run, m.name).limit
        want = np.rint(np.clip(weight[:size, :size] / limit, -1, 1) * 127 + 127)
        assert np.array_equal(dense[0, n, :want.shape[0], :want.shape[1]], want)
        assert np.array_equal(now[-1, n] == 255, mask[:size, :size] == 0)
    assert len(found.packed()) < MOST_BYTES
    assert f"first {size} × {size} weights" in found.alt
    assert found.opens == found.last  # where the difference is, and what the sentence says


def test_two_runs_hang_side_by_side_at_the_same_phase(store: Store, run: Run) -> None:
    other = store.open("other")
    found = wall.between([run, other])
    assert found is not None
    panels = found.header["panels"]
    a, b = (found.array(panels[f"side{n}"]["values"]) for n in (0, 1))
    assert a.shape == b.shape and len(a) == found.last + 1 == 9
    assert panels["change"]["minus"] == panels["side0"]["values"]
    size, name = a.shape[-1], run.record.matrices[0].name
    for at, k in ((1, 0), (6, 2)):  # the first and the last of six beside those of three
        w = other.snapshot(k, "w", name)
        assert w is not None
        want = np.rint(np.clip(w[:size, :size] / filmed(other, name).limit, -1, 1) * 127 + 127)
        assert np.array_equal(b[at, 0], want)
    gone = [codes[-1] == 255 for codes in (a, b)]
    flat = [np.where(g, 127, codes[-1]).astype(int) for g, codes in zip(gone, (a, b), strict=True)]
    assert style.percent(float((np.abs(flat[0] - flat[1]) > 1).mean())) in found.claim


def test_runs_of_other_matrices_do_not_hang_together(store: Store, run: Run, tmp_path: Path) -> None:
    made = empty_store(tmp_path)
    make_run(made.recorded, id="deep", layers=3, parent=make_dense(made.recorded, layers=3))
    with pytest.raises(InputError, match="same matrices"):
        wall.between([run, made.open("deep")])
    assert wall.between([run, store.open("masks")]) is not None  # its dense weights are known
    records = [*store.records(), *made.records()]
    assert set(telling.beside(records, "film")) == {"other", "ends"}
    assert telling.beside(records, "nobody") == {}
