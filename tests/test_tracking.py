"""Trackers hear the curves of a run and change nothing of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import tracking as theirs
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from core.runs.store import Store
from tests.commands import refused

WORDS = ("run", "--task", "agreement", "--model", "tiny", "--method", "asp", "--epochs", "1", "--dense-epochs", "1",
         "--train-examples", "192", "--dev-examples", "40", "--calibration", "32", "--record", "masks")


def test_a_tracked_run_is_the_same_bit_for_bit_and_its_curves_are_the_trace(cli: Callable[..., Any], tmp_path: Path,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    stores = [Store(recorded=tmp_path / "cached_runs", live=tmp_path / name) for name in ("runs", "tracked")]
    plain = cli(*WORDS, "--json")
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(stores[1].live))
    tracked = cli(*WORDS, "--json", "--track", "tensorboard", "--track-dir", str(tmp_path / "curves"))
    assert plain.exit_code == tracked.exit_code == 0, tracked.output
    name = json.loads(plain.stdout)["id"]
    first, second = (store.open(name) for store in stores)
    assert first.record.results == second.record.results
    assert first.keys == second.keys
    assert all(np.array_equal(first.array(key), second.array(key)) for key in first.keys)
    assert [{**row, "seconds": 0} for row in first.trace] == [{**row, "seconds": 0} for row in second.trace]

    heard: dict[tuple[int, str], float] = {}
    for file in sorted((tmp_path / "curves" / name).glob("events*")):
        for event in EventFileLoader(str(file)).Load():
            heard |= {(event.step, value.tag): value.tensor.float_val[0] for value in event.summary.value
                      if value.tensor.float_val}
    said = {(row["step"], key): value for row in second.trace for key, value in row.items()
            if key != "step" and isinstance(value, int | float) and math.isfinite(value)}
    assert {key for _, key in said} >= {"loss", "lr", "score"}
    assert heard.keys() == said.keys()
    assert list(heard.values()) == pytest.approx([said[key] for key in heard], rel=1e-6)  # theirs are float32


def test_a_tracker_that_fails_is_heard_no_more_and_the_run_goes_on(cli: Callable[..., Any],
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fails(self: Any, values: dict[str, Any], step: int, **more: Any) -> None:
        asked.append(step)
        raise OSError("no room for curves")

    monkeypatch.setattr(theirs.TensorBoardTracker, "log", fails)
    done = cli(*WORDS, "--track", "tensorboard")
    assert done.exit_code == 0, done.output
    assert "succeeded" in done.stdout
    assert done.stderr == "Note: tracking stopped at step 0: no room for curves; the run is whole.\n"
    assert asked == [0]


def test_what_cannot_be_tracked_by_is_refused_before_the_run(cli: Callable[..., Any], tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Did you mean 'tensorboard'?" in refused(cli(*WORDS, "--track", "tensorbord"))
    monkeypatch.setattr(theirs, "_available_trackers", [])
    assert "pip install -r requirements-track.txt" in refused(cli(*WORDS, "--track", "tensorboard"))
    assert "pip install comet-ml" in refused(cli(*WORDS, "--track", "comet_ml"))
    monkeypatch.undo()
    monkeypatch.setenv("SPARSESCOPE_RUNS", str(tmp_path / "runs"))
    (tmp_path / "file").write_text("mine")
    assert "does not start" in refused(cli(*WORDS, "--track", "tensorboard", "--track-dir", str(tmp_path / "file/x")))
    assert not (tmp_path / "runs").exists()
