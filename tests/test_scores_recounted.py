"""The accuracies of a run, counted again: weights noted elsewhere, a model loaded afresh, another loop, sklearn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from core import methods
from core.running.pipeline import resolve, run
from core.runs.records import RunRecord
from core.runs.store import CHECKPOINT, Store
from core.tasks.loading import load_task

SMALL: dict[str, Any] = {"task": "agreement", "model": "tiny", "train_examples": 640, "dev_examples": 700,
                         "dense_epochs": 8, "calibration": 32}
DATA = load_task("agreement", train_examples=640, dev_examples=700).evaluation


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("store")
    (root / "cached_runs").mkdir()
    return Store(recorded=root / "cached_runs", live=root / "runs")


def made(store: Store, **given: Any) -> RunRecord:
    return run(resolve({**SMALL, **given}), store=store)


def folder_of(store: Store, run_id: str | None) -> Path:
    assert run_id is not None
    return store.live / run_id / CHECKPOINT


def accuracy(folder: Path, weights: Mapping[str, Tensor]) -> float:
    """Of the model in *folder* with *weights* by parameter or matrix in place of its own, fifty sentences at a time in
    the order of the data."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    own = model.state_dict()
    for name, values in weights.items():
        key = name if name in own else f"{name}.weight"
        assert own[key].shape == values.shape
        own[key] = values
    model.load_state_dict(own)
    said: list[int] = []
    for first in range(0, len(DATA.text), 50):
        batch = tokenizer(list(DATA.text[first : first + 50]), padding=True, return_tensors="pt")
        with torch.no_grad():
            said += model(**batch).logits.argmax(1).tolist()
    return float(accuracy_score(DATA.labels, said))


def matrices(folder: Path, record: RunRecord) -> dict[str, Tensor]:
    state = AutoModelForSequenceClassification.from_pretrained(folder).state_dict()
    return {m.name: state[f"{m.name}.weight"] for m in record.matrices}


def largest(weight: Tensor, size: int) -> Tensor:
    """*weight* with the largest of every *size* consecutive inputs, group by group."""
    out = torch.zeros_like(weight)
    for row, line in enumerate(weight.tolist()):
        for start in range(0, len(line), size):
            j = max(range(start, start + size), key=lambda j: abs(line[j]))
            out[row, j] = weight[row, j]
    return out


@dataclass
class Noted:
    """The whole model as it was when its masks were about to be fixed, Z, and those masks."""

    state: dict[str, Tensor]
    z: dict[str, Tensor]
    masks: dict[str, Tensor]

    def under_masks(self) -> dict[str, Tensor]:
        return self.state | {f"{name}.weight": self.state[f"{name}.weight"] * mask for name, mask in self.masks.items()}


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Noted]]:
    kind, found = methods.load("admm"), list[Noted]()
    original = kind.hard_prune

    def noting(self: Any, masks: dict[str, Tensor]) -> None:
        parts = self.context.model.state_dict(), self.feasible(), masks
        found.append(Noted(*({k: v.clone() for k, v in part.items()} for part in parts)))
        original(self, masks)

    monkeypatch.setattr(kind, "hard_prune", noting)
    yield found


# So loose, and so fast, that W, Z and W under the mask stay apart.
LOOSE: dict[str, Any] = {"rho_start": 1e-3, "rho_end": 0.02, "interval": 4}
FAST = 4e-3


def test_each_of_the_six_accuracies_is_that_of_its_own_weights(store: Store, noted: list[Noted]) -> None:
    record = made(store, method="admm", pattern="1:8", epochs=2, lr=FAST, knobs=LOOSE)
    dense, own, (then,) = folder_of(store, record.parent), folder_of(store, record.id), noted
    plain = {name: largest(w, 8) for name, w in matrices(dense, record).items()}
    found = record.results
    assert found is not None
    assert found.dense == accuracy(dense, {})
    assert found.one_shot == accuracy(dense, plain)
    assert found.admm_w == accuracy(dense, then.state)
    assert found.admm_z == accuracy(dense, then.state | then.z)
    assert found.hard_pruned == accuracy(dense, then.under_masks())
    assert found.final == found.detail["accuracy"] == accuracy(own, {})
    six = {found.dense, found.one_shot, found.admm_w, found.admm_z, found.hard_pruned, found.final}
    assert len(six) >= 5  # equal ones could stand for each other: on one machine in many, one pair may meet by chance
    assert [row["score"] for row in store.open(record.id).trace if "score" in row][-1] == found.final


def test_on_a_grid_each_accuracy_is_that_of_weights_on_that_grid(store: Store, noted: list[Noted]) -> None:
    """The masks are fixed after the last step: the checkpoint holds what was scored as hard-pruned."""
    grid: dict[str, Any] = {"pattern": "1:16", "bits": 2, "chunk": 64}
    record = made(store, method="admm", epochs=1, lr=FAST, knobs={**LOOSE, "share": 1.0}, **grid)
    plain = made(store, method="magnitude", **grid)
    dense, own, (then,) = folder_of(store, record.parent), folder_of(store, record.id), noted
    found, cut = record.results, matrices(folder_of(store, plain.id), plain)
    assert found is not None and plain.results is not None
    for weights in (cut, matrices(own, record), then.z):
        for w in weights.values():
            assert all(len(set(chunk.abs().tolist())) <= 2 for chunk in w.reshape(-1, 64))  # of 2 bits: 0 and one level
    assert all(torch.equal(w != 0, largest(w, 16) != 0) for w in cut.values())
    assert found.dense == accuracy(dense, {})
    assert found.one_shot == plain.results.one_shot == plain.results.final == accuracy(dense, cut)
    assert found.admm_w == accuracy(dense, then.state)
    assert found.admm_z == accuracy(dense, then.state | then.z)
    assert found.hard_pruned == found.final == accuracy(own, {})
    assert found.hard_pruned != accuracy(dense, then.under_masks())  # those are on no grid
    assert len({found.dense, found.one_shot, found.admm_w, found.admm_z, found.hard_pruned}) >= 4


def test_one_shot_on_a_grid_is_magnitude_on_that_grid_and_not_magnitude(store: Store) -> None:
    record = made(store, method="magnitude", pattern="2:4", bits=2, chunk=64)
    dense, found = folder_of(store, record.parent), record.results
    cut = matrices(folder_of(store, record.id), record)
    free = {name: w * (cut[name] != 0) for name, w in matrices(dense, record).items()}
    assert found is not None
    assert found.one_shot == found.hard_pruned == found.final == accuracy(dense, cut) != accuracy(dense, free)


@pytest.mark.parametrize("bits", [0, 2])
def test_layer_by_layer_w_and_z_are_the_solver_s_own(store: Store, monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    kind, solved = methods.load("admm-layer"), list[Any]()
    original = kind.solve

    def noting(self: Any, *given: Any, **named: Any) -> Any:
        solved.append(original(self, *given, **named))
        return solved[-1]

    monkeypatch.setattr(kind, "solve", noting)
    # few rounds under a small rho: W is still far from Z
    record = made(store, method="admm-layer", pattern="1:8", bits=bits,
                  knobs={"iterations": 2, "stages": 1, "rho_end": 0.3})
    dense, own, found = folder_of(store, record.parent), folder_of(store, record.id), record.results
    names = [m.name for m in record.matrices]
    assert found is not None and len(solved) == len(names)
    assert found.admm_w == accuracy(dense, {n: r.w for n, r in zip(names, solved, strict=True)})
    assert found.admm_z == accuracy(dense, {n: r.z for n, r in zip(names, solved, strict=True)})
    assert found.hard_pruned == found.final == accuracy(own, {})
    assert len({found.dense, found.one_shot, found.admm_w, found.admm_z, found.final}) >= 4


def test_a_mask_fixed_from_the_start_is_scored_before_it_is_trained_under(store: Store) -> None:
    record = made(store, method="asp", pattern="1:4", epochs=2)
    dense, own, found = folder_of(store, record.parent), folder_of(store, record.id), record.results
    assert found is not None and found.admm_w is None and found.admm_z is None
    plain = {name: largest(w, 4) for name, w in matrices(dense, record).items()}
    assert found.hard_pruned == found.one_shot == accuracy(dense, plain)
    assert found.final == accuracy(own, {}) != found.hard_pruned
    kept = matrices(own, record)
    assert all(np.array_equal((kept[n] != 0).numpy(), (w != 0).numpy()) for n, w in plain.items())
