"""MLPruning against gradients written out, worked numbers, a model whose weights are masked by hand, and the shrunk
one."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from core import surgery
from core.errors import InputError
from core.methods import build
from core.methods.base import Context
from core.methods.cutting import cut
from core.methods.mlpruning import MlPruning
from core.methods.thresholds import Gate, TopK, excess, left, number, weight_of
from core.models.prunable import prunable
from core.models.tiny import tiny_model
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.store import Store
from core.sparsity.coupled import Coupled
from core.sparsity.patterns import parse_pattern
from core.sparsity.verify import verify_all
from tests.test_surgery import batch, logits, loud

STEPS = 12


def begin(pattern: str = "units:0.5", steps: int = STEPS, model: nn.Module | None = None, **knobs: Any,
          ) -> tuple[nn.Module, MlPruning]:
    """A tiny model that is easily heard, and the method prepared on it."""
    torch.manual_seed(0)
    model = model or loud(tiny_model(2))
    layers = prunable(model)
    method = build("mlpruning", knobs)
    method.prepare(layers, Context(
        pattern=parse_pattern(pattern).joined(surgery.units(model)), total_steps=steps, stats={}, solution={},
        lr=lambda step: 1e-3 * (1 - step / steps), dense={n: m.weight.detach().clone() for n, m in layers.items()}))
    return model, method


def drive(model: nn.Module, method: MlPruning, optimizer: torch.optim.Optimizer, steps: range) -> None:
    """What the loop does, on one batch with made-up labels."""
    for step in steps:
        if step == method.hard_step and not method.masks:
            method.hard_prune(method.choose_masks())
        given = batch()
        method.before_forward(step)
        out = model(**given).logits
        loss = nn.functional.cross_entropy(out, torch.arange(len(out)) % out.shape[1])
        more = method.penalty(given)
        (loss if more is None else loss + more).backward()
        method.after_backward(step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        method.after_step(step)


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3)


# -- thresholds -----------------------------------------------------------------------------------------------------

def test_the_gradients_are_the_published_ones() -> None:
    generator = torch.Generator().manual_seed(1)
    for t in (-1.5, 0.0, 0.405, 10.0):
        scores = torch.randn(12, generator=generator, requires_grad=True)
        threshold = torch.tensor([t], requires_grad=True)
        upstream = torch.randn(12, generator=generator)
        mask = TopK.apply(scores, threshold)
        (mask * upstream).sum().backward()
        stay = math.ceil(1 / (1 + math.exp(-t)) * 12)
        best = sorted(range(12), key=lambda i: -float(scores.detach()[i]))[:stay]
        assert [i for i in range(12) if mask[i]] == sorted(best)
        assert scores.grad is not None and torch.equal(scores.grad, upstream)
        assert threshold.grad is not None
        assert float(threshold.grad) == pytest.approx(sum(float(upstream[i]) for i in best), abs=1e-6)


@pytest.mark.parametrize(("t", "units", "kept"), [
    (10.0, 22_000, 22_000), (10.0, 12, 12), (0.0, 12, 6), (0.0, 13, 7), (-40.0, 12, 1), (3.0, 1536, 1464)])
def test_so_many_stay(t: float, units: int, kept: int) -> None:
    mask = TopK.apply(torch.zeros(units), torch.tensor([t]))  # ties go to the earlier unit
    assert number(torch.tensor([t]), units) == kept and mask.tolist() == [1.0] * kept + [0.0] * (units - kept)


@pytest.mark.parametrize(("ratio", "share"), [(0.6, 0.5), (0.5, 0.3958333)])
def test_the_published_budget(ratio: float, share: float) -> None:
    """Heads, rows of the output, neurons and rows of the FFN's output, all at one ratio, in BERT-base."""
    r, d, f = torch.tensor([ratio]), 768, 3072
    one = [(d * d, r, 1.0)] * 3 + [(d * d, r, r), (f * d, r, 1.0), (d * f, r, r)]
    assert float(left(one * 12)) == pytest.approx(share, abs=1e-6)


def test_nothing_is_asked_of_what_is_within_the_budget() -> None:
    for share, gap in ((0.4, 0.0), (0.5, 0.0), (0.7, 0.2)):
        at = torch.tensor([share], requires_grad=True)
        penalty = excess(at, 0.5)
        penalty.backward()
        value = float(penalty.detach())
        assert value == pytest.approx(gap**2, abs=1e-7)
        assert at.grad is not None and float(at.grad) == pytest.approx(2 * gap, abs=1e-6)
        assert gap or (value == 0 and float(at.grad) == 0)


@pytest.mark.parametrize(("gap", "weight"), [(0.5, 20000), (0.02, 50), (0.01, 10)])
def test_the_penalty_weighs_less_as_the_budget_comes_near(gap: float, weight: float) -> None:
    assert weight_of(gap**2, 0.5, 20000) == pytest.approx(weight)


# -- in a model -----------------------------------------------------------------------------------------------------

def test_the_penalty_and_its_slope_are_those_of_a_loop() -> None:
    _, method = begin()
    generator = np.random.default_rng(0)
    values = generator.normal(0.3, 1.0, len(method.gates))
    values[0] = -9.0  # under its floor: one head stays, and no slope is left

    def by_hand(t: np.ndarray) -> float:
        whole = stays = 0.0
        for m, value in zip(method.anatomy.modules, t, strict=True):
            share = max(1 / (1 + math.exp(-value)), 1 / m.units)
            for rows, columns in [(m.units * m.size, m.inputs)] * len(m.rows) + [(m.outputs, m.units * m.size)]:
                whole, stays = whole + rows * columns, stays + rows * columns * share
        return max(stays / whole - 0.5, 0.0) ** 2

    for gate, value in zip(method.gates, values, strict=True):
        gate.threshold.data.fill_(value)
    penalty = method.penalty({})
    assert penalty is not None
    penalty.backward()
    weight = max(20000 * by_hand(values) / 0.25, 50)
    assert float(penalty.detach()) == pytest.approx(weight * by_hand(values), rel=1e-4)
    for i, gate in enumerate(method.gates):
        step = np.eye(len(values))[i] * 1e-5
        slope = weight * (by_hand(values + step) - by_hand(values - step)) / 2e-5
        assert gate.threshold.grad is not None
        assert float(gate.threshold.grad) == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_query_key_and_value_share_one_gate_and_it_feels_their_rows_and_biases() -> None:
    model, method = begin("units:0.4", start=0.0)
    first = method.anatomy.modules[0]
    assert len(method.gates) == len(method.anatomy.modules) == 4 and len(first.rows) == 3
    generator = torch.Generator().manual_seed(2)
    for gate in method.gates:
        gate.scores.data.normal_(generator=generator)
    # By hand: every row and bias of the three matrices, and of the FFN's first, times a number that is 0 or 1.
    numbers = [(TopK.apply(g.scores, g.threshold)).detach().requires_grad_() for g in method.gates]
    given = dict(model.named_parameters())
    for m, mask in zip(method.anatomy.modules, numbers, strict=True):
        wide = torch.stack([mask[i // m.size] for i in range(m.units * m.size)])
        for name in m.rows:
            given[f"{name}.weight"] = given[f"{name}.weight"].detach() * wide[:, None]
            given[f"{name}.bias"] = given[f"{name}.bias"].detach() * wide
    expected = functional_call(model, given, kwargs=batch()).logits
    (expected * torch.linspace(-1, 1, expected.numel()).view_as(expected)).sum().backward()

    method.before_forward(0)
    found = model(**batch()).logits
    assert torch.allclose(found, expected, atol=1e-5)
    (found * torch.linspace(-1, 1, found.numel()).view_as(found)).sum().backward()
    for gate, by_hand in zip(method.gates, numbers, strict=True):
        assert by_hand.grad is not None and gate.scores.grad is not None and gate.threshold.grad is not None
        assert torch.allclose(gate.scores.grad, by_hand.grad, rtol=1e-3, atol=1e-4)
        assert float(gate.threshold.grad) == pytest.approx(
            float((by_hand.grad * by_hand).sum().detach()), rel=1e-3, abs=1e-4)
        # What is masked is felt too: otherwise nothing would ever come back.
        assert bool(by_hand.grad[by_hand == 0].any())


def test_a_model_that_learns_what_stays_says_what_the_masked_and_the_shrunk_one_say() -> None:
    model, method = begin()
    drive(model, method, adamw(model), range(3))
    method.before_forward(3)
    with torch.no_grad():
        gated = model(**batch()).logits
    method.open = {}
    served = method.served()
    assert served is not None
    copied = copy.deepcopy(model)
    for name, layer in prunable(copied).items():
        layer.weight.data.copy_(served[name])
    assert torch.allclose(logits(copied), gated, atol=1e-5)
    assert [int((served[m.columns] != 0).any(0).view(m.units, m.size).any(1).sum()) for m in method.modules] == \
        [gate.kept for gate in method.gates]
    assert isinstance(method.context.pattern, Coupled)
    small = surgery.shrink_to(copied, method.context.pattern)
    assert torch.allclose(logits(small), gated, atol=1e-5)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in copied.parameters())


@pytest.mark.parametrize("pattern", ["units:0.5", "heads:0.25", "neurons:0.7"])
def test_it_ends_on_its_pattern_by_moving_all_thresholds_alike(pattern: str) -> None:
    model, method = begin(pattern)
    drive(model, method, adamw(model), range(method.hard_step))
    masks = method.choose_masks()
    joined = method.context.pattern
    assert all(v.ok and not v.short for v in verify_all({n: m.numpy() for n, m in masks.items()}, joined).values())
    kept = method.anatomy.kept({n: m.numpy() for n, m in masks.items()})
    counts = {m.columns: int(k.sum()) for m, k in zip(method.anatomy.modules, kept, strict=True)}

    def shifted(by: float) -> list[int]:
        return [number(g.threshold.detach() + by, m.units)
                for m, g in zip(method.modules, method.gates, strict=True)]

    now = [counts[m.columns] for m in method.modules]
    near = min((shifted(by) for by in np.linspace(-4, 4, 4001)),
               key=lambda found: sum(abs(a - b) for a, b in zip(found, now, strict=True)))
    # To the last unit but one: those of other modules that come at the same moment fit in or not.
    assert all(abs(a - b) <= 1 for a, b in zip(near, now, strict=True))
    for m, gate, count in zip(method.modules, method.gates, now, strict=True):
        stays = kept[method.anatomy.modules.index(m)]
        assert set(np.flatnonzero(stays)) == set(
            sorted(range(m.units), key=lambda i: -float(gate.scores.detach()[i]))[:count])
    method.hard_prune(masks)
    assert method.penalty({}) is None and method.served() is None
    drive(model, method, adamw(model), range(method.hard_step, STEPS))
    assert all(not layer.weight[~masks[name]].any() for name, layer in prunable(model).items())
    assert not surgery.problems(model, method.anatomy, kept)


# -- blocks ---------------------------------------------------------------------------------------------------------

def test_blocks_are_cut_from_what_is_left_and_feel_what_a_loop_says() -> None:
    mask = torch.ones(7, 9, dtype=torch.bool)
    mask[[1, 4]] = False  # 5 rows are left: two rows of blocks of 3, the last one smaller
    mask[:, 0] = False
    found = cut(mask, 3, 0.0)
    assert (found.down, found.across) == (2, 3)
    found.gate.scores.data.copy_(torch.tensor([3.0, 2.0, -1.0, 5.0, 0.0, 1.0]))
    rows, columns = mask.any(1).nonzero()[:, 0].tolist(), mask.any(0).nonzero()[:, 0].tolist()
    products = torch.randn(7, 9, generator=torch.Generator().manual_seed(0))
    expected, sums = torch.zeros(7, 9), torch.zeros(6)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            block = i // 3 * 3 + j // 3
            expected[row, column] = float(block in (0, 1, 3))  # ceil(6 / 2), of the highest scores
            sums[block] += products[row, column]
    assert torch.equal(found.mask(), expected)
    found.backward(products)
    assert found.gate.scores.grad is not None and found.gate.threshold.grad is not None
    assert torch.allclose(found.gate.scores.grad, sums, atol=1e-6)
    assert float(found.gate.threshold.grad) == pytest.approx(float(sums[[0, 1, 3]].sum()), abs=1e-5)


def test_the_second_step_prunes_blocks_and_halves_no_unit() -> None:
    model, method = begin(blocks=0.6, size=8)
    drive(model, method, adamw(model), range(method.hard_step))
    assert method.phase == "blocks" and len(method.rates) == method.hard_step
    units = {n: m.numpy() for n, m in method.units.items()}
    masks = {n: m.numpy() for n, m in method.choose_masks().items()}
    assert all(not (masks[n] & ~units[n]).any() for n in masks)
    # Every kept unit has something left in every matrix that it lies in.
    assert [k.tolist() for k in method.anatomy.kept(masks)] == [k.tolist() for k in method.anatomy.kept(units)]
    assert all(v.ok for v in verify_all(masks, method.context.pattern).values())
    stays = sum(int(m.sum()) for m in masks.values()) / sum(int(m.sum()) for m in units.values())
    assert stays == pytest.approx(0.4, abs=0.02)


# -- whole ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("stop", "knobs"), [(3, {}), (5, {"blocks": 0.5}), (10, {"blocks": 0.5})])
def test_a_killed_run_goes_on_with_the_same_gates(stop: int, knobs: dict[str, Any]) -> None:
    model, whole = begin(**knobs)
    optimizer = adamw(model)
    drive(model, whole, optimizer, range(stop))
    state = {k: v.clone() for k, v in whole.state().items()}
    again, resumed = begin(**knobs)
    again.load_state_dict(model.state_dict())
    resumed.load_state(state)
    other = adamw(again)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    drive(model, whole, optimizer, range(stop, STEPS))
    drive(again, resumed, other, range(stop, STEPS))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    one, two = whole.told(), resumed.told()
    assert set(one) == set(two) and all(np.array_equal(one[key], two[key], equal_nan=True) for key in one)


@pytest.mark.parametrize(("given", "words"), [
    ({"lr": 0.01}, r"Thresholds that start at 3 cannot reach 0\.00, where units:0\.5 is met, in 7 steps"),
    ({"start": 10.0, "lr": 0.2}, "cannot reach"),
    ({"pattern": "units:0.2", "lr": 1.0, "blocks": 0.9}, r"reach -2\.20, where blocks = 0\.9 is met, in 4 steps"),
    ({"pattern": "units:0.99"}, "every module keeps a head or a neuron"),
    ({"steps": 1, "blocks": 0.5}, "with 1 training steps to prune in")])
def test_what_cannot_be_reached_is_refused_before_training(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        begin(**given)


def test_left_alone_the_thresholds_reach_their_target_and_stop_there() -> None:
    """No task: the penalty alone, with the learning rates that the method chose."""
    _, method = begin("units:0.6", steps=60)
    for step in range(method.hard_step):
        method.open = {}
        penalty = method.penalty({})
        assert penalty is not None
        penalty.backward()
        method.after_backward(step)
    assert 0.3 < method.measures()["left"] <= 0.43
    assert len({round(float(g.threshold.detach()), 3) for g in method.gates}) == 1


def test_the_margin_of_a_unit_is_how_far_its_threshold_may_fall() -> None:
    gate = Gate(8, 0.7, torch.zeros(1))
    gate.scores.data.copy_(torch.tensor([0.0, 5.0, -1.0, 2.0, 2.0, -3.0, 1.0, 0.5]))
    for unit, margin in enumerate(gate.margins().tolist()):
        if unit == 1:
            assert margin > 100  # the best one is never lost
            continue
        for by, stays in ((margin - 1e-6, 1.0), (margin + 1e-6, 0.0)):
            mask = TopK.apply(gate.scores.detach(), (gate.threshold.detach().double() - by))
            assert mask[unit] == stays


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One for all whole runs: they start from the same dense model."""
    root: Path = tmp_path_factory.mktemp("store")
    return Store(recorded=root / "cached_runs", live=root / "runs")


@pytest.mark.parametrize(("knobs", "more"), [
    ({}, {"distill": 0.9, "distill_attention": 0.9, "distill_hidden": 2.7}), ({"blocks": 0.5, "size": 8}, {})])
def test_a_whole_run_keeps_its_looks_and_passes_the_check(
        knobs: dict[str, Any], more: dict[str, Any], store: Store) -> None:
    record = run(resolve({"task": "agreement", "model": "tiny", "train_examples": 64, "dev_examples": 32,
                          "dense_epochs": 1, "epochs": 4, "calibration": 16, "method": "mlpruning",
                          "pattern": "units:0.6", "knobs": knobs, **more}), store=store)
    found = store.open(record.id)
    report = check(found)
    assert report.problems == [] and record.units is not None and record.status == "succeeded"
    steps, heads = found.array("method/steps"), found.array("method/left/head")
    assert steps is not None and steps[0] == 0 and (np.diff(steps) > 0).all()
    assert heads is not None and heads.shape == (len(steps), 2) and heads[0].tolist() == [4, 4]
    assert ("method/blocks/threshold" in found.keys) == bool(knobs)
    zeros = 1 - sum(m.density * math.prod(m.shape) for m in record.matrices) / sum(
        math.prod(m.shape) for m in record.matrices)
    assert zeros == pytest.approx(0.8 if knobs else 0.6, abs=0.03)
