"""Who is served next, how many at once, and what ends a worker that does not want to end. Fake workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.errors import InputError
from core.live import asking, serving, tickets, workers
from core.live.serving import serve_once
from core.live.status import status
from core.live.tickets import Ticket
from core.runs.signatures import ticks_of
from core.runs.store import Store, read_header
from core.specs.resolving import dense_spec, resolve
from tests.live_workers import end_all, given, running, until
from tests.makers import make_dense


@pytest.fixture
def live(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store, one worker at a time; what is still running at the end is killed."""
    monkeypatch.setenv("SPARSESCOPE_WORKERS", "1")
    monkeypatch.delenv("SPARSESCOPE_DEMO", raising=False)
    yield empty_store
    end_all(empty_store)


def ticket(viewer: str, created: float) -> Ticket:
    return Ticket(run=f"a-run-{int(created):08x}", viewer=viewer, created=created, given={})


def test_who_has_fewer_runs_going_on_comes_first_then_who_waited_longest_for_a_turn() -> None:
    """Worked out by hand: a, b and c have 2, 1 and no run going on; their last turns were at 7, 5 and 9."""
    a1, b1, b2, c1, c2, c3 = (ticket(v, t) for v, t in
                              (("a", 1), ("b", 2), ("b", 3), ("c", 4), ("c", 5), ("c", 6)))
    order = tickets.fair([c3, a1, b2, c1, b1, c2], {"a": 2, "b": 1}, {"a": 7.0, "b": 5.0, "c": 9.0})
    # c: none going on. Then b and c have one each and b's turn is longer ago. Then c has one, the others two. Then all
    # have two: a's turn (7) is the oldest, and b's of just now is older than c's.
    assert [t.name for t in order] == [t.name for t in (c1, b1, c2, a1, b2, c3)]


def test_runs_going_on_count_more_than_whose_turn_it_is(live: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """b had the last turn and asks last, but has nothing going on, while two runs of a go on."""
    monkeypatch.setenv("SPARSESCOPE_WORKERS", "3")
    for seed in range(2):
        asking.submit(live, given(seed), "a")
        serve_once(live, running())
    short = asking.submit(live, given(2), "b")
    serve_once(live, running("pass"))
    until(lambda: (serve_once(live, running()), status(live, short).over)[1])
    third, other = asking.submit(live, given(3), "a"), asking.submit(live, given(4), "b")
    serve_once(live, running())
    assert (status(live, other).state, status(live, third).state) == ("running", "queued")
    monkeypatch.setenv("SPARSESCOPE_WORKERS", "4")
    serve_once(live, running())
    assert status(live, third).state == "running"


def test_only_the_latest_viewers_turns_are_remembered(live: Store) -> None:
    queue = tickets.queue_of(live)
    queue.mkdir()
    full = {f"v{k}": 1000.0 + k for k in range(200)}
    (queue / "turns.json").write_bytes(msgspec.json.encode(full))
    tickets.took_turn(live, "v7", 5000.0)  # one who is known: nobody is forgotten
    assert tickets.turns(live) == full | {"v7": 5000.0}
    tickets.took_turn(live, "new", 6000.0)  # the 201st: who waited longest, v0, is forgotten
    assert tickets.turns(live) == {k: v for k, v in full.items() if k != "v0"} | {"v7": 5000.0, "new": 6000.0}
    asked = [ticket("v1", 1.0), ticket("v0", 2.0)]
    assert [t.viewer for t in tickets.fair(asked, {}, tickets.turns(live))] == ["v0", "v1"]  # as one who is new


def test_a_full_queue_takes_no_more_from_anybody(live: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asking.MOST == 200 and asking.MINE == 20
    monkeypatch.setattr(asking, "MOST", 5)
    runs = [asking.submit(live, given(k), f"viewer{k}") for k in range(5)]
    with pytest.raises(InputError, match=r"5 runs are waiting\. Expected at most 5, and 20 of one viewer"):
        asking.submit(live, given(5), "another")
    assert asking.submit(live, given(3), "another") == runs[3]  # it waits already: joined
    asking.cancel(live, runs[0])
    asking.submit(live, given(5), "another")
    assert len(tickets.waiting(live)[0]) == 5


@pytest.mark.parametrize(("cores", "said", "limit", "threads"), [
    (1, None, 1, 1), (2, None, 1, 2), (3, None, 1, 3), (5, None, 2, 2), (16, None, 8, 2),  # half the cores
    (8, "3", 3, 2), (8, "1", 1, 8), (2, "5", 5, 1), (8, "0", 1, 8), (8, "-4", 1, 8), (8, "many", 4, 2), (8, "", 4, 2)])
def test_half_the_cores_work_at_once_unless_a_number_is_said(cores: int, said: str | None, limit: int, threads: int,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: cores)
    monkeypatch.delenv("SPARSESCOPE_WORKERS", raising=False)
    if said is not None:
        monkeypatch.setenv("SPARSESCOPE_WORKERS", said)
    assert (workers.limit(), workers.threads()) == (limit, threads)


DEAF = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])  # it inherits what is ignored
pathlib.Path(sys.argv[1], "child").write_text(str(child.pid))
time.sleep(60)
"""


def test_a_worker_that_does_not_hear_is_killed_with_its_children_when_the_grace_is_over(live: Store) -> None:
    run = asking.submit(live, given(), "a")
    serve_once(live, running(DEAF))
    worker, = workers.active(live)
    folder = workers.folder_of(live, run)
    until(lambda: (folder / "child").exists() and bool((folder / "child").read_text()))
    child = int((folder / "child").read_text())
    asking.cancel(live, run)
    almost = time.time() - serving.GRACE + 5.0
    os.utime(folder / "cancel", (almost, almost))
    for _ in range(3):
        serve_once(live, running())
        time.sleep(0.1)
    assert workers.alive(worker) and ticks_of(child) is not None  # asked three times, and still within its grace
    assert status(live, run).state == "running"
    over = time.time() - serving.GRACE - 1.0
    os.utime(folder / "cancel", (over, over))
    serve_once(live, running())
    until(lambda: not workers.alive(worker) and ticks_of(child) is None, 5.0)
    serve_once(live, running())
    assert status(live, run).state == "cancelled"


def test_the_turns_of_two_hundred_viewers_are_remembered_the_latest_ones(live: Store) -> None:
    moments = {f"v{k}": float((k * 89) % 251) for k in range(251)}  # every one of 0 to 250, in no order
    queue = tickets.queue_of(live)
    queue.mkdir()
    (queue / "turns.json").write_bytes(msgspec.json.encode(moments))
    tickets.took_turn(live, "v0", 999.0)  # it was the very first
    assert tickets.turns(live) == {"v0": 999.0} | {v: at for v, at in moments.items() if at >= 52}
    assert len(tickets.turns(live)) == 200


@pytest.mark.parametrize("mine", [True, False])
def test_a_parent_is_a_workers_own_only_under_its_process(live: Store, mine: bool) -> None:
    """Another process may be making the dense parent: its header is neither told as this worker's nor ended with it."""
    run = asking.submit(live, given(), "a")
    serve_once(live, running())
    worker, = workers.active(live)
    parent = dense_spec(resolve(given())).run_id
    make_dense(live.live, id=parent, status="running", pid=worker.pid if mine else os.getpid())
    before = header(live, parent)
    assert status(live, run).note == ("the dense parent comes first" if mine else "")
    progress = workers.folder_of(live, run) / "progress.json"
    progress.write_text('{"note": "lr 1e-4"}')
    assert status(live, run).note == "lr 1e-4"  # what it says itself comes first
    progress.unlink()
    workers.stop(worker, signal.SIGKILL)
    until(lambda: (serve_once(live, running()), status(live, run).over)[1])
    if mine:
        record = read_header(live.live / parent)
        assert (record.status, record.pid) == ("failed", None) and "ended before the run did" in (record.error or "")
    else:
        assert header(live, parent) == before and status(live, parent).state == "running"


def header(store: Store, run: str) -> bytes:
    return Path(store.live / run / "run.json").read_bytes()
