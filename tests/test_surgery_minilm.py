"""A real model on a whole validation set: masked and shrunk say the same to every example. GLUE's SST-2 where
SPARSESCOPE_GLUE_DIR is set, else our own task."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import numpy as np
import pytest

from core import surgery
from core.models.checkpoints import open_model
from core.models.encoding import encode
from core.models.prunable import prunable
from core.running.pipeline import resolve, run
from core.running.training import predict
from core.runs.checks.folder_check import check
from core.runs.store import Store
from core.sparsity.patterns import parse_pattern
from core.sparsity.units import Kept
from core.tasks.loading import load_task

TASK = "sst2" if os.environ.get("SPARSESCOPE_GLUE_DIR") else "agreement"
CLOSE = 1e-5


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_masked_and_shrunk_give_the_same_logits_on_the_whole_validation_set(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    store.recorded.mkdir()
    record = run(resolve({"task": TASK, "model": "minilm-l6", "method": "taylor", "pattern": "units:0.8",
                          "train_examples": 320, "dense_epochs": 1, "eval_examples": 100, "calibration": 64,
                          "record": "summary"}), store=store)
    assert check(store.open(record.id)).problems == []
    loaded, dense = (open_model(r, store) for r in (record, store.open(str(record.parent)).record))
    data = load_task(TASK)
    texts = encode(loaded.tokenizer, data.evaluation, record.spec.max_length)
    pad = int(loaded.tokenizer.pad_token_id)
    anatomy = surgery.units(dense.model)
    rng, gaps = np.random.default_rng(0), []

    def some(share: float, *gone: int) -> Kept:
        return tuple(np.zeros(m.units, dtype=bool) if i in gone else rng.random(m.units) < share
                     for i, m in enumerate(anatomy.modules))

    # A few steps of training leave small logits, on which nothing would show: heard 20 times as loud.
    dense.model.classifier.weight.data.mul_(20.0)
    # Half of all; no head in layer 2, no neuron in layer 3, nothing of layer 5.
    for kept in (some(0.5), some(0.7, 2, 5, 8, 9)):
        masked = copy.deepcopy(dense.model)
        surgery.mask(masked, anatomy, kept)
        assert surgery.problems(masked, anatomy, kept) == []
        a, b = (predict(m, texts, pad) for m in (masked, surgery.shrink(dense.model, anatomy, kept)))
        gaps.append(float(np.abs(a - b).max()))
        assert np.abs(a - b).max() <= CLOSE and np.abs(a - predict(dense.model, texts, pad)).max() > 100 * CLOSE
    # And the run's own final model, through a folder.
    surgery.save(surgery.shrink_to(loaded.model, parse_pattern(record.spec.pattern).joined(anatomy)), loaded.tokenizer,
                 tmp_path / "small")
    small = surgery.load(tmp_path / "small").model
    a, b = (predict(m, texts, pad) for m in (loaded.model, small))
    gaps.append(float(np.abs(a - b).max()))
    with capsys.disabled():
        print(f"\n{len(a)} examples of {TASK}: logits up to {np.abs(a).max():.2f} differ by at most {max(gaps):.1e}")
    assert len(a) == len(data.evaluation) and np.abs(a - b).max() <= CLOSE
    left = sum(layer.weight.numel() for layer in prunable(small).values())
    assert left <= 0.2 * anatomy.weights
