"""The numbers that the lesson says of recorded runs, counted again: each function returns those of one step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from core.lessons.admm import ADMM, FILM, LAYER, MATRIX, SOLVED, STEEP
from core.runs import arrays
from core.runs.filmed import Filmed, filmed
from core.runs.store import Run, Store
from tests.sources import ROOT

STEPS = {step.id: step for step in ADMM.steps}


def recorded(name: str) -> Run:
    return Store(recorded=ROOT / "cached_runs", live=ROOT / "no such folder").open(name)


def layer() -> list[float]:
    from core.inside.statistics import LayerStats
    from core.methods.admm_layer import AdmmLayer
    from core.methods.knob_sets import AdmmLayerKnobs
    from core.sparsity.patterns import NM

    run, state = recorded(LAYER), STEPS["layer"].state
    entry = next(m for m in run.record.matrices if m.name == state["matrix"])
    assert run.parent is not None and entry.shape == (64, 64) and 64 * 64 // 4 == 1024 and entry.gram is not None
    dense = run.parent.weight(entry.name).astype(np.float64)
    gram = arrays.symmetric(run.array(f"gram/{entry.gram}"), 64).astype(np.float64)

    def lost(weight: np.ndarray) -> float:
        return float(np.trace((weight - dense) @ gram @ (weight - dense).T) / np.trace(dense @ gram @ dense.T))

    plain = np.zeros((64, 64), dtype=bool)
    for row in range(64):
        for first in range(0, 64, 4):
            plain[row, first + np.argsort(-np.abs(dense[row, first:first + 4]), kind="stable")[:2]] = True
    stats = LayerStats(torch.from_numpy(gram).diagonal().sqrt(), entry.gram_tokens or 0, torch.from_numpy(gram))
    done = AdmmLayer(AdmmLayerKnobs()).solve(torch.from_numpy(dense), stats, NM(2, 4))
    assert round(100 * (done.mask.numpy() != plain).mean()) == 19
    cost = 100 * lost(done.weight.numpy())
    assert f"{cost:.2f}" == "0.03" and 100 < 100 * lost(dense * plain) / cost < 150
    return [100 * lost(dense * plain), cost]


def watched() -> tuple[Run, Filmed]:
    run = recorded(FILM)
    assert run.record.spec.pattern == "2:4" and run.record.spec.knobs["start"] == "dense"
    return run, filmed(run, MATRIX)


def at(step: str) -> tuple[Run, Any]:
    """The run, and the moment that *step* opens with."""
    run, found = watched()
    return run, found.frames[int(STEPS[step].state.get("k", "0"))]


def exact(w: np.ndarray) -> float:
    """Share of groups, in percent, with exactly two of the larger half of all weights."""
    large = np.zeros(w.size, dtype=bool)
    large[np.argsort(-np.abs(w).reshape(-1), kind="stable")[:w.size // 2]] = True
    return 100 * float(np.mean([group.sum() == 2 for group in large.reshape(-1, 4)]))


def film() -> list[float]:
    run, found = watched()
    first, last = found.frames[0], [f for f in found.frames if f.phase == "admm"][-1]
    assert (first.phase, found.whole, found.shape) == ("dense", True, (64, 64))
    assert round(exact(first.w)) == 35 and run.record.spec.knobs["interval"] == 8
    gone = last.mask == 0
    assert np.abs(last.w[gone]).mean() < 0.05 * np.abs(first.w[gone]).mean()  # quiet where Z is zero
    return [exact(last.w)]


def rising() -> list[float]:
    run, now = at("rising")
    rows = [row for row in run.trace if row.get("phase") == "admm"]
    first, before, last = rows[0], [r for r in rows if r["step"] <= now.step][-1], rows[-1]
    primal = [f.primal for f in watched()[1].frames if f.primal is not None]
    entries = sum(int(np.prod(m.shape)) for m in run.record.matrices)
    assert now.step == 54 and now.primal == max(primal)
    assert (round(100 * now.primal), round(100 * first["primal"])) == (62, 42)
    assert round(100 * before["flips"] / entries) == 39
    assert [row["rho"] for row in rows] == sorted(row["rho"] for row in rows)
    return [now.rho, last["rho"], 100 * last["flips"] / entries, 100 * last["primal"]]


def prune() -> list[float]:
    run, now = at("prune")
    after = watched()[1].frames[int(STEPS["prune"].state["k"]) + 1]
    assert (now.phase, after.phase) == ("admm", "hard-pruned") and after.w[now.mask == 0].any() == 0
    scores = run.record.results
    assert scores is not None and scores.n_eval == 1000
    return [scores.dense, scores.admm_w, scores.one_shot, scores.hard_pruned, scores.final, 100 * now.primal]


def counted(run: Run) -> tuple[float, np.ndarray]:
    """The score of MRPC, the mean of accuracy and F1, from the answers that are kept; and the right answers."""
    labels = np.asarray(run.array("answers/labels"))
    said = np.asarray(run.array("answers/logits")).argmax(1)
    return mrpc(said, labels), labels


def mrpc(said: np.ndarray, labels: np.ndarray) -> float:
    hits = sum(a == b == 1 for a, b in zip(said, labels, strict=True))
    return float(((said == labels).mean() + 2 * hits / (said.sum() + labels.sum())) / 2)


def steep() -> list[float]:
    dense_start, solved = recorded(STEEP), recorded(SOLVED)
    one, other = dense_start.record, solved.record
    for field in ("task", "model", "method", "pattern", "seed", "epochs", "lr", "distill", "train_examples"):
        assert getattr(one.spec, field) == getattr(other.spec, field), field
    assert (one.spec.task, one.spec.pattern, one.spec.epochs) == ("mrpc", "1:4", 2) and one.parent == other.parent
    knobs = {k for k in one.spec.knobs if one.spec.knobs[k] != other.spec.knobs.get(k, "layers" if k == "start" else 0)}
    assert knobs == {"start", "share", "rho_start"} and one.spec.knobs["start"] == "dense"  # what the reveal owns up to
    assert solved.trace[0]["step"] == 0 and solved.trace[0]["primal"] == 0  # W obeys the pattern before any training
    moments = filmed(dense_start, MATRIX).frames
    last = [f for f in moments if f.phase == "admm"][-1]
    assert f"{100 * (last.primal or 0):.0f}" == "6" and dense_start.parent is not None
    wide = [f.primal is not None and f.primal > 0.5 for f in moments if f.phase == "admm"]
    assert sum(wide) > len(wide) / 2  # for most of the film
    (score, labels), (better, _), (dense, _) = map(counted, (dense_start, solved, dense_start.parent))
    constant = max(mrpc(np.full_like(labels, answer), labels) for answer in (0, 1))
    assert constant < score < better < dense
    return [score, dense, constant, better]


def partners() -> float:
    """The correlation that half of the inputs of the lab's layer have with the one most like them, or more."""
    run = recorded(LAYER)
    entry = next(m for m in run.record.matrices if m.name == MATRIX)
    gram = arrays.symmetric(run.array(f"gram/{entry.gram}"), 64).astype(np.float64)
    best = [max(abs(gram[i, j]) / np.sqrt(gram[i, i] * gram[j, j]) for j in range(64) if j != i) for i in range(64)]
    return float(np.median(best))
