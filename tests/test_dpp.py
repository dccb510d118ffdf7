"""DPP: its draws against enumeration and a naive loop, its gradients against plain autograd, a planted tile."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.methods import build
from core.methods.base import Context
from core.methods.dpp import Dpp, choice_slope, diversity, entropy_slope, gumbel, soft_slope
from core.sparsity.patterns import parse_pattern
from core.sparsity.verify import verify

STEPS = 12


def method_on(pattern: str, layers: dict[str, nn.Linear], steps: int = STEPS, **knobs: object) -> Dpp:
    method: Dpp = build("dpp", {"share": 1.0, **knobs})
    dense = {name: m.weight.detach().clone() for name, m in layers.items()}
    bound = parse_pattern(pattern).bound({name: weight.numpy() for name, weight in dense.items()})
    method.prepare(layers, Context(pattern=bound, total_steps=steps, stats={}, solution={}, lr=lambda step: 0.1,
                                   dense=dense))
    return method


def layers(rows: int = 6, width: int = 8) -> dict[str, nn.Linear]:
    torch.manual_seed(5)
    return {"a": nn.Linear(width, rows, bias=False), "b": nn.Linear(width, rows, bias=False)}


def step_of(method: Dpp, of: dict[str, nn.Linear], step: int, optimizer: torch.optim.Optimizer | None = None) -> Tensor:
    """One training step as the loop makes it; returns the loss."""
    x = torch.randn(16, of["a"].in_features, generator=torch.Generator().manual_seed(step))
    method.before_forward(step)
    loss = (of["a"](x).tanh() * of["b"](x)).square().mean()
    loss.backward()
    method.after_backward(step)
    if optimizer is not None:
        optimizer.step()
    for m in of.values():
        m.weight.grad = None
    return loss.detach()


# -- gradients -----------------------------------------------------------------------------------------------------


def published(logits: Tensor, noise: Tensor, tau: float, order: list[int]) -> Tensor:
    """The mask of one tile as the authors' code makes it: hard draws forward, soft ones backward, without formulas of
    ours. *order*: the places that are drawn, one after the other."""
    taken = torch.zeros_like(logits)
    mask = torch.zeros_like(logits)
    for place in order:
        q = torch.softmax((torch.log(torch.exp(logits) * (1 - taken + 1e-20)) + noise) / tau, 0)
        hard = torch.nn.functional.one_hot(torch.tensor(place), len(logits)).to(logits)
        mask = mask + (hard - q).detach() + q
        taken = taken + hard
    return mask


@pytest.mark.parametrize("kept", [1, 2, 3])
@pytest.mark.parametrize("by_value", [True, False])
@pytest.mark.parametrize("tau", [5.0, 0.5])
def test_the_slope_of_a_draw_is_that_of_plain_autograd(kept: int, by_value: bool, tau: float) -> None:
    torch.manual_seed(kept)
    logits, noise, back = torch.randn(5, 4), torch.randn(5, 4), torch.randn(5, 4)
    logits, noise, back = logits.double(), noise.double(), back.double()
    scores = logits + noise
    mask, wanted = torch.zeros(5, 4, dtype=torch.bool), torch.empty(5, 4, dtype=torch.float64)
    for t in range(5):
        order = sorted(range(4), key=lambda j, t=t: -float(scores[t, j]))[:kept]
        mask[t, order] = True
        leaf = logits[t].clone().requires_grad_()
        drawn = published(leaf, noise[t], tau, order if by_value else sorted(order))
        assert drawn.detach().tolist() == pytest.approx(mask[t].double().tolist())
        (drawn * back[t]).sum().backward()
        wanted[t] = leaf.grad
    found = soft_slope(scores, mask, back, tau, by_value)
    assert torch.allclose(found, wanted, rtol=1e-9, atol=1e-12)
    assert found.abs().min() > 0 or kept == 3  # every logit hears of the loss


def test_the_slopes_of_the_entropies_are_those_of_plain_autograd() -> None:
    torch.manual_seed(1)
    rows = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    p = rows.softmax(1)
    (-(p * p.log()).sum()).backward()
    assert rows.grad is not None
    assert torch.allclose(entropy_slope(rows.detach()), rows.grad)
    rows.grad = None
    ordered = rows.detach().sort(dim=1, descending=True).values
    edge = (ordered[:, 1:2] + ordered[:, 2:3]) / 2
    stays = ((rows - edge) / 0.3).sigmoid()
    (-(stays * stays.log() + (1 - stays) * (1 - stays).log()).sum()).backward()
    assert torch.allclose(choice_slope(rows.detach(), 2, 0.3), rows.grad)
    assert not choice_slope(rows.detach(), 4, 0.3).any()


def test_only_the_entropy_of_the_choice_makes_two_of_four_certain() -> None:
    """Followed downhill, the published entropy leaves one winner and the rest as open as before."""
    start = torch.tensor([[1.0, 0.8, 0.7, 0.1]], dtype=torch.float64)
    between = []
    for slope in (entropy_slope, lambda d: choice_slope(d, 2, 0.5)):
        rows = start.clone()
        for _ in range(300):
            rows -= 0.05 * slope(rows)
        second, third = rows[0].sort(descending=True).values[1:3]
        between.append(float(second - third))
    assert between[0] < 0.25 and between[1] > 1.0


def test_steps_are_those_of_a_loop_written_out() -> None:
    """Drawn masks, W and D over all steps, with plain autograd through the published mask."""
    of = layers()
    method = method_on("2:4", of, noise=0.7, entropy=0.01, certainty="softmax", order="index", warm=0.5)
    w = {n: m.weight.detach().clone().requires_grad_() for n, m in of.items()}
    d: dict[str, Tensor] = {}
    for name, weight in w.items():
        tiles = weight.detach().abs().reshape(-1, 4)
        d[name] = (0.5 * (tiles - tiles.mean(1, keepdim=True)) / tiles.std(1, keepdim=True)).requires_grad_()
    weights = torch.optim.SGD(w.values(), lr=0.1)
    logits = torch.optim.Adam(d.values(), lr=0.01)
    optimizer = torch.optim.SGD([m.weight for m in of.values()], lr=0.1)
    for step in range(STEPS):
        torch.manual_seed(step)
        noise = {name: 0.7 * gumbel(torch.empty(6, 8)).reshape(-1, 4) for name in d}
        torch.manual_seed(step)
        tau = 5 - 4.5 * step / (STEPS - 1)
        masked = {}
        for name, tiles in d.items():
            rows = []
            for t, row in enumerate(tiles):
                scores = (row + noise[name][t]).tolist()
                best = sorted(sorted(range(4), key=lambda j, s=scores: -s[j])[:2])
                rows.append(published(row, noise[name][t], tau, best))
            masked[name] = w[name] * torch.stack(rows).view(6, 8)
        x = torch.randn(16, 8, generator=torch.Generator().manual_seed(step))
        loss = ((x @ masked["a"].T).tanh() * (x @ masked["b"].T)).square().mean()
        more = sum(-(t.softmax(1) * t.log_softmax(1)).sum() for t in d.values())
        weights.zero_grad()
        logits.zero_grad()
        (loss + 0.01 / 6 * more).backward()
        weights.step()
        logits.step()
        torch.manual_seed(step)
        assert float(step_of(method, of, step, optimizer)) == pytest.approx(float(loss.detach()), rel=1e-4)
    for name, m in of.items():
        assert torch.allclose(m.weight, w[name], atol=1e-5)
        assert torch.allclose(method.logits[name].reshape(-1, 4), d[name], atol=1e-4)
    assert float((method.logits["a"] - method_on("2:4", layers(), warm=0.5).logits["a"]).abs().max()) > 0.02


# -- draws ---------------------------------------------------------------------------------------------------------


def stays(logits: list[float], noise: float, kept: int) -> list[float]:
    """How likely each entry is among the *kept* drawn, over all orders of draws without replacement."""
    weights = [math.exp(d / noise) for d in logits]
    out = [0.0] * len(logits)
    for order in itertools.permutations(range(len(logits)), kept):
        chance, left = 1.0, sum(weights)
        for j in order:
            chance, left = chance * weights[j] / left, left - weights[j]
        for j in order:
            out[j] += chance
    return out


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_masks_are_drawn_as_without_replacement(kept: int) -> None:
    method = method_on(f"{kept}:4", layers(), noise=0.6)
    tile = torch.tensor([[0.9, 0.2, -0.4, -0.5], [0.0, 0.0, 0.0, 0.0]])
    draws = 20_000
    masks = method._draw(tile, draws, torch.Generator().manual_seed(3))
    assert (masks.sum(2) == kept).all()
    for t in range(2):
        wanted = stays(tile[t].tolist(), 0.6, kept)
        # Five standard errors of a share.
        assert masks[:, t].float().mean(0).tolist() == pytest.approx(wanted, abs=5 * 0.5 / math.sqrt(draws))


@pytest.mark.parametrize("pattern", ["2:4", "1:4", "4:8", "unstructured:0.6", "block:2x2:0.5", "library:2x2:2:3"])
def test_every_draw_obeys_the_pattern_and_draws_differ(pattern: str) -> None:
    of = layers()
    method = method_on(pattern, of, noise=1.0)
    bound = method.pattern
    before = {name: d.clone() for name, d in method.logits.items()}
    seen = set()
    for step in range(6):
        step_of(method, of, step)
        for name, mask in method.drawn.items():
            verdict = verify(mask.numpy(), bound, name)
            assert (verdict.violations, verdict.short) == (0, 0)
        seen.add(method.drawn["a"].numpy().tobytes())
    assert len(seen) > 3
    assert all((d != before[name]).float().mean() > 0.9 for name, d in method.logits.items())
    for masks in [method.choose_masks(), *method.samples()]:
        assert verify(masks["b"].numpy(), bound, "b").ok


def test_without_noise_the_mask_is_that_of_the_largest_weights_until_the_logits_move() -> None:
    of = layers()
    method = method_on("2:4", of, noise=0.0, lr=1e-6)
    step_of(method, of, 0)
    tiles = of["a"].weight.detach().abs().reshape(-1, 4)
    lowest = tiles.sort(dim=1).values[:, 2:3]
    assert torch.equal(method.drawn["a"].reshape(-1, 4), tiles >= lowest)
    assert method.measures()["diversity"] == 0.0
    assert all(torch.equal(m["a"], method.choose_masks()["a"]) for m in method.samples())


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    torch.manual_seed(2)
    masks = torch.zeros(5, 7, 4, dtype=torch.bool).scatter_(2, torch.rand(5, 7, 4).argsort(2)[:, :, :2], True)
    by_hand = [float((a != b).sum()) / 7 / 4 for a, b in itertools.combinations(masks, 2)]
    assert diversity(masks) == pytest.approx(np.mean(by_hand))
    many = torch.zeros(8, 4000, 4, dtype=torch.bool).scatter_(2, torch.rand(8, 4000, 4).argsort(2)[:, :, :2], True)
    assert diversity(many) == pytest.approx(0.5, abs=0.02)  # two of four by pure chance: 1 - k/n
    assert diversity(masks[:1].expand(5, -1, -1)) == 0.0


def test_the_temperature_falls_from_one_end_to_the_other() -> None:
    method = method_on("2:4", layers(), steps=11)
    assert [method.tau(s) for s in (0, 5, 10)] == pytest.approx([5.0, 2.75, 0.5])
    assert method_on("2:4", layers(), steps=1).tau(0) == 5.0


def test_a_planted_tile_is_found() -> None:
    """The answer needs inputs 2 and 3 of every tile; the weights on 0 and 1 are larger and do harm."""
    torch.manual_seed(0)
    layer = nn.Linear(8, 3, bias=False)
    layer.weight.data = torch.tensor([1.5, -1.5, 1.0, 1.0]).repeat(3, 2)
    method = method_on("2:4", {"a": layer}, steps=200, lr=0.05, warm=0.5)
    assert method.choose_masks()["a"].reshape(-1, 4)[:, :2].all()
    for step in range(200):
        x = torch.randn(64, 8)
        method.before_forward(step)
        target = x.reshape(64, 2, 4)[:, :, 2:].sum((1, 2)).unsqueeze(1)
        (layer(x) - target).square().mean().backward()
        method.after_backward(step)
        layer.weight.grad = None
    found = method.choose_masks()["a"].reshape(-1, 4)
    assert found.tolist() == [[False, False, True, True]] * 6
    assert method.measures()["diversity"] < 0.05


# -- what is kept --------------------------------------------------------------------------------------------------


def test_a_killed_run_goes_on_as_if_nothing_had_happened() -> None:
    whole, halves = layers(), layers()
    torch.manual_seed(9)
    one = method_on("2:4", whole)
    torch.manual_seed(9)
    other = method_on("2:4", halves)
    for method, of in ((one, whole), (other, halves)):
        torch.manual_seed(1)
        method.measures()
        for step in range(3):
            step_of(method, of, step)
        method.measures()
        method.sampled([0.5, 0.25])
    kept = {key: value.clone() for key, value in other.state().items()}
    again = method_on("2:4", halves)
    again.load_state(kept)
    for method, of in ((one, whole), (again, halves)):
        torch.manual_seed(2)
        for step in range(3, 5):
            step_of(method, of, step)
    assert one.measures() == again.measures()
    first, second = one.told(), again.told()
    assert set(first) == set(second) == {"steps", "scores", *(f"{w}/{n}" for w in ("logits", "kept") for n in "ab")}
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert first["steps"].tolist() == [0, 3, 5] and first["kept/a"].shape == first["logits/a"].shape == (3, 3, 4)
    masks = one.choose_masks()
    one.hard_prune(masks)
    assert one.phase == "refine" and one.served() is None and one.measures() == {}
    resumed = method_on("2:4", whole)
    resumed.load_state({key: value.clone() for key, value in one.state().items()})
    assert torch.equal(resumed.masks["a"], masks["a"])


@pytest.mark.parametrize(("pattern", "kept"), [("2:4", 2), ("library:2x2:2:3", 4), ("block:2x2:0.5", 4), ("3:8", 3)])
def test_the_entropy_parts_as_many_as_stay(pattern: str, kept: int) -> None:
    """Alone at work, it opens a gap in a tile, or in a row of eight, below as many logits as stay: there, and not one
    place further up."""
    of = layers()
    method = method_on(pattern, of, 40, entropy=1.0, lr=0.1, noise=0.5)
    width = method.tile or 8

    def gaps(at: int) -> Tensor:
        ordered = method.logits["a"].reshape(-1, width).sort(dim=1, descending=True).values
        return ordered[:, at - 1] - ordered[:, at]

    before = gaps(kept), gaps(kept - 1)
    for step in range(40):
        method.before_forward(step)
        for m in of.values():
            m.weight.grad = torch.zeros_like(m.weight)
        method.after_backward(step)
    assert float((gaps(kept) - before[0]).min()) > 1.0
    assert float((gaps(kept - 1) - before[1]).abs().mean()) < 0.6 * float((gaps(kept) - before[0]).mean())
