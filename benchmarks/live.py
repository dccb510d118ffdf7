"""From asking for a run to its final score: the default run of `tiny`, and the lecture demo.

`python -m benchmarks.live`. Each is the real worker, started from a ticket in a live root of its own, in two ways: from
nothing, the start of its process included, and as on a page Run that has been open for some seconds, where a standby
waits that has torch loaded (`core.live.standby`). The demo needs a fine-tuned minilm-l6 in the live root
(SPARSESCOPE_RUNS) and the data it was tuned on; without it, the row says so and holds no figure. The bars are for two
free cores: the load stands beside the figure.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from core.live import asking, presets, standby, workers
from core.live.serving import serve_once
from core.live.status import status
from core.runs.records import RunSpec
from core.runs.store import Store, default_store, read_header
from core.specs.resolving import dense_spec

TINY: dict[str, Any] = {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4"}
BARS = {"tiny": 20.0, "demo": 15.0}  # seconds on two free cores
PATIENCE = 900.0
LOADING = 10.0  # seconds in which a standby has loaded everything


def seconds_of(store: Store, given: dict[str, Any]) -> tuple[float, RunSpec]:
    """Seconds from asking for *given* to the end of its worker; its spec. Raises RuntimeError."""
    began = time.perf_counter()
    run = asking.submit(store, given, "bench")
    while not (now := status(store, run)).over:
        serve_once(store)
        time.sleep(0.4)  # as often as a page looks
        if time.perf_counter() - began > PATIENCE:
            asking.cancel(store, run)
    wall = time.perf_counter() - began
    if now.state != "succeeded":
        raise RuntimeError(f"{run}: {now.state}. {now.reason}")
    return wall, read_header(store.live / run).spec


def row(name: str, store: Store, given: dict[str, Any], bar: float, words: str) -> dict[str, Any]:
    """One line of the table."""
    wall, spec = seconds_of(store, given)
    results = read_header(store.live / spec.run_id).results
    assert results is not None and results.final is not None
    return {"name": name, "figure": round(wall, 1), "unit": "s", "against":
            f"{words}; {workers.cores()} cores, load {os.getloadavg()[0]:.1f}, score "
            f"{results.final:.3f} on {results.n_eval} examples", "bar": bar, "ok": wall <= bar}


def ready() -> None:
    """Have a standby that has loaded all it will load, as when the page has been open for a while."""
    standby.want()
    standby.keep(free=True)
    time.sleep(LOADING)


def measure() -> list[dict[str, Any]]:
    """Seconds from asking to the final score, each with its bar."""
    real = default_store()
    os.environ["SPARSESCOPE_WORKERS"] = "1"  # alone on the machine: all its cores
    said, made = presets.lecture(real)
    rows: list[dict[str, Any]] = []
    for way, prepare in (("from nothing", lambda: None), ("the page open before", ready)):
        with tempfile.TemporaryDirectory() as folder:
            store = Store(recorded=real.recorded, live=Path(folder))
            prepare()
            rows.append(row(f"live: tiny, {way}", store, TINY, BARS["tiny"], "ADMM to 2:4, 4 epochs, record full"))
            name = f"live: lecture demo, {way}"
            if not made:
                rows.append({"name": name, "figure": None, "unit": "s", "against":
                             "no dense minilm-l6 on this machine", "bar": None, "ok": True})
                continue
            given = asking.given_of(said)
            parent = dense_spec(asking.checked(given)).run_id
            shutil.copytree(real.live / parent, store.live / parent)
            prepare()
            rows.append(row(name, store, given, BARS["demo"], "minilm-l6 to 2:4 layer by layer"))
    standby.drop()
    return rows


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
