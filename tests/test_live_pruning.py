"""The folders of workers that ended: the latest stay, the others go in bounded steps, nothing else is touched."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.live import asking, tickets, workers
from core.live.serving import serve_once
from core.live.status import jobs, status
from core.live.workers import End, Worker
from core.runs.store import Store
from tests.live_workers import end_all, given, running


@pytest.fixture
def live(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store, one worker at a time; what is still running at the end is killed."""
    monkeypatch.setenv("SPARSESCOPE_WORKERS", "1")
    yield empty_store
    end_all(empty_store)


def ended(store: Store, run: str, age: float) -> Path:
    """The folder of a worker that ended *age* seconds ago, with every file it may hold."""
    folder = workers.folder_of(store, run)
    folder.mkdir(parents=True)
    ticket = tickets.Ticket(run=run, viewer="a", created=1.0, given=given())  # type: ignore[arg-type]
    gone = Worker(ticket=ticket, pid=2**22 + 1, ticks=1, started=1.0)
    (folder / "worker.json").write_bytes(msgspec.json.encode(gone))
    (folder / "end.json").write_bytes(msgspec.json.encode(End(state="failed", reason="x", ended=1.0)))
    for name in ("cancel", "worker.log", "progress.json"):
        (folder / name).touch()
    os.utime(folder, (time.time() - age,) * 2)
    return folder


def names(store: Store) -> set[str]:
    return {path.name for path in (store.live / ".work").iterdir()}


def test_only_the_latest_ended_workers_stay(live: Store) -> None:
    """Ages are dealt out at random, so that neither the names nor the order of making tells which are the oldest."""
    going = asking.submit(live, given(), "a")
    serve_once(live, running())
    os.utime(workers.folder_of(live, going), (1.0, 1.0))  # the oldest of all, and going on
    most, keep = workers.MOST, workers.KEPT
    ages = random.Random(0).sample(range(10, 10_000), keep + 2 * most + 30)
    by_age = dict(zip(ages, (f"run-{k}" for k in range(len(ages))), strict=True))
    for age, run in by_age.items():
        ended(live, run, age)
    foreign = ended(live, "run-with-notes", 20_000)
    (foreign / "notes.txt").write_text("mine")
    os.utime(foreign, (time.time() - 20_000,) * 2)
    counts = [len(names(live))]
    for _ in range(5):
        serve_once(live, running())
        counts.append(len(names(live)))
    assert max(a - b for a, b in itertools.pairwise(counts)) <= most  # a poll is short, whatever lies there
    latest = {by_age[age] for age in sorted(ages)[:keep]}
    assert names(live) == latest | {going, "run-with-notes"}
    assert status(live, going).state == "running" and (foreign / "notes.txt").read_text() == "mine"
    assert (foreign / "end.json").exists()


def test_a_worker_cut_off_while_it_is_removed_never_counts_as_going_on(live: Store,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever file the server that prunes is killed at, the folder says to the last that its worker ended."""
    for cut in range(1, len(workers.FILES)):
        folder = ended(live, f"run-{cut}", 10.0)
        done, unlink = [], Path.unlink

        def killed(path: Path, missing_ok: bool = False, cut: int = cut, done: list[Path] = done,
                   unlink: object = unlink) -> None:
            if len(done) == cut:
                raise KeyboardInterrupt
            done.append(path)
            unlink(path, missing_ok=missing_ok)  # type: ignore[operator]

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Path, "unlink", killed)
            workers.prune(live, keep=0)
        assert folder.exists() and not workers.active(live)
        workers.prune(live, keep=0)
        assert not folder.exists()


def test_a_folder_that_goes_while_another_process_looks_hides_no_other(live: Store,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(3):
        ended(live, f"run-{k}", 10.0 + k)
    scan = os.scandir

    def pruned(root: Path) -> list[os.DirEntry[str]]:
        found = list(scan(root))
        for path in (root / "run-1").iterdir():
            path.unlink()
        (root / "run-1").rmdir()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(workers.os, "scandir", pruned)
        found = workers.folders(live)
    assert [folder.name for folder in found] == ["run-0", "run-2"]
    assert [job.run for job in jobs(live)] == ["run-0", "run-2"]
