"""The standby: it becomes a command, ends with its keeper, and is nowhere needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.live import polling, probing, standby, workers
from core.live.tickets import Ticket
from core.runs.signatures import ticks_of
from core.runs.store import REPOSITORY, Store
from core.specs.resolving import resolve
from tests.live_workers import given, running, standby_of_this_process, until

LIMIT = 90.0  # seconds: loading torch on a busy machine


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standbys may be kept, none is left over, and nobody else in this process keeps one: a page that another test
    opened left a thread behind that tends a queue."""
    monkeypatch.delenv("SPARSESCOPE_SPARE", raising=False)
    monkeypatch.setattr(polling, "standby", SimpleNamespace(keep=lambda free: None))
    monkeypatch.setattr(standby, "_wanted", 0.0)
    yield
    standby.drop()


def test_one_is_kept_while_somebody_may_ask_and_the_machine_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    standby.keep(free=True)
    assert not standby._kept  # nobody wants one
    standby.want()
    standby.keep(free=False)
    assert not standby._kept
    standby.keep(free=True)
    process, = standby._kept
    standby.keep(free=True)
    assert standby._kept == [process] and process.poll() is None
    process.kill()
    process.wait(10.0)
    standby.keep(free=True)  # it died: another one
    another, = standby._kept
    assert another is not process
    monkeypatch.setattr(standby, "_wanted", 0.0)  # long ago
    standby.keep(free=False)
    assert not standby._kept and another.poll() is not None
    monkeypatch.setenv("SPARSESCOPE_SPARE", "0")
    standby.want()
    standby.keep(free=True)
    assert not standby._kept


@pytest.mark.slow
def test_it_becomes_the_command_it_is_told(tmp_path: Path) -> None:
    process = standby_of_this_process()
    done = standby.begin([sys.executable, "-S", "-c", "print(1)"], {}, tmp_path / "other.log")
    assert done.pid != process.pid and done.wait(LIMIT) == 0 and standby._kept == [process]  # not one of ours
    command = [sys.executable, "-m", "core", "list", "--json"]
    env = {"SPARSESCOPE_RUNS": str(tmp_path), "SPARSESCOPE_CACHED": str(tmp_path)}
    assert standby.begin(command, env, tmp_path / "worker.log").pid == process.pid and not standby._kept
    assert process.wait(LIMIT) == 0
    assert (tmp_path / "worker.log").read_text().strip() == "[]"  # of the store it was told, not of its keeper's
    again = standby.begin(command, env, tmp_path / "again.log")  # there was but one: a process of its own
    assert again.wait(LIMIT) == 0 and (tmp_path / "again.log").read_text().strip() == "[]"


@pytest.mark.slow
def test_it_measures_the_machine(empty_store: Store) -> None:
    process = standby_of_this_process()
    found = probing.measure(empty_store, resolve(given()))
    assert not standby._kept and process.poll() is not None
    assert 0 < found.step < 60 and found.steps >= 1 and found.peak_mb > found.weights_mb > 0
    assert probing.read(empty_store, resolve(given())) == found


def become(words: list[str], log: Path, module: str = "core") -> int:
    """What a standby does once it is taken, in a process that has loaded nothing; its exit code."""
    code = f"from core.cli.waiting import Order, become; become(Order({module!r}, {words!r}, {{}}, {str(log)!r}))"
    return subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, timeout=LIMIT, capture_output=True).returncode


def test_its_failure_is_the_commands(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.touch()
    assert become(["show", "no-such-run"], log) == 2
    assert "Unknown run 'no-such-run'" in log.read_text()
    assert become(["anything"], log, "http.server") != 0  # what it may become is a list


def test_a_log_that_is_there_is_not_written_to(tmp_path: Path) -> None:
    victim, log = tmp_path / "victim", tmp_path / "worker.log"
    victim.write_text("mine")
    log.symlink_to(victim)
    with pytest.raises(FileExistsError):
        standby.begin([sys.executable, "-m", "core", "methods"], {}, log)
    assert become(["methods"], log) != 0
    assert victim.read_text() == "mine"


def test_a_dead_one_is_not_taken(tmp_path: Path) -> None:
    process = standby_of_this_process()
    process.kill()
    process.wait(10.0)
    other = standby.begin([sys.executable, "-m", "core", "--version"], {}, tmp_path / "log")
    assert other.pid != process.pid and other.wait(LIMIT) == 0
    assert "SparseScope" in (tmp_path / "log").read_text()


def test_a_worker_is_the_spare_where_it_can_be(empty_store: Store) -> None:
    ticket = Ticket(run="a-run", viewer="a", created=0.0, given=given())
    process = standby_of_this_process()
    other = workers.start(empty_store, ticket, running("pass"))
    assert other.pid != process.pid and standby._kept == [process]
    listing = lambda store, ticket, folder, threads: [sys.executable, "-m", "core", "list", "--json"]  # noqa: E731
    worker = workers.start(empty_store, ticket, listing)
    assert worker.pid == process.pid and not standby._kept
    until(lambda: not workers.alive(worker), LIMIT)
    assert (workers.folder_of(empty_store, "a-run") / "worker.log").read_text().strip() == "[]"


KEEPER = """
import sys, time
from core.live import standby
standby.want()
standby.keep(free=True)
print(standby._kept[0].pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_it_ends_when_its_keeper_is_killed() -> None:
    env = {k: v for k, v in os.environ.items() if k != "SPARSESCOPE_SPARE"}
    keeper = subprocess.Popen([sys.executable, "-c", KEEPER], cwd=REPOSITORY, env=env, stdout=subprocess.PIPE)
    try:
        assert keeper.stdout is not None
        pid = int(keeper.stdout.readline())
        assert ticks_of(pid) is not None
    finally:
        keeper.send_signal(signal.SIGKILL)
        keeper.wait(10.0)
        assert keeper.stdout is not None
        keeper.stdout.close()
    until(lambda: ticks_of(pid) is None, LIMIT)
