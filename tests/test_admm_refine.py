"""`admm` with refine=sr-ste: after the hard prune the mask goes on moving."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from core.inside.statistics import LayerStats
from core.methods.admm import Admm
from core.methods.base import Context
from core.methods.knob_sets import AdmmKnobs
from core.methods.knobs import Knobs, knobs_to_spec
from core.methods.magnitude import Magnitude
from core.sparsity.grids import Grid
from core.sparsity.patterns import parse_pattern
from core.sparsity.verify import verify

STEPS, HARD = 40, 20


def toy() -> tuple[dict[str, nn.Linear], torch.optim.Optimizer]:
    torch.manual_seed(11)
    layers = {"a": nn.Linear(8, 8).double(), "b": nn.Linear(8, 8).double()}
    return layers, torch.optim.AdamW([p for m in layers.values() for p in m.parameters()], lr=0.02)


def begin(refine: str = "sr-ste", grid: Grid | None = None) -> tuple[Admm, dict[str, nn.Linear], torch.optim.Optimizer]:
    layers, optimizer = toy()
    dense = {n: m.weight.detach().clone() for n, m in layers.items()}
    solver = Magnitude(Knobs())
    norms = torch.linspace(0.5, 2.0, 8, dtype=torch.float64)
    method = Admm(AdmmKnobs(refine=refine, decay=0.05, rho_end=0.05), grid)
    method.prepare(layers, Context(
        pattern=parse_pattern("2:4"), total_steps=STEPS, dense=dense, lr=lambda step: 0.02,
        stats={n: LayerStats(norms=norms, tokens=1) for n in dense},
        solution={n: solver.solve(w, None, parse_pattern("2:4")) for n, w in dense.items()}))
    return method, layers, optimizer


def x_of(step: int) -> torch.Tensor:
    return torch.randn(32, 8, generator=torch.Generator().manual_seed(step), dtype=torch.float64)


def drive(method: Admm, layers: dict[str, nn.Linear], optimizer: torch.optim.Optimizer, start: int, stop: int) -> None:
    for step in range(start, stop):
        if not method.masks and step == method.hard_step:
            method.hard_prune(method.choose_masks())
        method.before_forward(step)
        x = x_of(step)
        (layers["b"](torch.tanh(layers["a"](x))) - x.flip(1)).square().mean().backward()
        method.after_backward(step)
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(step)
        if step % 5 == 4:
            method.measures()


def best(score: torch.Tensor) -> torch.Tensor:
    """1 for the two largest of every four, by sorting."""
    order = score.reshape(-1, 4).sort(dim=1, descending=True, stable=True).indices
    return torch.zeros(order.shape, dtype=torch.float64).scatter(1, order[:, :2], 1.0).reshape(score.shape)


def test_refinement_is_sr_ste_in_the_metric_of_the_projection() -> None:
    """From W at the hard prune on, every step against plain autograd through an explicit mask."""
    method, layers, optimizer = begin()
    drive(method, layers, optimizer, 0, HARD)
    method.hard_prune(method.choose_masks())
    norms = method.context.stats["a"].norms
    free = {n: m.weight.detach().clone() for n, m in layers.items()}
    assert all(bool((w != 0).all()) for w in free.values())  # W stays dense underneath
    bias = {n: m.bias.detach().clone() for n, m in layers.items()}
    _, other = toy()
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    ps = other.param_groups[0]["params"]
    for p, value in zip(ps, [free["a"], bias["a"], free["b"], bias["b"]], strict=True):
        p.data = value
    masks = []
    for step in range(HARD, STEPS):
        wa, ba, wb, bb = ps
        ma, mb = best(wa.detach().abs() * norms), best(wb.detach().abs() * norms)
        va, vb = (wa.detach() * ma).requires_grad_(), (wb.detach() * mb).requires_grad_()
        x = x_of(step)
        loss = (torch.tanh(x @ va.T + ba) @ vb.T + bb - x.flip(1)).square().mean()
        g = torch.autograd.grad(loss, [va, ba, vb, bb])
        wa.grad = g[0] + 0.05 * (1 - ma) * wa.detach()
        ba.grad, bb.grad = g[1], g[3]
        wb.grad = g[2] + 0.05 * (1 - mb) * wb.detach()
        other.step()
        masks.append(ma)
        drive(method, layers, optimizer, step, step + 1)
        for mine, theirs in zip([layers["a"].weight, layers["b"].weight, layers["a"].bias], [wa, wb, ba], strict=True):
            assert torch.allclose(mine, theirs, atol=1e-10), step
    assert not torch.equal(masks[0], masks[-1])  # it did move
    final = ps[0].detach() * best(ps[0].detach().abs() * norms)
    assert method.phase == "moving"
    method.finish()
    assert torch.allclose(layers["a"].weight, final, atol=1e-10)
    assert torch.equal(method.masks["a"], final != 0)
    assert not torch.equal(method.masks["a"], masks[0].bool())


def test_the_stage_hard_pruned_is_w_under_the_mask_of_z() -> None:
    method, layers, optimizer = begin()
    drive(method, layers, optimizer, 0, HARD)
    masks = method.choose_masks()
    assert torch.equal(method.pruned(masks)["a"], layers["a"].weight.detach() * (method.feasible()["a"] != 0))


@pytest.mark.parametrize("stop", [7, 33])
@pytest.mark.parametrize("grid", [None, Grid(4, 4)])
def test_killed_and_continued_is_uninterrupted(stop: int, grid: Grid | None) -> None:
    ends, seen = [], []
    for interrupted in (False, True):
        method, layers, optimizer = begin(grid=grid)
        drive(method, layers, optimizer, 0, stop)
        if interrupted:
            state = {k: v.clone() for k, v in method.state().items()}
            weights = {n: m.weight.detach().clone() for n, m in layers.items()}
            again = Admm(method.knobs, grid)
            for n, m in layers.items():  # as a fresh process finds them
                m.weight.data = method.context.dense[n].clone()
            again.prepare(layers, method.context)
            for n, m in layers.items():
                m.weight.data.copy_(weights[n])
            method = again
            method.load_state(state)
        drive(method, layers, optimizer, stop, STEPS)
        seen.append(method.measures())
        method.finish()
        ends.append([m.weight.detach().clone() for m in layers.values()] + [method.masks["a"], method.masks["b"]])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
    assert seen[0] == seen[1]


def test_with_a_grid_the_final_weights_are_on_it_and_in_the_pattern() -> None:
    method, layers, optimizer = begin(grid=Grid(3, 4))
    drive(method, layers, optimizer, 0, STEPS)
    method.finish()
    for name, module in layers.items():
        weight = module.weight.detach()
        scale = method.scales[name].repeat_interleave(4, dim=1)
        codes = torch.where(scale > 0, weight / scale, torch.zeros_like(weight)).round()
        assert torch.equal(codes * scale, weight)
        assert float(codes.abs().max()) <= 3
        verdict = verify(method.masks[name].numpy(), parse_pattern("2:4"), name)
        assert (verdict.violations, verdict.short) == (0, 0)
        assert not (weight != 0)[~method.masks[name]].any()


def test_runs_recorded_before_keep_their_ids() -> None:
    assert not {"refine", "decay"} & set(knobs_to_spec(AdmmKnobs()))
    assert knobs_to_spec(AdmmKnobs(refine="sr-ste"))["refine"] == "sr-ste"
    assert knobs_to_spec(AdmmKnobs(refine="sr-ste", decay=0.01))["decay"] == 0.01


def test_without_steps_to_refine_the_prune_is_final() -> None:
    method, layers, _ = begin()
    method.hard_step = STEPS
    method.hard_prune(method.choose_masks())
    assert method.moving is None and method.served() is None
    assert all(int((m.weight != 0).sum()) == 32 for m in layers.values())
