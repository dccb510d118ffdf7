"""One writer a run: a second one is refused, or waits; a dead one holds nothing."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import InputError
from core.live.status import status
from core.running.progress import Progress
from core.runs.records import RunRecord, RunSpec
from core.runs.signatures import GONE, as_it_stands, away, sign, ticks_of, unsign, writer_of
from core.runs.store import REPOSITORY, Store, read_header, write_header
from core.runs.writers import alone
from core.views.catalogue import runs
from tests import makers
from tests.opening import open_page
from tests.test_pages_runs import table as table_of
from ui import cache


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
    from core.running.job import Parent
    from core.specs.resolving import dense_spec

    spec = pipeline.resolve({"task": "agreement", "model": "tiny", "method": "magnitude"})
    parent, made, said = dense_spec(spec), [], []

    def carry_out(spec: object, parent: object, *rest: object, **named: object) -> str:
        made.append((spec, parent))
        return "done"

    monkeypatch.setattr(pipeline, "carry_out", carry_out)

    def report(progress: Progress) -> None:
        said.append(progress.note)
        if len(said) == 2:  # the other process finishes it
            makers.make_dense(empty_store.live, id=parent.run_id)
            folder = empty_store.live / parent.run_id / "checkpoint"
            folder.mkdir(exist_ok=True)
            (folder / "model.safetensors").touch()
            first.kill()

    with another(empty_store, parent.run_id) as first:
        assert pipeline.run(spec, store=empty_store, report=report) == "done"
    folder = empty_store.live / parent.run_id / "checkpoint"
    assert made == [(spec, Parent(parent.run_id, folder))] and set(said) == {"another run makes the dense parent"}


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


def test_a_process_began_when_the_system_says_it_did() -> None:
    """The 22nd field of its `stat`, whatever its name holds: ticks of the system's clock since the machine's start."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        for pid in (os.getpid(), child.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            seconds = int(fields[19]) / os.sysconf("SC_CLK_TCK")
            assert ticks_of(pid) == pytest.approx(100 * seconds, abs=3)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert ticks_of(child.pid) is None  # dead, though nobody noticed yet


def signed(**fields: object) -> RunRecord:
    """A header that this process signed, with *fields* over it."""
    record = RunRecord(schema=1, id="x", status="running", created="", spec=RunSpec(task="cola"))
    sign(record)
    return msgspec.structs.replace(record, **fields)


NOBODY = 2**22 + 1  # no process of Linux has this number


@pytest.mark.parametrize(("fields", "where"), [
    ({}, "here"), ({"pid": NOBODY}, "gone"), ({"pid": None}, "gone"), ({"pid": -1}, "gone"), ({"pid": 2**70}, "gone"),
    ({"ticks": (ticks_of(os.getpid()) or 0) + 1}, "gone"),  # a recycled number
    ({"host": "another"}, "elsewhere"), ({"host": "another", "pid": NOBODY}, "elsewhere"),
    ({"host": None, "ticks": None}, "here"), ({"host": None, "ticks": None, "pid": NOBODY}, "gone")])
def test_where_a_writer_is(fields: dict[str, object], where: str) -> None:
    assert writer_of(signed(**fields)) == where


def test_a_signature_is_in_the_header_while_a_run_is_written_and_not_after(empty_store: Store) -> None:
    run = makers.make_run(empty_store.live, status="running")
    folder = empty_store.live / run
    old = json.loads((folder / "run.json").read_bytes())
    assert not {"host", "ticks"} & set(old)  # a header of before reads all the same
    record = read_header(folder)
    sign(record)
    write_header(folder, record)
    assert {"pid": os.getpid(), "host": platform.node(), "ticks": ticks_of(os.getpid())}.items() <= json.loads(
        (folder / "run.json").read_bytes()).items()
    record = read_header(folder)
    unsign(record)
    write_header(folder, record)
    assert not {"pid", "host", "ticks"} & set(json.loads((folder / "run.json").read_bytes()))


def test_a_run_of_another_machine_is_shown_as_running_and_not_taken_over(empty_store: Store,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    from core.running import pipeline

    monkeypatch.setattr(pipeline, "carry_out", lambda *rest, **named: "done")
    spec = pipeline.resolve({"task": "agreement", "model": "tiny", "method": "dense"})
    makers.make_dense(empty_store.live, id=spec.run_id, status="running", pid=NOBODY, host="far-away")
    found = status(empty_store, spec.run_id)
    assert (found.state, found.over) == ("running", False)
    assert found.note.startswith("on the machine far-away, not seen since 20")
    for how in ("resume", "again"):
        with pytest.raises(InputError, match=f'by process {NOBODY} of far-away.*take "host" out of its run.json'):
            pipeline.run(spec, store=empty_store, **{how: True})  # type: ignore[arg-type]
    folder = empty_store.live / spec.run_id
    write_header(folder, msgspec.structs.replace(read_header(folder), host=None))
    assert status(empty_store, spec.run_id).state == "failed"
    assert pipeline.run(spec, store=empty_store, resume=True) == "done"


def begun(store: Store, name: str, **fields: object) -> RunRecord:
    """A run that another process has begun: its header says "running"."""
    makers.make_run(store.live, id=name, status="running")
    record = msgspec.structs.replace(read_header(store.live / name), **fields)
    write_header(store.live / name, record)
    return record


def test_a_run_whose_process_was_killed_is_told_at_once_and_everywhere(empty_store: Store, cli: Any,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process, killed without a word: no file changes, and nobody says "running" any more."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        record = begun(empty_store, "a-run", pid=child.pid, host=platform.node(), ticks=ticks_of(child.pid))
        before = (empty_store.live / "a-run" / "run.json").read_bytes()
        app = open_page(monkeypatch, empty_store, "runs")
        assert table_of(app)["run"][0] == "running, made here"
        assert cli("list").stdout.splitlines()[2].split()[-2:] == ["running", "live"]
        child.kill()
        child.wait()
    assert cli("list").stdout.splitlines()[2].split()[-2:] == ["failed", "live"]
    shown = cli("show", "a-run").stdout
    assert f"failed: {GONE}" in shown
    assert json.loads(cli("show", "a-run", "--json").stdout)["status"] == "failed"
    time.sleep(2 * cache.LOOK)
    assert table_of(app.run())["run"][0] == "failed, made here" and GONE[:40] in table_of(app)["details"][0]
    assert status(empty_store, "a-run").reason == GONE
    assert (empty_store.live / "a-run" / "run.json").read_bytes() == before  # looking changes nothing
    assert as_it_stands(record).error == GONE


def test_of_a_run_elsewhere_it_is_said_when_it_was_last_seen(empty_store: Store, cli: Any) -> None:
    record, folder = begun(empty_store, "a-run", pid=NOBODY, host="far-away"), empty_store.live / "a-run"
    for path in (*folder.iterdir(), folder):
        os.utime(path, (1_750_000_000, 1_750_000_000))  # 2025-06-15 15:06:40 UTC
    said = "on the machine far-away, not seen since 2025-06-15 15:06 UTC"
    assert away(record, folder) == said == status(empty_store, "a-run").note
    assert f"running {said}" in cli("list").stdout and f"running {said}" in cli("show", "a-run").stdout
    assert said in runs.rows(empty_store.entries())[0].details
    assert away(msgspec.structs.replace(record, status="succeeded"), folder) == ""
    assert away(begun(empty_store, "mine"), empty_store.live / "mine") == ""
