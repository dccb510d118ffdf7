"""Pages take turns: who comes first is first, never too many, and nobody is kept out for long."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.store import Store
from tests.live_workers import until
from ui import turns
from ui.turns import Turns

ROOT = Path(__file__).resolve().parents[1]


def started(act: object) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_they_go_in_the_order_they_came_and_never_too_many_at_once() -> None:
    line, order, inside, most = Turns(2, 60.0), [], 0, 0
    lock, gate = threading.Lock(), threading.Event()

    def one(number: int) -> None:
        nonlocal inside, most
        with line.turn():
            with lock:
                order.append(number)
                inside += 1
                most = max(most, inside)
            gate.wait(10.0)
            time.sleep(0.01)
            with lock:
                inside -= 1

    threads = []
    for number in range(12):
        threads.append(started(lambda number=number: one(number)))
        until(lambda: len(line._line) + len(line._inside) == len(threads))
    assert most == 2 and order == [0, 1]
    gate.set()
    for thread in threads:
        thread.join(10.0)
    assert sorted(order) == list(range(12)) and most == 2
    assert all(abs(place - number) <= 1 for place, number in enumerate(order))  # two at once may swap
    assert not line._line and not line._inside


def test_a_long_one_keeps_nobody_out() -> None:
    line, over = Turns(1, 0.2), threading.Event()

    def long() -> None:
        with line.turn():
            over.wait(10.0)

    threads = [started(long)]
    until(lambda: len(line._inside) == 1)
    for _ in range(3):  # every one of them stays inside, and holds the next one up for its own patience only
        began = time.monotonic()
        threads.append(started(long))
        until(lambda: len(line._inside) == len(threads))
        assert 0.1 < time.monotonic() - began < 5.0
    over.set()
    for thread in threads:
        thread.join(10.0)
    assert not line._inside


def test_a_turn_ends_with_an_exception_too() -> None:
    line = Turns(1, 60.0)
    with pytest.raises(ZeroDivisionError), line.turn():
        _ = 1 / 0
    assert not line._inside
    with line.turn():
        assert len(line._inside) == 1


def test_a_page_of_the_app_has_a_turn_and_gives_it_back(good_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(good_store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(good_store.live))
    taken: list[int] = []
    enter = Turns._enter
    monkeypatch.setattr(Turns, "_enter", lambda self, ticket: (enter(self, ticket), taken.append(1))[0])
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not app.exception and taken
    assert not turns._pages._inside
