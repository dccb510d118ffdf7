"""From the final model to header and arrays, where a matrix has nothing to lose: every number against a naive loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.inside.statistics import LayerStats
from core.models.checkpoints import find_checkpoint
from core.models.loading import load_model, save_checkpoint
from core.models.prunable import prunable
from core.running.pipeline import resolve, run
from core.running.recording import kept_energy, output_error, record_arrays, record_matrices
from core.runs import solved
from core.runs.checks.folder_check import check
from core.runs.records import SCHEMA, RunRecord, RunSpec
from core.runs.store import Store, read_header, write_header
from core.sparsity.patterns import parse_pattern
from core.specs.resolving import dense_spec

PATTERN = parse_pattern("2:4")
ZERO, USUAL = "layer.0.query", "layer.0.key"


def stats(seed: int) -> tuple[np.ndarray, LayerStats]:
    x = np.random.default_rng(seed).normal(size=(20, 8))
    gram = torch.from_numpy(x.T @ x).float()
    return x, LayerStats(norms=gram.diagonal().sqrt(), tokens=20, gram=gram)


def pair() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Two dense matrices, one of them all zeros, and masks that keep the first two of four."""
    dense = {ZERO: torch.zeros(4, 8), USUAL: torch.from_numpy(np.random.default_rng(0).normal(size=(4, 8))).float()}
    mask = torch.tensor([1, 1, 0, 0] * 2).bool().repeat(4, 1)
    return dense, {name: mask.clone() for name in dense}


def naive_share(weight: np.ndarray, mask: np.ndarray) -> float:
    kept = total = 0.0
    for w, m in zip(weight.ravel().tolist(), mask.ravel().tolist(), strict=True):
        total += w * w
        kept += w * w if m else 0.0
    return kept / total


def test_kept_energy_is_the_share_of_squares_and_nothing_is_lost_of_nothing() -> None:
    dense, masks = pair()
    wanted = naive_share(dense[USUAL].double().numpy(), masks[USUAL].numpy())
    assert 0.2 < wanted < 0.8
    assert kept_energy(dense[USUAL], masks[USUAL]) == pytest.approx(wanted, rel=1e-5)
    assert kept_energy(dense[ZERO], masks[ZERO]) == 1.0
    broken = torch.full((4, 8), float("nan"))
    assert np.isnan(kept_energy(broken, masks[USUAL]))  # a broken model must not look like one that lost nothing


def test_the_output_error_is_relative_to_what_the_dense_matrix_puts_out() -> None:
    dense, masks = pair()
    x, seen = stats(3)
    pruned = dense[USUAL] * masks[USUAL]
    gone = x @ (dense[USUAL] - pruned).double().numpy().T
    whole = x @ dense[USUAL].double().numpy().T
    found = output_error(dense[USUAL], pruned, seen)
    assert found == pytest.approx(float(np.square(gone).sum() / np.square(whole).sum()), rel=1e-4)
    assert output_error(dense[ZERO], dense[ZERO], seen) is None
    assert output_error(dense[USUAL], pruned, LayerStats(norms=seen.norms, tokens=20)) is None


def test_a_matrix_of_zeros_is_recorded_and_its_header_read_back(tmp_path: Path) -> None:
    dense, masks = pair()
    final = {name: w * masks[name] for name, w in dense.items()}
    seen = {name: stats(k)[1] for k, name in enumerate(dense)}
    matrices = record_matrices("lab", final, dense, masks, masks, PATTERN, seen)
    arrays = record_arrays("lab", final, dense, masks, PATTERN, seen)
    assert all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f")
    spec = RunSpec(task="agreement", model="tiny", method="magnitude", pattern="2:4", epochs=0.0, record="lab")
    folder = tmp_path / spec.run_id
    folder.mkdir()
    write_header(folder, RunRecord(schema=SCHEMA, id=spec.run_id, status="succeeded", created="2026-01-01T00:00:00Z",
                                   spec=spec, matrices=matrices))
    zero, usual = read_header(folder).matrices
    assert (zero.name, zero.kept_energy, zero.error, zero.density) == (ZERO, 1.0, None, 0.5)
    assert usual.kept_energy == pytest.approx(naive_share(dense[USUAL].double().numpy(), masks[USUAL].numpy()),
                                              rel=1e-5)
    assert usual.error is not None and usual.error > 0


@pytest.mark.parametrize("given", [{"method": "magnitude"}, {"method": "admm-layer"}, {"method": "admm", "epochs": 1}])
def test_a_model_with_a_matrix_of_zeros_is_pruned_recorded_and_checked(
        empty_store: Store, monkeypatch: pytest.MonkeyPatch, given: dict[str, object]) -> None:
    spec = resolve({"task": "agreement", "model": "tiny", "train_examples": 64, "dev_examples": 40, "dense_epochs": 0.5,
                    "calibration": 16, "pattern": "2:4", "record": "lab", **given})
    parent = run(dense_spec(spec), store=empty_store)
    folder = find_checkpoint(parent.spec, empty_store)
    loaded = load_model("tiny", labels=2, seed=0, checkpoint=folder)
    name, layer = next(iter(prunable(loaded.model).items()))
    torch.nn.init.zeros_(layer.weight)
    assert folder is not None
    save_checkpoint(loaded.model, loaded.tokenizer, folder)
    shares: dict[str, float] = {}
    monkeypatch.setattr(solved, "add", lambda _, name, density, kept: shares.update({name: kept}))
    opened = empty_store.open(run(spec, store=empty_store).id)
    matrix = next(m for m in opened.record.matrices if m.name == name)
    assert (matrix.kept_energy, matrix.error, matrix.density) == (1.0, None, 0.5)
    assert shares[name] == 1.0 and all(0 < value < 1 for key, value in shares.items() if key != name)
    assert not check(opened).problems
