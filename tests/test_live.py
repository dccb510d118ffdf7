"""Live runs on a fake worker: who is served when, what is noticed, what a damaged queue does. No torch here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.errors import InputError
from core.live import asking, estimates, tickets, workers
from core.live.progress import ProgressFile, Said, read_said
from core.live.serving import serve_once
from core.live.status import jobs, status
from core.live.tickets import Ticket
from core.runs.records import RunSpec
from core.runs.signatures import ticks_of
from core.runs.store import REPOSITORY, Store, read_header
from core.specs.resolving import resolve
from tests.live_workers import end_all, given, running, until
from tests.makers import make_dense, make_run


@pytest.fixture
def live(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store, one worker at a time; what is still running at the end is killed."""
    monkeypatch.setenv("SPARSESCOPE_WORKERS", "1")
    monkeypatch.delenv("SPARSESCOPE_DEMO", raising=False)
    yield empty_store
    end_all(empty_store)


def test_ten_viewers_take_turns_whoever_asks_most(live: Store) -> None:
    """One viewer asks for ten runs first, then nine for one each: the nine do not wait behind the ten."""
    for seed in range(10):
        asking.submit(live, given(seed), "greedy")
    for k in range(9):
        asking.submit(live, given(100 + k), f"student{k}")
    served = []
    for _ in range(19):
        serve_once(live, running("pass"))
        worker, = workers.active(live)  # one at a time, never more
        served.append(worker.ticket.viewer)
        until(lambda w=worker: not workers.alive(w))  # type: ignore[misc]
    serve_once(live, running("pass"))
    assert served == ["greedy"] + [f"student{k}" for k in range(9)] + ["greedy"] * 9
    assert tickets.waiting(live) == ([], []) and not workers.active(live)


def test_no_more_workers_than_the_limit_and_each_viewer_one_first(live: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_WORKERS", "3")
    for seed, viewer in enumerate(["a", "a", "a", "b", "c"]):
        asking.submit(live, given(seed), viewer)
    for _ in range(3):
        serve_once(live, running())
    assert sorted(w.ticket.viewer for w in workers.active(live)) == ["a", "b", "c"]
    assert [(s.place, s.of, s.viewer) for s in jobs(live) if s.state == "queued"] == [(1, 2, "a"), (2, 2, "a")]


def test_the_same_run_asked_for_twice_is_one_run(live: Store) -> None:
    first, second = asking.submit(live, given(), "a"), asking.submit(live, given(), "b")
    assert first == second == resolve(given()).run_id
    assert len(tickets.waiting(live)[0]) == 1
    serve_once(live, running())
    assert asking.submit(live, given(), "c") == first
    assert not tickets.waiting(live)[0]


def test_a_killed_worker_is_noticed_and_its_trace_kept(live: Store) -> None:
    run = asking.submit(live, given(), "a")
    serve_once(live, running("import time; print('step 7 of 90\\nloss 0.25', flush=True); time.sleep(60)"))
    worker, = workers.active(live)
    make_run(live.live, status="running", id=run, pid=worker.pid)
    before = (live.live / run / "trace.jsonl").read_bytes()
    until(lambda: "loss" in workers.last_lines(workers.folder_of(live, run)))
    assert status(live, run).state == "running"
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: (serve_once(live, running()), status(live, run).state == "failed")[1])
    assert "step 7 of 90\nloss 0.25" in status(live, run).reason
    record = read_header(live.live / run)
    assert record.status == "failed" and record.error is not None and "loss 0.25" in record.error
    assert (live.live / run / "trace.jsonl").read_bytes() == before
    assert asking.resume(live, run, "b") == run and status(live, run).state == "queued"


def test_a_reused_process_number_is_not_our_worker(live: Store) -> None:
    run = asking.submit(live, given(), "a")
    serve_once(live, running())
    worker, = workers.active(live)
    workers.stop(worker, signal.SIGKILL)
    until(lambda: not workers.alive(worker))
    folder = workers.folder_of(live, run)
    other = msgspec.structs.replace(worker, pid=os.getpid())  # alive, but it began at another moment
    (folder / "worker.json").write_bytes(msgspec.json.encode(other))
    assert not workers.alive(other)
    assert workers.alive(msgspec.structs.replace(other, ticks=ticks_of(os.getpid())))
    serve_once(live, running())
    assert status(live, run).state == "failed"


def test_a_worker_of_another_place_lives_by_its_heartbeat(live: Store) -> None:
    """Two containers over one root: the number of a process means nothing in the other one."""
    run = asking.submit(live, given(), "a")
    serve_once(live, running())
    worker, = workers.active(live)
    folder = workers.folder_of(live, run)
    assert worker.place == workers.place()
    other = msgspec.structs.replace(worker, place="another machine")
    (folder / "worker.json").write_bytes(msgspec.json.encode(other))
    serve_once(live, running())
    assert status(live, run).state == "running"
    workers.stop(other)  # that number is somebody else's here
    asking.cancel(live, run)
    serve_once(live, running())
    time.sleep(0.2)
    assert ticks_of(worker.pid) is not None
    stale = msgspec.structs.replace(other, started=time.time() - workers.SILENT - 1.0)
    assert workers.alive(other) and not workers.alive(stale)
    said = Said(updated=time.time())
    assert workers.alive(stale, said) and not workers.alive(stale, Said(updated=1.0))
    (folder / "worker.json").write_bytes(msgspec.json.encode(worker))
    serve_once(live, running())  # its own place sees that it was cancelled, and asks it to stop
    until(lambda: not workers.alive(worker))


def test_a_worker_that_fails_at_once_says_why(live: Store) -> None:
    run = asking.submit(live, given(), "a")
    serve_once(live, running("raise SystemExit('Error: no room. Free some.')"))
    until(lambda: (serve_once(live, running("pass")), status(live, run).over)[1])
    assert status(live, run).state == "failed" and "no room. Free some." in status(live, run).reason


def test_cancel_takes_a_ticket_out_and_stops_a_worker_with_all_it_started(live: Store) -> None:
    first, second = asking.submit(live, given(0), "a"), asking.submit(live, given(1), "a")
    code = ("import subprocess, sys, time, pathlib\nc = subprocess.Popen([sys.executable, '-S', '-c', "
            "'import time; time.sleep(60)'])\n"
            "pathlib.Path(sys.argv[1], 'child').write_text(str(c.pid))\ntime.sleep(60)")
    serve_once(live, running(code))
    child = workers.folder_of(live, first) / "child"
    until(lambda: child.exists() and bool(child.read_text()))
    asking.cancel(live, second)
    assert status(live, second).state == "unknown"
    asking.cancel(live, first)
    until(lambda: (serve_once(live, running()), status(live, first).over)[1])
    assert status(live, first).state == "cancelled"
    until(lambda: ticks_of(int(child.read_text())) is None)
    with pytest.raises(InputError, match="no run id has"):
        asking.cancel(live, "../elsewhere")


def test_another_process_carries_on_where_a_killed_server_left(live: Store) -> None:
    """The first server starts a worker and dies; a new process sees it running, notices its end, starts the next."""
    code = "import sys, time, pathlib\nwhile not pathlib.Path(sys.argv[1], 'go').exists(): time.sleep(0.02)\n"
    body = f"""
import sys, os
from pathlib import Path
from core.live.serving import serve_once
from core.runs.store import Store
store = Store(recorded=Path({str(live.recorded)!r}), live=Path({str(live.live)!r}))
serve_once(store, lambda s, t, folder, n: [sys.executable, "-S", "-c", {code!r}, str(folder)])
os.kill(os.getpid(), 9)
"""
    first, second = asking.submit(live, given(0), "a"), asking.submit(live, given(1), "b")
    server = [sys.executable, "-c", body]
    assert subprocess.run(server, cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL
    assert (status(live, first).state, status(live, second).state) == ("running", "queued")
    (workers.folder_of(live, first) / "go").touch()
    until(lambda: not workers.alive(workers.active(live)[0]))
    assert subprocess.run(server, cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL
    assert (status(live, first).state, status(live, second).state) == ("failed", "running")


def test_a_damaged_queue_is_no_crash_and_no_danger(live: Store) -> None:
    run = asking.submit(live, given(), "a")
    queue = tickets.queue_of(live)
    good, = queue.glob("*.json")
    raw = good.read_bytes()
    (queue / f"{1:020d}-b-00000000.json").write_bytes(raw[: len(raw) // 2])  # half a ticket
    (queue / "notes.txt").write_text("not ours")
    (queue / f"{2:020d}-b-00000000.json").write_bytes(b"[1, 2]")
    (queue / f"{3:020d}-b-{run[-8:]}.json").symlink_to(good)
    (queue / f"{4:020d}-b-{run[-8:]}.json").mkdir()
    away = json.loads(raw) | {"run": "../../x/aaaaaaaa", "viewer": "b", "created": 5e-9}
    (queue / f"{5:020d}-b-aaaaaaaa.json").write_text(json.dumps(away))
    (queue / "turns.json").write_text("{")
    lied = json.loads(raw) | {"viewer": "c", "created": 6e-9, "given": {"task": "agreement", "model": "minilm-l6"}}
    (queue / f"{6:020d}-c-{run[-8:]}.json").write_text(json.dumps(lied))
    found, bad = tickets.waiting(live)
    assert {t.viewer for t in found} == {"a", "c"} and len(bad) == 6
    serve_once(live, running())
    assert "not of" in (status(live, run).reason or "") or status(live, run).state == "running"
    serve_once(live, running())
    assert status(live, run).state == "running"  # the lie was refused, the true ticket served
    assert workers.active(live)[0].ticket.viewer == "a"
    work = live.live / ".work"
    (work / "half").mkdir()
    (work / "half" / "worker.json").write_text("{")
    (work / "elsewhere").symlink_to("/")
    assert [s.state for s in jobs(live)] == ["running"]


@pytest.mark.parametrize(("more", "words"), [
    ({"task": "agreemnt"}, "Did you mean 'agreement'"), ({"pattern": "4:2"}, "did you mean '2:4'"),
    ({"knobs": {"rhoo": 1}}, "Unknown knob"), ({"knobs": {"share": 7.0}}, "0.05 to 1.0"), ({"epochs": -1}, "epochs"),
    ({"method": "asp", "knobs": {"x": 1}}, "no knobs"), ({"knobs": {"refine": "never"}}, "value of refine")])
def test_a_mistake_is_said_before_anything_is_queued(live: Store, more: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        asking.submit(live, given(**more), "a")
    assert tickets.waiting(live) == ([], [])


def test_texts_of_a_form_become_settings() -> None:
    said = {"task": "agreement", "epochs": "2", "freeze_embeddings": "false", "train_examples": "", "bits": "4",
            "knob.rho_end": "0.5", "knob.dual": "false", "knob.of_another_method": "1"}
    assert asking.given_of(said) == {"task": "agreement", "epochs": 2.0, "freeze_embeddings": False, "bits": 4,
                                     "knobs": {"rho_end": 0.5, "dual": False}}
    with pytest.raises(InputError, match="a whole number"):
        asking.given_of({"seed": "first"})


def test_a_viewer_cannot_fill_the_queue(live: Store) -> None:
    for seed in range(asking.MINE):
        asking.submit(live, given(seed), "a")
    with pytest.raises(InputError, match="of one viewer"):
        asking.submit(live, given(999), "a")
    asking.submit(live, given(999), "b")
    with pytest.raises(InputError, match="Viewer"):
        asking.submit(live, given(5), "../x")


@pytest.mark.parametrize("more", [{"model": "minilm-l6"}, {"task": "cola"}, {"epochs": 5}, {"method": "dense"},
                                  {"model": "/etc"}, {"dense_epochs": 400}])
def test_a_demonstration_runs_little(live: Store, monkeypatch: pytest.MonkeyPatch, more: dict[str, object]) -> None:
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    with pytest.raises(InputError, match="demonstration"):
        asking.submit(live, given(**more), "a")
    asking.submit(live, given(epochs=4), "a")


def test_every_word_of_the_command_is_one_argument_and_makes_this_run(live: Store) -> None:
    """What the worker is given, read by the command's own parser, resolves to the run that was asked for."""
    from core.cli.run import given_of, run_command

    wish = given(seed=3, epochs=1.5, bits=4, freeze_embeddings=False, knobs={"rho_end": 0.5, "dual": False})
    ticket = Ticket(run=resolve(wish).run_id, viewer="a", created=1.0, given=wish)  # type: ignore[arg-type]
    words = workers.headless(live, ticket, live.live, 2)[4:]
    assert asking.command(wish) == ("python -m core run --task agreement --model tiny --method admm --pattern 2:4 "
                                    "--seed 3 --epochs 1.5 --bits 4 --train-embeddings --knob rho_end=0.5 "
                                    "--knob dual=False")
    options = run_command.make_context("run", words).params
    assert options["resume"] and options["threads"] == 2 and options["progress_file"] == live.live / "progress.json"
    fields = {k: v for k, v in options.items() if k in RunSpec.__struct_fields__}
    assert resolve(given_of(fields)).run_id == ticket.run


def test_progress_is_written_at_a_pace_and_read_back(tmp_path: Path) -> None:
    class Step:
        phase, done, total, note = "train", 0, 100, ""

    times = set()
    with ProgressFile(tmp_path / "progress.json") as note:
        end = time.monotonic() + 1.3
        while time.monotonic() < end:
            Step.done += 1
            note(Step)
            times.add((tmp_path / "progress.json").stat().st_mtime_ns)
            time.sleep(0.005)
    said = read_said(tmp_path / "progress.json")
    assert said is not None and (said.phase, said.total, said.done) == ("train", 100, Step.done)
    assert 2 <= len(times) <= 4 and said.peak_mb > 1
    (tmp_path / "progress.json").write_text('{"phase": "tr')
    assert read_said(tmp_path / "progress.json") is None


def test_remaining_time_follows_the_phases_own_pace(live: Store) -> None:
    run = asking.submit(live, given(), "a")
    serve_once(live, running())
    said = {"phase": "train", "done": 60, "total": 100, "started": 0.0, "phase_started": 1000.0, "phase_first": 20,
            "updated": 1080.0}
    (workers.folder_of(live, run) / "progress.json").write_text(json.dumps(said))
    found = status(live, run)
    assert found.remaining == pytest.approx(80.0) and found.share == pytest.approx(0.6)  # 2 s a step, 40 to go
    assert found.silent > 1e6  # no heartbeat for long, and yet alive: said, not killed


def test_an_estimate_is_read_off_a_measured_run(live: Store) -> None:
    assert estimates.estimate(live, resolve(given())).seconds is None
    parent = make_dense(live.recorded)
    made = make_run(live.live, parent=parent, epochs=2.0)
    record = read_header(live.live / made)
    record.timing.phases = {"load": 1.0, "train": 20.0}
    found = estimates.estimate(live, resolve(given(epochs=5)), [record])
    assert found.seconds == pytest.approx(51.0)
    assert found.like is not None and found.like.id == made and found.source == "made on this machine"
    assert found.dense_seconds is None and found.memory_mb is None
