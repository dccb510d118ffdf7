"""A cell of a sweep, its common work found, against the same cell made by itself: minilm-l6 on MRPC at 2:4.

`python -m benchmarks.shared_work`. Seconds of one processor core, so that other work on the machine weighs little; both
sides one after the other from one dense model. In front of them a magnitude cell does what all cells share, as the
first cell of a sweep does. A trained cell has a sixth of everything that grows with the data, so that the shares stay
those of the whole. Without a folder of GLUE (SPARSESCOPE_GLUE_DIR) the sentences are our own.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from core.running.pipeline import resolve, run
from core.running.shared import Shared
from core.runs.store import Store

CELLS: dict[str, dict[str, Any]] = {
    "one-shot wanda": {"method": "wanda"},
    "one-shot admm-layer": {"method": "admm-layer"},
    "trained asp": {"method": "asp", "epochs": 2.0},
    "trained admm": {"method": "admm", "epochs": 2.0},
}
# How many times faster. What the layers' own solution and its three evaluations take is nobody else's.
BARS = {"one-shot wanda": 2.5, "one-shot admm-layer": 1.4, "trained asp": 1.2, "trained admm": 1.1}
SIXTH = {"train_examples": 612, "eval_examples": 68, "calibration": 43}


def seconds_of(given: dict[str, Any], store: Store, shared: Shared) -> tuple[float, float]:
    """Processor seconds of making the run *given* anew, and its score."""
    began = time.process_time()
    record = run(resolve(given), store=store, again=True, shared=shared)
    spent = time.process_time() - began
    assert record.results is not None and record.results.final is not None
    return spent, record.results.final


def row(name: str, store: Store) -> dict[str, Any]:
    """Measure one of CELLS. Raises RuntimeError when the two sides score differently."""
    own = CELLS[name]
    base = {"task": "mrpc" if os.environ.get("SPARSESCOPE_GLUE_DIR") else "agreement", "model": "minilm-l6",
            "pattern": "2:4", "dense_epochs": 0.02, **(SIXTH if own.get("epochs") else {})}
    distill = {"distill": 0.9} if own.get("epochs") else {}
    first, shared = {**base, "method": "asp", "epochs": 0.05, **distill}, Shared()
    # The first cell of the sweep; at one epoch in twenty, as it is not measured.
    run(resolve(first if distill else {**base, "method": "magnitude"}), store=store, again=True, shared=shared)
    alone, score = seconds_of({**base, **own, **distill}, store, Shared(limit=-1))
    found, again = seconds_of({**base, **own, **distill}, store, shared)
    if score != again:
        raise RuntimeError(f"{name}: {score} by itself, {again} in a sweep")
    ratio = alone / found
    return {"name": name, "figure": round(ratio, 2), "unit": "x", "against":
            f"made by itself: {alone:.1f} s of one core, in a sweep {found:.1f} s; {base['task']}, at most "
            f"{shared.held >> 20} MB kept", "bar": BARS[name], "ok": ratio >= BARS[name]}


def measure() -> list[dict[str, Any]]:
    """How many times faster each of CELLS is, with its bar."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(recorded=Path(folder) / "cached_runs", live=Path(folder) / "runs")
            return [row(name, store) for name in CELLS]
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
