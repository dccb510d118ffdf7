"""The lab's pictures against planted layers: what is drawn, in which range, what it weighs, what the words say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.lab.results_layer import LayerPath, Stop
from core.runs.arrays import pack_mask
from core.views.drawing import style
from core.views.drawing.view import View
from core.views.touch.layerlab import moment
from core.views.touch.layerlab_curves import error_curve, loss_words, rounds
from core.views.touch.layerlab_groups import groups_of_z
from core.views.touch.layerlab_maps import layer_maps

MATRIX = "bert.encoder.layer.1.attention.self.query"
LINES = {"magnitude": 0.3, "wanda": 0.2, "admm-layer": 0.01}


def planted(rows: int = 8, columns: int = 8, count: int = 3, method: str = "admm-layer",
            title: str = "ADMM") -> LayerPath:
    """Stop k keeps inputs k and k + 1 of every four, and loses (k + 1) / 100 of output 0, half that of the others."""
    rng = np.random.default_rng(rows * columns)
    weight = rng.normal(0, 0.1, (rows, columns)).astype(np.float32)
    energy = np.arange(1, rows + 1, dtype=np.float32)
    stops = []
    for k in range(count):
        mask = np.zeros((rows, columns), np.uint8)
        mask[:, k % 4::4] = mask[:, (k + 1) % 4::4] = 1
        lost = np.full(rows, (k + 1) / 200, np.float32)
        lost[0] *= 2
        stops.append(Stop(k + 1, weight.astype(np.float16), (1.5 * weight).astype(np.float16), pack_mask(mask),
                          lost * energy))
    steps = np.arange(1, count, dtype=np.float32)
    return LayerPath(MATRIX, method, title, "2:4", weight, energy, tuple(stops), steps, 0.1**steps, 0.2**steps,
                (steps[-1:] * 0 if count < 2 else 1 / steps - 1 / steps[-1]))


def heats(view: View) -> list[Any]:
    assert view.figure is not None
    return [trace for trace in view.figure.data if trace.type == "heatmap"]


def weight_of(view: View) -> int:
    return 0 if view.figure is None else len(view.figure.to_json())


def test_a_small_matrix_is_drawn_weight_by_weight_with_pruned_ones_in_grey() -> None:
    path = planted()
    view = layer_maps(path, 1)
    before, grey, z = heats(view)
    assert np.array_equal(before.z, path.weight)
    assert np.array_equal(grey.z, 1 - path.mask(1))
    kept = path.mask(1) == 1
    assert np.allclose(z.z[kept], 1.5 * path.weight[kept], rtol=1e-3) and np.isnan(z.z[~kept]).all()
    assert (before.zmin, before.zmax) == (z.zmin, z.zmax) and before.zmin == -before.zmax


def test_every_output_has_its_bar_and_the_axis_is_the_same_at_every_stop() -> None:
    path = planted()
    views = [layer_maps(path, k) for k in range(3)]
    for k, view in enumerate(views):
        assert view.figure is not None
        bar = next(t for t in view.figure.data if t.type == "bar")
        assert bar.x == pytest.approx([(k + 1) / 100, *[(k + 1) / 200] * 7]) and list(bar.y) == list(range(8))
    ranges = {view.figure.layout.xaxis3.range for view in views if view.figure is not None}
    assert len(ranges) == 1 and next(iter(ranges))[1] >= 0.03


def test_a_large_matrix_is_drawn_as_block_means_and_stays_light() -> None:
    path = planted(1536, 384, 14)
    view = layer_maps(path, 3, planted(1536, 384, 14))
    before, z, gap = heats(view)
    r, c = 16, 4
    assert before.z.shape == (96, 96) == z.z.shape
    by_hand = np.abs(path.weight[2 * r:3 * r, 5 * c:6 * c]).mean()
    assert before.z[2, 5] == pytest.approx(by_hand, rel=1e-4) and (before.dx, before.dy) == (c, r)
    assert before.zmin == 0 and z.zmax == before.zmax
    wanted = np.abs(path.z(3) - path.z(13))[:r, :c].mean()
    assert gap.z[0, 0] == pytest.approx(wanted, rel=1e-4)
    assert "means of |w| over blocks of 16 × 4" in view.alt
    assert view.figure is not None
    bar = next(t for t in view.figure.data if t.type == "bar")
    rows = path.stops[3].rows[:r].sum() / path.energy[:r].sum()
    assert len(bar.x) == 96 and bar.x[0] == pytest.approx(rows, rel=1e-4)


def test_a_pin_is_subtracted_at_its_answer() -> None:
    path, other = planted(), planted(title="pinned one")
    view = layer_maps(path, 0, other)
    assert np.allclose(heats(view)[-1].z, path.z(0) - other.z(other.last))
    assert view.figure is not None
    line = next(t for t in view.figure.data if t.name == "pinned answer")
    assert line.x == pytest.approx([0.03, *[0.015] * 7])


def test_the_words_of_the_maps_are_the_figures() -> None:
    view = layer_maps(planted(), 0)
    total = (0.01 * 1 + 0.005 * 35) / 36
    assert view.claim == f"After round 1 of 2, Z keeps 50{style.SPACE}% of the weights and loses {loss_words(total)} " \
                         f"of the layer's outputs; output 0 loses most, 1{style.SPACE}%."
    assert "all 16 groups hold exactly 2 of 4" in view.alt
    assert view.table["output lost"].iloc[0] == pytest.approx(0.01)
    assert layer_maps(planted(), 2).claim.startswith("The answer keeps")


@pytest.mark.parametrize(("share", "words"), [(0.5, "50 %"), (0.0123, "1.23 %"), (0.0000123, "0.00123 %"),
                                              (0.000099, "0.00990 %"), (0.0, "0 %")])
def test_small_losses_keep_their_digits(share: float, words: str) -> None:
    assert loss_words(share).replace(style.SPACE, " ") == words


def test_the_error_is_a_curve_with_every_method_as_a_line() -> None:
    path, other = planted(count=5), planted(count=3, title="other")
    view = error_curve(path, 2, LINES, other)
    assert view.figure is not None and view.figure.layout.yaxis.type == "log"
    by_name = {t.name: t for t in view.figure.data if t.name}
    curve = next(t for name, t in by_name.items() if name.startswith("ADMM "))
    assert list(curve.x) == [1, 2, 3, 4, 5] and list(curve.y) == pytest.approx(list(path.errors))
    pinned = next(t for name, t in by_name.items() if name.startswith("pinned"))
    assert list(pinned.y) == pytest.approx(list(other.errors)) and pinned.line.dash == "dash"
    for name, value in LINES.items():
        line = next(t for t in by_name.values() if t.name.startswith(style.method_title(name)))
        assert set(line.y) == {value} and line.line.color == style.colour(name)
    mark = next(t for t in view.figure.data if t.mode == "markers")
    assert (list(mark.x), list(mark.y)) == ([3], pytest.approx([path.errors[2]]))
    low, high = view.figure.layout.yaxis.range
    assert 10**low < path.errors.min() and 10**high > 0.3
    assert "the best of the other methods is Wanda with 20" in view.claim and "The pinned answer loses" in view.claim
    assert "round 1" not in view.try_this
    assert "what Wanda keeps" in error_curve(path, 0, LINES | {"wanda": float(path.errors[0])}).try_this


def test_the_rounds_show_residuals_flips_and_rho_and_where_we_stand() -> None:
    path = planted(count=5)
    view = rounds(path, 2)
    assert view.figure is not None
    primal, dual, flips, rho = view.figure.data
    assert list(primal.y) == pytest.approx(path.primal.tolist()) and list(dual.y) == pytest.approx(path.dual.tolist())
    assert list(flips.y) == pytest.approx(path.flips.tolist()) and list(rho.y) == [1, 2, 3, 4]
    assert view.figure.layout.yaxis.type == "log" and view.figure.layout.yaxis2.type == "linear"
    assert view.figure.layout.shapes[0].x0 == 3
    assert "the primal residual was 0.0001: W had all but reached Z, and no mask entry changed any more" in view.claim
    assert list(view.table.columns) == ["round", "rho", "primal", "dual", "flips"]


def test_a_method_without_rounds_says_so() -> None:
    path = planted(count=1, method="wanda", title="Wanda")
    view = rounds(path, 0)
    assert view.figure is None and view.claim.startswith("Wanda: no rounds")
    assert error_curve(path, 0, LINES).figure is not None
    assert layer_maps(path, 0).claim.startswith("The answer keeps")


def test_the_histogram_counts_the_largest_anywhere_of_dense_and_w_and_the_support_of_z() -> None:
    path = planted(16, 16)
    view = groups_of_z(path, 1)
    assert view.figure is not None
    bars = {t.name.partition(":")[0]: t for t in view.figure.data}

    def by_hand(values: np.ndarray) -> list[float]:
        edge = np.sort(np.abs(values).ravel())[values.size // 2]
        held = [(np.abs(group) >= edge).sum() for row in values for group in row.reshape(-1, 4)]
        return [held.count(n) / len(held) for n in range(5)]

    assert list(bars["dense"].y) == pytest.approx(by_hand(path.weight))
    assert list(bars["Z"].y) == [0, 0, 1, 0, 0]
    assert list(bars["dense"].x) == ["0", "1", "2", "3", "4"]
    assert view.figure.layout.yaxis.range == (0, 1.02)
    assert view.claim.endswith("in Z, all 64 groups hold exactly 2 of 4.")
    exact = by_hand(path.weight)[2]
    assert f"exactly 2 of 4 in {style.percent(exact)} of the groups" in view.claim


@pytest.mark.parametrize("shape", [(64, 256), (256, 64), (256, 96), (384, 384), (1536, 384)])
def test_no_figure_is_heavy(shape: tuple[int, int]) -> None:
    path = planted(*shape, count=6)
    shown = moment(path, 2, LINES, planted(*shape, count=4))
    for view in (shown.maps, shown.error, shown.rounds, shown.groups):
        assert weight_of(view) <= 500_000
        assert view.alt and view.claim and view.try_this


def test_a_layer_that_says_nothing_is_drawn_without_dividing_by_zero() -> None:
    path = planted()
    dead = LayerPath(**{**vars(path), "energy": np.zeros(8, np.float32), "stops": tuple(
        Stop(s.round, s.w, s.v, s.bits, np.zeros(8, np.float32)) for s in path.stops)})
    for view in filter(None, vars(moment(dead, 1, {"magnitude": 0.0})).values()):
        assert "nan" not in view.claim and "inf" not in view.claim
