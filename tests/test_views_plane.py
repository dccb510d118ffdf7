"""The picture of two weights: its data are the path's, its words are true, and it stands still while it plays."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from core.lab import plane as lab
from core.lab.results_plane import PlaneChoices, PlanePath
from core.views.film.reel import Film
from core.views.touch import two_weights, two_weights_words

CASES = {key: lab.solve(case.choices) for key, case in lab.CASES.items()}
PATH = CASES["good"]


FILMS = {key: two_weights.film(path) for key, path in CASES.items()}
FILM = FILMS["good"]
PLANE = FILM.header["panels"]["plane"]


def line(film: Film, n: int) -> np.ndarray:
    """A line of the plane that stands still; NaN where the pen is lifted."""
    found = film.header["panels"]["plane"]["lines"][n]
    return np.array([found["x"], found["y"]], dtype=float).T


def test_the_film_holds_the_path() -> None:
    w, z, tip = (FILM.array(path["values"])[:, 0] for path in PLANE["paths"])
    near = {"atol": 1e-3}
    np.testing.assert_allclose(w, PATH.w, **near)
    np.testing.assert_allclose(z[1:], PATH.z[1:], **near)
    np.testing.assert_allclose(tip, PATH.w + PATH.u, **near)
    assert PLANE["paths"][1]["first"] == 1, "there is no Z before the first round"
    assert [s["between"] for s in PLANE["springs"]] == [[0, 1], [0, 2]] and PLANE["springs"][1]["arrow"]
    spots = {spot["words"]: [spot["x"], spot["y"]] for spot in PLANE["spots"]}
    assert spots == {"minimum of the loss": [1.8, 1.4], "m projected once": [1.8, 0.0],
                     "best on the cross": pytest.approx(list(PATH.best.point))}
    assert len(FILM.header["moments"]) == PATH.last + 1 == FILM.last + 1
    assert len(FILM.packed()) < 60_000


@pytest.mark.parametrize("key", list(CASES))
def test_every_ring_is_a_line_of_equal_loss_and_one_touches_the_cross(key: str) -> None:
    path, found = CASES[key], FILMS[key]
    rings = line(found, 0)
    for part in np.split(rings, np.flatnonzero(np.isnan(rings[:, 0]))):
        losses = path.losses(part[~np.isnan(part[:, 0])])
        assert losses.size == 0 or np.ptp(losses) <= 0.005 * losses.mean() + 0.003  # points are rounded to 1e-4
    touching = line(found, 1)
    assert path.losses(touching) == pytest.approx(path.best.loss, abs=0.005)
    # it meets the arm of the best point there, and never crosses to its other side
    away = touching[:, 1 - path.best.kept] * np.sign(path.choices.minimum[1 - path.best.kept])
    assert away.min() == pytest.approx(0, abs=0.02)
    assert np.abs(touching - path.best.point).sum(1).min() < 0.3  # 5 degrees apart


@pytest.mark.parametrize("key", list(CASES))
def test_nothing_is_outside(key: str) -> None:
    path, panel = CASES[key], FILMS[key].header["panels"]["plane"]
    across, up = panel["x"], panel["y"]
    assert across[1] - across[0] == pytest.approx(up[1] - up[0])
    seen = np.vstack([path.w, path.z[1:], path.w + path.u, [path.choices.minimum], [[0.0, 0.0]]])
    for low, high, values in ((*across, seen[:, 0]), (*up, seen[:, 1])):
        assert low < values.min() and values.max() < high
    for strip in FILMS[key].header["panels"]["time"]["strips"]:
        for curve in strip["lines"]:
            assert max(curve["y"]) <= strip["high"] * 1.001


def test_a_film_is_light_and_suits_both_themes() -> None:
    text = json.dumps(FILM.header)
    assert not re.search(r"#fff\b|#ffffff|#000\b|#000000|\"white\"|\"black\"", text)
    assert FILM.claim.endswith(".") and FILM.alt and len(FILM.table) == PATH.last + 1


def test_the_curves_hold_losses_and_residuals() -> None:
    loss, residuals = FILM.header["panels"]["time"]["strips"]
    gap = PATH.w - np.array([1.8, 1.4])
    np.testing.assert_allclose(loss["lines"][0]["y"], [0.5 * g @ PATH.a @ g for g in gap], rtol=1e-3, atol=1e-12)
    assert loss["lines"][0]["x"] == list(range(31)) and loss["lines"][1]["x"] == list(range(1, 31))
    assert loss["level"] == [PATH.best.loss, "best on the cross"]
    shown = np.flatnonzero(np.nan_to_num(PATH.primal) > 1e-9)
    assert residuals["log"] and residuals["lines"][0]["x"] == shown.tolist()  # no place for zero on a log axis
    np.testing.assert_allclose(residuals["lines"][0]["y"], PATH.primal[shown], rtol=1e-3)


@pytest.mark.parametrize(("path", "k", "words"), [
    (PATH, 0, "Before the first iteration W stands at loss 0; the best point on the cross keeps w2."),
    (PATH, 1, "After 1 iteration Z keeps w1, and W and Z are still"),
    (PATH, 30, "After 30 iterations W and Z agree on keeping w2, the better arm: loss 1.81, the lowest on the cross."),
    (CASES["small"], 30, "it has changed the weight it keeps 29 times"),
    (CASES["large"], 15, "agree on keeping w1, and still move along its arm"),
    (CASES["large"], 30, "agree on keeping w1, the worse arm: loss 4.77."),
    (lab.solve(PlaneChoices(tilt=45, m1=10, m2=10, s1=10, s2=10, rho=20, iterations=60)), 60,
     "the other would do as well")])
def test_the_claim_says_what_the_data_say(path: PlanePath, k: int, words: str) -> None:
    assert words in two_weights_words.claim(path, k)
    assert two_weights.film(path).header["panels"]["claim"]["texts"][k] == two_weights_words.claim(path, k)


@pytest.mark.parametrize(("path", "words"), [
    (PATH, "costs 8.77; the best point on the cross costs 1.81: it keeps w1, and w2 is the one to keep"),
    (CASES["once"], "costs 3.35; the best point on the cross costs 0.97: the weight it keeps is the right one, at the"),
    (lab.solve(PlaneChoices(tilt=0)), "no point on the cross costs less"),
    (lab.solve(PlaneChoices(tilt=45, m1=10, m2=10)), "either weight would do, at another value")])
def test_projecting_once_is_judged(path: PlanePath, words: str) -> None:
    if path.choices.tilt == 0:  # no coupling: keeping w2 is right, and magnitude keeps w1
        path = lab.solve(replace(path.choices, m1=14, m2=18))
    assert words in two_weights.judged(path)


def test_the_alternative_text_is_made_from_the_data() -> None:
    assert "10 times as steep" in FILM.alt and "tilted -20 degrees" in FILM.alt
    assert "its best point is (0, 1.98)" in FILM.alt and "W is at (0, 1.98), Z at (0, 1.98)" in FILM.alt
    assert "changed the weight it keeps once" in FILM.alt
    assert "the best on the cross is 1.81" in FILM.header["panels"]["time"]["alt"]


def test_the_table_holds_every_iteration() -> None:
    table = FILM.table
    assert table["iteration"].tolist() == list(range(31)) and table["Z keeps"].tolist()[:4] == ["", "w1", "w1", "w2"]
    np.testing.assert_allclose(table[["U1", "U2"]].to_numpy(), PATH.u, atol=1e-6)


# -- the updates -------------------------------------------------------------------------------------------------


def numbers(text: str) -> list[tuple[float, float]]:
    """Every pair of numbers written in a line."""
    pairs = re.findall(r"\(([−-]?[\d.]+), ([−-]?[\d.]+)\)", text)
    return [(float(a.replace("−", "-")), float(b.replace("−", "-"))) for a, b in pairs]


@pytest.mark.parametrize("wstep", ["exact", "gradient"])
@pytest.mark.parametrize("k", [1, 3, 30])
def test_the_updates_hold_the_numbers_of_their_round(wstep: str, k: int) -> None:
    path = lab.solve(replace(PATH.choices, wstep=wstep))
    _, z, _, u, _, w = two_weights_words.steps(path, k).split("\n")
    old_w, old_u, rho = path.w[k - 1], path.u[k - 1], path.choices.rho
    near = {"abs": 0.00501}  # two decimals
    assert numbers(z) == [pytest.approx(old_w + old_u, **near), pytest.approx(path.z[k], **near)]
    assert numbers(u) == [pytest.approx(x, **near) for x in (old_u, old_w, path.z[k], path.u[k])]
    assert numbers(w)[-1] == pytest.approx(path.w[k], **near)
    given = numbers(w)[-2]
    if wstep == "exact":  # (m A + rho (Z - U)) is what the inverse is applied to
        solved = np.linalg.solve(path.a + rho * np.eye(2), given)
        assert solved == pytest.approx(path.w[k], abs=0.02) and "⁻¹" in w
    else:
        assert old_w - np.array(given) / (10 + rho) == pytest.approx(path.w[k], abs=0.01)


def test_the_updates_come_in_the_solvers_order_and_before_the_first_round_without_numbers() -> None:
    rules = two_weights_words.rules(PATH)
    assert [rule.words[0] for rule in rules] == ["Z", "U", "W"]
    assert all(rule.latex.count("{") == rule.latex.count("}") for rule in rules)
    assert "\\eta" in two_weights_words.rules(lab.solve(replace(PATH.choices, wstep="gradient")))[2].latex
    assert not numbers(two_weights_words.steps(PATH, 0))


def test_the_balance_is_the_slope_and_the_pull() -> None:
    assert two_weights_words.balance(PATH, 30).startswith(
        "rho · U = (2.01, 0) and the slope of the loss at W is (−2.01, 0)")
    assert two_weights_words.balance(PATH, 0) == "U begins at 0: at first nothing pulls but Z."


@pytest.mark.parametrize(("value", "text"), [
    (1.805, "1.80"), (-0.004, "0"), (0, "0"), (-0.05, "−0.05"), (12.34, "12.3"), (1234.5, "1234"), (float("nan"), "–")])
def test_numbers_have_the_digits_that_mean_something(value: float, text: str) -> None:
    assert two_weights_words.number(value) == text
