"""The numbers behind `tests.makers`: weights, masks, counts and traces, each by the plainest means.

The selection here is the tests' own (a stable sort per group): it shares no code with the product's.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

import numpy as np

BERT = (
    ("attention.self.query", "hidden", "hidden"),
    ("attention.self.key", "hidden", "hidden"),
    ("attention.self.value", "hidden", "hidden"),
    ("attention.output.dense", "hidden", "hidden"),
    ("intermediate.dense", "ffn", "hidden"),
    ("output.dense", "hidden", "ffn"),
)
STRIP = 8  # unstructured masks are counted on strips of this many consecutive inputs


@cache
def dense_weights(key: str, layers: int, hidden: int, ffn: int) -> dict[str, np.ndarray]:
    """Heavy-tailed float32 weights `[out, in]` of a BERT encoder; the same for the same *key*. Not to be written to."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    size = {"hidden": hidden, "ffn": ffn}
    return {
        f"bert.encoder.layer.{i}.{name}": (rng.standard_t(5, (size[rows], size[cols])) * 0.05).astype(np.float32)
        for i in range(layers)
        for name, rows, cols in BERT
    }


def moved_scores(before: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Magnitudes with noise of a fifth of their size: a mask that is near magnitude's, and not magnitude's."""
    return {k: np.abs(w) * np.exp(rng.normal(0, 0.2, w.shape)) for k, w in before.items()}


def _top(scores: np.ndarray, keep: int) -> np.ndarray:
    """0/1 of the *keep* largest along the last axis; ties go to the lower index."""
    order = np.argsort(-scores, axis=-1, kind="stable")
    mask = np.zeros(scores.shape, np.uint8)
    np.put_along_axis(mask, order[..., :keep], 1, axis=-1)
    return mask


def _half_up(x: float) -> int:
    return int(np.floor(x + 0.5))


def select(pattern: str, scores: dict[str, np.ndarray],
           like: dict[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Masks of the largest scores that *pattern* lets stay. With *like*, as many per matrix as those masks keep."""
    if like is not None:
        return {k: _top(s.reshape(-1), int(like[k].sum())).reshape(s.shape) for k, s in scores.items()}
    kind, _, rest = pattern.partition(":")
    if kind == "global":
        flat = np.concatenate([s.reshape(-1) for s in scores.values()])
        mask = _top(flat, _half_up((1 - float(rest)) * flat.size))
        parts = np.split(mask, np.cumsum([s.size for s in scores.values()])[:-1])
        return {k: part.reshape(s.shape) for (k, s), part in zip(scores.items(), parts, strict=True)}
    return {k: _select_one(kind, rest, s) for k, s in scores.items()}


def _select_one(kind: str, rest: str, scores: np.ndarray) -> np.ndarray:
    rows, cols = scores.shape
    if kind == "dense":  # of a run that only rounds
        return np.ones((rows, cols), np.uint8)
    if kind == "unstructured":
        return _top(scores.reshape(-1), _half_up((1 - float(rest)) * scores.size)).reshape(scores.shape)
    if kind == "block":
        size, _, sparsity = rest.partition(":")
        r, c = (int(v) for v in size.split("x"))
        totals = scores.reshape(rows // r, r, cols // c, c).sum(axis=(1, 3))
        blocks = _top(totals.reshape(-1), _half_up((1 - float(sparsity)) * totals.size)).reshape(totals.shape)
        return np.kron(blocks, np.ones((r, c), np.uint8))
    return _top(scores.reshape(rows, cols // int(rest), int(rest)), int(kind)).reshape(rows, cols)


def multiple_of(pattern: str) -> int:
    """The block of a thumbnail along the input dimension: M, the block's width, else 1."""
    kind, _, rest = pattern.partition(":")
    if kind == "block":
        return int(rest.partition(":")[0].split("x")[1])
    return int(rest) if kind.isdigit() else 1


def group_counts(mask: np.ndarray, pattern: str) -> np.ndarray:
    """int64: how many groups of *pattern* keep 0, 1, ... of their weights."""
    kind, _, rest = pattern.partition(":")
    rows, cols = mask.shape
    if kind == "block":
        r, c = (int(v) for v in rest.partition(":")[0].split("x"))
        kept = mask.reshape(rows // r, r, cols // c, c).sum(axis=(1, 3), dtype=np.int64)
        return np.bincount(kept.reshape(-1), minlength=r * c + 1)
    m = int(rest) if kind.isdigit() else STRIP
    return np.bincount(mask.reshape(-1, m).sum(axis=1, dtype=np.int64), minlength=m + 1)


def attention_of(heads: int, tokens: int, shift: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 `[heads, tokens, tokens]`, each row a distribution in steps of 1/255."""
    scores = np.exp(rng.normal(0, 1 + shift, (heads, tokens, tokens)))
    return np.rint(255 * scores / scores.sum(axis=-1, keepdims=True)).astype(np.uint8)


def gram_of(width: int, rng: np.random.Generator) -> np.ndarray:
    """float32 `[in, in]`, positive semi-definite: the Gram matrix of 4 x *width* random inputs."""
    x = rng.normal(0, 1, (4 * width, width)).astype(np.float32)
    return (x.T @ x).astype(np.float32)


def trace_rows(method: str, seed: int, steps: int = 20) -> list[dict[str, Any]]:
    """Logged steps: a dense phase, and the phases that *method* adds. The residual ends at 0.01."""
    rng = np.random.default_rng(seed)
    phases = {"dense": ("dense",), "admm": ("admm", "refine"), "nxm-admm": ("admm",), "asp": ("refine",)}
    rows: list[dict[str, Any]] = []
    for phase in phases.get(method, ()):
        for i in range(steps):
            share = i / (steps - 1)
            row: dict[str, Any] = {
                "step": len(rows) * 25, "epoch": round(len(rows) * 25 / 250, 4), "phase": phase,
                "loss": round(0.7 * float(np.exp(-share)) + 0.02 * float(rng.random()), 5),
                "lr": 1e-4 * (1 - 0.9 * share), "seconds": round(0.8 * (len(rows) + 1), 3)}
            if i % 5 == 4:
                row["score"] = round(0.6 + 0.25 * share, 4)
            if phase == "admm":
                row |= {"rho": 1e-3 * 1000**share, "primal": 0.5 * 0.02**share, "dual": 0.05 * 0.1**share,
                        "flips": int(2000 * (1 - share)), "moved": round(0.15 + 0.02 * share, 4)}
            rows.append(row)
    return rows
