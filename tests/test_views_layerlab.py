"""The lab's film against planted layers: what is drawn, in which range, what it weighs, what the words say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.lab.results_layer import LayerPath, Stop
from core.runs.arrays import pack_mask
from core.views.drawing import style
from core.views.film import still
from core.views.film.reel import MOST_BYTES
from core.views.touch.layerlab import clicked, film
from core.views.touch.layerlab_time import loss_words, strips

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


def test_w_stands_beside_z_as_single_weights_with_pruned_ones_in_grey() -> None:
    path = planted()
    found = film(path, LINES)
    w, z = found.header["panels"]["w"], found.header["panels"]["z"]
    assert w["limit"] == z["limit"] == pytest.approx(np.percentile(np.abs(path.weight), 99.5), rel=1e-5)
    for k in range(2):
        assert np.allclose(found.array(w["values"])[k], path.w(k), atol=1e-4)
        kept = path.mask(k) == 1
        assert np.array_equal(still.codes(found, z, k) == style.PRUNED_CODE, ~kept)
        assert np.allclose(found.array(z["values"])[k][kept], path.z(k)[kept], atol=1e-4)
    answer = found.array(w["values"])[2]  # W of the answer is its Z
    assert np.allclose(answer, path.z(2), atol=1e-4)


def test_every_output_has_its_bar_in_one_range() -> None:
    found = film(planted(), LINES)
    lost = found.header["panels"]["lost"]
    shares = found.array(lost["series"][0]["values"]) / lost["share"]
    for k in range(3):
        assert shares[k] == pytest.approx([(k + 1) / 100, *[(k + 1) / 200] * 7], abs=1e-6)
    assert lost["top"] == pytest.approx(0.03 * lost["share"]) and lost["hover"][3] == "output 3"
    assert lost["note"] == f"up to {style.percent(0.03, 2)}", "nothing is higher than the answer: nothing is cut"
    many = film(planted(256, 8), LINES).header["panels"]["lost"]
    assert len(many["hover"]) == 64 and many["hover"][1] == "outputs 4–7"


def test_the_range_of_the_losses_is_that_of_the_answer_and_what_is_higher_is_said_to_be_cut() -> None:
    path = planted(count=4)
    worse = replace(path.stops[0], rows=path.stops[0].rows * 40)  # the first output loses 40 %, at last 4 %
    lost = film(replace(path, stops=(worse, *path.stops[1:])), LINES).header["panels"]["lost"]
    assert lost["top"] == pytest.approx(0.05 * lost["share"])
    assert lost["note"] == f"up to {style.percent(0.05)}, higher ones cut"


def test_a_large_layer_is_looked_at_in_a_part_that_can_be_moved() -> None:
    path = planted(256, 384, 14)
    found = film(path, LINES, planted(256, 384, 4), 100, 201)
    assert found.header["panels"]["w"]["start"] == [100, 200]
    shown = found.array(found.header["panels"]["w"]["values"])
    assert np.allclose(shown[3], path.w(3)[100:164, 200:264], atol=1e-4)
    means = found.array(found.header["panels"]["whole"]["values"])[0]
    rows, cols = 256 // means.shape[0], 384 // means.shape[1]
    assert means[2, 5] == pytest.approx(np.abs(path.weight[2 * rows:3 * rows, 5 * cols:6 * cols]).mean(), rel=1e-2)
    assert clicked(path, "0,0") == (0, 0) and clicked(path, "x") is None
    assert len(found.packed()) <= MOST_BYTES


def test_the_largest_part_of_the_longest_path_stays_under_its_bytes() -> None:
    assert len(film(planted(96, 96, 26), LINES, planted(96, 96, 4)).packed()) <= MOST_BYTES


def test_a_pin_is_subtracted_at_its_answer() -> None:
    path, other = planted(), planted(count=2, title="pinned one")
    found = film(path, LINES, other)
    panel = found.header["panels"]["pinned"]
    wanted = np.clip((path.z(0) - other.z(1)) / panel["limit"], -1, 1) * 127 + style.ZERO_CODE
    assert np.abs(found.array(panel["values"])[0] - wanted).max() <= 0.51
    for now, pin, words in ((path, other, "more than"), (other, path, "less than"), (path, path, "as much as")):
        said = film(now, LINES, pin).header["panels"]["say"]["texts"][-1]
        assert said == f"The answer loses {loss_words(now.errors[-1])} of the outputs, {words} the pinned one. " \
                       "Best of the others: Wanda."


def test_the_words_are_the_figures() -> None:
    found = film(planted(), LINES)
    total = [(0.01 * (k + 1) + 0.005 * (k + 1) * 35) / 36 for k in range(3)]
    first, _, last = found.header["panels"]["say"]["texts"]
    assert first == f"After round 1 of 2, Z loses {loss_words(total[0])} of the layer's outputs."
    assert last == f"The answer loses {loss_words(total[2])} of the outputs. Best of the others: Wanda."
    assert f"Best of the others: Wanda, 20{style.SPACE}%." in found.alt
    assert "all 16 groups hold exactly 2 of 4" in found.alt and "Output 0 loses most" in found.alt
    assert list(found.table["outputs lost"][:3]) == pytest.approx(total)


@pytest.mark.parametrize(("share", "words"), [(0.5, "50 %"), (0.0123, "1.23 %"), (0.0000123, "0.00123 %"),
                                              (0.000099, "0.00990 %"), (0.0, "0 %")])
def test_small_losses_keep_their_digits(share: float, words: str) -> None:
    assert loss_words(share).replace(style.SPACE, " ") == words


def test_the_time_axis_has_every_method_as_a_line_and_what_the_rounds_say() -> None:
    path, other = planted(count=5), planted(count=3)
    path = replace(path, stops=(*path.stops[:2], *path.stops[3:]))  # round 3 is no stop
    lost, residuals, rho, flips = strips(path, LINES, other)
    by_name = {line["name"]: line for line in lost["lines"]}
    assert list(by_name) == ["this Z", "pinned", "Magnitude", "Wanda"]
    assert by_name["this Z"]["y"] == pytest.approx(path.errors, rel=1e-3)
    assert set(by_name["Wanda"]["y"]) == {0.2} and by_name["Wanda"]["colour"] == style.colour("wanda")
    assert by_name["pinned"]["y"][0] == pytest.approx(other.errors[-1], rel=1e-3)
    assert lost["log"] and lost["low"] < path.errors.min() and lost["high"] > 0.3
    assert residuals["lines"][0]["y"] == pytest.approx(path.primal, rel=1e-3)
    assert residuals["lines"][1]["y"] == pytest.approx(path.dual, rel=1e-3)
    assert rho["lines"][0]["x"] == [0, 1, 1.5, 2] and rho["lines"][0]["y"] == [1, 2, 3, 4]
    assert flips["lines"][0]["y"] == pytest.approx(path.flips, rel=1e-3)


def test_a_method_without_rounds_has_one_moment() -> None:
    found = film(planted(count=1, method="wanda", title="Wanda"), LINES)
    assert found.header["moments"] == ["the answer"] and len(found.header["panels"]["time"]["strips"]) == 1


def test_the_largest_of_w_are_counted_anywhere_and_the_support_of_the_answer() -> None:
    path = planted(16, 16)
    found = film(path, LINES)
    counts = found.array(found.header["panels"]["held"]["series"][0]["values"])
    w = np.abs(path.w(0))
    edge = np.sort(w.ravel())[w.size // 2]
    held = [int((np.abs(group) >= edge).sum()) for row in w for group in row.reshape(-1, 4)]
    assert list(counts[0]) == [held.count(n) for n in range(5)]
    assert list(counts[2]) == [0, 0, 64, 0, 0]


def test_a_layer_that_says_nothing_is_drawn_without_dividing_by_zero() -> None:
    path = planted()
    dead = replace(path, energy=np.zeros(8, np.float32), stops=tuple(
        Stop(s.round, s.w, s.v, s.bits, np.zeros(8, np.float32)) for s in path.stops))
    found = film(dead, {"magnitude": 0.0})
    assert "nan" not in found.alt and found.packed()
