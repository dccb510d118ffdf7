"""Where a run is made: package versions, commit, processor, threads. Kept in every header."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.runs.records import Environment
from core.runs.store import REPOSITORY

PACKAGES = ("torch", "transformers", "datasets", "accelerate", "safetensors", "numpy", "scipy", "scikit-learn")


def environment() -> Environment:
    """Describe this machine and this checkout. Never raises: what cannot be told is None."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    status = _git("status", "--porcelain", "--untracked-files=no")
    return Environment(python=platform.python_version(), packages={p: v for p in PACKAGES if (v := _version(p))},
                       commit=_git("rev-parse", "HEAD"), dirty=None if status is None else bool(status),
                       processor=_processor(), device=device, threads=torch.get_num_threads())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(REPOSITORY), *words], capture_output=True, text=True, timeout=10,
                              check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
