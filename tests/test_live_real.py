"""A live run with the real worker: started from a ticket, killed, resumed, bit for bit as if never disturbed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from core.live import asking, workers
from core.live.serving import serve_once
from core.live.status import status
from core.running.pipeline import resolve, run
from core.runs.store import Store, read_header
from tests.live_workers import standby_of_this_process

GIVEN = {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4", "epochs": 6.0,
         "train_examples": 640, "dev_examples": 100, "dense_epochs": 1.0, "calibration": 32}
LIMIT = 400.0  # seconds: a busy machine is slow, not wrong
pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]


def test_a_killed_live_run_resumes_to_the_same_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSESCOPE_WORKERS", str(workers.cores()))  # one thread each, as in the run to compare with
    (tmp_path / "cached_runs").mkdir()
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    made = asking.submit(store, GIVEN, "a")
    folder, seen, end = store.live / made, set(), time.monotonic() + LIMIT
    serve_once(store)
    worker, = workers.active(store)
    while not (folder / "resume.safetensors").exists():
        found = status(store, made)
        seen.add((found.state, found.phase, found.note))
        assert workers.alive(worker) and time.monotonic() < end, workers.last_lines(workers.folder_of(store, made))
        time.sleep(0.01)
    os.killpg(worker.pid, signal.SIGKILL)
    while not status(store, made).over and time.monotonic() < end:
        serve_once(store)
    assert status(store, made).state == "failed" and read_header(folder).status == "failed"
    rows = len((folder / "trace.jsonl").read_text().splitlines())
    assert rows > 0
    monkeypatch.setenv("SPARSESCOPE_SPARE", "1")
    process = standby_of_this_process()
    asking.resume(store, made, "a")
    serve_once(store)
    assert workers.active(store)[0].pid == process.pid  # the rest is made by a standby, and comes out the same
    while not status(store, made).over:
        serve_once(store)
        assert time.monotonic() < end
        time.sleep(0.2)
    done = status(store, made)
    assert done.state == "succeeded", done.reason
    assert {state for state, _, _ in seen} == {"running"} and any("dense parent" in note for _, _, note in seen)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        other = Store(recorded=store.recorded, live=tmp_path / "whole")
        whole = run(resolve(GIVEN), store=other)
    finally:
        torch.set_num_threads(threads)
    record = read_header(folder)
    assert record.results == whole.results
    assert [m.mask_sha256 for m in record.matrices] == [m.mask_sha256 for m in whole.matrices]
    a, b = store.open(made), other.open(made)
    assert a.keys == b.keys
    assert all(np.array_equal(a.array(key), b.array(key)) for key in a.keys)  # type: ignore[arg-type]
    assert [row["step"] for row in a.trace] == [row["step"] for row in b.trace]


def test_a_cancelled_live_run_is_a_cancelled_record(tmp_path: Path) -> None:
    (tmp_path / "cached_runs").mkdir()
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    made = asking.submit(store, {"task": "agreement", "model": "tiny", "method": "dense", "epochs": 50}, "a")
    serve_once(store)
    end = time.monotonic() + LIMIT
    while status(store, made).phase != "train" or status(store, made).done < 2:
        assert time.monotonic() < end, workers.last_lines(workers.folder_of(store, made))
        time.sleep(0.2)
    asking.cancel(store, made)
    while not status(store, made).over:
        serve_once(store)
        assert time.monotonic() < end
        time.sleep(0.2)
    found, record = status(store, made), read_header(store.live / made)
    assert found.state == record.status == "cancelled" and record.pid is None
    assert "asked to stop" in found.reason  # it wrote its header itself: nobody had to kill it
