"""Group lasso against loops over single groups, worked numbers, and a training written out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from core.methods.base import Context
from core.methods.group_lasso import GroupLasso
from core.methods.heaps import BINS, HIGH, LOW, Heaps
from core.methods.knob_sets import GroupLassoKnobs
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.store import Store
from core.sparsity.patterns import parse_pattern

STEPS = 12


def layers(*shapes: tuple[int, int]) -> dict[str, nn.Linear]:
    torch.manual_seed(3)
    return {f"m{k}": nn.Linear(i, o).double() for k, (o, i) in enumerate(shapes)}


def begin(of: dict[str, nn.Linear], pattern: str, steps: int = STEPS, **knobs: object) -> GroupLasso:
    method = GroupLasso(GroupLassoKnobs(**knobs))  # type: ignore[arg-type]
    method.prepare(of, Context(
        pattern=parse_pattern(pattern), total_steps=steps, stats={}, solution={},
        lr=lambda step: 1e-3 * (1 - step / steps), dense={n: m.weight.detach().clone() for n, m in of.items()}))
    return method


def pieces(weight: torch.Tensor, rows: int, columns: int) -> dict[tuple[int, int], torch.Tensor]:
    """Every rows x columns piece of a matrix by its place, cut by slices."""
    return {(i, j): weight[i : i + rows, j : j + columns]
            for i in range(0, weight.shape[0], rows) for j in range(0, weight.shape[1], columns)}


@pytest.mark.parametrize(("rows", "columns"), [(1, 4), (4, 1), (2, 4), (1, 1)])
def test_the_penalty_and_its_gradient_are_those_of_every_group_by_itself(rows: int, columns: int) -> None:
    of = layers((8, 16), (4, 8))
    method = begin(of, f"block:{rows}x{columns}:0.5", strength=0.02)
    for layer in of.values():  # R stays what it was in the dense weights
        layer.weight.data.mul_(1.7).add_(0.01)
    value = method.penalty({})
    assert value is not None
    value.backward()
    expected = 0.0
    for name, layer in of.items():
        dense = pieces(method.context.dense[name], rows, columns)
        for place, piece in pieces(layer.weight.detach(), rows, columns).items():
            r = 1 / (math.sqrt(sum(float(x) ** 2 for x in dense[place].flatten())) + 1e-3)
            norm = math.sqrt(sum(float(x) ** 2 for x in piece.flatten()))
            expected += 0.02 * r * norm
            assert layer.weight.grad is not None
            got = pieces(layer.weight.grad, rows, columns)[place]
            assert torch.allclose(got, 0.02 * r / norm * piece, rtol=1e-9, atol=0)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-9)


def test_right_after_a_refresh_every_group_costs_nearly_the_same() -> None:
    of = layers((8, 16))
    of["m0"].weight.data[:4] *= 100
    method = begin(of, "block:1x4:0.5", strength=0.5)
    norms = [float(p.norm()) for p in pieces(of["m0"].weight.detach(), 1, 4).values()]
    assert len(norms) == 8 * 16 // 4
    value = method.penalty({})
    assert value is not None
    assert float(value.detach()) == pytest.approx(0.5 * sum(n / (n + 1e-3) for n in norms), rel=1e-9)


def test_a_group_of_zeros_weighs_a_thousand_and_has_no_gradient() -> None:
    of = layers((4, 8))
    of["m0"].weight.data[0, :4] = 0
    method = begin(of, "block:1x4:0.5")
    assert float(method.weighing["m0"].flatten()[0]) == 1000.0
    value = method.penalty({})
    assert value is not None
    value.backward()
    grad = of["m0"].weight.grad
    assert grad is not None and bool(grad.isfinite().all()) and not grad[0, :4].any()


def test_the_proximal_step_is_the_worked_one() -> None:
    """W_g = (3, 4), t = 1, R = 1 / 5.001: the factor is 0.96001. One group that is its own threshold."""
    of = {"m0": nn.Linear(2, 1).double()}
    of["m0"].weight.data = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    method = begin(of, "block:1x2:0.5", steps=2, share=0.5, form="proximal", dose=1 / (5 * 5.001))
    assert method.penalty({}) is None
    method.after_step(0)
    assert of["m0"].weight.tolist() == [[pytest.approx(2.88002, abs=1e-5), pytest.approx(3.84003, abs=1e-5)]]


def test_left_to_the_proximal_steps_alone_the_weaker_half_dies_and_the_stronger_stays() -> None:
    of = layers((16, 32))
    dense = of["m0"].weight.detach().clone()
    method = begin(of, "block:1x8:0.5", form="proximal", share=1.0)
    for step in range(STEPS):
        method.after_step(step)
    before, after = (torch.stack([p.norm() for p in pieces(w, 1, 8).values()])
                     for w in (dense, of["m0"].weight.detach()))
    order = before.argsort()
    # The threshold is the size with half of the groups below it, so that those are gone, and it itself is at zero.
    assert int((after == 0).count_nonzero()) in (len(order) // 2, len(order) // 2 + 1)
    assert bool((after[order[len(order) // 2 + 1:]] > 0).all())


@pytest.mark.parametrize("pattern", ["block:2x4:0.5", "2:4", "unstructured:0.5", "global:0.5", "library:4x4:8:4"])
def test_what_stays_are_the_largest_groups_whole_and_what_is_cut_stays_zero(pattern: str) -> None:
    of = layers((8, 16), (8, 8))
    of["m1"].weight.data *= 3
    bound = parse_pattern(pattern)
    if pattern.startswith("library"):
        bound = bound.bound({n: m.weight.detach().float().numpy() for n, m in of.items()})
    method = GroupLasso(GroupLassoKnobs())
    method.prepare(of, Context(pattern=bound, total_steps=STEPS, stats={}, solution={}, lr=lambda step: 1e-3,
                               dense={n: m.weight.detach().clone() for n, m in of.items()}))
    masks = method.choose_masks()
    assert sum(int(m.sum()) for m in masks.values()) == (8 * 16 + 8 * 8) // 2
    method.hard_prune(masks)
    assert method.penalty({}) is None
    if pattern == "block:2x4:0.5":
        for name, layer in of.items():
            norms = {at: float(p.norm()) for at, p in pieces(method.context.dense[name], 2, 4).items()}
            stay = set(sorted(norms, key=lambda at: -norms[at])[: len(norms) // 2])
            for place, piece in pieces(layer.weight.detach(), 2, 4).items():
                assert bool((piece != 0).all()) == (place in stay) and bool(piece.any()) == (place in stay)
    optimizer = torch.optim.AdamW([m.weight for m in of.values()], lr=0.1, weight_decay=0.1)
    for step in range(3):
        for layer in of.values():
            layer.weight.grad = torch.randn_like(layer.weight)
        optimizer.step()
        method.after_step(step)
    assert all(not of[name].weight[~mask].any() for name, mask in masks.items())


def test_r_is_taken_anew_as_often_as_asked_and_never_at_the_prune() -> None:
    of = layers((4, 8))
    method = begin(of, "block:1x4:0.5", share=1.0, refreshes=3)
    seen = [method.weighing["m0"].clone()]
    for step in range(STEPS):
        of["m0"].weight.data *= 0.9
        method.after_step(step)
        if not torch.equal(seen[-1], method.weighing["m0"]):
            seen.append(method.weighing["m0"].clone())
            assert step + 1 in (4, 8)
            norms = torch.stack([p.norm() for p in pieces(of["m0"].weight.detach(), 1, 4).values()])
            assert torch.allclose(seen[-1].flatten(), 1 / (norms + 1e-3))
    assert len(seen) == 3


def test_a_look_counts_every_group_where_a_loop_puts_it() -> None:
    norms = {"a": torch.tensor([[0.0, 1e-9, 0.02, 0.5]]), "b": torch.tensor([[40.0, 3.0, 2.0, 1.0]])}
    heaps = Heaps(norms, parse_pattern("block:1x4:0.5"), 8)
    assert heaps.thresholds == {"a": pytest.approx(0.02), "b": 3.0}  # half of the groups lie below
    heaps.look(4, norms)
    told = heaps.told()
    expected, width = np.zeros(BINS + 2, int), (HIGH - LOW) / BINS
    for name, values in norms.items():
        for value in values.flatten().tolist():
            size = value / heaps.thresholds[name]
            power = math.log10(size) if size > 0 else -math.inf
            if power < LOW:
                expected[0] += 1
            elif power >= HIGH:
                expected[-1] += 1
            else:
                expected[1 + int((power - LOW) / width)] += 1
    assert told["heaps"].tolist() == [expected.tolist()] and told["steps"].tolist() == [4]
    assert heaps.quiet == pytest.approx(2 / 8)


def test_a_killed_run_goes_on_with_the_same_weighing_and_looks() -> None:
    def drive(method: GroupLasso, of: dict[str, nn.Linear], steps: range) -> None:
        for step in steps:
            for k, layer in enumerate(of.values()):
                draw = torch.Generator().manual_seed(step)
                noise = torch.randn(layer.weight.shape, dtype=torch.float64, generator=draw)
                layer.weight.data += 0.05 * noise * (k + 1)
            method.after_step(step)

    of = layers((8, 16), (4, 8))
    whole = begin(of, "block:1x4:0.5", form="proximal", refreshes=3)
    drive(whole, of, range(3))
    state = {k: v.clone() for k, v in whole.state().items()}
    halfway = {n: m.weight.detach().clone() for n, m in of.items()}
    drive(whole, of, range(3, 6))

    again = layers((8, 16), (4, 8))
    resumed = begin(again, "block:1x4:0.5", form="proximal", refreshes=3)
    for name, layer in again.items():
        layer.weight.data.copy_(halfway[name])
    resumed.load_state(state)
    drive(resumed, again, range(3, 6))
    assert all(torch.equal(of[n].weight, again[n].weight) for n in of)
    one, other = whole.told(), resumed.told()
    assert all(np.array_equal(one[key], other[key]) for key in one) and resumed.heaps.quiet == whole.heaps.quiet


@pytest.mark.parametrize("form", ["penalty", "proximal"])
def test_a_whole_run_keeps_its_looks_and_passes_the_check(form: str, tmp_path: Path) -> None:
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    record = run(resolve({"task": "agreement", "model": "tiny", "train_examples": 64, "dev_examples": 32,
                          "dense_epochs": 1, "epochs": 4, "calibration": 16, "method": "group-lasso",
                          "pattern": "block:4x1:0.75", "knobs": {"form": form}, "record": "answers"}), store=store)
    folder = store.live / record.id
    found = check(store.open(record.id))
    assert found.problems == [] and any("looks at the groups' sizes counts all" in line for line in found.verified)
    held = load_file(folder / "arrays.safetensors")
    assert held["method/steps"][0] == 0 and (np.diff(held["method/steps"]) > 0).all()
    held["method/heaps"][1, 3] += 1
    save_file(held, folder / "arrays.safetensors")
    assert any("do not count" in line for line in check(store.open(record.id)).problems)
