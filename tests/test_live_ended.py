"""What becomes of a worker that is gone, from what it left; and from when on one of another machine is gone. No process
is started."""

from __future__ import annotations

import os
from types import SimpleNamespace

import msgspec
import pytest

from core.live import tickets, workers
from core.live.progress import Said
from core.live.serving import serve_once
from core.live.tickets import Ticket
from core.live.workers import Worker
from core.runs.store import Store
from core.specs.resolving import resolve
from tests.live_workers import given
from tests.makers import make_run

BEGAN = 1.7e9  # when the worker began, seconds since 1970
RUN = resolve(given()).run_id


def gone(again: bool = False, **more: object) -> Worker:
    """A worker whose process is nobody's."""
    ticket = Ticket(run=RUN, viewer="a", created=BEGAN, given=given(), again=again)  # type: ignore[arg-type]
    return msgspec.structs.replace(Worker(ticket=ticket, pid=2**22 + 1, ticks=1, started=BEGAN), **more)


@pytest.mark.parametrize(("status", "after", "again", "state"), [
    ("succeeded", 1.0, False, "succeeded"), ("succeeded", 1.0, True, "succeeded"),
    ("failed", 1.0, False, "failed"), ("cancelled", 1.0, True, "cancelled"),
    ("succeeded", -1.0, False, "succeeded"),  # it was whole before: there was nothing to do
    ("succeeded", -1.0, True, "gone"), ("failed", -1.0, False, "gone"), ("cancelled", -1.0, False, "gone"),
    ("cancelled", -1.0, True, "gone"),
    ("running", 1.0, False, "gone"), ("queued", 1.0, False, "gone"), (None, 0.0, False, "gone")])
@pytest.mark.parametrize("cancelled", [False, True])
def test_a_header_speaks_for_a_worker_that_can_have_written_it(empty_store: Store, status: str | None, after: float,
                                                               again: bool, state: str, cancelled: bool) -> None:
    """*after*: seconds from the worker's start to the header. One from before says nothing of the worker, unless the
    run was whole and stays as it is."""
    if status is not None:
        make_run(empty_store.live, id=RUN, status=status, error="in its own words")
        os.utime(empty_store.live / RUN / "run.json", (BEGAN + after, BEGAN + after))
    tickets.queue_of(empty_store).mkdir()
    folder = workers.folder_of(empty_store, RUN)
    folder.mkdir(parents=True)
    (folder / "worker.json").write_bytes(msgspec.json.encode(gone(again)))
    (folder / "worker.log").write_text("its last line\n")
    if cancelled:
        (folder / "cancel").touch()
    assert serve_once(empty_store)
    end = workers.read_end(folder)
    assert end is not None
    if state != "gone":
        assert (end.state, end.reason) == (state, "in its own words")
    elif cancelled:
        assert (end.state, end.reason) == ("cancelled", "Cancelled.")
    else:
        assert (end.state, end.reason) == ("failed", "The worker ended before the run did. its last line")


@pytest.mark.parametrize(("silent", "lives"), [(-5.0, True), (0.0, True), (29.9, True), (30.1, False), (1e6, False)])
def test_a_worker_of_another_place_is_gone_after_half_a_minute_of_silence(monkeypatch: pytest.MonkeyPatch,
                                                                          silent: float, lives: bool) -> None:
    monkeypatch.setattr(workers, "time", SimpleNamespace(time=lambda: BEGAN + 500.0 + silent))
    far = gone(place="another machine")
    assert workers.alive(msgspec.structs.replace(far, started=BEGAN + 500.0)) is lives  # it said nothing yet
    assert workers.alive(far, Said(updated=BEGAN + 500.0)) is lives
    assert not workers.alive(gone(), Said(updated=BEGAN + 500.0 + silent))  # here its process counts alone
