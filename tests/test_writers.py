"""One writer a run: a second one is refused, or waits; a dead one holds nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from core.errors import InputError
from core.runs.store import REPOSITORY, Store
from core.runs.writers import alone
from tests import makers


@contextmanager
def another(store: Store, run: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes *run*."""
    code = f"""
from pathlib import Path
from core.runs.store import Store
from core.runs.writers import alone
with alone(Store(recorded=Path({str(store.recorded)!r}), live=Path({str(store.live)!r})), {run!r}):
    print("in", flush=True)
    input()
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "in\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_writer_is_refused_until_the_first_is_dead(empty_store: Store) -> None:
    with another(empty_store, "a-run") as first:
        with pytest.raises(InputError, match="a-run is being written by another process"), \
                alone(empty_store, "a-run"):
            raise AssertionError("two writers")
        with alone(empty_store, "another-run"):
            pass
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        with alone(empty_store, "a-run"):
            pass


def test_who_waits_gets_in_when_the_first_is_done(empty_store: Store) -> None:
    tries: list[float] = []
    with another(empty_store, "a-run") as first:
        assert first.stdin is not None
        threading.Timer(0.7, first.stdin.write, ("\n",)).start()
        threading.Timer(0.8, first.stdin.flush).start()
        with alone(empty_store, "a-run", lambda: tries.append(time.monotonic())):
            first.wait(10)
            assert first.returncode == 0 and len(tries) >= 2


def test_two_runs_that_want_one_dense_parent_both_come_to_their_end(empty_store: Store,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process makes the parent the run waits, says so, and uses what that process made."""
    from core.running import pipeline
    from core.specs.resolving import dense_spec

    spec = pipeline.resolve({"task": "agreement", "model": "tiny", "method": "magnitude"})
    parent, made, said = dense_spec(spec), [], []

    class Made:
        def __init__(self, spec: object, *rest: object) -> None:
            made.append(spec)

        def carry_out(self) -> str:
            return "done"

    monkeypatch.setattr(pipeline, "Job", Made)

    def report(progress: pipeline.Progress) -> None:
        said.append(progress.note)
        if len(said) == 2:  # the other process finishes it
            makers.make_dense(empty_store.live, id=parent.run_id)
            folder = empty_store.live / parent.run_id / "checkpoint"
            folder.mkdir(exist_ok=True)
            (folder / "model.safetensors").touch()
            first.kill()

    with another(empty_store, parent.run_id) as first:
        assert pipeline.run(spec, store=empty_store, report=report) == "done"
    assert made == [spec] and set(said) == {"another run makes the dense parent"}


def test_a_link_in_the_place_of_a_lock_is_not_followed(empty_store: Store, tmp_path: Path) -> None:
    locks = empty_store.live / ".writers"
    locks.mkdir()
    (locks / "a-run").symlink_to(tmp_path / "made")
    with pytest.raises(OSError), alone(empty_store, "a-run"):
        raise AssertionError("followed")
    assert not (tmp_path / "made").exists()


def test_a_file_system_without_locks_stops_nobody_and_a_full_disk_does(empty_store: Store,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    for code, stops in ((errno.ENOLCK, False), (errno.ENOTSUP, False), (errno.ENOSYS, False), (errno.EIO, True)):
        def flock(stream: object, how: int, code: int = code) -> None:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(fcntl, "flock", flock)
            with pytest.raises(OSError) if stops else nullcontext(), alone(empty_store, "a-run"):
                assert not stops
    assert not list((empty_store.live / ".writers").glob("*.*"))  # no file of a substitute lock is left
