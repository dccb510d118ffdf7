"""Made-up feature maps over a run: regions that go quiet from moment to moment, and counts of |a|. numpy only."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from core.runs.records import Moment, Probe

REGION = 16
LOUD = {"attention": (0.5, 1.0), "ffn": (1.1, 0.6), "block": (0.25, 1.4)}  # spread and size of the region norms
PHASES = ("dense", "start", *["admm"] * 5, "hard-pruned", "final")


def moments_of(probes: list[Probe], layers: int, hidden: int, ffn: int, *, most: float = 0.9,
               phases: tuple[str, ...] = PHASES) -> tuple[dict[str, np.ndarray], list[Moment]]:
    """Arrays and header entries of one moment a phase. Region norms shrink by a growing amount, up to *most* times the
    dense median (a block soft threshold), so the quiet share rises with k; the last layer shrinks most."""
    out: dict[str, np.ndarray] = {}
    moments: list[Moment] = []
    for k, phase in enumerate(phases):
        share = 0.0 if k < 2 else (k - 1) / (len(phases) - 2)
        quiet: dict[str, list[float]] = {}
        median: dict[str, list[float]] = {}
        loudness: dict[str, list[float]] = {}
        level: dict[str, list[float]] = {}
        for name, (spread, size) in LOUD.items():
            regions = (ffn if name == "ffn" else hidden) // REGION
            for layer in range(1, layers + 1):
                cut = most * share * size * layer / layers
                sample = _norms(("sample", name, layer), 40, regions, spread, size)
                left = np.maximum(sample - cut, 0)
                middle, before, now = (float(v) for v in (np.median(sample), _rms(sample), _rms(left)))
                quiet.setdefault(name, []).append(float((left < 0.25 * middle).mean()))
                loudness.setdefault(name, []).append(now)
                level.setdefault(name, []).append(float((left * before / (now or 1.0) < 0.25 * middle).mean()))
                if k == 0:
                    median.setdefault(name, []).append(middle)
                for probe in probes:
                    norms = _norms((probe.id, name, layer), len(probe.tokens), regions, spread, size)
                    out[f"region/{k}/{name}/{probe.id}/{layer}"] = np.maximum(norms - cut, 0).astype(np.float16)
                if k in (0, len(phases) - 1):
                    out[f"distribution/{k}/{name}/{layer}"] = _counts(left, layer)
        step = 0 if k < 2 else 120 * (k - 1)
        moments.append(Moment(k=k, step=step, phase=phase, quiet=quiet, median=median, loudness=loudness,
                              level=level))
    return out, moments


def _rms(values: np.ndarray) -> np.floating:
    return np.sqrt(np.square(values, dtype=np.float64).mean())


def _norms(key: tuple[Any, ...], tokens: int, regions: int, spread: float, size: float) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(repr(key).encode()))
    lines = rng.normal(0, 0.7, (1, regions)) + rng.normal(0, 0.4, (tokens, 1)) + rng.normal(0, 0.6, (tokens, regions))
    return (size * np.exp(spread * lines)).astype(np.float32)


def _counts(norms: np.ndarray, seed: int) -> np.ndarray:
    """Counts of |a| in the bins under 1e-4, eight a decade to 1e2, and above, for regions of these norms."""
    rng = np.random.default_rng(seed)
    sizes = np.abs(rng.normal(0, 1, (norms.size, REGION))) * norms.reshape(-1, 1) / REGION**0.5
    edges = 10.0 ** np.linspace(-4, 2, 49)
    middle, _ = np.histogram(sizes, edges)
    return np.array([(sizes < edges[0]).sum(), *middle, (sizes >= edges[-1]).sum()], np.int64)
