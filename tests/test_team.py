"""One run by several processes: batches are split so that means stay means, and what cannot be split is refused. Two
real processes against one, killed and resumed, are in `make cluster`."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from core.cli.group import main
from core.errors import InputError
from core.running import team
from core.runs.checks.folder_check import check
from core.runs.store import REPOSITORY, Store
from core.specs.resolving import resolve
from tests.sweeping import environment


def as_process(patch: pytest.MonkeyPatch, rank: int, size: int) -> None:
    patch.setenv("RANK", str(rank))
    patch.setenv("WORLD_SIZE", str(size))


def test_the_mean_over_the_parts_is_the_mean_over_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(0)
    values = [draw.uniform(-1, 1) for _ in range(100)]
    for count, size in [(1, 2), (2, 2), (5, 2), (32, 2), (33, 4), (3, 8)]:
        batch, total, seen = draw.sample(range(100), count), 0.0, []
        for rank in range(size):
            as_process(monkeypatch, rank, size)
            mine, weight = team.part(batch)
            assert mine  # a pass needs an example
            total += weight * sum(values[i] for i in mine) / len(mine)
            seen += mine if weight else []
        assert sorted(seen) == sorted(batch)
        assert total / size == pytest.approx(sum(values[i] for i in batch) / count, abs=1e-12)


def test_without_a_launcher_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "8")  # some cluster's own
    assert (team.size(), team.rank()) == (1, 0)
    team.check(resolve({"task": "agreement", "model": "tiny", "method": "pattern-admm"}))


@pytest.mark.parametrize(("given", "words"), [
    ({"method": "pattern-admm"}, "pattern-admm in 2 processes. Expected a method whose batches can be split: dense, "),
    ({"method": "identity-prior", "pattern": "heads:0.5"}, "identity-prior in 2 processes"),
    ({"method": "admm", "dropout": 0.1}, "dropout = 0.1 in 2 processes. Expected dropout 0."),
    ({"method": "asp", "distill_hidden": 1.0}, "distill_hidden = 1 in 2 processes"),
])
def test_what_cannot_be_split_is_refused(given: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = resolve({"task": "agreement", "model": "tiny", **given})
    as_process(monkeypatch, 0, 2)
    with pytest.raises(InputError) as found:
        team.check(spec)
    assert str(found.value).startswith(words)


def test_the_methods_whose_batches_can_be_split_are_those_that_read_gradients_alone(
        monkeypatch: pytest.MonkeyPatch) -> None:
    as_process(monkeypatch, 0, 2)
    for method in ("dense", "magnitude", "asp", "admm", "nxm-admm", "sr-ste", "group-lasso", "admm-layer"):
        team.check(resolve({"task": "agreement", "model": "tiny", "method": method}))
    for method in ("pattern-admm", "mlpruning", "dpp"):
        with pytest.raises(InputError, match="Run it in one process"):
            team.check(resolve({"task": "agreement", "model": "tiny", "method": method}))


def test_a_sweep_is_not_launched_several_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    as_process(monkeypatch, 0, 2)
    done = CliRunner().invoke(main, ["sweep", str(tmp_path / "x.toml")])
    assert done.exit_code == 2 and "A sweep started as several processes" in done.output


ARGS = ["run", "--task", "agreement", "--model", "tiny", "--pattern", "2:4", "--dense-epochs", "1", "--train-examples",
        "500", "--dev-examples", "60", "--calibration", "64", "--batch-size", "8", "--threads", "1"]
ADMM = [*ARGS, "--method", "admm", "--epochs", "1.3", "--distill", "0.5"]
PORT = 20_000 + os.getpid() % 9_000


def launched(*words: str) -> list[str]:
    """Two processes on the CPU: `--multi_gpu` is what has accelerate start more than one."""
    return [str(Path(sys.executable).parent / "accelerate"), "launch", "--multi_gpu", "--num_processes", "2",
            "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port",
            str(PORT), "--module", "core", *words]


def start(root: Path, name: str, command: list[str]) -> subprocess.Popen[str]:
    (root / "cached_runs").mkdir(exist_ok=True)
    return subprocess.Popen(command, env=environment(root, name) | {"SPARSESCOPE_DEVICE": "cpu"}, cwd=REPOSITORY,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    return out


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]


def kill_after(process: subprocess.Popen[str], trace: Path, step: int) -> None:
    deadline = time.monotonic() + 280
    while time.monotonic() < deadline and process.poll() is None:
        if trace.exists() and any(row["step"] >= step for row in rows(trace.parent)):
            for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                one.kill()
            break
        time.sleep(0.05)
    process.communicate()
    assert process.returncode != 0


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_two_processes_train_as_one_does_write_one_record_and_resume(tmp_path: Path) -> None:
    """Losses as logged (six digits): equal within 1e-4 relative; weights and masks follow them but for the choices that
    a rounding tips. A killed run that is resumed has the bits of one that was not."""
    alone = [sys.executable, "-m", "core"]
    finish(start(tmp_path, "dense", [*alone, *ARGS, "--method", "dense", "--epochs", "1"]))
    for name in ("one", "two", "cut"):
        shutil.copytree(tmp_path / "dense", tmp_path / name)
    finish(start(tmp_path, "one", [*alone, *ADMM]))
    assert finish(start(tmp_path, "two", launched(*ADMM))).count("succeeded") == 1
    folder = next((tmp_path / "one").glob("*-admm-*"))
    one, two = rows(folder), rows(tmp_path / "two" / folder.name)
    assert [row["step"] for row in one] == [row["step"] for row in two] and len(one) > 6
    losses = np.array([[row["loss"] for row in found if "loss" in row] for found in (one, two)])
    assert np.ptp(losses[0]) > 0.02  # there was something to be equal in
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    weights = [load_file(tmp_path / name / folder.name / "checkpoint" / "model.safetensors") for name in ("one", "two")]
    gap = sum(float(np.square(weights[0][k] - weights[1][k]).sum()) for k in weights[0])
    assert gap <= 1e-4 * sum(float(np.square(w).sum()) for w in weights[0].values())
    opened = Store(tmp_path / "one", tmp_path / "two").open(folder.name)
    assert opened.record.processes == 2 and check(opened).problems == []
    assert len(list((tmp_path / "two").glob("*-admm-*"))) == 1

    cut = tmp_path / "cut" / folder.name
    kill_after(start(tmp_path, "cut", launched(*ADMM)), cut / "trace.jsonl", 60)
    assert (cut / "resume.safetensors").exists()
    finish(start(tmp_path, "cut", launched(*ADMM, "--resume")))
    again = rows(cut)
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in again] == \
        [{k: v for k, v in row.items() if k != "seconds"} for row in two]
    for file in ("arrays.safetensors", "checkpoint/model.safetensors"):
        assert (cut / file).read_bytes() == (tmp_path / "two" / folder.name / file).read_bytes(), file
