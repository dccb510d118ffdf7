"""The whole of minilm-l6 to 2:4 by layer-wise ADMM: calibration on 256 sentences and all solving, in seconds.

Beside it, in the same run, the fixed-rho form of Boza 2024 (20 iterations, written out here from its equations as a
yardstick) for the sum of errors. `python -m benchmarks.layerwise`.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import torch

from benchmarks.material import material
from core.calibration import calibrate
from core.encoding import collate
from core.methods.admm_layer import AdmmLayer, AdmmLayerKnobs
from core.methods.base import LayerStats
from core.models import prunable
from core.sparsity.patterns import Pattern, parse_pattern
from core.sparsity.select import select

REPEATS = 3


def fixed_rho(weight: torch.Tensor, stats: LayerStats, pattern: Pattern) -> torch.Tensor:
    """Boza 2024: rho = 1, damping 0.1, 20 iterations, the mask re-selected in the first 15."""
    assert stats.gram is not None
    scale = stats.norms.clamp_min(1e-8)
    a = stats.gram / scale.outer(scale) + 0.1 * torch.eye(len(scale))
    inverse = torch.linalg.inv(a + torch.eye(len(scale)))
    v0 = weight * scale
    v, u, mask = v0, torch.zeros_like(v0), torch.ones_like(v0, dtype=torch.bool)
    for i in range(20):
        if i < 15:
            mask = select(pattern, (v + u).abs())
        z = (v + u) * mask
        u = u + v - z
        v = (v0 @ a + z - u) @ inverse
    return (v + u) * mask / scale


def measure() -> list[dict[str, Any]]:
    """Seconds, with its bar of 10, and the error relative to the fixed-rho form."""
    _, loaded, encoded, _ = material(256)
    layers, pad, pattern = prunable(loaded.model), loaded.tokenizer.pad_token_id, parse_pattern("2:4")
    order = sorted(range(len(encoded)), key=lambda i: len(encoded.ids[i]))
    solver = AdmmLayer(AdmmLayerKnobs())
    seconds, errors = [], (0.0, 0.0)
    for _ in range(REPEATS):
        began = time.perf_counter()
        stats = calibrate(loaded.model, layers,
                          [collate(encoded, order[i : i + 32], pad) for i in range(0, len(order), 32)])
        solved = {n: solver.solve(m.weight.detach(), stats[n], pattern).weight for n, m in layers.items()}
        seconds.append(time.perf_counter() - began)

        def gap(name: str, weight: torch.Tensor, stats: dict[str, LayerStats] = stats) -> float:
            d = layers[name].weight.detach() - weight
            gram = stats[name].gram
            assert gram is not None
            return float(((d @ gram) * d).sum())

        errors = (sum(gap(n, w) for n, w in solved.items()),
                  sum(gap(n, fixed_rho(m.weight.detach(), stats[n], pattern)) for n, m in layers.items()))
    median = statistics.median(seconds)
    return [{"name": "minilm-l6 to 2:4 by admm-layer", "figure": round(median, 2), "unit": "s",
             "against": f"calibration included, {torch.get_num_threads()} threads", "bar": 10,
             "ok": median <= 10},
            {"name": "its sum of errors", "figure": round(errors[0] / errors[1], 3), "unit": "x",
             "against": "the fixed-rho form, 20 iterations", "bar": 0.77, "ok": errors[0] <= 0.77 * errors[1]}]


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
