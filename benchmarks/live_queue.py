"""Ten users, each starting one run of `tiny`: does everybody get one, in turn? `python -m benchmarks.live_queue`

The first user asks for two runs before anybody else comes. Real workers, as the page Run starts them, from the shipped
dense model of `agreement`; SPARSESCOPE_WORKERS says how many at once (half the cores otherwise). Fair: the first run of
every user starts in the order of asking, the second run of the first user after all of them.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from core.live import asking, tickets, workers
from core.live.polling import PACE
from core.live.serving import serve_once
from core.live.status import status
from core.runs.store import Store, default_store

USERS = 10
EPOCHS = 1.0  # of each run, and a little more for each, or they would be one and the same run
EACH = 20.0  # seconds a run of tiny may take on two cores
LIMIT = 3600.0


def wish(k: int) -> dict[str, Any]:
    """Settings of the k-th run."""
    return {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4", "epochs": EPOCHS + k / 100,
            "record": "masks"}


def serve(store: Store) -> tuple[list[str], dict[str, str], int, float]:
    """Ask for all runs, serve the queue until all are over: users in the order of their starts, how every run ended,
    the most workers at once, seconds."""
    asked = [("user0", 0), *((f"user{k}", k + 1) for k in range(USERS))]
    runs = {asking.submit(store, wish(k), user): user for user, k in asked}
    starts: dict[str, tuple[float, str]] = {}
    began, most = time.monotonic(), 0
    while time.monotonic() - began < LIMIT:
        serve_once(store)
        going = workers.active(store)
        most = max(most, sum(workers.alive(worker) for worker in going))
        starts |= {w.ticket.run: (w.started, w.ticket.viewer) for w in going}
        if not going and not tickets.waiting(store)[0]:
            break
        time.sleep(PACE / 5)
    order = [user for _, user in sorted(starts.values())]
    return order, {run: status(store, run).state for run in runs}, most, time.monotonic() - began


def measure() -> list[dict[str, Any]]:
    """Finished runs, workers at once, turns out of order, seconds a run."""
    with tempfile.TemporaryDirectory() as name:
        order, ends, most, seconds = serve(Store(recorded=default_store().recorded, live=Path(name)))
    done = sum(state == "succeeded" for state in ends.values())
    fair = [f"user{k}" for k in range(USERS)] + ["user0"]
    wrong = sum(a != b for a, b in zip(order, fair, strict=False)) + abs(len(order) - len(fair))
    limit, each = workers.limit(), seconds * workers.limit() / len(ends)
    who = f"{USERS} users, {len(ends)} runs"
    return [
        {"name": "live queue: finished", "figure": done, "unit": "runs", "against": who, "bar": len(ends),
         "ok": done == len(ends)},
        {"name": "live queue: at once", "figure": most, "unit": "workers", "against": "the limit", "bar": limit,
         "ok": most <= limit},
        {"name": "live queue: out of turn", "figure": wrong, "unit": "starts", "against": ", ".join(order), "bar": 0,
         "ok": wrong == 0},
        {"name": "live queue: a run", "figure": round(each, 1), "unit": "s of one place", "against":
         f"{seconds:.0f} s for all", "bar": EACH, "ok": each <= EACH},
    ]


if __name__ == "__main__":
    for row in measure():
        print(f"{row['name']}: {row['figure']} {row['unit']} (bar {row['bar']}; {row['against']})"
              f"{'' if row['ok'] else '  NOT MET'}")
