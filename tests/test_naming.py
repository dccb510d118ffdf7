"""Names at the ends of lines: against a solver that knows nothing of how they are spread, and by property."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from core.views.scores.naming import spread


@given(st.lists(st.floats(0, 300), min_size=1, max_size=14))
@settings(max_examples=150, deadline=None)
def test_names_keep_their_order_their_distance_and_inside(wanted: list[float]) -> None:
    out = spread(wanted, 0, 300, gap=20)
    order = np.argsort(wanted, kind="stable")
    placed = np.array(out)[order]
    assert (np.diff(placed) >= 20 - 1e-6).all() and placed[0] >= -1e-9 and placed[-1] <= 300 + 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_names_move_as_little_as_a_general_solver_finds(seed: int) -> None:
    wanted = np.sort(np.random.default_rng(seed).uniform(60, 240, 8))  # room enough: the edges do not bind
    best = minimize(lambda y: ((y - wanted) ** 2).sum(), wanted + np.arange(8) * 20, method="SLSQP",
                    constraints=[{"type": "ineq", "fun": lambda y, k=k: y[k + 1] - y[k] - 20} for k in range(7)])
    ours = np.array(spread(list(wanted), -500, 900, gap=20))
    assert ((ours - wanted) ** 2).sum() <= best.fun * (1 + 1e-4) + 1e-6


def test_names_that_do_not_fit_are_spaced_evenly() -> None:
    assert spread([5, 1, 3], 0, 20, gap=19) == [20, 0, 10]
