"""Two weights: the path against a naive loop, the arms against least squares, the verdicts, the cases, the link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import InputError
from core.lab import plane
from core.lab.results_plane import PlaneChoices, PlanePath, Spot

SOME = [PlaneChoices(), PlaneChoices(rho=0.3, tilt=45, curvature=3, m1=-12, m2=7, s1=3, s2=-20, iterations=25),
        PlaneChoices(rho=5, tilt=-70, curvature=20, m1=4, m2=-19, s1=10, s2=10, iterations=60),  # the start is a tie
        PlaneChoices(rho=1, tilt=0, curvature=1, m1=15, m2=3, s1=-5, s2=12),
        *(case.choices for case in plane.CASES.values())]


def matrix(choices: PlaneChoices) -> np.ndarray:
    """A by another road than the code's: rotate, scale, rotate back."""
    t = np.deg2rad(choices.tilt)
    turn = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    return turn @ np.diag([1.0, choices.curvature]) @ turn.T


def naive(choices: PlaneChoices) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three updates, written out for two numbers."""
    a, rho = matrix(choices), choices.rho
    m, w = np.array([choices.m1, choices.m2]) / 10, np.array([choices.s1, choices.s2]) / 10
    u, rows = np.zeros(2), []
    for _ in range(choices.iterations):
        z = w + u
        z[1 if abs(z[0]) >= abs(z[1]) else 0] = 0.0
        u = u + w - z
        if choices.wstep == "exact":
            w = np.linalg.solve(a + rho * np.eye(2), a @ m + rho * (z - u))
        else:
            w = w - (a @ (w - m) + rho * (w - z + u)) / (choices.curvature + rho)
        rows.append((w.copy(), z.copy(), u.copy()))
    return tuple(np.array(column) for column in zip(*rows, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize("wstep", ["exact", "gradient"])
@pytest.mark.parametrize("choices", SOME)
def test_the_path_is_that_of_a_naive_loop(choices: PlaneChoices, wstep: str) -> None:
    choices = replace(choices, wstep=wstep)
    path, (w, z, u) = plane.solve(choices), naive(choices)
    assert path.last == choices.iterations
    for ours, theirs in ((path.w, w), (path.z, z), (path.u, u)):
        np.testing.assert_allclose(ours[1:], theirs, atol=1e-9)  # 60 rounds of float64 rounding
    assert path.w[0].tolist() == [choices.s1 / 10, choices.s2 / 10] and path.u[0].tolist() == [0, 0]
    assert np.isnan(path.z[0]).all()
    before = np.vstack([path.w[:1], z[:-1]])
    length = np.linalg.norm(w, axis=1)
    np.testing.assert_allclose(path.primal[1:], np.linalg.norm(w - z, axis=1) / length, atol=1e-9)
    np.testing.assert_allclose(path.dual[1:], choices.rho * np.linalg.norm(z - before, axis=1) / length, atol=1e-8)
    assert path.kept[1:].tolist() == [int(point[0] == 0 and point[1] != 0) for point in z]


def test_an_exact_w_step_leaves_no_force_over() -> None:
    path = plane.solve(PlaneChoices(tilt=33, rho=0.7))
    for k in range(1, path.last + 1):
        force = path.slope(k) + path.choices.rho * (path.w[k] - path.z[k] + path.u[k])
        assert np.abs(force).max() < 1e-9


@pytest.mark.parametrize("choices", SOME)
def test_the_arms_are_the_best_points_of_the_cross(choices: PlaneChoices) -> None:
    path = plane.solve(choices)
    root = np.linalg.cholesky(matrix(choices)).T  # loss = 1/2 |root (w - m)|^2
    m = np.array([choices.m1, choices.m2]) / 10
    for keep, arm in enumerate(path.arms):
        t, *_ = np.linalg.lstsq(root[:, [keep]], root @ m, rcond=None)
        point = np.zeros(2)
        point[keep] = t[0]
        np.testing.assert_allclose(arm.point, point, atol=1e-9)
        assert arm.loss == pytest.approx(0.5 * np.sum((root @ (point - m)) ** 2), abs=1e-9)
        assert arm.kept == keep
    line = np.linspace(-9, 9, 3601)
    cross = np.vstack([np.c_[line, 0 * line], np.c_[0 * line, line]])
    on_grid = path.losses(cross).min()
    assert path.best.loss - 1e-12 <= on_grid <= path.best.loss + 0.5 * choices.curvature * 0.0025**2 + 1e-12


@pytest.mark.parametrize(("tilt", "curvature"), [(0, 7), (30, 4), (-65, 20), (80, 1)])
def test_the_valley_lies_at_the_tilt_and_is_as_steep_as_asked(tilt: int, curvature: int) -> None:
    path = plane.solve(PlaneChoices(tilt=tilt, curvature=curvature))
    angle = np.deg2rad([tilt, tilt + 90])
    steps = path.choices.minimum + np.c_[np.cos(angle), np.sin(angle)]
    np.testing.assert_allclose(path.losses(steps), [0.5, 0.5 * curvature], atol=1e-9)
    assert path.losses(path.choices.minimum[None])[0] == 0


# -- verdicts ----------------------------------------------------------------------------------------------------

ARMS = (Spot(np.zeros(2), 3.0, 0), Spot(np.zeros(2), 1.0, 1))


@pytest.mark.parametrize(("rounds", "primal", "dual", "expected"), [
    ("", 9, 9, "start"), ("0", 0.5, 0.5, "apart"), ("1", 0.0, 0.0, "settled-best"), ("0", 0.0, 0.0, "settled-worse"),
    ("0011111111", 0.01, 0.01, "settled-best"), ("0000000000", 0.01, 0.01, "settled-worse"),
    ("0011111111", 0.03, 0.0, "apart"), ("0011111111", 0.01, 0.03, "moving"), ("1111111110", 0.0, 0.0, "apart"),
    ("0101010101", 0.01, 0.01, "flipping"), ("0101111111", 0.9, 0.9, "apart"), ("0110110110", 0.9, 0.9, "flipping")])
def test_a_verdict_follows_from_supports_and_residuals(rounds: str, primal: float, dual: float, expected: str) -> None:
    kept = np.array([-1, *(int(c) for c in rounds)])
    assert plane.verdict(kept, primal, dual, ARMS) == expected


def test_arms_that_cost_the_same_have_no_worse() -> None:
    even = (ARMS[0], Spot(np.zeros(2), 3.0, 1))
    assert {plane.verdict(np.array([-1, kept]), 0, 0, even) for kept in (0, 1)} == {"settled-best"}
    assert plane.solve(PlaneChoices(tilt=45, m1=10, m2=10)).even and not plane.solve(PlaneChoices()).even


# -- the cases show what they say --------------------------------------------------------------------------------


def case(key: str) -> PlanePath:
    return plane.solve(plane.CASES[key].choices)


def apart(path: PlanePath) -> np.ndarray:
    """|W - Z| / |W| of every round, from the path alone."""
    return np.linalg.norm(path.w - path.z, axis=1)[1:] / np.linalg.norm(path.w, axis=1)[1:]


def best_support(path: PlanePath) -> int:
    """By least squares over both supports."""
    root = np.linalg.cholesky(matrix(path.choices)).T
    wanted = root @ path.choices.minimum
    left = [np.linalg.lstsq(root[:, [keep]], wanted, rcond=None)[1][0] for keep in (0, 1)]
    return int(np.argmin(left))


def final_support(path: PlanePath) -> int:
    return int(np.flatnonzero(path.z[-1])[0])


def test_good_begins_with_the_larger_weight_and_ends_on_the_better_arm() -> None:
    path = case("good")
    assert abs(path.choices.m1) > abs(path.choices.m2) and path.choices.start.tolist() == path.choices.minimum.tolist()
    assert (path.kept[1], final_support(path), best_support(path)) == (0, 1, 1)
    assert apart(path)[-1] < 1e-3 and path.verdicts[-1] == "settled-best"
    assert path.losses(path.z)[-1] == pytest.approx(path.best.loss, rel=1e-3)


def test_small_never_meets() -> None:
    path = case("small")
    assert (apart(path) > 0.3).all() and path.verdicts[-1] == "flipping"
    assert (np.diff(path.kept[1:]) != 0).all()  # a flip in every round


def test_large_agrees_on_the_worse_arm_of_the_same_loss() -> None:
    path = case("large")
    assert replace(path.choices, rho=2.0) == plane.CASES["good"].choices
    assert set(path.kept[1:]) == {0} and best_support(path) == 1
    assert apart(path)[-1] < 1e-3 and path.verdicts[-1] == "settled-worse"


def test_other_differs_only_in_its_start_and_so_do_its_neighbours() -> None:
    path, good = case("other"), plane.CASES["good"].choices
    assert replace(path.choices, s1=good.s1, s2=good.s2) == good
    assert final_support(path) == 0 and best_support(path) == 1 and apart(path)[-1] < 1e-3
    for d1 in (-1, 1):
        for d2 in (-1, 1):
            near = replace(path.choices, s1=path.choices.s1 + d1, s2=path.choices.s2 + d2)
            assert plane.solve(near).verdicts[-1] == "settled-worse"


def test_once_keeps_the_right_weight_at_the_wrong_value() -> None:
    path = case("once")
    cut = path.choices.minimum * [1, 0]
    assert best_support(path) == 0 == final_support(path) and path.once.point.tolist() == cut.tolist()
    assert path.once.loss == pytest.approx(path.losses(cut[None])[0]) and path.once.loss > 3 * path.best.loss
    assert path.losses(path.z)[-1] == pytest.approx(path.best.loss, rel=1e-6) and path.verdicts[-1] == "settled-best"


def test_a_weaker_w_step_needs_a_stronger_pull() -> None:
    gradient = replace(PlaneChoices(), wstep="gradient", iterations=40)
    assert plane.solve(gradient).verdicts[-1] == "flipping"
    assert plane.solve(replace(gradient, rho=5.0)).verdicts[-1] == "settled-best"


@pytest.mark.parametrize("choices", [PlaneChoices(m1=0, m2=0, s1=0, s2=0), PlaneChoices(m1=15, m2=0, s1=15, s2=0),
                                     PlaneChoices(m1=0, m2=0, rho=100, curvature=20),
                                     PlaneChoices(m1=-25, m2=25, rho=0.01)])
def test_odd_corners_stay_finite(choices: PlaneChoices) -> None:
    path = plane.solve(choices)
    assert all(np.isfinite(values[1:]).all() for values in (path.w, path.z, path.u, path.primal, path.dual))
    assert np.isfinite([path.best.loss, path.once.loss]).all()


# -- the link ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.0, -2.0, float("nan"), float("inf"), 1e6])
def test_a_rho_that_is_no_strength_is_refused(rho: float) -> None:
    with pytest.raises(InputError, match=r"rho=.*Expected a number from 0\.01 to 100"):
        plane.solve(replace(PlaneChoices(), rho=rho))


@pytest.mark.parametrize(("key", "text", "words"), [
    ("rho", "-1", "rho=-1 is not positive"), ("rho", "0", "rho=0 is not positive"), ("rho", "nan", "is no number"),
    ("rho", "strong", "'strong' is no number"), ("rho", "1e9", "out of range"), ("rho", "inf", "out of range"),
    ("tilt", "nan", "tilt='nan' is no whole number"), ("tilt", "81", "Expected a whole number from -80 to 80"),
    ("m1", "1.5", "from -25 to 25, in tenths"), ("iterations", "4", "out of range"), ("curvature", "0", "from 1 to 20"),
    ("wstep", "newton", "Unknown wstep 'newton'"), ("case", "goood", "Did you mean 'good'?")])
def test_a_bad_value_is_said_and_the_cases_own_is_taken(key: str, text: str, words: str) -> None:
    asked = plane.read({"s1": "-3", key: text})
    assert len(asked.problems) == 1 and words in asked.problems[0]
    assert asked.choices == replace(PlaneChoices(), s1=-3)


@pytest.mark.parametrize("choices", [*SOME, PlaneChoices(rho=0.123456),
                                     replace(PlaneChoices(), wstep="gradient", m2=-25)])
@pytest.mark.parametrize("base", list(plane.CASES))
def test_the_link_says_all_and_no_more(choices: PlaneChoices, base: str) -> None:
    link = plane.Asked(base, choices).link
    again = plane.read(link)
    assert again.choices == choices and again.link == link and not again.problems
    for key in set(link) - {"case"}:
        assert plane.read({k: v for k, v in link.items() if k != key}).choices != choices


def test_a_case_takes_all_its_values_along_and_own_keeps_them() -> None:
    asked = plane.read({"case": "small", "tilt": "40", "m1": "-7"})
    assert asked.shown == "own" and "rho too small" in asked.shows and "own" in asked.names("case")
    assert asked.turned("case", "large") == {"case": "large"}
    assert plane.read(asked.turned("case", "own")) == asked
    assert asked.turned("rho", "5") == {"case": "small", "rho": "5", "tilt": "40", "m1": "-7"}
    assert plane.read({"case": "own"}).shown == "good" and "own" not in plane.read({}).names("case")
    assert plane.read({"rho": "0.1"}).link == {"case": "small"}


def test_a_slider_offers_its_values_in_order_with_the_links_own() -> None:
    names = plane.read({"rho": "0.3", "m1": "-5"}).names("rho")
    assert list(names) == sorted(names, key=float) and names["0.3"] == "0.3"
    assert plane.read({}).names("m1")["-15"] == "\N{MINUS SIGN}1.5" and plane.read({}).names("tilt")["30"] == "30°"
