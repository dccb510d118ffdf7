"""The Run page on an empty store and with a run waiting, going on, failed, done. No worker is started."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from core.live import asking, serving, tickets, workers
from core.live.workers import End
from core.methods import METHODS
from core.runs.records import RunSpec
from core.runs.store import Store, read_header, write_header
from core.specs.resolving import resolve
from tests.films import films, header
from tests.live_workers import this_process
from tests.makers import make_dense, make_run
from tests.opening import charts, open_page, said
from tests.planting_moments import NAMES, plant_moments

GIVEN = {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4"}
RUN = resolve(GIVEN).run_id


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tickets stay in the queue: these tests are about the page."""
    monkeypatch.setattr(serving, "_start", lambda *args: None)
    monkeypatch.delenv("SPARSESCOPE_DEMO", raising=False)


@pytest.fixture
def going(empty_store: Store) -> Store:
    """A run of this very process (so it lives), half way through ADMM."""
    this_process(empty_store, RUN, GIVEN, 9, 8, phase="train", done=40, total=120)
    make_run(empty_store.live, status="running", id=RUN, pid=os.getpid())
    return empty_store


def scripts(app: AppTest) -> list[str]:
    """What moves the page."""
    return [e.proto.body for e in app.get("html") if "scrollIntoView" in e.proto.body]


def press(app: AppTest, label: str) -> AppTest:
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def test_an_empty_store_offers_the_form_with_its_command(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "run")
    assert not app.error
    assert app.code[0].value == \
        "python -m core run --task agreement --model tiny --method admm --pattern 2:4"
    assert "is not known" in said(app) and "Nothing was started from here yet" in said(app)
    press(app, "Start")
    assert not app.error
    ticket, = tickets.waiting(empty_store)[0]
    assert ticket.run == RUN == app.query_params["run"]
    assert "waiting, 1 of 1 in the queue" in said(app)
    press(app, "Cancel")
    assert tickets.waiting(empty_store)[0] == []


@pytest.mark.parametrize("method", [name for name in METHODS if name != "dense"])
def test_every_field_and_every_knob_has_its_widget(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                                   method: str) -> None:
    app = open_page(monkeypatch, empty_store, "run", method=method)
    assert not app.error
    keys = {w.key for w in (*app.selectbox, *app.text_input)}
    assert {f"run.{name}" for name in RunSpec.__struct_fields__ if name != "knobs"} <= keys
    assert {key for key in keys if key.startswith("run.knob.")} == \
        {f"run.knob.{f.name}" for f in fields(METHODS[method].knobs)}


def test_the_form_lives_in_the_link_and_says_the_command(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "run", pattern="1:4", epochs="2", **{"knob.rho_end": "0.5"})
    assert "--pattern 1:4" in app.code[0].value and "--epochs 2" in app.code[0].value
    assert "--knob rho_end=0.5" in app.code[0].value
    app.text_input(key="run.seed").set_value("7").run()
    assert app.query_params["seed"] == "7" and "--seed 7" in app.code[0].value
    app.selectbox(key="run.method").select("asp").run()
    assert not app.error and "knob.rho_end" not in app.query_params and "--method asp" in app.code[0].value


@pytest.mark.parametrize(("query", "words"), [
    ({"seed": "first"}, "a whole number"), ({"pattern": "4:2"}, "did you mean"), ({"method": "adm"}, "Did you mean"),
    ({"knob.share": "9"}, "0.05 to 1.0"), ({"run": "nobody-knows"}, "There is no run"), ({"run": "../x"}, "no run id"),
    ({"task": "x" * 100_000}, "is too long")])
def test_mistakes_get_a_red_box_and_the_page_lives(monkeypatch: pytest.MonkeyPatch, empty_store: Store,
                                                   query: dict[str, str], words: str) -> None:
    app = open_page(monkeypatch, empty_store, "run", **query)
    assert words in app.error[0].value
    assert "Queue and history" in said(app)


def test_a_running_run_shows_where_it_stands_and_what_it_logged(monkeypatch: pytest.MonkeyPatch, going: Store) -> None:
    app = open_page(monkeypatch, going, "run", run=RUN)
    words = said(app)
    bar, = app.get("progress")
    assert re.fullmatch(r"training 40 of 120, \d+ s so far, about 16 s left in this phase", bar.proto.text)
    assert bar.proto.value == 33
    assert "began at" in words and "running" in words and charts(app) == 1
    assert [b.label for b in app.button if b.label in ("Cancel", "Resume")] == ["Cancel", "Cancel"]


def test_the_matrix_is_seen_going_sparse_beside_its_curves(monkeypatch: pytest.MonkeyPatch, going: Store) -> None:
    assert not films(open_page(monkeypatch, going, "run", run=RUN))  # no moment is kept yet
    plant_moments(going.live / RUN)
    app = open_page(monkeypatch, going, "run", run=RUN)
    film = header(app)
    assert film["moments"] == ["ADMM, step 0", "ADMM, step 36", "ADMM, step 107"] and film["grows"] and not film["key"]
    assert film["panels"]["say"]["texts"][-1] == "Moment 3 of 8: step 107 of 250, W is 32\u202f% away from Z."
    assert charts(app) == 1 and "Step " in said(app)
    box, = (b for b in app.selectbox if b.label == "Matrix")
    assert len(box.options) == 2
    box.select_index(1).run()
    assert not app.exception and app.query_params["matrix"] == NAMES[1]


def test_a_cancel_is_no_error_and_says_where_it_was(monkeypatch: pytest.MonkeyPatch, going: Store) -> None:
    plant_moments(going.live / RUN)
    monkeypatch.setattr(workers, "stop", lambda *args: None)
    app = press(open_page(monkeypatch, going, "run", run=RUN), "Cancel")
    record = read_header(going.live / RUN)
    record.status, record.error = "cancelled", "Cancelled."
    write_header(going.live / RUN, record)
    (workers.folder_of(going, RUN) / "end.json").write_bytes(msgspec.json.encode(End(state="cancelled", ended=1.0)))
    (workers.folder_of(going, RUN) / "worker.json").unlink()
    app.run()
    last = going.open(RUN).trace[-1]["step"]
    assert [box.value for box in app.info] == [f"You cancelled this run at step {last}; what it kept is shown."]
    assert not app.error and len(films(app)) == 1 and charts(app) == 1
    other = open_page(monkeypatch, going, "run", run=RUN)  # somebody else, or the same person tomorrow
    assert other.info[0].value.startswith(f"This run was cancelled at step {last}")


def test_start_brings_the_run_into_view_once(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    app = open_page(monkeypatch, empty_store, "run")
    assert scripts(app) == []
    press(app, "Start")
    first, = scripts(app)
    assert "live-run/1" in first
    app.run()
    assert scripts(app) == [first]  # the same mark again: the browser has heard it
    press(app, "Cancel")
    press(app, "Start")
    assert "live-run/2" in scripts(app)[0]


def test_a_failed_run_says_why_and_can_be_resumed(monkeypatch: pytest.MonkeyPatch, going: Store) -> None:
    folder = workers.folder_of(going, RUN)
    (folder / "worker.log").write_text("step 3\nNo space left on *device*\n")
    worker = workers.read_worker(folder)
    assert worker is not None
    (folder / "worker.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(worker, ticks=1)))  # it is gone
    app = open_page(monkeypatch, going, "run", run=RUN)
    assert "No space left on" in app.error[0].value
    assert read_header(going.live / RUN).status == "failed"
    assert charts(app) == 1  # what it logged stays
    press(app, "Resume")
    ticket, = tickets.waiting(going)[0]
    assert ticket.run == RUN and not ticket.again


def test_a_finished_run_is_opened_or_made_again(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    make_run(empty_store.live, id=RUN, parent=make_dense(empty_store.recorded), notes=["The outputs are *no*, yes."])
    folder = workers.folder_of(empty_store, RUN)
    folder.mkdir(parents=True)
    (folder / "end.json").write_bytes(msgspec.json.encode(End(state="succeeded", ended=1.0)))
    app = open_page(monkeypatch, empty_store, "run", run=RUN)
    assert f"{RUN}: done" in said(app) and not app.error
    assert r"The outputs are \*no\*, yes." in [c.value for c in app.caption]
    assert len(films(app)) == 1  # with its end now
    scored = read_header(empty_store.live / RUN).results
    assert scored is not None and scored.final is not None and scored.dense is not None
    assert f"Made on this machine: it scores {scored.final:.3f}, dense {scored.dense:.3f}." in \
        " ".join(m.value for m in app.markdown)
    press(app, "Make it again")
    assert tickets.waiting(empty_store)[0][0].again


def test_what_the_form_asks_for_is_said_at_once_where_it_comes_recorded(monkeypatch: pytest.MonkeyPatch,
                                                                        empty_store: Store) -> None:
    make_run(empty_store.recorded, id=RUN, parent=make_dense(empty_store.recorded))
    app = open_page(monkeypatch, empty_store, "run")
    assert "Recorded: it scores " in " ".join(m.value for m in app.markdown)
    assert "Start" in [b.label for b in app.button] and "ADMM trace" in [c.value for c in app.caption]
    other = open_page(monkeypatch, empty_store, "run", seed="3")
    assert "Recorded: " not in " ".join(m.value for m in other.markdown)


def test_a_recorded_run_of_that_name_is_not_taken_for_the_live_one(monkeypatch: pytest.MonkeyPatch,
                                                                   going: Store) -> None:
    shutil.rmtree(going.live / RUN)  # the worker has not written its header yet
    make_run(going.recorded, id=RUN, parent=make_dense(going.recorded))
    app = open_page(monkeypatch, going, "run", run=RUN)
    assert "Nothing is recorded of it yet" in said(app) and charts(app) == 0


def test_what_is_made_again_does_not_show_the_old_run_as_live(monkeypatch: pytest.MonkeyPatch, going: Store) -> None:
    header = going.live / RUN / "run.json"
    os.utime(header, (1.0, 1.0))
    app = open_page(monkeypatch, going, "run", run=RUN)
    assert "Nothing is recorded of it yet" in said(app) and charts(app) == 0


def test_watching_a_row_of_the_history_names_it_in_the_link(monkeypatch: pytest.MonkeyPatch, going: Store) -> None:
    app = open_page(monkeypatch, going, "run")
    assert charts(app) == 0
    press(app, "Watch")
    assert app.query_params["run"] == RUN and charts(app) == 1


def test_a_demonstration_offers_little_and_says_so(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    app = open_page(monkeypatch, empty_store, "run", epochs="9")
    assert "demonstration" in app.info[0].value and "at most 4 epochs" in app.error[0].value
    assert app.selectbox(key="run.model").options == ["tiny (2 layers x 64)"]
    assert len(app.selectbox(key="run.task").options) == 3


def test_foreign_files_in_the_queue_are_named(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    asking.submit(empty_store, GIVEN, "a")
    (tickets.queue_of(empty_store) / "notes.txt").write_text("x")
    app = open_page(monkeypatch, empty_store, "run")
    assert "notes.txt" in app.warning[0].value and "1 of 1" in " ".join(m.value for m in app.markdown)


@pytest.mark.parametrize("make", [lambda p: p.write_text("{"), lambda p: p.symlink_to("/"), lambda p: p.mkdir()])
def test_damaged_worker_files_are_no_crash(monkeypatch: pytest.MonkeyPatch, going: Store,
                                           make: Callable[[Path], None]) -> None:
    for name in ("worker.json", "progress.json", "end.json"):
        folder = workers.folder_of(going, f"x-{name}")
        folder.mkdir()
        make(folder / name)
    open_page(monkeypatch, going, "run", run=RUN)
