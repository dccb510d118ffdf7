"""Damage among the files of the queue and of the workers: listed with its reason, never a crash, never a read or a
write behind a link."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from core.errors import InputError
from core.live import asking, tickets, workers
from core.live.polling import Poller
from core.live.serving import serve_once
from core.live.status import jobs, status
from core.live.workers import End, Worker
from core.runs.store import Store
from tests.live_workers import end_all, given, running
from tests.opening import open_page

SECRET = "a word that no page may show"


@pytest.fixture
def live(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store in which two workers may run."""
    monkeypatch.setenv("SPARSESCOPE_WORKERS", "2")
    yield empty_store
    end_all(empty_store)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder outside the store; nothing in it may change."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    return folder


def whole(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file of *folder*: text and time."""
    return {p.name: (p.read_text(), p.stat().st_mtime_ns) for p in folder.iterdir()}


def worker_of(store: Store, run: str, **more: object) -> bytes:
    """`worker.json` of a process that is long gone."""
    ticket = tickets.Ticket(run=run, viewer="a", created=1.0, given=given())  # type: ignore[arg-type]
    return msgspec.json.encode(msgspec.structs.replace(
        Worker(ticket=ticket, pid=2**22 + 1, ticks=1, started=time.time()), **more))


WORKER_DAMAGES: dict[str, tuple[Callable[[Path, bytes], object], str]] = {
    "half": (lambda p, good: p.write_bytes(good[: len(good) // 2]), "damaged"),
    "foreign": (lambda p, good: p.write_text('{"name": "package", "version": "1"}'), "damaged"),
    "list": (lambda p, good: p.write_text("[1, 2]"), "damaged"),
    "empty": (lambda p, good: p.write_bytes(b""), "damaged"),
    "binary": (lambda p, good: p.write_bytes(bytes(range(256))), "damaged"),
    "deep": (lambda p, good: p.write_text('{"x": ' + "[" * 30_000 + "]" * 30_000 + "}"), "damaged"),
    "long": (lambda p, good: p.write_bytes(good + b" " * 100_000), "64 KB"),
    "number": (lambda p, good: p.write_bytes(good.replace(b'"started":', b'"started":' + b"9" * 400)), "damaged"),
    "process": (lambda p, good: p.write_bytes(good.replace(b'"pid":4194305', b'"pid":1')), "damaged"),
    "another": (lambda p, good: p.write_bytes(good.replace(b'"run":"', b'"run":"x')), "another run"),
    "folder": (lambda p, good: p.mkdir(), "no plain file"),
    "pipe": (lambda p, good: os.mkfifo(p), "no plain file"),
    "link": (lambda p, good: p.symlink_to("/etc/hostname"), "a link"),
}


def test_every_damaged_worker_is_listed_with_its_reason(live: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asking.submit(live, given(), "a")
    for name, (damage, _) in WORKER_DAMAGES.items():
        folder = workers.folder_of(live, f"x-{name}")
        folder.mkdir(parents=True)
        damage(folder / "worker.json", worker_of(live, f"x-{name}"))
    (live.live / ".work" / "Not A Run").mkdir()
    (live.live / ".work" / "notes.txt").write_text("x")
    found = dict(line.split(": ", 1) for line in workers.damaged(live))
    assert set(found) == {*(f"x-{name}" for name in WORKER_DAMAGES), "Not A Run", "notes.txt"}
    assert [(name, found[f"x-{name}"]) for name, (_, words) in WORKER_DAMAGES.items()
            if words not in found[f"x-{name}"]] == []
    poller = Poller(live, running())
    assert [n.state for n in poller.poll()] == ["running"]  # the good ticket is served all the same
    for name in WORKER_DAMAGES:
        assert status(live, f"x-{name}").state == "unknown"
    app = open_page(monkeypatch, live, "run")
    assert "Not A Run" in app.warning[0].value


def test_damaged_progress_is_no_progress(live: Store) -> None:
    run = asking.submit(live, given(), "a")
    serve_once(live, running())
    file = workers.folder_of(live, run) / "progress.json"
    fine = {"phase": "train", "done": 5, "total": 9, "updated": time.time()}
    for text in ("", "{", "[]", json.dumps(fine | {"done": -1}), json.dumps(fine | {"total": 10**400}),
                 json.dumps(fine | {"updated": 1e300}), json.dumps(fine | {"started": -5}),
                 json.dumps(fine | {"phase": 7}), '{"done": NaN}', '{"x": ' + "[" * 30_000):
        file.write_text(text)
        found = status(live, run)
        assert (found.state, found.done, found.share, found.remaining) == ("running", 0, 0.0, None), text[:60]
    file.write_text(json.dumps(fine))
    assert status(live, run).done == 5


def test_a_damaged_end_is_listed_and_the_run_can_be_asked_for_again(live: Store) -> None:
    run = asking.submit(live, given(), "a")
    serve_once(live, running("pass"))
    folder = workers.folder_of(live, run)
    for text in ("{", '{"state": "won"}', json.dumps({"state": "failed", "ended": 1e300})):
        (folder / "end.json").write_text(text)
        assert status(live, run).state == "unknown"
        assert any("end.json is damaged" in line for line in workers.damaged(live))
    assert asking.submit(live, given(), "a") == run
    serve_once(live, running())
    assert status(live, run).state == "running" and workers.damaged(live) == []


TICKET_DAMAGES: dict[str, dict[str, object]] = {
    "the year 10^291": {"created": 1e300}, "before time": {"created": -1.0}, "no text": {"run": 5},
    "a path as run": {"run": "../../x/" + "0" * 8}, "a path as viewer": {"viewer": "../x"}, "one more": {"more": 1},
    "lists": {"given": {"task": [["x"]]}},
}


@pytest.mark.parametrize("name", TICKET_DAMAGES)
def test_a_damaged_ticket_is_listed_and_starts_nothing(live: Store, name: str) -> None:
    run = resolve_id(live)
    good = {"run": run, "viewer": "a", "created": 1e-9, "given": given()}
    queue = tickets.queue_of(live)
    queue.mkdir()
    (queue / f"{1:020d}-a-{run[-8:]}.json").write_text(json.dumps(good | TICKET_DAMAGES[name]))
    (found, bad) = tickets.waiting(live)
    assert found == [] and len(bad) == 1 and ": " in bad[0]
    assert serve_once(live, running()) and not workers.active(live)


@pytest.mark.parametrize("wish", [
    {}, {"task": 5}, {"task": "agreement", "model": 7}, {"task": "agreement", "method": None, "pattern": 3.5},
    {"task": "agreement", "knobs": 4}, {"task": "agreement", "knobs": {"rho_end": {"x": 1}}},
    {"task": "agreement", "epochs": "x" * 9000}, {"task": {"a": 1}}, {"task": "agreement", "model": {"a": 1}},
    {"task": "agreement", "method": {"a": 1}}, {"task": "agreement", "pattern": {"a": "b"}},
    {"task": "agreement", "bits": {"a": 1}}, {"task": "agreement", "bits": "many"}, {"task": "../../x", "seed": 1e308}])
def test_a_ticket_with_impossible_settings_fails_in_words(live: Store, wish: dict[str, object]) -> None:
    queue = tickets.queue_of(live)
    queue.mkdir()
    run = "somebody-0000abcd"
    (queue / f"{1:020d}-a-0000abcd.json").write_text(
        json.dumps({"run": run, "viewer": "a", "created": 1e-9, "given": wish}))
    serve_once(live, running())
    assert not workers.active(live)
    found, bad = tickets.waiting(live)
    assert found == []
    assert bad or (status(live, run).state == "failed" and status(live, run).reason)


def resolve_id(live: Store) -> str:
    from core.specs.resolving import resolve

    return resolve(given()).run_id


def test_nothing_behind_a_link_is_read_or_written(live: Store, elsewhere: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of a worker, its files, the lock: each a link to what is outside."""
    run, before = resolve_id(live), whole(elsewhere)
    work = live.live / ".work"
    work.mkdir()
    (work / run).symlink_to(elsewhere)
    asking.submit(live, given(), "a")
    serve_once(live, running())
    assert not workers.active(live) and whole(elsewhere) == before
    assert workers.damaged(live) == [f"{run}: a link, which is not followed"]
    assert status(live, run).state == "unknown"
    (work / run).unlink()
    (work / run).mkdir()
    for name in ("worker.log", "cancel", "end.json", "progress.json"):
        (work / run / name).symlink_to(elsewhere / "secret")
    assert workers.last_lines(work / run) == ""
    asking.submit(live, given(), "a")
    serve_once(live, running("print('mine')"))
    worker, = workers.active(live)
    (work / run / "cancel").symlink_to(elsewhere / "made")
    asking.cancel(live, run)
    end_all(live)
    serve_once(live, running())
    assert status(live, run).state == "cancelled" and whole(elsewhere) == before
    assert not (work / run / "worker.log").is_symlink() and worker.ticket.run == run
    app = open_page(monkeypatch, live, "run", run=run)
    assert SECRET not in str(app.main)


@pytest.mark.parametrize("name", [".work", ".queue"])
def test_a_linked_root_of_all_is_refused(live: Store, elsewhere: Path, name: str,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    before = whole(elsewhere)
    (live.live / name).symlink_to(elsewhere)
    try:
        asking.submit(live, given(), "a")
    except InputError as error:
        assert name == ".queue" and str(error).startswith("A ticket could not be written")
    serve_once(live, running())
    assert not workers.active(live) and whole(elsewhere) == before
    assert f"{name}: a link, which is not followed" in [*tickets.waiting(live)[1], *workers.damaged(live)]
    assert name in open_page(monkeypatch, live, "run").warning[0].value
    assert all(found.state != "running" for found in jobs(live))


def test_a_linked_lock_holds_everybody_off_and_is_named(live: Store, elsewhere: Path) -> None:
    asking.submit(live, given(), "a")
    (tickets.queue_of(live) / ".lock").symlink_to(elsewhere / "lock")
    assert serve_once(live, running()) is False
    assert not (elsewhere / "lock").exists() and tickets.waiting(live)[1] == [".lock: a link, which is not followed"]


@pytest.mark.parametrize("run", ["../x", "a/b", "..", "/etc/passwd", "a..b", "", "x" * 200, "A"])
def test_no_id_leads_out_of_the_root(live: Store, run: str) -> None:
    for act in (lambda: status(live, run), lambda: asking.cancel(live, run), lambda: asking.resume(live, run, "a")):
        with pytest.raises(InputError, match="no run id"):
            act()


def test_an_end_told_by_another_version_still_reads(live: Store) -> None:
    """What a newer version may add is no damage."""
    folder = workers.folder_of(live, "some-run")
    folder.mkdir(parents=True)
    (folder / "end.json").write_text(json.dumps({"state": "failed", "reason": "x", "ended": 1.0, "more": [1]}))
    assert workers.read_end(folder) == End(state="failed", reason="x", ended=1.0)
    assert workers.damaged(live) == []
