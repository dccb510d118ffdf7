"""Kept moments of W, written as they come, gathered when the run ends: what `core.runs.filmed` reads.

Rounds of the layer-wise solution and steps of ADMM; of a large model, whose film has to be asked for, only a corner of
every matrix, and then the dense, the hard-pruned and the final one too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from torch import Tensor

from core.methods.base import RoundState, TrainingMethod
from core.runs import arrays as enc
from core.runs import filmed
from core.runs.levels import holds
from core.runs.partial import FOLDER, Taken
from core.runs.records import RunSpec, Snapshot
from core.runs.store import write_atomic
from core.sparsity.patterns import Pattern

MOMENTS = 8  # of one ADMM phase, evenly spaced, both ends included, where the spec names no other number
ROUNDS = 8  # at most: of the layer-wise solution, the first ones and then ever fewer, as they change ever less
LIMIT = 1_000_000  # prunable weights; larger models would make run folders too large to commit
Weights = Mapping[str, Tensor]


class Snapshots:
    """Takes snapshots into `<run folder>/partial/`, so that a killed run keeps the ones it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self.taken: list[Snapshot] = []
        self.moments, self.whole = 0, True  # 0: this run keeps none
        self._rounds: dict[int, list[tuple[str, dict[str, np.ndarray], float, float]]] = {}
        self._marks: list[int] = []  # the rounds that are kept

    def begin(self, spec: RunSpec, dense: Weights, pattern: Pattern) -> None:
        """Decide what is kept of a run of *spec* from the weights *dense*; of a corner film, keep the dense one."""
        small = sum(w.numel() for w in dense.values()) <= LIMIT
        self.whole = small and holds(spec.record, "full")
        if self.whole or (spec.film and holds(spec.record, "masks")):
            self.moments = spec.film or MOMENTS
        self.pattern, self.taken, self._rounds = pattern, [], {}
        if self.moments and not self.whole:
            self.limits = {name: filmed.limit_of(_numpy(w)) for name, w in dense.items()}
        self.look("dense", 0, dense, None)

    def watching(self, name: str, rounds: int) -> Callable[[RoundState], None] | None:
        """What is to see the *rounds* of matrix *name*; None when nothing of them is kept."""
        if not self.moments or not rounds:
            return None
        marks, first = marks_of(rounds, ROUNDS), len(self.taken)
        self._marks = marks

        def seen(at: RoundState) -> None:
            if at.number in marks:
                found = self._matrix(first + marks.index(at.number), name, at.w, at.u, at.mask)
                self._rounds.setdefault(at.number, []).append((name, found, at.rho, at.primal))

        return seen

    def solved(self) -> None:
        """Write the rounds that were seen: one moment for each, of all matrices; residual and rho are their means."""
        for number, found in sorted(self._rounds.items()):
            out = {key: values for _, parts, _, _ in found for key, values in parts.items()}
            rho, primal = (float(np.mean([row[i] for row in found])) for i in (2, 3))
            self._keep("layer-wise", number, out, rho, primal, self._marks, self._marks[-1])
        self._rounds = {}

    def take(self, method: TrainingMethod, step: int, total: int = 0) -> bool:
        """Keep this moment of ADMM if *step* is one of the evenly spaced ones; tells whether it was. *total*: steps of
        the training."""
        if not self.moments or method.feasible() is None:
            return False
        last = max(self.moments - 1, 1)
        marks = sorted({round(i * method.hard_step / last) for i in range(self.moments)})
        if step not in marks:
            return False
        self.taken = [s for s in self.taken if s.phase != "admm" or s.step < step]
        state, k, out = method.state(), len(self.taken), dict[str, np.ndarray]()
        for name, layer in method.layers.items():
            mask = state[f"support/{name}"].bool()
            out |= self._matrix(k, name, layer.weight.detach(), state[f"u/{name}"], mask)
            if self.whole and name in method.scales:
                out[f"snapshot/{k}/grid/{name}"] = method.scales[name].float().cpu().numpy()
        measures = method.measures()
        self._keep("admm", step, out, measures["rho"], measures["primal"], marks, total)
        return True

    def look(self, phase: str, step: int, weights: Weights, masks: Weights | None) -> None:
        """Keep *weights* under *masks* as a moment of a corner film; of a whole film it follows from what is kept."""
        if not self.moments or self.whole:
            return
        self.taken = [s for s in self.taken if s.phase != phase]
        k, out = len(self.taken), dict[str, np.ndarray]()
        for name, w in weights.items():
            out |= self._matrix(k, name, w, None, None if masks is None else masks[name], phase in filmed.PRUNED)
            if phase == "dense":
                out[f"film/limit/{name}"] = np.array([self.limits[name]], dtype=np.float32)
        self._keep(phase, step, out, 0.0, 0.0)

    def _matrix(self, k: int, name: str, w: Tensor, u: Tensor | None, mask: Tensor | None,
                pruned: bool = False) -> dict[str, np.ndarray]:
        """What is kept of one matrix as moment *k*."""
        weight, bits = _numpy(w), None if mask is None else _numpy(mask).astype(np.uint8)
        out: dict[str, np.ndarray] = {}
        if self.whole:
            assert u is not None and bits is not None
            out[f"snapshot/{k}/mask/{name}"] = enc.pack_mask(bits)
            for what, values in (("w", weight), ("u", _numpy(u))):
                key = f"snapshot/{k}/{what}/{name}"
                out[key], out[f"{key}.scale"] = enc.encode_rows(values)
            return out
        rows, cols = filmed.corner_of((weight.shape[0], weight.shape[1]))
        head = f"film/{k}"
        codes, scale = enc.encode_rows(weight[:rows, :cols])
        out[f"{head}/w/{name}"], out[f"{head}/w/{name}.scale"] = codes, scale
        # No matrix has 2^31 weights, and these counts are a fifth of the film.
        out[f"{head}/histogram/{name}"] = filmed.histogram(weight, bits, self.limits[name]).astype(np.int32)
        if bits is not None:
            out[f"{head}/mask/{name}"] = enc.pack_mask(bits[:rows, :cols])
        out[f"{head}/occupancy/{name}"] = filmed.kept_by_group(bits, self.pattern) if bits is not None and pruned \
            else filmed.largest_by_group(weight, self.pattern.density if bits is None else float(bits.mean()),
                                         self.pattern)
        return out

    def _keep(self, phase: str, step: int, out: Mapping[str, np.ndarray], rho: float, primal: float,
              marks: Sequence[int] = (), total: int = 0) -> None:
        """Write a moment, and beside it which one it is: of those at *marks*, of *total* steps or rounds."""
        from safetensors.numpy import save

        k = len(self.taken)
        found = Snapshot(k=k, step=step, rho=rho, primal=primal, phase=phase)
        place = marks.index(step) + 1 if step in marks else 0
        self.folder.mkdir(exist_ok=True)
        write_atomic(self.folder / f"{k}.safetensors", save(
            dict(out), metadata=Taken(snapshot=found, of=total, place=place, moments=len(marks)).said()))
        self.taken.append(found)

    def listed(self) -> tuple[list[Snapshot], list[Snapshot]]:
        """What was taken, as the header lists it: of whole matrices, and of corners."""
        return (self.taken, []) if self.whole else ([], self.taken)

    def state(self) -> list[dict[str, Any]]:
        """What was taken, as JSON for the resume file."""
        return [msgspec.to_builtins(s) for s in self.taken]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Undo `state`, after `begin`."""
        self.taken = [msgspec.convert(s, Snapshot) for s in state] or self.taken

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


def marks_of(last: int, most: int) -> list[int]:
    """At most *most* of the numbers 1 to *last*, both ends included, their distances growing as the numbers do."""
    return sorted({round(last ** (i / max(most - 1, 1))) for i in range(most)})


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
