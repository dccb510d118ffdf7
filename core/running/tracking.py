"""The curves of a run, for the trackers that accelerate knows: TensorBoard, Weights & Biases, MLflow and others.

A tracker hears what the trace is told, row by row, and answers nothing: the run is the same bit for bit. One that fails
on the way is heard no more, and the run goes on.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from core.errors import InputError, unknown
from core.runs.records import RunSpec

PACKAGES = {"comet_ml": "comet-ml"}  # what is installed for a tracker that is not called like its package
PINNED = "tensorboard"  # the one of requirements-track.txt


class Curves:
    """Hands rows of the trace on to trackers. `problem`: why they are heard no more, "" while they are."""

    def __init__(self, accelerator: Any) -> None:
        self.accelerator, self.problem = accelerator, ""

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Log every number of *row* that is finite, under its step."""
        values = {key: float(value) for key, value in row.items()
                  if key != "step" and isinstance(value, int | float) and math.isfinite(value)}
        if self.problem or not values:
            return
        try:
            self.accelerator.log(values, step=int(row["step"]))
        except Exception as error:  # a service that is gone, a full disk: whatever a tracker raises
            self.problem = f"at step {row['step']}: {_first_line(error)}"

    def close(self) -> None:
        """Let the trackers finish."""
        try:
            for tracker in self.accelerator.trackers:
                tracker.finish()
        except Exception as error:
            self.problem = self.problem or f"at the end: {_first_line(error)}"


def check_trackers(names: Sequence[str]) -> None:
    """Raise InputError for one of *names* that accelerate does not know, or that is not installed."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    able = {str(getattr(each, "value", each)) for each in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise unknown("tracker", name, LOGGER_TYPE_TO_CLASS)
        if name not in able:
            what = "-r requirements-track.txt" if name == PINNED else PACKAGES.get(name, name)
            raise InputError(f"The tracker {name!r} is not installed", "one of this environment's packages",
                             f"Install it: .venv/bin/python -m pip install {what}")


@contextmanager
def tracked(spec: RunSpec, names: Sequence[str], folder: Path) -> Iterator[Curves]:
    """Trackers *names* for a run of *spec*, which write into *folder* what they keep in files.

    Raises InputError for a tracker that is not there, or that does not start.
    """
    check_trackers(names)
    from accelerate import Accelerator

    try:
        folder.mkdir(parents=True, exist_ok=True)
        accelerator = Accelerator(cpu=os.environ.get("SPARSESCOPE_DEVICE") == "cpu", log_with=list(names),
                                  project_dir=str(folder))
        accelerator.init_trackers(spec.run_id, config=settings(spec))
    except Exception as error:  # without a login, without the network, without room
        raise InputError(f"Tracking by {', '.join(names)} does not start ({_first_line(error)})",
                         "trackers that are set up on this machine", "Mend that, or leave --track out.") from error
    curves = Curves(accelerator)
    try:
        yield curves
    finally:
        curves.close()


def settings(spec: RunSpec) -> dict[str, Any]:
    """What was asked, as one level of names and plain values; None is left out."""
    plain: dict[str, Any] = msgspec.to_builtins(spec)
    knobs = plain.pop("knobs")
    return {key: value for key, value in (plain | {f"knob.{k}": v for k, v in knobs.items()}).items()
            if value is not None}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
