"""The queue with no page open: `core work`, the server's own thread, and how soon a death is noticed. Fake workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.live import asking, tickets, workers
from core.live.polling import News, Poller, serve
from core.live.status import LiveStatus, status
from core.runs.store import REPOSITORY, Store
from tests.live_workers import SLEEPER, end_all, given, running, until

NOTICED = 10.0  # seconds: the promise


@pytest.fixture
def live(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store, one worker at a time."""
    monkeypatch.setenv("SPARSESCOPE_WORKERS", "1")
    yield empty_store
    end_all(empty_store)


def test_a_queue_is_served_to_its_end_and_everything_told_in_turn(live: Store) -> None:
    runs = [asking.submit(live, given(seed), viewer) for seed, viewer in enumerate("aab")]
    told: list[News] = []
    serve(live, told.append, until_empty=True, command=running("raise SystemExit('no room')"))
    assert [(n.run, n.state) for n in told] == [
        (run, state) for run in (runs[0], runs[2], runs[1]) for state in ("running", "failed")]  # a, then b's turn
    assert all("no room" in n.reason for n in told if n.state == "failed")
    assert not tickets.waiting(live)[0]


def test_a_worker_killed_hard_is_failed_within_ten_seconds(live: Store) -> None:
    """The clock of the promise, with nobody but the server looking."""
    run = asking.submit(live, given(), "a")
    over, told = threading.Event(), list[tuple[float, News]]()
    server = threading.Thread(target=serve, args=(live, lambda news: told.append((time.monotonic(), news))),
                              kwargs={"over": over, "command": running()})
    server.start()
    try:
        until(lambda: len(told) == 1)
        assert (told[0][1].run, told[0][1].state) == (run, "running")
        worker, = workers.active(live)
        killed = time.monotonic()
        os.killpg(worker.pid, signal.SIGKILL)
        until(lambda: len(told) == 2, limit=2 * NOTICED)
    finally:
        over.set()
        server.join()
    assert told[1][1].state == "failed" and told[1][0] - killed <= NOTICED
    assert status(live, run).state == "failed"


def test_a_silent_worker_is_shown_never_killed(live: Store) -> None:
    run = asking.submit(live, given(), "a")
    poller = Poller(live, running())
    poller.poll()
    worker, = workers.active(live)
    progress = workers.folder_of(live, run) / "progress.json"
    for age, stalled in ((60.0, False), (700.0, True), (1e9, True)):
        progress.write_text(json.dumps({"phase": "train", "updated": max(time.time() - age, 0.0)}))
        assert poller.poll() == [] and workers.alive(worker)
        found = status(live, run)
        assert found.state == "running" and found.silent >= age - 1 and found.stalled is stalled
    assert not LiveStatus(run, "failed", silent=1e9).stalled


def test_what_another_process_started_and_ended_is_told_once(live: Store) -> None:
    asking.submit(live, given(), "a")
    first, second = Poller(live, running()), Poller(live, running())
    assert [n.state for n in first.poll()] == ["running"]
    assert [n.state for n in second.poll()] == ["running"] and second.poll() == []
    worker, = workers.active(live)
    asking.cancel(live, worker.ticket.run)
    until(lambda: not workers.alive(worker))
    assert [n.state for n in first.poll()] == ["cancelled"]
    assert [n.state for n in second.poll()] == ["cancelled"] and not second.busy
    assert Poller(live).poll() == []  # what ended before is no news


def test_a_full_disk_loses_no_ticket(live: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = asking.submit(live, given(), "a")

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        for module in ("tickets", "workers", "serving"):
            patch.setattr(f"core.live.{module}.write_atomic", full)
        Poller(live, running()).poll()
    assert status(live, run).state == "queued"
    assert [n.state for n in Poller(live, running()).poll()] == ["running"]


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_work_once_starts_what_may_start_and_leaves(cli: Any, live: Store, monkeypatch: pytest.MonkeyPatch,
                                                    words: list[str]) -> None:
    monkeypatch.setattr("core.cli.work.Poller", lambda store: Poller(store, running()))
    first, second = (asking.submit(live, given(seed), "a") for seed in range(2))
    result = cli("work", "--once", *words)
    assert result.exit_code == 0
    told = json.loads(result.stdout)["run"] if words else result.stdout.removeprefix("started: ").strip()
    assert told == first
    assert (status(live, first).state, status(live, second).state) == ("running", "queued")
    assert cli("work", "--once").stdout == f"started: {first}\n"  # a new look tells what it finds


def test_ctrl_c_ends_the_serving_and_not_the_work(live: Store) -> None:
    """The real command with a stand-in worker, interrupted as a terminal does it."""
    run = asking.submit(live, given(), "a")
    code = f"""
import sys
from core.cli.group import main
from core.live import polling
polling.serve.__kwdefaults__["command"] = lambda *wish: [sys.executable, "-S", "-c", {SLEEPER!r}]
main(["work"])
"""
    env = os.environ | {"SPARSESCOPE_CACHED": str(live.recorded), "SPARSESCOPE_RUNS": str(live.live)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"started: {run}\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "Stopped serving. 1 run going on.\n")
    worker, = workers.active(live)
    assert workers.alive(worker) and status(live, run).state == "running"


def test_the_server_serves_its_queue_in_one_thread(live: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from ui import cache, queue_thread

    seen = threading.Event()
    monkeypatch.setattr(cache, "store", lambda: live)
    monkeypatch.setattr(queue_thread, "serve", lambda store, tell: (seen.set(), threading.Event().wait(3.0)))
    queue_thread.begin()
    queue_thread.begin()
    assert seen.wait(5.0)
    assert len([t for t in threading.enumerate() if t.name == f"queue of {live.live.absolute()}"]) == 1
