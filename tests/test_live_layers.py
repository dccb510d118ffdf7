"""The lecture demo: the map of matrices against what was written of them, the preset, and the page while it runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.live import asking, presets, serving, tickets
from core.runs import solved
from core.runs.store import Store
from core.specs.resolving import dense_spec, resolve
from core.views.catalogue import live_layers
from tests.live_workers import this_process
from tests.makers import make_dense, make_run
from tests.opening import open_page, said
from ui import run_demo

GIVEN = {"task": "agreement", "model": "tiny", "method": "admm-layer", "pattern": "2:4"}
RUN = resolve(GIVEN).run_id
NAMES = [f"bert.encoder.layer.{k}.{part}" for k in range(2) for part in (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "intermediate.dense", "output.dense")]


@pytest.fixture
def half(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A layer-wise run of this very process, five of its twelve matrices solved."""
    monkeypatch.setattr(serving, "_start", lambda *args: None)
    monkeypatch.delenv("SPARSESCOPE_DEMO", raising=False)
    make_run(empty_store.live, method="admm-layer", status="running", id=RUN, pid=os.getpid())
    solved.begin(empty_store.live / RUN, NAMES)
    for k, name in enumerate(NAMES[:5]):
        solved.add(empty_store.live / RUN, name, 0.5, 0.9 - 0.1 * k)
    this_process(empty_store, RUN, GIVEN, 3, 1, phase="solve", done=5, total=12, note=NAMES[4])
    return empty_store


def table_of(app: AppTest) -> str:
    return "".join(h.proto.body for h in app.get("html") if 'class="solving"' in h.proto.body)


def test_the_table_shows_what_is_solved_and_what_is_dense(half: Store) -> None:
    view = live_layers.solving(half.open(RUN))
    assert [len(row) for _, row in view.layers] == [6, 6] and len(view.parts) == 6  # layers down, parts across
    assert [name for name, _ in view.layers] == ["layer 1", "layer 2"]
    first, second = (row for _, row in view.layers)
    assert [cell.split()[0] if cell else cell for cell in first] == ["90", "80", "70", "60", "50", ""]
    assert second == [""] * 6
    assert view.claim.startswith("5 of 12 matrices obey 2:4") and "70" in view.claim  # the mean of 0.9 ... 0.5
    assert "FFN in: 50" in view.alt and len(view.table) == 5


def test_a_part_that_a_layer_does_not_have_is_no_cell(half: Store) -> None:
    solved.begin(half.live / RUN, [*NAMES[:6], "bert.encoder.layer.1.output.dense"])
    view = live_layers.solving(half.open(RUN))
    assert [row for _, row in view.layers] == [[""] * 6, [None] * 5 + [""]]


def test_a_run_that_has_ended_is_told_by_its_header(empty_store: Store) -> None:
    made = make_run(empty_store.live, method="admm-layer")
    run = empty_store.open(made)
    view = live_layers.solving(run)
    assert view.layers and all(cell for _, row in view.layers for cell in row)
    assert view.claim.startswith(f"All {len(run.record.matrices)} matrices obey 2:4")


def test_before_the_first_matrix_all_are_dense_as_the_parent_names_them(half: Store) -> None:
    solved.begin(half.live / RUN, NAMES)
    view = live_layers.solving(half.open(RUN))
    assert {cell for _, row in view.layers for cell in row} == {""}
    assert "dense still" in view.claim and not view.table.size
    (half.live / RUN / solved.FOLDER / solved.FILE).write_bytes(b"{")
    assert not live_layers.solving(half.open(RUN)).layers  # no file, and no parent to ask
    parent = make_dense(half.recorded)
    make_run(half.recorded, method="admm-layer", status="running", id="begun", parent=parent)
    view = live_layers.solving(half.open("begun"))
    assert sum(len(row) for _, row in view.layers) == 12 and "All 12 matrices are dense still" in view.claim


def test_the_page_draws_the_table_while_the_layers_are_solved(monkeypatch: pytest.MonkeyPatch, half: Store) -> None:
    app = open_page(monkeypatch, half, "run", run=RUN)
    assert not app.error
    assert "solving 5 of 12, layer 1 · FFN in" in "".join(p.proto.text for p in app.get("progress"))
    assert any("5 of 12 matrices obey 2:4" in head.value for head in app.header)
    assert table_of(app).count("<i></i>") == 7 + 1 and table_of(app).count("background:") == 5 + 1  # and the legend's
    (half.live / RUN / solved.FOLDER / solved.FILE).write_bytes(b"\xff\n{")
    app.run()
    assert not table_of(app)
    assert not app.exception and "No matrix is solved yet" in said(app) + "".join(h.value for h in app.header)


@pytest.mark.parametrize(("method", "task"), [("asp", "own-wanda-12345678"), ("admm", "own-magnitude-12345678"),
                                             ("wanda", "own-asp-12345678"), ("admm-layer", "agreement")])
def test_the_method_of_the_spec_tells_whether_there_is_a_table_whatever_the_task_is_called(
        monkeypatch: pytest.MonkeyPatch, empty_store: Store, method: str, task: str) -> None:
    monkeypatch.delenv("SPARSESCOPE_DEMO", raising=False)
    run = make_run(empty_store.live, task=task, method=method, status="running", pid=os.getpid())
    this_process(empty_store, run, {"task": task, "method": method}, 3, 1)
    (empty_store.live / run / "trace.jsonl").unlink()
    layered = method in ("wanda", "admm-layer")
    words = said(open_page(monkeypatch, empty_store, "run", run=run))
    assert ("No matrix is solved yet" in words) == layered
    assert ("Nothing was logged yet" in words) == (not layered)
    assert run_demo.layered(run) == layered


def test_before_there_is_a_header_the_ticket_tells_the_method(monkeypatch: pytest.MonkeyPatch,
                                                              empty_store: Store) -> None:
    monkeypatch.setenv("SPARSESCOPE_CACHED", str(empty_store.recorded))
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(empty_store.live))
    trained = {**GIVEN, "method": "asp"}
    other = resolve(trained).run_id
    for run, given in ((RUN, GIVEN), (other, trained)):
        tickets.put(empty_store, tickets.Ticket(run=run, viewer="a", created=1.0, given=given))
    assert [run_demo.layered(run) for run in (RUN, other, "nobody-knows")] == [True, False, False]
    for ticket in tickets.waiting(empty_store)[0]:
        tickets.drop(empty_store, ticket)
    assert not run_demo.layered(RUN)
    tickets.queue_of(empty_store).rmdir()
    this_process(empty_store, RUN, GIVEN, 3, 1)
    assert run_demo.layered(RUN) and not run_demo.layered(other)


def test_names_of_matrices_are_escaped(monkeypatch: pytest.MonkeyPatch, half: Store) -> None:
    solved.begin(half.live / RUN, ["bert.encoder.layer.0.<img src=x onerror=alert(1)>.weight", "<script>"])
    app = open_page(monkeypatch, half, "run", run=RUN)
    assert table_of(app) and "<img" not in table_of(app) and "<script" not in table_of(app)
    assert "&lt;" in table_of(app)


def test_the_button_fills_the_form_with_the_preset(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    monkeypatch.setattr(serving, "_start", lambda *args: None)
    monkeypatch.delenv("SPARSESCOPE_DEMO", raising=False)
    app = open_page(monkeypatch, empty_store, "run")
    assert "fine-tuned first, once" in said(app)
    next(b for b in app.button if b.label.startswith("Lecture demo")).click().run()
    assert not app.exception and not app.error
    words = app.code[0].value
    assert "--task cola" in words and "--eval-examples 64" in words and "--knob iterations=4" in words
    assert "admm-layer" in app.query_params["method"]


def test_a_public_demonstration_offers_no_lecture_demo(monkeypatch: pytest.MonkeyPatch, empty_store: Store) -> None:
    monkeypatch.setenv("SPARSESCOPE_DEMO", "1")
    app = open_page(monkeypatch, empty_store, "run")
    assert not [b for b in app.button if b.label.startswith("Lecture demo")]


def test_the_preset_is_the_methods_own_hurry_and_starts_from_the_usual_dense_model() -> None:
    from core.methods.knob_sets import QUICK

    knobs = {key.removeprefix("knob."): float(text) for key, text in presets.LECTURE.items() if key.startswith("knob.")}
    assert knobs == QUICK
    spec = asking.checked(asking.given_of({"task": "cola", **presets.LECTURE}))
    usual = resolve({"task": "cola", "model": "minilm-l6"})
    assert dense_spec(spec) == dense_spec(usual) and spec.eval_examples == 64 and spec.epochs == 0


def test_the_preset_takes_the_task_whose_dense_model_is_at_hand(empty_store: Store) -> None:
    assert presets.lecture(empty_store)[1] is False
    spec = dense_spec(resolve({"task": "mrpc", "model": "minilm-l6"}))
    made = make_dense(empty_store.live, id=spec.run_id, task="mrpc")
    checkpoint: Path = empty_store.live / made / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(b"")
    told, ready = presets.lecture(empty_store)
    assert ready and told["task"] == "mrpc"
