"""Kept moments of an ADMM phase: W, U and the support of Z, written as they come, gathered when the run ends."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.methods.base import TrainingMethod
from core.runs import arrays as enc
from core.runs.records import Snapshot

MOMENTS = 8  # of one ADMM phase, evenly spaced, both ends included
LIMIT = 1_000_000  # prunable weights; larger models would make run folders too large to commit


class Snapshots:
    """Takes snapshots into `<run folder>/partial/`, so that a killed run keeps the ones it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "partial"
        self.taken: list[Snapshot] = []

    def take(self, method: TrainingMethod, step: int) -> None:
        """Keep this moment if *step* is one of the evenly spaced ones."""
        marks = sorted({round(i * method.hard_step / (MOMENTS - 1)) for i in range(MOMENTS)})
        if step not in marks:
            return
        from safetensors.numpy import save_file

        state, k = method.state(), marks.index(step)
        out: dict[str, np.ndarray] = {}
        for name, layer in method.layers.items():
            for what, values in (("w", layer.weight.detach()), ("u", state[f"u/{name}"])):
                key = f"snapshot/{k}/{what}/{name}"
                out[key], out[f"{key}.scale"] = enc.encode_rows(values.cpu().numpy())
            if name in method.scales:
                out[f"snapshot/{k}/grid/{name}"] = method.scales[name].float().cpu().numpy()
            out[f"snapshot/{k}/mask/{name}"] = enc.pack_mask(state[f"support/{name}"].cpu().numpy())
        self.folder.mkdir(exist_ok=True)
        save_file(out, self.folder / f"{k}.safetensors")
        measures = method.measures()
        self.taken = [s for s in self.taken if s.k < k]
        self.taken.append(Snapshot(k=k, step=step, rho=measures["rho"], primal=measures["primal"]))

    def state(self) -> list[dict[str, Any]]:
        """What was taken, as JSON for the resume file."""
        return [msgspec.to_builtins(s) for s in self.taken]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Undo `state`."""
        self.taken = [Snapshot(**s) for s in state]

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays that were kept."""
        from safetensors.numpy import load_file

        out: dict[str, np.ndarray] = {}
        for s in self.taken:
            out |= load_file(self.folder / f"{s.k}.safetensors")
        return out

    def clear(self) -> None:
        """Remove the partial files: the run's own arrays hold them now."""
        shutil.rmtree(self.folder, ignore_errors=True)
