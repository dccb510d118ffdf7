"""What a layer feels while its weights go: the regions of one sentence's feature map, moment by moment of a film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.names import layer_of
from core.runs.regions import QUIET
from core.runs.store import Run
from core.views.activations import region_film
from core.views.film.timeline import Timeline


@dataclass(frozen=True)
class Feeling:
    """One feature map of one sentence: `norms[moment]` `[tokens, regions]` over the dense median; quiet regions."""

    title: str
    tokens: tuple[str, ...]
    norms: NDArray[np.float32]  # [moments, tokens, regions]
    layer: int

    @property
    def quiet(self) -> NDArray[np.bool_]:
        """Where a region is quiet, `[moments, tokens, regions]`."""
        return self.norms < QUIET

    @property
    def limit(self) -> float:
        """A fixed range for all moments, in dense medians."""
        return max(float(np.percentile(self.norms, 99)), 2.0)


def feeling(run: Run, matrix: str, line: Timeline) -> Feeling | None:
    """The feature map of *matrix*'s layer for the run's first sentence; None where the run kept no moments of it.

    Of its maps the one whose quiet share changes most. A moment of the film shows the nearest that was looked at.
    """
    layer, record = layer_of(matrix), run.record
    if layer is None or not record.probes or not record.moments:
        return None
    probe = record.probes[0]
    try:
        films = [region_film.film(run, probe.id, name) for name in region_film.maps_of(run, probe.id)]
    except InputError:
        return None
    films = [f for f in films if f.watched and layer in f.layers]
    if not films:
        return None
    i = films[0].layers.index(layer)
    found = max(films, key=lambda f: _swing([f.quiet(k, i) for k in range(f.last + 1)]))
    end = max(m.step for m in found.moments)
    places = [_place(line, m.phase, m.step, end) for m in found.moments]
    nearest = [int(np.argmin([abs(p - k) for p in places])) for k in range(line.last + 1)]
    frames = [found.relative(m, i) for m in nearest]
    held = [f for f in frames if f is not None]
    if len(held) != len(frames) or not held[0].size:
        return None
    name = region_film.map_title(found.map)
    return Feeling(name, tuple(probe.tokens[:held[0].shape[0]]), np.stack(held).astype(np.float32), layer)


def _swing(shares: list[float]) -> float:
    """How far a share goes up and down over a film; -1 where it is not known."""
    known = [s for s in shares if np.isfinite(s)]
    return max(known) - min(known) if known else -1.0


def _place(line: Timeline, phase: str, step: int, end: int) -> float:
    """Where a moment of the feature maps lies among those of the film."""
    named = {"dense": "dense", "hard-pruned": "hard-pruned", "final": "final"}.get(phase)
    if named in line.phases:
        return float(line.phases.index(named))
    found = line.place(phase, step, end)
    return 0.0 if found is None else found
