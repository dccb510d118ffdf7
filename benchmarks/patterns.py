"""The Patterns page: from a moved slider to the new pictures, on the server. `python -m benchmarks.patterns`.

One move = another size of the library, and all five figures built as JSON; every such move meets a size that it has not
seen. The first view of a matrix (its blocks cut, its supports counted, the libraries of 1 to 64 tried) and counting a
whole model are timed apart. Weights of minilm-l6 sizes, made up: strong rows and columns. What the browser then paints,
and what Streamlit adds, are not in it. Processor time stands beside wall time: on a busy machine only it is the page's.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.runs import arrays as enc
from core.runs.records import Matrix, RunRecord, RunSpec
from core.runs.store import Run, write_arrays
from core.views.drawing.view import View
from core.views.patterns import library_block, library_cost, library_map
from core.views.patterns.library_source import MATRIX, MODEL, shape_of, supports

SIZES = ((384, 384), (1536, 384))
BLOCKS = ("4x4:8", "1x8:4")
MOVES = 30
BAR, FIRST_BAR, MODEL_BAR = 150, 1000, 3000  # ms: a slider; a new matrix; 10.6 M weights counted once
LAYERS = 6


def dense_run(folder: Path) -> Run:
    """A dense run with the matrices of minilm-l6: four of 384 x 384 and two of 1536 x 384 a layer."""
    rng, held, entries = np.random.default_rng(0), dict[str, np.ndarray](), []
    for layer in range(LAYERS):
        for part, (rows, columns) in enumerate([SIZES[0]] * 4 + [SIZES[1]] * 2):
            name = f"encoder.layer.{layer}.part{part}"
            strong = np.exp(0.3 * rng.standard_normal((rows, 1)) + 0.3 * rng.standard_normal((1, columns)))
            enc.put_weight(held, name, 0.05 * strong * rng.standard_normal((rows, columns)), None)
            entries.append(Matrix(name=name, shape=(rows, columns), density=1.0, violations=0))
    write_arrays(folder, held)
    record = RunRecord(schema=1, id="made-up", status="succeeded", created="2026-01-01T00:00:00+00:00",
                       spec=RunSpec(task="agreement", model="minilm-l6", method="dense", pattern="dense"),
                       layers=LAYERS, matrices=entries)
    return Run(record, folder, False)


def views(run: Run, matrix: str, block: str, count: int) -> list[View]:
    """All that the page draws."""
    given = (run, matrix, block, MATRIX, count)
    return [library_map.block_map(*given, 0, (1, 1)), library_map.legend(*given), library_cost.cost(*given),
            library_block.close_up(*given, 1, 1), library_block.ranking(*given, 1, 1)]


def timed(run: Run, matrix: str, block: str, count: int) -> tuple[float, float, int]:
    """Wall and processor milliseconds of one move, and the bytes of its heaviest figure."""
    began, busy = time.perf_counter(), time.process_time()
    heaviest = max(len(v.figure.to_json()) for v in views(run, matrix, block, count) if v.figure is not None)
    return 1e3 * (time.perf_counter() - began), 1e3 * (time.process_time() - busy), heaviest


def measure() -> list[dict[str, Any]]:
    """Milliseconds from slider to pictures by size and block, the first view, the whole model, the heaviest figure."""
    rows, heaviest = [], 0
    with tempfile.TemporaryDirectory() as folder:
        run = dense_run(Path(folder))
        timed(run, run.record.matrices[1].name, BLOCKS[0], 16)  # the first figure of a process loads Plotly
        for index, (height, width) in ((0, SIZES[0]), (4, SIZES[1])):
            matrix = run.record.matrices[index].name
            for block in BLOCKS:
                first = timed(run, matrix, block, 16)
                moves = [timed(run, matrix, block, 17 + k) for k in range(MOVES)]
                median, own = (statistics.median(m[i] for m in moves) for i in (0, 1))
                heaviest = max(heaviest, first[2], *(m[2] for m in moves))
                name = f"patterns: {height} x {width}, {block}"
                rows.append(_row(f"{name}, slider to pictures", median, own, BAR))
                rows.append(_row(f"{name}, first view", first[0], first[1], FIRST_BAR))
        began, busy = time.perf_counter(), time.process_time()
        supports(run, run.record.matrices[0].name, shape_of(BLOCKS[0]), MODEL)
        rows.append(_row(f"patterns: {BLOCKS[0]} over the whole model", 1e3 * (time.perf_counter() - began),
                         1e3 * (time.process_time() - busy), MODEL_BAR))
    rows.append({"name": "patterns: heaviest figure", "figure": round(heaviest / 1e6, 3), "unit": "MB",
                 "against": "its JSON", "bar": 0.5, "ok": heaviest <= 500_000})
    return rows


def _row(name: str, wall: float, own: float, bar: int) -> dict[str, Any]:
    return {"name": name, "figure": round(wall, 1), "unit": "ms", "against": f"processor time {own:.0f} ms",
            "bar": bar, "ok": wall <= bar}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
