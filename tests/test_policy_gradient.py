"""Policy gradient against sums over every possible mask, worked numbers, and loops."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core import methods
from core.errors import InputError
from core.methods import policy_gradient
from core.methods.policy_gradient import Policy, estimate, input_norms, project
from core.methods.unit_base import UnitContext
from core.models.prunable import prunable
from core.models.tiny import tiny_model
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.store import Store
from core.sparsity.patterns import parse_pattern
from core.surgery import mask, units
from core.views.mechanisms import pictures

S = np.array([0.7, 0.4, 0.5])


def loss_of(m: tuple[int, ...]) -> float:
    return 1 - 0.5 * m[0] - 0.2 * m[1] + 0.3 * m[0] * m[2]


def chance(m: tuple[int, ...]) -> float:
    return float(np.prod([p if on else 1 - p for p, on in zip(S, m, strict=True)]))


EVERY = list(itertools.product((0, 1), repeat=3))


def test_the_worked_expectation_is_that_of_all_masks() -> None:
    assert sum(chance(m) * loss_of(m) for m in EVERY) == pytest.approx(0.675)


def test_over_all_pairs_of_masks_the_step_is_the_true_gradient_times_the_root() -> None:
    """With the first step's baseline, the mean of both losses, the expected direction is the worked one exactly."""
    total = np.zeros(3)
    for one, other in itertools.product(EVERY, EVERY):
        both = [loss_of(one), loss_of(other)]
        found = estimate(S, [np.array(one, bool), np.array(other, bool)], both, sum(both) / 2)
        total += chance(one) * chance(other) * found
    true = np.array([-0.35, -0.20, 0.21])
    assert np.allclose(total, true * np.sqrt(S * (1 - S)), atol=1e-6)
    assert np.allclose(total, [-0.16039, -0.09798, 0.105], atol=1e-5)


def test_the_projection_is_the_worked_one_and_touches_nothing_under_the_budget() -> None:
    s = np.array([0.9, 0.8, 0.6, 0.3, 0.1])
    assert project(s, 0.4) == pytest.approx([0.75, 0.65, 0.45, 0.15, 0.0], abs=1e-9)
    assert project(s, 0.6).tolist() == s.tolist()
    assert project(np.array([1.7, -0.2, 0.1]), 0.5).tolist() == [1.0, 0.0, 0.1]
    for seed in range(20):  # against every possible v, on a grid
        rng = np.random.default_rng(seed)
        s, share = rng.normal(0.5, 0.6, 9), float(rng.uniform(0.05, 0.9))
        found = project(s, share)
        assert found.min() >= 0 and found.max() <= 1 and found.sum() <= share * 9 + 1e-9
        if np.clip(s, 0, 1).sum() > share * 9:
            v = min((v for v in np.linspace(0, 3, 30001)), key=lambda v: abs(np.clip(s - v, 0, 1).sum() - share * 9))
            assert np.allclose(found, np.clip(s - v, 0, 1), atol=2e-4)


def context(pattern: str, loss: Any = None, seed: int = 0) -> UnitContext:
    torch.manual_seed(0)
    model = tiny_model(2)
    model.eval()
    generator = torch.Generator().manual_seed(1)
    batches: list[dict[str, Tensor]] = []
    for real in (7, 4):
        ids = torch.randint(5, 40, (3, 8), generator=generator)
        batches.append({"input_ids": ids, "attention_mask": (torch.arange(8) < real).long().expand(3, 8)})
    target = torch.tensor([0, 1, 0])

    def own(i: int) -> Tensor:
        return nn.functional.cross_entropy(model(**batches[i]).logits, target)

    return UnitContext(model, prunable(model), parse_pattern(pattern).joined(units(model)), batches,
                       loss or own, seed)


def test_a_masked_pass_computes_what_a_model_with_those_units_set_to_zero_does() -> None:
    of = context("units:0.5")
    rng = np.random.default_rng(3)
    policy = Policy(of)
    kept = rng.random(len(policy.s)) < 0.6
    with torch.no_grad(), policy.masked(np.ones_like(kept)):
        whole = [float(of.loss(i)) for i in range(2)]
    with torch.no_grad(), policy.masked(kept):
        masked = [float(of.loss(i)) for i in range(2)]
    with torch.no_grad():
        assert whole == [float(of.loss(i)) for i in range(2)]
    mask(of.model, policy.anatomy, tuple(policy.units(kept)))
    with torch.no_grad():
        assert masked == pytest.approx([float(of.loss(i)) for i in range(2)], abs=1e-6) and masked != whole


def test_the_start_ranks_units_by_size_times_input_norm_within_their_layer_around_the_share() -> None:
    of = context("heads:0.5")
    policy = Policy(of)
    seen: dict[str, list[Tensor]] = {}
    names = [m.columns for m in policy.anatomy.modules if m.noun == "head"]
    handles = [of.layers[n].register_forward_pre_hook(
        lambda layer, given, n=n: seen.setdefault(n, []).append(given[0].detach())) for n in names]
    with torch.no_grad():
        [of.loss(i) for i in range(2)]
    [handle.remove() for handle in handles]
    norms = input_norms(of, names)
    at = 0
    for module in (m for m in policy.anatomy.modules if m.noun == "head"):
        squares = np.zeros(module.units * module.size)
        for x, batch in zip(seen[module.columns], of.batches, strict=True):
            for sentence, row in zip(x, batch["attention_mask"], strict=True):
                for token, real in zip(sentence, row, strict=True):
                    squares += token.double().numpy() ** 2 if real else 0.0
        assert np.allclose(norms[module.columns], np.sqrt(squares))
        weight = of.layers[module.columns].weight.detach().double().numpy()
        scores = np.zeros(module.units)
        for h in range(module.units):
            for c in range(h * module.size, (h + 1) * module.size):
                scores[h] += sum(abs(weight[o, c]) for o in range(weight.shape[0])) / weight.shape[0] * \
                    squares[c] ** 0.5
        found = policy.s[at : at + module.units]
        assert np.argsort(found).tolist() == np.argsort(scores).tolist()
        assert found.mean() == pytest.approx(0.5, abs=1e-6)
        at += module.units
    assert at == len(policy.s)


def ones(told: UnitContext, names: Sequence[str]) -> dict[str, np.ndarray]:
    """What stands in for norms where a loss is planted and no model runs."""
    return {n: np.ones(told.layers[n].weight.shape[1]) for n in names}


def test_it_finds_the_heads_that_a_planted_loss_needs() -> None:
    """A loss of 1 for every one of three heads that is missing: nothing else matters."""
    of, state = context("heads:0.625"), {}
    needed = {1, 4, 6}
    method = methods.build("policy-gradient", {"steps": 300, "lr": 0.02})
    policy_units = Policy.units

    def watched(self: Policy, values: np.ndarray) -> list[np.ndarray]:
        if values.dtype == bool:
            state["mask"] = values
        return policy_units(self, values)

    def loss(i: int) -> Tensor:
        off = [u for u in needed if not state.get("mask", np.ones(8, bool))[u]]
        return torch.tensor(float(len(off)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Policy, "units", watched)
        patch.setattr(policy_gradient, "input_norms", ones)
        result = method.choose(UnitContext(of.model, of.layers, of.pattern, of.batches, loss, 0))
    heads = np.concatenate([k for k, m in zip(result.kept, of.pattern.known().modules, strict=True)
                            if m.noun == "head"])
    assert set(np.flatnonzero(heads)) == needed


def test_losses_that_are_no_numbers_are_left_out_and_all_of_them_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_gradient, "input_norms", ones)
    calls = itertools.count()
    method = methods.build("policy-gradient", {"steps": 4})
    of = context("heads:0.5")
    odd = UnitContext(of.model, of.layers, of.pattern, of.batches,
                      lambda i: torch.tensor(float("nan") if next(calls) % 2 else 1.0), 0)
    assert np.isfinite(np.concatenate(method.choose(odd).worth)).all()
    none = UnitContext(of.model, of.layers, of.pattern, of.batches, lambda i: torch.tensor(float("inf")), 0)
    with pytest.raises(InputError, match="Every mask of step 1"):
        method.choose(none)


@pytest.mark.parametrize("pattern", ["heads:0.5", "units:0.5"])
def test_a_whole_run_passes_the_check_and_draws_its_pictures(pattern: str, tmp_path: Path) -> None:
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    record = run(resolve({"task": "agreement", "model": "tiny", "train_examples": 64, "dev_examples": 32,
                          "dense_epochs": 1, "epochs": 0, "calibration": 32, "method": "policy-gradient",
                          "pattern": pattern, "knobs": {"steps": 24}, "record": "answers"}), store=store)
    opened = store.open(record.id)
    assert check(opened).problems == []
    sliding, rewards = pictures(opened)
    kinds = 1 if pattern == "heads:0.5" else 2
    assert sliding.figure is not None and len(sliding.figure.data) == kinds
    assert sliding.table.groupby("units")["step"].max().tolist() == [24] * kinds
    assert rewards.table.shape == (24, 3) and "over 24 steps" in rewards.alt


def test_the_share_of_decided_units_is_counted_at_both_ends(tmp_path: Path) -> None:
    from core.views.mechanisms.chances import decided

    counts = np.zeros((2, 20))
    counts[0, 10], counts[1, 0], counts[1, 19], counts[1, 9] = 10, 4, 3, 3
    assert decided(counts).tolist() == [0.0, 0.7]
