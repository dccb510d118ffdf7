"""The close-ups: the tile with numbers, the histogram, the model at a glance, and what they are drawn with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.runs.store import Run, read_header
from core.views.drawing import maps, style
from core.views.weights import modelmap, tile
from tests.damage import change_header
from tests.makers import empty_store, make_dense, make_run

QUERY = "bert.encoder.layer.0.attention.self.query"


def opened(root: Path, **fields: object) -> Run:
    """A pruned run and its dense parent, opened."""
    store = empty_store(root)
    return store.open(make_run(store.recorded, parent=make_dense(store.recorded), **fields))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return opened(tmp_path)


def test_the_tile_writes_the_weights_and_strikes_the_pruned(run: Run) -> None:
    view = tile.tile(run, QUERY, 8, 12)
    mask = run.mask(QUERY)[8:24, 12:28]
    texts = [t for t in view.figure.data if t.type == "scatter" and t.mode == "text"]
    struck = texts[-1]
    assert sum(len(t.text) for t in texts) == 256
    assert len(struck.text) == int((mask == 0).sum())
    before, after = run.parent.weight(QUERY), run.weight(QUERY)
    for part in texts:
        source = before if part is struck else after
        for x, y, text in zip(part.x, part.y, part.text, strict=True):
            assert float(text.replace("−", "-")) == pytest.approx(100 * source[int(y), int(x)], abs=0.51)
    assert "units of 0.01" in view.try_this
    assert [s.x0 for s in view.figure.layout.shapes] == [11.5, 15.5, 19.5, 23.5, 27.5]
    assert view.claim.startswith("Outputs 8–23, inputs 12–27: 128 of 256")
    assert len(view.table) == 256
    for picture in (t for t in view.figure.data if t.type == "heatmap"):
        assert picture.zmin is not None and picture.zmax is not None and picture.z.dtype != bool


def test_the_tile_stays_inside_and_on_whole_groups(run: Run) -> None:
    assert tile.tile(run, QUERY, 1000, 1000).claim.startswith("Outputs 48–63, inputs 48–63")
    assert tile.tile(run, QUERY, 3, 7).claim.startswith("Outputs 3–18, inputs 4–19")


@pytest.mark.parametrize(("multiple", "width"), [(1, 16), (3, 15), (4, 16), (8, 16), (32, 32), (12, 12)])
def test_a_tile_is_whole_groups_wide(multiple: int, width: int) -> None:
    assert maps.tile_width(multiple) == width
    assert maps.tile_at((64, 96), 0, 50, multiple)[1].start % multiple == 0


@pytest.mark.parametrize(("limit", "value", "text"), [
    (0.2, 0.1234, "12"), (0.2, -0.0311, "−3.1"), (0.2, -0.0001, "0.0"), (0.03, 0.0021, "2.1"), (3.0, 1.25, "12")])
def test_numbers_are_short_and_signed(limit: float, value: float, text: str) -> None:
    assert tile.number(value, tile.unit_digits(limit)) == text


def test_block_patterns_rule_off_rows_too(tmp_path: Path) -> None:
    view = tile.tile(opened(tmp_path, pattern="block:4x4:0.5"), QUERY)
    assert sum(s.y0 == s.y1 for s in view.figure.layout.shapes) == 5
    assert sum(s.x0 == s.x1 for s in view.figure.layout.shapes) == 5


def test_an_unstructured_tile_has_no_rules(tmp_path: Path) -> None:
    assert not tile.tile(opened(tmp_path, pattern="unstructured:0.5"), QUERY).figure.layout.shapes


def test_the_histogram_counts_every_weight_once(run: Run) -> None:
    view = tile.histogram(run, QUERY)
    mask, dense = run.mask(QUERY), run.parent.weight(QUERY)
    table = view.table
    assert table["goes, before"].sum() == int((mask == 0).sum())
    assert table["stays, before"].sum() == table["after"].sum() == int(mask.sum())
    low, high = table["from"][40], table["to"][40]
    assert low < 0 < high
    inside = sum(low <= v <= high for v in dense[mask == 0].tolist())
    assert abs(table["goes, before"][40] - inside) <= 1  # a weight exactly on an edge
    assert f"{float(np.median(np.abs(dense[mask == 0]))):.2g}" in view.claim
    grey = next(t for t in view.figure.data if t.name == "before: goes")
    assert grey.marker.color == style.rgba(style.PRUNED)


def test_the_model_map_places_every_matrix(run: Run) -> None:
    view = modelmap.model_map(run, "moved", QUERY)
    grid = view.figure.data[0]
    assert grid.z.shape == (2, 6)
    assert grid.z[0, 0] == pytest.approx(run.record.matrices[0].moved)
    assert grid.z[1, 5] == pytest.approx(run.record.matrices[-1].moved)
    assert (grid.zmin, grid.zmax) == (0, 0.5)
    assert len(view.figure.layout.shapes) == 1
    assert style.percent(max(m.moved for m in run.record.matrices)) in view.claim


def test_the_model_map_of_an_equal_figure_says_so(run: Run) -> None:
    assert modelmap.model_map(run, "sparsity").claim == f"Sparsity is {style.percent(0.5)} in every matrix."


def test_an_unknown_figure_is_suggested(run: Run) -> None:
    with pytest.raises(InputError, match="Did you mean 'energy'"):
        modelmap.model_map(run, "energie")


def test_matrices_outside_the_layers_have_a_row_of_their_own(run: Run) -> None:
    change_header(run.path, matrices=[{"name": "pooler.dense", "shape": [4, 8], "moved": 0.25}])
    view = modelmap.model_map(Run(read_header(run.path), run.path, True, None), "moved")
    assert list(view.figure.layout.yaxis.ticktext) == ["other"]


def test_block_means_equal_a_loop() -> None:
    values = np.arange(7 * 10, dtype=np.float32).reshape(7, 10)
    r, c = maps.block_size(values.shape, 4, cells=3)
    assert (r, c) == (3, 4)
    means = maps.means_over(values, r, c)
    for i in range(3):
        for j in range(3):
            assert means[i, j] == pytest.approx(values[i * r:(i + 1) * r, j * c:(j + 1) * c].mean())


def test_the_colour_range_is_never_zero() -> None:
    assert maps.limit_of(np.zeros((3, 3), np.float32)) == 1.0
    one = np.zeros((50, 50), np.float32)
    one[0, 0] = 2.0
    assert maps.limit_of(one) == 2.0


def test_long_words_are_wrapped_and_escaped() -> None:
    assert maps.wrapped("a <b> & c", width=4) == "a<br>&lt;b&gt;<br>&amp; c"
