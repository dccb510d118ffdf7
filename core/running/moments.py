"""Moments of a run at which its feature maps are looked at: how dense maps become regionally sparse, or do not.

At each moment the same texts go through the model as it would be used then: a fixed sample of the calibration text, for
the shares and the magnitudes, and the probe sentences, one at a time, for the pictures. Whoever looks changes nothing:
no random number is drawn and the weights go back. What was seen is written as it comes, so that a killed run keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from torch import Tensor, nn

from core.errors import InputError
from core.inside.capture import ProbeLike, batch_of
from core.inside.watching import Place, Watch, look, places_of, sample_of
from core.methods.base import TrainingMethod
from core.methods.straight_through import holding
from core.running.shared import Shared, digest_of, state_of
from core.runs.records import Moment
from core.runs.regions import MAPS, QUIET, region_norms, size_counts
from core.runs.store import write_atomic

SAMPLE = 64  # calibration examples behind the shares; the medians of `pattern-admm` come from the same ones
DURING = 5  # moments inside the ADMM phase, evenly spaced, both ends left out


@dataclass(frozen=True)
class Subject:
    """What is looked at: a model, where its maps pass by, the sample behind the shares, the probes by their id."""

    model: nn.Module
    places: list[Place]
    sample: list[dict[str, Tensor]]
    probes: dict[str, dict[str, Tensor]]


class Moments:
    """Looks at a model's maps and keeps what it saw in `<run folder>/partial/`.

    A model whose maps cannot be told apart has no moments. *shared*: where other runs find what the dense model's are.
    """

    def __init__(self, folder: Path, shared: Shared | None = None) -> None:
        self.shared = Shared() if shared is None else shared
        self.folder = folder / "partial"
        self.taken: list[Moment] = []
        self.subject: Subject | None = None
        self.medians: dict[str, dict[int, float]] = {}

    def begin(self, model: nn.Module, tokenizer: Any, batches: Sequence[Mapping[str, Tensor]],
              probes: Sequence[ProbeLike], max_length: int) -> None:
        """Look at the dense model, which *model* must be, and note its median region norms.

        *batches* is the calibration text; *probes* the sentences whose regions are kept (none: only shares are).
        """
        try:
            places = places_of(model)
        except InputError:
            return
        device = next(model.parameters()).device
        self.subject = Subject(model, places, sample_of(batches, SAMPLE),
                               {p.id: batch_of(tokenizer, p, max_length, device) for p in probes})
        self.look("dense", 0)

    def during(self, method: TrainingMethod, step: int) -> bool:
        """Look after *step* steps of ADMM if that is one of the moments; tells whether it was."""
        end = method.hard_step
        marks = {round(i * end / (DURING + 1)) for i in range(DURING + 1)} - {end}
        if step not in marks:
            return False
        return self.look("admm" if step else "start", step, method.served(), method.layers)

    def look(self, phase: str, step: int, weights: Mapping[str, Tensor] | None = None,
             layers: Mapping[str, nn.Linear] | None = None) -> bool:
        """Look at the model with *weights* by matrix in *layers* (None: as it is); False when it has no maps."""
        if self.subject is None:
            return False
        with holding(layers or {}, weights):
            norms, counts, regions = self._seen(self.subject, phase)
        if phase == "dense":
            self.medians = {kind: {layer: float(np.median(found)) for layer, found in by.items()}
                            for kind, by in norms.items()}
        k = len(self.taken)
        out: dict[str, np.ndarray] = {f"region/{k}/{key}": values for key, values in regions.items()}
        out |= {f"distribution/{k}/{key}": values for key, values in counts.items()}
        self._write(k, out)
        quiet = {kind: [_share(found, self.medians[kind][layer]) for layer, found in by.items()]
                 for kind, by in norms.items()}
        loudness = {kind: [round(float(np.sqrt(np.square(found, dtype=np.float64).mean())), 6)
                           for found in by.values()] for kind, by in norms.items()}
        first = self.taken[0].loudness if k else loudness
        level = {kind: [_share(found * (before / (now or 1.0)), self.medians[kind][layer])
                        for (layer, found), before, now in zip(by.items(), first[kind], loudness[kind], strict=True)]
                 for kind, by in norms.items()}
        median = {kind: [round(m, 6) for m in by.values()] for kind, by in self.medians.items()} if k == 0 else {}
        self.taken.append(Moment(k=k, step=step, phase=phase, quiet=quiet, median=median, loudness=loudness,
                                 level=level))
        return True

    def _seen(self, of: Subject, phase: str) -> tuple[dict[str, dict[int, np.ndarray]], dict[str, np.ndarray],
                                                      dict[str, np.ndarray]]:
        """What there is to see now. Only the dense model is the same in several runs: the rest is not kept for them."""
        def seen() -> Any:
            return *self._sample(of, counted=phase in ("dense", "final")), self._probes(of)

        if phase != "dense":
            return seen()
        return self.shared.once(("maps", state_of(of.model), digest_of(of.sample, of.probes)), seen)

    def _sample(self, of: Subject,
                counted: bool) -> tuple[dict[str, dict[int, np.ndarray]], dict[str, np.ndarray]]:
        """Region norms of the sample's real tokens by map and layer; with *counted* how many |a| are in each bin."""
        parts: dict[str, dict[int, list[np.ndarray]]] = {m: {p.layer: [] for p in of.places} for m in MAPS}
        counts: dict[str, np.ndarray] = {}
        for seen, real in look(of.model, Watch(of.places, tuple(MAPS)), of.sample):
            for kind, by in seen.items():
                for layer, tensor in by.items():
                    values = tensor[real].float().cpu().numpy()
                    parts[kind][layer].append(region_norms(values).ravel())
                    if counted:
                        key = f"{kind}/{layer}"
                        counts[key] = counts.get(key, 0) + size_counts(values)
        return {kind: {layer: np.concatenate(found) for layer, found in by.items()}
                for kind, by in parts.items()}, counts

    def _probes(self, of: Subject) -> dict[str, np.ndarray]:
        """Region norms of the probe sentences: `<map>/<probe>/<layer>`, float16 `[tokens, regions]`."""
        out: dict[str, np.ndarray] = {}
        watch = Watch(of.places, tuple(MAPS))
        for probe, (seen, _) in zip(of.probes, look(of.model, watch, of.probes.values()), strict=True):
            for kind, by in seen.items():
                for layer, tensor in by.items():
                    norms = region_norms(tensor[0].float().cpu().numpy())
                    out[f"{kind}/{probe}/{layer}"] = norms.astype(np.float16)
        return out

    def _write(self, k: int, arrays: Mapping[str, np.ndarray]) -> None:
        from safetensors.numpy import save

        self.folder.mkdir(exist_ok=True)
        write_atomic(self.folder / f"moment-{k}.safetensors", save(dict(arrays)))

    def state(self) -> list[dict[str, Any]]:
        """What was taken, as JSON for the resume file."""
        return [msgspec.to_builtins(m) for m in self.taken]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Undo `state`, after `begin`."""
        self.taken = [msgspec.convert(m, Moment) for m in state] or self.taken

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays that were kept."""
        from safetensors.numpy import load_file

        out: dict[str, np.ndarray] = {}
        for m in self.taken:
            out |= load_file(self.folder / f"moment-{m.k}.safetensors")
        return out


def _share(norms: np.ndarray, median: float) -> float:
    return round(float((norms < QUIET * median).mean()), 6)
