"""How often a page looks again: as often as may be while few watch, a class all together no oftener than a few do."""

from __future__ import annotations

import pytest
import streamlit as st

from ui import polling


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moment, which the test moves; nobody has looked yet."""
    moment = [1000.0]
    monkeypatch.setattr(polling.time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(polling, "_looked", {})
    return moment


def look(monkeypatch: pytest.MonkeyPatch, name: str, least: float = 1.0) -> float:
    monkeypatch.setattr(st, "session_state", {"run.viewer": name})
    return polling.every(least)


def test_thirty_look_less_often_than_one(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    assert look(monkeypatch, "a") == look(monkeypatch, "a") == 1.0  # the same one twice is one
    assert look(monkeypatch, "a", 0.25) == 0.25
    paces = [look(monkeypatch, f"viewer{k}") for k in range(29)]
    assert paces == sorted(paces) and paces[3] == 1.0 and paces[-1] == pytest.approx(3.0)
    assert 30 / look(monkeypatch, "a", 0.25) <= 1 / polling.EACH + 1e-9  # all of them together


def test_who_left_no_longer_counts(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    for k in range(40):
        look(monkeypatch, f"viewer{k}")
    clock[0] += polling.GONE - 1
    assert look(monkeypatch, "viewer0") == pytest.approx(4.0)
    clock[0] += 2
    assert look(monkeypatch, "viewer0") == 1.0


def test_a_timer_is_set_anew_when_many_came_or_left(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    timer = look(monkeypatch, "a")
    assert not polling.outdated(timer, 1.0)
    for k in range(25):
        look(monkeypatch, f"viewer{k}")
    assert polling.outdated(timer, 1.0)
    timer = look(monkeypatch, "a")
    assert not polling.outdated(timer, 1.0)
    clock[0] += polling.GONE + 1
    assert polling.outdated(timer, 1.0)
