"""Runs with answers that a test plants: every logit and label is the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core.runs import store as st
from tests import makers


def logits_of(right: np.ndarray, labels: np.ndarray, margin: float = 2.0) -> np.ndarray:
    """Two classes: the label's logit *margin* above the other's where *right*, else below."""
    said = np.where(right, labels, 1 - labels)
    out = np.zeros((len(labels), 2), np.float32)
    out[np.arange(len(labels)), said] = margin
    return out


def plant(root: Path, logits: np.ndarray, labels: np.ndarray, *, dense_score: float | None = None,
          score: float | None = None, metric: str = "accuracy", split: str = "validation",
          unseen: np.ndarray | None = None, **fields: Any) -> str:
    """A finished run under *root* that answers *logits* `[n, outputs]` to examples with *labels*; *fields* as of
    `makers.make_run`. The header's score is the accuracy of the answers unless *score* says another. *unseen*: the
    logits to as many examples kept apart, with the same labels."""
    ours = float((logits.argmax(1) == labels).mean()) if score is None else score
    scores = {"metric": metric, "n_eval": len(labels), "final": ours, "dense": dense_score or ours, "detail": {},
              "split": split}
    if unseen is not None:
        fields["unseen_examples"] = len(labels)
    name = makers.make_run(root, record="answers", answers=False, scores=scores, **fields)
    regression = logits.shape[1] == 1
    if regression:
        record = st.Store(recorded=root, live=root).find(name)
        assert record is not None and record.record is not None
        record.record.labels.clear()
        st.write_header(root / name, record.record)
    kept = labels.astype(np.float32 if regression else np.int16)
    arrays = {"answers/logits": logits.astype(np.float32), "answers/labels": kept}
    if unseen is not None:
        arrays |= {"unseen/logits": unseen.astype(np.float32), "unseen/labels": kept}
    st.write_arrays(root / name, arrays)
    return name


def store_of(tmp_path: Path) -> st.Store:
    """MRPC with two seeds, SST-2 and the built-in `agreement` with one, each with six ways at 2:4 and four at 1:4; in
    MRPC ASP at 1:4 is right on half of the examples, as the constant answer is. A regression, STS-B, with one run."""
    store = makers.empty_store(tmp_path)
    n = 200
    labels = np.arange(n) % 2
    for task, seeds in (("mrpc", (0, 1)), ("sst2", (0,)), ("agreement", (0,))):
        for seed in seeds:
            rng = np.random.default_rng(seed)

            def right(share: float, rng: np.random.Generator = rng) -> np.ndarray:
                return np.isin(np.arange(n), rng.permutation(n)[:round(share * n)])

            dense = plant(store.recorded, logits_of(right(0.9), labels), labels, method="dense", pattern="dense",
                          task=task, seed=seed)
            ways = (("magnitude", 0.7, 0.5), ("wanda", 0.75, 0.6), ("asp", 0.86, 0.5), ("sr-ste", 0.87, None),
                    ("admm", 0.89, 0.8), ("nxm-admm", 0.6, None))
            for method, *shares in ways:
                for pattern, share in zip(("2:4", "1:4"), shares, strict=True):
                    if share is not None:
                        plant(store.recorded, logits_of(right(share), labels), labels, dense_score=0.9, parent=dense,
                              method=method, pattern=pattern, task=task, seed=seed,
                              epochs=0.0 if method in ("magnitude", "wanda") else 2.0)
    values = np.linspace(0, 5, n)
    dense = plant(store.recorded, values[:, None], values, method="dense", pattern="dense", task="stsb", score=1.0,
                  metric="pearson_spearman_mean")
    noisy = values + np.random.default_rng(3).normal(0, 1, n)
    plant(store.recorded, noisy[:, None], values, method="asp", task="stsb", parent=dense, score=0.8,
          metric="pearson_spearman_mean")
    return store
