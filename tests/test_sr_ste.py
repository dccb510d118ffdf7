"""SR-STE against a loop written out with plain autograd and an explicit mask, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from core.methods.base import Context
from core.methods.knob_sets import SrSteKnobs
from core.methods.sr_ste import SrSte
from core.sparsity.patterns import parse_pattern

Make = Callable[[list[torch.Tensor]], torch.optim.Optimizer]
SGD: Make = lambda ps: torch.optim.SGD(ps, lr=1.0)  # noqa: E731
ADAM: Make = lambda ps: torch.optim.AdamW(ps, lr=0.02, weight_decay=0.1)  # noqa: E731
STEPS = 24
DECAY = 0.05  # far above the published 2e-4, so that a decay at the wrong place shows


def layers() -> dict[str, nn.Linear]:
    torch.manual_seed(5)
    return {"a": nn.Linear(8, 8).double(), "b": nn.Linear(8, 4).double()}


def context(of: dict[str, nn.Linear], lr: float, pattern: str = "2:4") -> Context:
    return Context(pattern=parse_pattern(pattern), total_steps=STEPS, stats={}, solution={},
                   dense={n: m.weight.detach().clone() for n, m in of.items()}, lr=lambda step: lr * (1 - step / STEPS))


def inputs(step: int) -> torch.Tensor:
    return torch.randn(16, 8, generator=torch.Generator().manual_seed(step), dtype=torch.float64)


def loss_of(wa: torch.Tensor, ba: torch.Tensor, wb: torch.Tensor, bb: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return (torch.tanh(x @ wa.T + ba) @ wb.T + bb - x[:, :4].flip(1)).square().mean()


def best(w: torch.Tensor) -> torch.Tensor:
    """1 where a weight is among the two largest of its four, by a loop."""
    mask = torch.zeros_like(w)
    for i in range(w.shape[0]):
        for g in range(0, w.shape[1], 4):
            for j in sorted(range(g, g + 4), key=lambda j: -abs(float(w[i, j])))[:2]:
                mask[i, j] = 1.0
    return mask


def by_hand(make: Make, form: str) -> tuple[list[list[torch.Tensor]], list[torch.Tensor]]:
    """All parameters after every step, and the last masks."""
    start = layers()
    ps = [p.detach().clone().requires_grad_() for m in start.values() for p in (m.weight, m.bias)]
    optimizer, seen = make(ps), []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] *= (1 - step / STEPS) / (1 - (step - 1) / STEPS) if step else 1.0
        masks = [best(ps[0].detach()), best(ps[2].detach())]
        masked = [(ps[i].detach() * m).requires_grad_() for i, m in zip((0, 2), masks, strict=True)]
        g = torch.autograd.grad(loss_of(masked[0], ps[1], masked[1], ps[3], inputs(step)),
                                [masked[0], ps[1], masked[1], ps[3]])
        cut = [(1 - m) * ps[i].detach() for i, m in zip((0, 2), masks, strict=True)]
        grads = [x.clone() for x in g]
        if form == "gradient":
            grads[0] += DECAY * cut[0]
            grads[2] += DECAY * cut[1]
        length = torch.sqrt(sum((x * x).sum() for x in grads))  # type: ignore[arg-type]
        for p, x in zip(ps, grads, strict=True):
            p.grad = x * min(1.0, 0.1 / (float(length) + 1e-6))
        optimizer.step()
        if form == "weights":
            for i, c in zip((0, 2), cut, strict=True):
                ps[i].data -= optimizer.param_groups[0]["lr"] * DECAY * c
        seen.append([p.detach().clone() for p in ps])
    return seen, [best(ps[0].detach()), best(ps[2].detach())]


def drive(method: SrSte, of: dict[str, nn.Linear], optimizer: torch.optim.Optimizer, start: int, stop: int,
          ) -> list[list[torch.Tensor]]:
    """The loop's calls, in its order, with a clip at 0.1 that is nearly always active."""
    ps, seen = [p for m in of.values() for p in (m.weight, m.bias)], []
    for step in range(start, stop):
        for group in optimizer.param_groups:
            group["lr"] = method.context.lr(step)
        method.before_forward(step)
        loss_of(ps[0], ps[1], ps[2], ps[3], inputs(step)).backward()
        method.after_backward(step)
        torch.nn.utils.clip_grad_norm_(ps, 0.1)
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(step)
        method.measures() if step % 5 == 0 else None
        seen.append([p.detach().clone() for p in ps])
    return seen


def begin(make: Make, form: str) -> tuple[SrSte, dict[str, nn.Linear], torch.optim.Optimizer]:
    of = layers()
    optimizer = make([p for m in of.values() for p in (m.weight, m.bias)])
    method = SrSte(SrSteKnobs(decay=DECAY, form=form))
    method.prepare(of, context(of, optimizer.param_groups[0]["lr"]))
    return method, of, optimizer


@pytest.mark.parametrize("make", [SGD, ADAM])
@pytest.mark.parametrize("form", ["gradient", "weights"])
def test_every_step_equals_the_loop_written_out(make: Make, form: str) -> None:
    method, of, optimizer = begin(make, form)
    expected, masks = by_hand(make, form)
    ours = drive(method, of, optimizer, 0, STEPS)
    for step, (mine, theirs) in enumerate(zip(ours, expected, strict=True)):
        for a, b in zip(mine, theirs, strict=True):
            assert torch.allclose(a, b, atol=1e-9), step  # float64; the clip's 1e-6 is written out too
    assert any(not torch.equal(best(x[0]), best(ours[0][0])) for x in ours)  # the mask did move on the way
    latent = {n: m.weight.detach().clone() for n, m in of.items()}
    method.hard_prune(method.choose_masks())
    method.finish()
    for (name, module), mask in zip(of.items(), masks, strict=True):
        assert torch.equal(module.weight, latent[name] * mask)
        assert torch.equal(method.masks[name], mask.bool())


def test_with_plain_gradient_descent_the_two_forms_are_one() -> None:
    """Without clipping, as published: grad + decay (1 - M) o W, or the same taken from W beside it."""
    ends = []
    for form in ("gradient", "weights"):
        method, of, optimizer = begin(SGD, form)
        for step in range(8):
            optimizer.param_groups[0]["lr"] = method.context.lr(step)
            method.before_forward(step)
            ps = [p for m in of.values() for p in (m.weight, m.bias)]
            loss_of(ps[0], ps[1], ps[2], ps[3], inputs(step)).backward()
            method.after_backward(step)
            optimizer.step()
            optimizer.zero_grad()
            method.after_step(step)
        ends.append([m.weight.detach().clone() for m in of.values()])
    for a, b in zip(*ends, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_the_forms_differ_under_adam() -> None:
    ends = []
    for form in ("gradient", "weights"):
        method, of, optimizer = begin(ADAM, form)
        drive(method, of, optimizer, 0, STEPS)
        ends.append(of["a"].weight.detach().clone())
    assert float((ends[0] - ends[1]).abs().max()) > 1e-3


@pytest.mark.parametrize("form", ["gradient", "weights"])
def test_killed_and_continued_is_uninterrupted(form: str) -> None:
    """At step 13, between two looks at the mask: weights, optimiser and state are all that is carried over."""
    method, of, optimizer = begin(ADAM, form)
    whole = drive(method, of, optimizer, 0, STEPS)
    expected = method.measures()
    first, one, moments = begin(ADAM, form)
    drive(first, one, moments, 0, 13)
    state = {k: v.clone() for k, v in first.state().items()}
    again, two, fresh = begin(ADAM, form)
    for name, module in two.items():
        module.load_state_dict(one[name].state_dict())
    fresh.load_state_dict(moments.state_dict())
    again.load_state(state)
    rest = drive(again, two, fresh, 13, STEPS)
    assert all(torch.equal(a, b) for x, y in zip(whole[13:], rest, strict=True) for a, b in zip(x, y, strict=True))
    assert again.measures() == expected
    assert expected["moved"] > 0


def test_flips_are_counted_between_two_looks() -> None:
    method, of, _ = begin(SGD, "gradient")
    assert method.measures() == {"flips": 0.0, "flipped": 0.0, "moved": 0.0}
    of["a"].weight.data[0, :4] = torch.tensor([1.0, 2.0, 0.1, 0.2], dtype=torch.float64)
    before = best(of["a"].weight.detach())
    method.after_step(0)
    method.measures()
    of["a"].weight.data[0, :4] = torch.tensor([0.1, 2.0, 1.0, 0.2], dtype=torch.float64)
    method.after_step(1)
    seen = method.measures()
    assert int((best(of["a"].weight.detach()) != before).sum()) == 2
    assert (seen["flips"], seen["flipped"]) == (2.0, 2 / 96)
    assert method.measures() == seen  # looking twice changes nothing


def test_what_is_served_obeys_the_pattern_while_what_is_trained_does_not() -> None:
    method, of, optimizer = begin(ADAM, "gradient")
    drive(method, of, optimizer, 0, 6)
    for name, weight in (method.served() or {}).items():
        latent = of[name].weight.detach()
        assert torch.equal(weight, latent * best(latent))
        assert int((latent == 0).sum()) == 0
