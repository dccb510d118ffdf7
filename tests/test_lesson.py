"""The lesson's words: short, whole, and true. Every number in them is computed again here, by plain loops."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from core.errors import InputError
from core.lab import plane
from core.lab.reading_group import DEFAULT
from core.lessons import LESSONS
from core.lessons.admm import ADMM
from core.lessons.base import Step
from tests.lesson_runs import STEPS, film, layer, partners, prune, rising, steep


def text(step: Step) -> str:
    """All that the step says."""
    asked = step.question
    parts = [step.title, step.words, step.look.words]
    return " ".join(parts + ([asked.text, *asked.options, asked.reveal] if asked else []))


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=list(LESSONS))
def test_steps_are_short_and_every_question_has_one_answer(lesson: object) -> None:
    assert 10 <= len(ADMM.steps) <= 17
    assert len(STEPS) == len(ADMM.steps)
    for step in ADMM.steps:
        assert re.fullmatch(r"[a-z]+", step.id), "a step's name stands in a link"
        assert len(step.words.split()) <= 60 and len(step.title.split()) <= 6, step.id
        if step is ADMM.steps[-1]:
            assert step.question is None and ADMM.known and ADMM.onward
            continue
        assert step.question is not None, step.id
        assert len(step.question.reveal.split()) <= 60, step.id
        assert 2 <= len(set(step.question.options)) == len(step.question.options) <= 4, step.id
        assert 0 <= step.question.answer < len(step.question.options), step.id
        assert step.page in ("plane", "projection", "lab", "watch")


def test_all_is_read_in_ten_minutes() -> None:
    """At 200 words a minute: five minutes for what is told, and five for questions, answers, looking and playing."""
    assert sum(len(f"{s.title} {s.words} {s.look.words}".split()) for s in ADMM.steps) <= 940


def test_no_place_holds_more_than_half_of_the_right_answers() -> None:
    places = [step.question.answer for step in ADMM.steps if step.question]
    assert max(places.count(place) for place in places) <= len(places) / 2


def test_a_step_begins_before_anything_has_happened_unless_it_asks_about_a_moment() -> None:
    inside = {"pull": "1", "memory": "2", "crossing": "5", "rising": "6", "prune": "24"}
    for step in ADMM.steps[:-1]:
        assert step.state.get("k", "0") == inside.get(step.id, "0"), step.id
        assert "k" in step.state, "no page opens at its first moment by itself"


def test_the_lesson_speaks_of_all_four_draws_matrices_and_ends_with_the_ways_on() -> None:
    said = " ".join(text(step) for step in ADMM.steps)
    assert all(re.search(rf"\b{name}\b", said) for name in ("W", "Z", "U", "rho"))
    pages = ["plane", "projection", "lab", "watch", "lesson"]
    assert sorted({s.page for s in ADMM.steps}, key=pages.index) == pages
    assert [s.page for s in ADMM.steps] == sorted((s.page for s in ADMM.steps), key=pages.index)
    assert list(ADMM.known) == ["W", "Z", "U", "rho"]
    assert {way.page for way in ADMM.onward} == {"watch", "accuracy", "run", "methods"}


def test_w_is_explained_before_it_is_seen_to_move() -> None:
    before = [s.id for s in ADMM.steps[:ADMM.place("pull")]]
    assert all(STEPS[name].state["k"] == "0" for name in before)


def test_a_step_that_does_not_exist_is_said_with_the_closest() -> None:
    assert ADMM.place("once") == 1
    with pytest.raises(InputError, match="'once'"):
        ADMM.place("onec")


# -- two weights ---------------------------------------------------------------------------------------------------


class Plane:
    """The step's problem by a plain loop: rows W, Z, U of every iteration, and the best point of each arm by search."""

    def __init__(self, state: dict[str, str], **other: int) -> None:
        case = plane.CASES[state["case"]].choices
        turn = np.radians(case.tilt)
        r = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        self.a, self.m = r @ np.diag([1.0, case.curvature]) @ r.T, np.array([case.m1, case.m2]) / 10
        self.rho, w, u = case.rho, np.array([case.s1, case.s2]) / 10, np.zeros(2)
        self.w, self.z, self.u, self.kept = [w], [np.full(2, np.nan)], [u], [-1]
        for _ in range(other.get("iterations", case.iterations)):
            v = w + u
            keep = 0 if abs(v[0]) >= abs(v[1]) else 1
            z = np.array([v[0], 0.0]) if keep == 0 else np.array([0.0, v[1]])
            u = v - z
            w = np.linalg.solve(self.a + self.rho * np.eye(2), self.a @ self.m + self.rho * (z - u))
            self.w.append(w), self.z.append(z), self.u.append(u), self.kept.append(keep)
        line = np.linspace(-6, 6, 120_001)
        self.arms = []  # (loss, the kept weight's value) of the best point that keeps w1, w2
        for keep in (0, 1):
            points = np.zeros((len(line), 2))
            points[:, keep] = line
            losses = 0.5 * (((points - self.m) @ self.a) * (points - self.m)).sum(1)
            self.arms.append((losses.min(), line[losses.argmin()]))

    def loss(self, w: np.ndarray) -> float:
        return float(0.5 * (w - self.m) @ self.a @ (w - self.m))

    def apart(self, k: int) -> float:
        return float(np.linalg.norm(self.w[k] - self.z[k]) / np.linalg.norm(self.w[k]))


def cross() -> list[float]:
    p = Plane(STEPS["cross"].state)
    assert p.loss(p.m) == 0 and p.arms[1][0] < p.arms[0][0] and p.m[0] > p.m[1]
    return [*p.m, p.arms[0][0], p.arms[1][0]]


def once() -> list[float]:
    p = Plane(STEPS["once"].state)
    assert p.arms[0][0] < p.arms[1][0] and p.m[0] > p.m[1]  # the right weight is kept
    assert np.allclose(p.z[1], [p.m[0], 0])  # what the picture shows is that projection
    return [p.m[0], p.loss(np.array([p.m[0], 0])), *p.arms[0]]


def copies() -> list[float]:
    p = Plane(STEPS["copies"].state)
    assert p.z[1][1] == 0 and np.allclose(p.w[0], p.m) and not p.u[0].any()
    return [p.z[1][0]]


def pull() -> list[float]:
    p = Plane(STEPS["pull"].state)
    downhill = -(p.w[1] - p.m) @ p.a
    assert np.allclose(downhill + p.rho * (p.z[1] - p.u[1] - p.w[1]), 0, atol=1e-9)  # the two forces cancel
    assert p.w[1][1] < p.w[0][1] and p.w[1][0] > p.w[0][0]
    return [*p.w[1]]


def memory() -> list[float]:
    p = Plane(STEPS["memory"].state)
    assert p.kept[1:4] == [0, 0, 1]  # the next iteration changes arms
    return [*(p.w[2] + p.u[2]), p.u[1][1], p.u[2][1], p.w[2][1]]


def meet() -> list[float]:
    p = Plane(STEPS["meet"].state)
    assert p.apart(30) < 1e-4 and np.allclose(p.w[30], [0, p.arms[1][1]], atol=2e-3)
    slope = (p.w[30] - p.m) @ p.a
    assert np.allclose(slope, -p.rho * p.u[30], atol=1e-3) and slope[0] < -2  # it pulls W along w1, to the middle
    assert np.allclose(p.u[30], p.u[29], atol=1e-4)
    return [p.w[30][1], p.u[30][0], p.rho * p.u[30][0]]


def weak() -> list[float]:
    p = Plane(STEPS["weak"].state, iterations=60)
    assert all(a != b for a, b in zip(p.kept[1:], p.kept[2:], strict=False))  # another arm at every iteration
    assert all(0.8 < p.apart(k) < 0.95 for k in range(4, 61)) and abs(np.mean([p.apart(k) for k in range(4, 61)]) - 0.9
                                                                      ) < 0.05
    assert all(np.abs(u).max() > 1 for u in p.u[1:])
    assert all(np.linalg.norm(w - p.m) < 0.45 for w in p.w)  # and the middle is 2.3 from the origin
    return [p.rho]


def strong() -> list[float]:
    p = Plane(STEPS["strong"].state)
    assert set(p.kept[1:]) == {0} and p.arms[1][0] < p.arms[0][0]
    assert all(b < a for a, b in zip(p.u[1:], p.u[2:], strict=False) for a, b in [(a[1], b[1])])  # it shrinks
    return [p.rho, p.w[1][1], p.u[1][1], p.loss(p.z[30]), p.arms[1][0]]


def start() -> list[float]:
    p, before = Plane(STEPS["start"].state), Plane(STEPS["copies"].state)
    assert np.array_equal(p.a, before.a) and np.array_equal(p.m, before.m) and p.rho == before.rho
    assert STEPS["copies"] is ADMM.steps[2]  # "the third step"
    assert set(p.kept[1:]) == {0} and before.kept[-1] == 1 and p.u[1][1] < 0
    return [*p.w[0], p.u[1][1], p.loss(p.z[30])]


# -- one group -----------------------------------------------------------------------------------------------------


class Group:
    """The step's group by a plain loop, and the error of every choice by least squares."""

    def __init__(self, state: dict[str, str], rounds: int = 20) -> None:
        w0, rho, c = np.array(DEFAULT[:4]), float(state["rho"]), int(state["coupling"]) / 100
        a = np.array([[c ** abs(i - j) for j in range(4)] for i in range(4)])
        w, u = w0, np.zeros(4)
        self.v, self.u, self.kept = [], [], []
        for _ in range(rounds + 1):
            v = w + u
            kept = sorted(sorted(range(4), key=lambda i: -abs(v[i]))[:2])
            z = np.array([v[i] if i in kept else 0.0 for i in range(4)])
            self.v.append(v), self.u.append(u), self.kept.append([i + 1 for i in kept])
            u = v - z
            w = np.linalg.solve(a + rho * np.eye(4), a @ w0 + rho * (z - u))
        self.error, whole = {}, w0 @ a @ w0
        root = np.linalg.cholesky(a).T  # any X with X^T X = A has the same errors
        for pair in combinations(range(4), 2):
            fit = np.linalg.lstsq(root[:, pair], root @ w0, rcond=None)[0]
            self.error[tuple(i + 1 for i in pair)] = float(((root @ w0 - root[:, pair] @ fit) ** 2).sum() / whole)
        self.energy = {pair: sum(w0[i - 1] ** 2 for i in pair) / (w0 @ w0) for pair in self.error}


def group() -> list[float]:
    g = Group(STEPS["group"].state)
    assert all(kept == [3, 4] for kept in g.kept) and min(g.error, key=g.error.__getitem__) == (3, 4)
    assert len(g.error) == 6 and all(g.u[k][i] > 0 for k in range(1, 21) for i in (0, 1))
    return []


def crossing() -> list[float]:
    g = Group(STEPS["crossing"].state)
    assert g.kept[:6] == [[3, 4]] * 6 and all(kept == [1, 3] for kept in g.kept[6:])
    assert STEPS["crossing"].state["k"] == "5" and min(g.error, key=g.error.__getitem__) == (1, 3)
    assert g.v[5][0] < g.v[5][3] and abs(g.v[5][0] - g.v[5][3]) < 0.01  # just below the line
    assert [round(100 * g.error[p]) for p in ((3, 4), (1, 3))] == [17, 10]
    assert np.abs(DEFAULT)[[0, 2]].sum() < np.abs(DEFAULT)[[2, 3]].sum()
    assert [round(100 * g.energy[p]) for p in ((3, 4), (1, 3))] == [66, 60]
    return [int(STEPS["crossing"].state["coupling"]) / 100, g.u[5][0], g.v[6][0], g.v[6][3], partners()]


def next_() -> list[float]:
    return []


FACTS: dict[str, Callable[[], list[float]]] = {f.__name__.strip("_"): f for f in (
    cross, once, copies, pull, memory, meet, weak, strong, start, group, crossing, layer, film, rising, prune, steep,
    next_)}


def test_every_step_is_checked() -> None:
    assert set(FACTS) == set(STEPS)


@pytest.mark.parametrize("step", ADMM.steps, ids=lambda step: step.id)
def test_the_words_are_true(step: Step) -> None:
    """Every number with a point in the words is one of those computed, rounded as it is written. Wrong answers, and
    rho's values, count like all others."""
    facts = FACTS[step.id]()
    asked = step.question
    wrong = [o for i, o in enumerate(asked.options) if i != asked.answer] if asked else []
    said = re.findall(r"−?\d+\.\d+", text(step).translate({ord("–"): " "}))
    known = [n for option in wrong for n in re.findall(r"−?\d+\.\d+", option)]
    for number in said:
        digits = len(number.rpartition(".")[2])
        assert number in known or any(f"{fact:.{digits}f}".replace("-", "−") == number for fact in facts), \
            (number, facts)
