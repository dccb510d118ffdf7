"""One small sweep, made by the command in a process of its own, however it is asked to; and are two of them equal?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.runs.checks.folder_check import check
from core.runs.store import REPOSITORY, Store

SWEEP = """
[defaults]
task = "agreement"
model = "tiny"
train_examples = 160
dev_examples = 60
dense_epochs = 1
calibration = 16
pattern = "2:4"

[[runs]]
method = "admm-layer"

[[runs]]
method = ["admm", "asp"]
epochs = 1
distill = 0.5
"""


def environment(root: Path, name: str) -> dict[str, str]:
    """The environment of a command whose runs go into *root*/*name*; nothing is recorded there."""
    return {**os.environ, "SPARSESCOPE_RUNS": str(root / name), "SPARSESCOPE_CACHED": str(root / "cached_runs"),
            "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1",
            "TMPDIR": str(root)}  # what is killed tidies up nothing


def command(root: Path, *words: str) -> list[str]:
    """The command that makes SWEEP with one thread a run."""
    file = root / "small.toml"
    file.write_text(SWEEP, encoding="utf-8")
    (root / "cached_runs").mkdir(exist_ok=True)
    return [sys.executable, "-m", "core", "sweep", str(file), "--threads", "1", *words]


def sweep(root: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Make it into *root*/*name*."""
    return subprocess.run(command(root, *words), env=environment(root, name), cwd=REPOSITORY, capture_output=True,
                          text=True, timeout=300, check=False)


def same_runs(one: Path, other: Path) -> list[str]:
    """The ids of the runs in both folders. Raises AssertionError unless these are the same, whole and equal bit for bit
    in weights, arrays, trace and header, but for times and machines."""
    ids = [sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) for root in (one, other)]
    assert ids[0] == ids[1]
    for run_id in ids[0]:
        assert _plain(one / run_id) == _plain(other / run_id), run_id
        for file in ("arrays.safetensors", "checkpoint/model.safetensors"):
            assert (one / run_id / file).read_bytes() == (other / run_id / file).read_bytes(), (run_id, file)
        assert check(Store(recorded=one, live=other).open(run_id)).problems == []
    return ids[0]


def _plain(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    header = json.loads((folder / "run.json").read_text())
    rows = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    return ({k: v for k, v in header.items() if k not in ("timing", "created")},
            [{k: v for k, v in row.items() if k != "seconds"} for row in rows])
