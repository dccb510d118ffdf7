"""The live pages: from a turned knob to the new pictures, on the server. `python -m benchmarks.lab`.

One move = solve the layer again with another rho and build the film of it, as it is sent. minilm-l6 sizes,
correlated noise for inputs: the cost hangs on sizes and rounds alone. What the browser then paints, and what
Streamlit adds, are not in it. Processor time stands beside wall time: on a busy machine only the first is the page's.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from core.lab import group, plane
from core.lab.layer import errors, solve
from core.lab.results_layer import Layer
from core.sparsity.patterns import NM
from core.views.film.reel import Film
from core.views.touch import layerlab, one_group_film
from core.views.touch import two_weights as plane_views

MOVES = 50
TOKENS = 2048
# rows, columns, rounds, bar in ms
CASES = ((384, 384, 50, 150), (1536, 384, 50, 600))
HEAVIEST = 1_500_000  # bytes of one film


def layer_of(rows: int, columns: int) -> Layer:
    """A layer with correlated inputs."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(TOKENS, columns)) @ rng.normal(size=(columns, columns)) / np.sqrt(columns)
    weight = rng.normal(0, 0.05, (rows, columns))
    return Layer("bert.encoder.layer.0.attention.self.query", weight.astype(np.float32),
                 (x.T @ x).astype(np.float32), TOKENS)


def measure() -> list[dict[str, Any]]:
    """Milliseconds from knob to pictures by size, and the bytes of the heaviest figure."""
    rows, heaviest = [], 0
    for out, columns, rounds, bar in CASES:
        layer = layer_of(out, columns)
        lines = errors(layer, "2:4")
        wall, own = [], []
        for move in range(MOVES + 1):
            began, busy = time.perf_counter(), time.process_time()
            path = solve(layer, "admm-layer", "2:4", {"iterations": rounds, "rho_end": 0.6 + 0.01 * move})
            size = len(layerlab.film(path, lines).packed())
            wall.append(1e3 * (time.perf_counter() - began))
            own.append(1e3 * (time.process_time() - busy))
            heaviest = max(heaviest, size)
        median, busy_ms = statistics.median(wall[1:]), statistics.median(own[1:])  # the first warms up
        rows.append({"name": f"lab: knob to pictures, {out} x {columns}, {rounds} rounds", "figure": round(median, 1),
                     "unit": "ms", "against": f"{MOVES} moves, {torch.get_num_threads()} threads; processor time "
                                              f"{busy_ms:.0f} ms", "bar": bar, "ok": median <= bar})
    rows.append({"name": "lab: heaviest film", "figure": round(heaviest / 1e6, 3), "unit": "MB",
                 "against": "as sent", "bar": HEAVIEST / 1e6, "ok": heaviest <= HEAVIEST})
    return rows + other_pages()


def other_pages() -> list[dict[str, Any]]:
    """The pages of two weights and of one group, in the same form: rho moves, all figures are built again."""
    start = plane.read({}).choices
    weights = (0.7, 0.6, 1.0, 0.8, 0.2, -0.9, 0.4, 0.5)

    def two_weights(move: int) -> Film:
        return plane_views.film(plane.solve(replace(start, rho=1.0 + 0.05 * move)))

    def group_of_eight(move: int) -> Film:
        found = group.solve(weights, NM(4, 8), 0.6, 1.0 + 0.05 * move, 20)
        return one_group_film.film(found, "1")

    rows = []
    for name, draw, bar in (("two weights", two_weights, 50), ("one group, 4:8", group_of_eight, 30)):
        wall = []
        for move in range(MOVES + 1):
            began = time.perf_counter()
            draw(move).packed()
            wall.append(1e3 * (time.perf_counter() - began))
        median = statistics.median(wall[1:])
        rows.append({"name": f"{name}: knob to pictures", "figure": round(median, 1), "unit": "ms",
                     "against": f"{MOVES} moves", "bar": bar, "ok": median <= bar})
    return rows


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
