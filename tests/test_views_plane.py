"""The picture of two weights: its data are the path's, its words are true, and it stands still while it plays."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.lab import plane as lab
from core.lab.results_plane import PlaneChoices, PlanePath
from core.views.drawing.view import View
from core.views.touch import two_weights, two_weights_words

CASES = {key: lab.solve(case.choices) for key, case in lab.CASES.items()}
PATH = CASES["good"]


def body(view: View) -> dict[str, Any]:
    return json.loads(view.figure.to_json())


def traces(view: View) -> dict[str, dict[str, Any]]:
    """Traces by name; their numbers as plain lists, null where there is a gap."""
    return {trace.name: {"x": list(trace.x), "y": list(trace.y), "trace": trace} for trace in view.figure.data}


def points(trace: dict[str, Any]) -> np.ndarray:
    return np.array([trace["x"], trace["y"]], dtype=float).T


@pytest.mark.parametrize("k", [0, 1, 4, 30])
def test_the_figure_holds_the_path(k: int) -> None:
    found = traces(two_weights.picture(PATH, k))
    np.testing.assert_array_equal(points(found["W"]), PATH.w[:k + 1])
    np.testing.assert_array_equal(points(found["Z"]), PATH.z[:k + 1])
    np.testing.assert_array_equal(points(found["W ahead"]), PATH.w[k:])
    np.testing.assert_array_equal(points(found["W now"])[0], PATH.w[k])
    np.testing.assert_array_equal(points(found["Z now"])[0], PATH.z[k])
    np.testing.assert_array_equal(points(found["W to Z"]), [PATH.w[k], PATH.z[k]])
    arrow = found["U: W to W + U"]
    np.testing.assert_array_equal(points(arrow), [PATH.w[k], PATH.w[k] + PATH.u[k]])
    assert (arrow["trace"].marker.size[1] > 0) == (k > 0)  # U begins at 0: no arrow
    np.testing.assert_array_equal(points(found["minimum m"])[0], [1.8, 1.4])
    np.testing.assert_array_equal(points(found["best on the cross"]), [PATH.best.point])
    np.testing.assert_array_equal(points(found["m projected once"])[0], [1.8, 0])


@pytest.mark.parametrize("key", list(CASES))
def test_every_ring_is_a_line_of_equal_loss_and_one_touches_the_cross(key: str) -> None:
    path = CASES[key]
    found = traces(two_weights.picture(path, path.last))
    rings = points(found["equal loss"])
    for part in np.split(rings, np.flatnonzero(np.isnan(rings[:, 0]))):
        losses = path.losses(part[~np.isnan(part[:, 0])])
        assert losses.size == 0 or np.ptp(losses) <= 0.005 * losses.mean() + 0.003  # points are rounded to 1e-4
    touching = points(found["ring that touches"])
    assert path.losses(touching) == pytest.approx(path.best.loss, abs=0.005)
    # it meets the arm of the best point there, and never crosses to its other side
    away = touching[:, 1 - path.best.kept] * np.sign(path.choices.minimum[1 - path.best.kept])
    assert away.min() == pytest.approx(0, abs=0.02)
    assert np.abs(touching - path.best.point).sum(1).min() < 0.3  # 5 degrees apart


@pytest.mark.parametrize("key", list(CASES))
def test_nothing_jumps_while_it_plays_and_nothing_is_outside(key: str) -> None:
    path = CASES[key]
    layouts = [body(two_weights.picture(path, k))["layout"] for k in (0, 1, path.last)]
    ranges = {str((layout["xaxis"]["range"], layout["yaxis"]["range"], layout["uirevision"])) for layout in layouts}
    assert len(ranges) == 1
    across, up = (layouts[0][axis]["range"] for axis in ("xaxis", "yaxis"))
    assert across[1] - across[0] == pytest.approx(up[1] - up[0]) and layouts[0]["yaxis"]["scaleanchor"] == "x"
    seen = np.vstack([path.w, path.z[1:], path.w + path.u, [path.choices.minimum], [[0.0, 0.0]]])
    for low, high, values in ((*across, seen[:, 0]), (*up, seen[:, 1])):
        assert low < values.min() and values.max() < high
    curves = [body(two_weights.curves(path, k))["layout"] for k in (0, path.last)]
    assert all(curves[0][axis]["range"] == curves[1][axis]["range"] for axis in ("xaxis", "yaxis", "yaxis2"))


@pytest.mark.parametrize("view", [two_weights.picture(PATH, 5), two_weights.curves(PATH, 5)])
def test_a_figure_is_light_names_everything_and_suits_both_themes(view: View) -> None:
    whole = json.loads(view.figure.to_json())
    whole["layout"].pop("template")  # Plotly's own; Streamlit puts the page's in its place
    text = json.dumps(whole)
    assert len(text) < 60_000 and not re.search(r"#fff\b|#ffffff|#000\b|#000000|\"white\"|\"black\"", text)
    layout = whole["layout"]
    assert layout["showlegend"] and layout["paper_bgcolor"] == layout["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert all(trace.name for trace in view.figure.data)
    assert view.claim.endswith(".") and view.try_this and view.alt


def test_the_curves_hold_losses_residuals_and_the_cursor() -> None:
    view = two_weights.curves(PATH, 7)
    found, layout = traces(view), body(view)["layout"]
    gap = PATH.w - np.array([1.8, 1.4])
    np.testing.assert_allclose(found["loss of W"]["y"], [0.5 * g @ PATH.a @ g for g in gap], atol=1e-12)
    assert found["loss of Z"]["x"] == list(range(31))
    assert found["best on the cross"]["y"] == [PATH.best.loss] * 2
    assert found["m projected once"]["y"] == [PATH.once.loss] * 2
    primal = np.array(found["primal residual"]["y"], dtype=float)
    shown = PATH.primal > 1e-9
    np.testing.assert_array_equal(primal[shown], PATH.primal[shown])
    assert np.isnan(primal[~shown]).all()  # nothing on a log axis for zero
    assert layout["yaxis2"]["type"] == "log" and layout["shapes"][0]["x0"] == layout["shapes"][0]["x1"] == 7
    assert [found[name]["trace"].yaxis for name in ("loss of W", "primal residual")] == ["y", "y2"]


@pytest.mark.parametrize(("path", "k", "words"), [
    (PATH, 0, "Before the first iteration W stands at (1.80, 1.40) with loss 0; the best point on the cross keeps w2"),
    (PATH, 1, "After 1 iteration Z keeps w1, and W and Z are still"),
    (PATH, 30, "After 30 iterations W and Z agree on keeping w2, the better arm: loss 1.81, the lowest on the cross."),
    (CASES["small"], 30, "it has changed the weight it keeps 29 times"),
    (CASES["large"], 15, "agree on keeping w1, and still move along its arm"),
    (CASES["large"], 30, "agree on keeping w1, the worse arm: loss 4.77, where w2 would cost 1.81."),
    (lab.solve(PlaneChoices(tilt=45, m1=10, m2=10, s1=10, s2=10, rho=20, iterations=60)), 60,
     "the other would do as well")])
def test_the_claim_says_what_the_data_say(path: PlanePath, k: int, words: str) -> None:
    assert words in two_weights.picture(path, k).claim


@pytest.mark.parametrize(("path", "words"), [
    (PATH, "costs 8.77; the best point on the cross costs 1.81: it keeps w1, and w2 is the one to keep"),
    (CASES["once"], "costs 3.35; the best point on the cross costs 0.97: the weight it keeps is the right one, at the"),
    (lab.solve(PlaneChoices(tilt=0)), "no point on the cross costs less"),
    (lab.solve(PlaneChoices(tilt=45, m1=10, m2=10)), "either weight would do, at another value")])
def test_projecting_once_is_judged(path: PlanePath, words: str) -> None:
    if path.choices.tilt == 0:  # no coupling: keeping w2 is right, and magnitude keeps w1
        path = lab.solve(replace(path.choices, m1=14, m2=18))
    assert words in two_weights.curves(path, 30).claim


def test_the_alternative_text_is_made_from_the_data() -> None:
    alt = two_weights.picture(PATH, 30).alt
    assert "10 times as steep" in alt and "tilted -20 degrees" in alt and "its best point is (0, 1.98)" in alt
    assert "W is at (0, 1.98), Z at (0, 1.98)" in alt and "changed the weight it keeps once" in alt
    assert "W starts at (1.80, 1.40)" in two_weights.picture(PATH, 0).alt
    assert "the best on the cross is 1.81" in two_weights.curves(PATH, 3).alt


def test_the_table_holds_every_iteration() -> None:
    table = two_weights.picture(PATH, 3).table
    assert table["iteration"].tolist() == list(range(31)) and table["Z keeps"].tolist()[:4] == ["", "w1", "w1", "w2"]
    np.testing.assert_allclose(table[["U1", "U2"]].to_numpy(), PATH.u, atol=1e-6)


# -- the updates -------------------------------------------------------------------------------------------------


def numbers(latex: str) -> list[tuple[float, float]]:
    """Every pair of numbers written in a formula."""
    return [(float(a), float(b)) for a, b in re.findall(r"\((-?[\d.]+),\\ (-?[\d.]+)\)", latex)]


@pytest.mark.parametrize("wstep", ["exact", "gradient"])
@pytest.mark.parametrize("k", [1, 3, 30])
def test_the_updates_hold_the_numbers_of_their_round(wstep: str, k: int) -> None:
    path = lab.solve(replace(PATH.choices, wstep=wstep))
    z, u, w = two_weights.moment(path, k).updates
    old_w, old_u, rho = path.w[k - 1], path.u[k - 1], path.choices.rho
    near = {"abs": 0.00501}  # two decimals
    assert numbers(z.latex) == [pytest.approx(old_w + old_u, **near), pytest.approx(path.z[k], **near)]
    assert numbers(u.latex) == [pytest.approx(x, **near) for x in (old_u, old_w, path.z[k], path.u[k])]
    assert numbers(w.latex)[-1] == pytest.approx(path.w[k], **near)
    given = numbers(w.latex)[-2]
    if wstep == "exact":  # (m A + rho (Z - U)) is what the inverse is applied to
        solved = np.linalg.solve(path.a + rho * np.eye(2), given)
        assert solved == pytest.approx(path.w[k], abs=0.02) and "^{-1}" in w.latex
    else:
        assert old_w - np.array(given) / (10 + rho) == pytest.approx(path.w[k], abs=0.01) and r"\eta" in w.latex
    assert [text.latex.count("{") for text in (z, u, w)] == [text.latex.count("}") for text in (z, u, w)]


def test_the_updates_come_in_the_solvers_order_and_before_the_first_round_without_numbers() -> None:
    words = [update.words for update in two_weights.moment(PATH, 2).updates]
    assert [word[0] for word in words] == ["Z", "U", "W"]
    assert not any(numbers(update.latex) for update in two_weights.moment(PATH, 0).updates)


def test_the_balance_is_the_slope_and_the_pull() -> None:
    assert two_weights.moment(PATH, 30).balance.startswith(
        "rho · U = (2.01, 0) and the slope of the loss at W is (−2.01, 0)")
    assert two_weights.moment(PATH, 0).balance == "U begins at 0: at first nothing pulls but Z."


@pytest.mark.parametrize(("value", "text"), [
    (1.805, "1.80"), (-0.004, "0"), (0, "0"), (-0.05, "−0.05"), (12.34, "12.3"), (1234.5, "1234"), (float("nan"), "–")])
def test_numbers_have_the_digits_that_mean_something(value: float, text: str) -> None:
    assert two_weights_words.number(value) == text
