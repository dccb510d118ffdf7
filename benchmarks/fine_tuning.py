"""Fine-tuning throughput against the Hugging Face Trainer at its defaults: same model, data, precision, batch, rate.

Paired in one run, A B A B; the figure is the median ratio of training seconds. Both are scored on the same evaluation
set. Further rows tell what each of our choices brings alone. `python -m benchmarks.fine_tuning`.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorWithPadding, TrainingArguments, set_seed
from transformers import Trainer as HuggingFaceTrainer

import core.running.training
from benchmarks.material import fresh, material
from core.models.encoding import Encoded
from core.running.training import Loop, Trainer, predict
from core.runs.records import RunSpec
from core.tasks.metrics import score

EXAMPLES, PAIRS, RATE, BATCH = 1536, 3, 1e-4, 32


def _theirs(data: Any, loaded: Any, encoded: Encoded) -> tuple[float, Any]:
    model = fresh(data)
    rows = [{"input_ids": encoded.ids[i], "labels": int(encoded.labels[i])} for i in range(len(encoded))]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(output_dir=folder, num_train_epochs=1, per_device_train_batch_size=BATCH,
                                      learning_rate=RATE, report_to=[], save_strategy="no", logging_strategy="no",
                                      disable_tqdm=True, seed=0, use_cpu=not torch.cuda.is_available())
        set_seed(0)
        trainer = HuggingFaceTrainer(model=model, args=arguments, train_dataset=rows,  # type: ignore[arg-type]
                                     data_collator=DataCollatorWithPadding(loaded.tokenizer))
        began = time.perf_counter()
        trainer.train()
        return time.perf_counter() - began, model


def _ours(data: Any, loaded: Any, encoded: Encoded, **changes: Any) -> tuple[float, Any]:
    model = fresh(data)
    spec = RunSpec(task=data.entry.name, method="dense", pattern="dense", epochs=1.0, lr=RATE, batch_size=BATCH,
                   freeze_embeddings=changes.get("freeze", True), dropout=changes.get("dropout", 0.0))
    loop = Loop(evaluate=lambda: 0.0, trace=lambda row: None, evaluations_per_epoch=1)
    torch.manual_seed(0)
    trainer = Trainer(model, encoded, loaded.tokenizer.pad_token_id, spec, loop)
    began = time.perf_counter()
    trainer.run()
    return time.perf_counter() - began, model


def _shuffled(lengths: list[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    order = np.random.default_rng([seed, epoch]).permutation(len(lengths)).tolist()
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def measure() -> list[dict[str, Any]]:
    """The ratio, with its bar of 1.8, both scores, and what each choice brings."""
    data, loaded, train, evaluation = material(EXAMPLES, "sst2")
    pad = loaded.tokenizer.pad_token_id

    def scored(model: Any) -> float:
        return score(data.entry, predict(model, evaluation, pad), evaluation.labels)["score"]

    pairs, scores = [], ("", "")
    for _ in range(PAIRS):
        (a, theirs), (b, ours) = _theirs(data, loaded, train), _ours(data, loaded, train)
        pairs.append((a, b))
        scores = (f"{scored(theirs):.3f}", f"{scored(ours):.3f}")
    ratio = statistics.median(a / b for a, b in pairs)
    base = statistics.median(b for _, b in pairs)
    rows = [{"name": "fine-tuning throughput", "figure": round(ratio, 2), "unit": "x",
             "against": f"Hugging Face Trainer at its defaults; {data.entry.name}, {data.entry.metric} theirs "
                        f"{scores[0]}, ours {scores[1]}", "bar": 1.8, "ok": ratio >= 1.8}]
    parts = {"without bucketing by length": {"shuffled": True}, "without frozen embeddings": {"freeze": False},
             "with dropout 0.1": {"dropout": 0.1}}
    for name, change in parts.items():
        original = core.running.training.buckets
        if change.pop("shuffled", False):
            core.running.training.buckets = _shuffled
        try:
            seconds, model = _ours(data, loaded, train, **change)
        finally:
            core.running.training.buckets = original
        rows.append({"name": f"the same {name}", "figure": round(seconds / base, 2), "unit": "x the time",
                     "against": f"our default; {data.entry.metric} {scored(model):.3f}", "bar": None, "ok": True})
    return rows


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
