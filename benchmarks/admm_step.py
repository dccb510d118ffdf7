"""One fine-tuning step with ADMM against the same step without: minilm-l6, batch 32, 2:4.

Paired in one run: blocks of eight steps (so that each block holds one Z- and U-step), A B A B; the figure is the median
ratio. `python -m benchmarks.admm_step`.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from benchmarks.material import fresh, material
from core.inside.statistics import LayerStats
from core.methods.admm import Admm, AdmmKnobs
from core.methods.base import Context, LayerResult
from core.models.prunable import prunable
from core.running.training import Loop, Trainer, buckets
from core.runs.records import RunSpec
from core.sparsity.patterns import parse_pattern
from core.sparsity.select import select

PAIRS, BLOCK = 9, 8


def measure() -> list[dict[str, Any]]:
    """The ratio, with its bar of 1.05."""
    data, loaded, encoded, _ = material(BLOCK * 32 * 4)
    spec = RunSpec(task=data.entry.name, method="admm", epochs=100.0)
    trainers = []
    for method in (None, Admm(AdmmKnobs(share=1.0))):
        model = fresh(data)
        trainer = Trainer(model, encoded, loaded.tokenizer.pad_token_id, spec,
                          Loop(evaluate=lambda: 0.0, trace=lambda row: None), method)
        if method is not None:
            layers = prunable(model)
            dense = {n: m.weight.detach().clone() for n, m in layers.items()}
            pattern = parse_pattern("2:4")
            masks = {n: select(pattern, w.abs()) for n, w in dense.items()}
            method.prepare(layers, Context(
                pattern=pattern, total_steps=trainer.total, dense=dense,
                stats={n: LayerStats(norms=w.new_ones(w.shape[1]), tokens=1) for n, w in dense.items()},
                solution={n: LayerResult(w * masks[n], masks[n]) for n, w in dense.items()}, lr=trainer.rate))
        trainer.model.train()
        trainers.append(trainer)
    batches = [b for b in buckets(trainers[0].data.lengths, 32, 0, 0) if len(b) == 32][:BLOCK]

    def block(trainer: Trainer) -> float:
        began = time.perf_counter()
        for batch in batches:
            trainer._step(batch)
            trainer.position += 1
        return time.perf_counter() - began

    for trainer in trainers:
        block(trainer)
    pairs = []
    for _ in range(PAIRS):
        plain, admm = block(trainers[0]), block(trainers[1])
        pairs.append((plain, admm))
    ratio = statistics.median(a / p for p, a in pairs)
    milliseconds = statistics.median(p for p, _ in pairs) / BLOCK * 1000
    return [{"name": "ADMM step", "figure": round(ratio, 3), "unit": "x",
             "against": f"the same step without ADMM, {milliseconds:.0f} ms", "bar": 1.05, "ok": ratio <= 1.05}]


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
