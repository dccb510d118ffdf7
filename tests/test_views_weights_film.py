"""The film of the Weights page: before, now and the difference are what was kept; what goes and stays is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.runs.store import Run
from core.views.drawing import style
from core.views.film import still
from core.views.film.reel import MOST_BYTES, Film
from core.views.weights import moving
from tests.test_views_weights import QUERY, WIDE, opened


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return opened(tmp_path_factory.mktemp("weights"))


def made(run: Run, matrix: str = QUERY, *args: object) -> Film:
    found = moving.film(run, matrix, *args)
    assert found is not None and len(found.packed()) <= MOST_BYTES
    return found


def array(found: Film, panel: str) -> np.ndarray:
    return found.array(found.header["panels"][panel]["values"])


def test_before_now_and_the_difference_are_the_kept_arrays(run: Run) -> None:
    found, dense = made(run), run.parent.weight(QUERY)
    assert found.header["moments"][0] == "dense" and found.last == 7
    assert np.allclose(array(found, "before")[0], dense, atol=1e-4)
    w = run.snapshot(2, "w", QUERY)
    assert np.allclose(array(found, "now")[3], w, atol=1e-4)
    assert np.allclose(array(found, "change")[3], w - dense, atol=1e-4)
    for k, gone in ((3, 0), (7, int((run.mask(QUERY) == 0).sum()))):
        assert (still.codes(found, found.header["panels"]["now"], k) == style.PRUNED_CODE).sum() == gone


def test_z_is_grey_where_it_is_cut_and_u_has_the_gap_beside_it(run: Run) -> None:
    w, u, mask = (run.snapshot(2, part, QUERY) for part in ("w", "u", "mask"))
    z = made(run, QUERY, "z")
    kept = mask == 1
    assert np.allclose(array(z, "now")[3][kept], (w + u)[kept], atol=1e-4)
    assert np.array_equal(still.codes(z, z.header["panels"]["now"], 3) == style.PRUNED_CODE, ~kept)
    dual = made(run, QUERY, "u", 0, 0, True)
    assert np.allclose(array(dual, "now")[3], u, atol=1e-4)
    assert np.allclose(array(dual, "change")[3], w - np.where(kept, w + u, 0), atol=1e-4)
    assert dual.header["panels"]["now"]["limit"] == pytest.approx(z.header["panels"]["now"]["limit"] / 10)


def test_what_goes_and_what_stays_by_a_naive_loop(run: Run) -> None:
    dense, mask, w = run.parent.weight(QUERY), run.mask(QUERY), run.snapshot(2, "w", QUERY)
    gone = kept = left = moved = 0.0
    for d, m, now in zip(dense.flat, mask.flat, w.flat, strict=True):
        gone, left = gone + float(d) ** 2 * (m == 0), left + float(now) ** 2 * (m == 0)
        kept, moved = kept + float(d) ** 2 * (m != 0), moved + (float(now) - float(d)) ** 2 * (m != 0)
    found = made(run)
    row = found.table.iloc[3]
    assert row["of what goes, left"] == pytest.approx((left / gone) ** 0.5, rel=1e-4)
    assert row["moved by what stays"] == pytest.approx((moved / kept) ** 0.5, rel=1e-4)
    assert list(found.table.iloc[0])[1:] == [1, 0] and found.table.iloc[-1]["of what goes, left"] == 0
    assert style.percent((left / gone) ** 0.5, 2) in found.header["panels"]["say"]["texts"][3]


def test_the_tile_lies_in_what_is_shown_of_a_large_matrix(tmp_path: Path) -> None:
    run = opened(tmp_path, hidden=192, ffn=256, layers=1)
    found = made(run, WIDE, "w", 120, 101)
    tile, before = found.header["panels"]["tile"], found.header["panels"]["before"]
    assert tile["start"] == [120, 100] and before["start"] == [96, 76]
    assert before["marked"] == (24, 24, 16, 16)
    unit = float(tile["note"].split()[-1])
    assert np.allclose(array(found, "tile")[0] * unit, array(found, "before")[0][24:40, 24:40], atol=1e-4)


def test_runs_without_moments_or_a_beginning_have_no_film(tmp_path: Path) -> None:
    other = opened(tmp_path, method="asp")
    assert moving.film(other, QUERY) is None and moving.shows(other, QUERY) == []


def test_moments_of_older_links_are_found(run: Run) -> None:
    assert [moving.place_of(run, QUERY, m) for m in ("0", "4", "final", "77")] == [1, 5, 7, None]
    assert moving.shows(run, QUERY) == ["w", "z", "u"]
