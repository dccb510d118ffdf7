"""The counted metrics equal scikit-learn's to the last bit: recorded scores were made with those."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics

from core.tasks import TASKS
from core.tasks.metrics import score

THEIRS = {"accuracy": metrics.accuracy_score, "matthews_correlation": metrics.matthews_corrcoef,
          "f1": lambda true, told: metrics.f1_score(true, told, zero_division=0.0)}


@pytest.mark.parametrize("task", ["cola", "mrpc", "mnli"])
@pytest.mark.parametrize("seed", range(8))
def test_every_metric_is_scikit_learns_to_the_last_bit(task: str, seed: int) -> None:
    rng, entry = np.random.default_rng(seed), TASKS[task]
    n, classes = int(rng.integers(1, 2000)), len(entry.labels)
    labels = rng.integers(0, classes, n) if seed % 4 else np.full(n, classes - 1)
    logits = rng.normal(size=(n, classes)) + 0.7 * np.eye(classes)[labels] if seed % 3 else np.eye(classes)[[0] * n]
    found = score(entry, logits, labels)
    for name in entry.metrics:
        assert found[name] == float(THEIRS[name](labels, logits.argmax(1)))


def test_a_score_loads_neither_scikit_learn_nor_scipy() -> None:
    words = ("import sys, numpy as np; from core.tasks import TASKS; from core.tasks.metrics import score;"
             "score(TASKS['cola'], np.eye(2), np.arange(2));"
             "print([m for m in ('sklearn', 'scipy') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
