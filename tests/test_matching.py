"""Block matching: the masks stay, the loss falls, and each step is the one that is written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.inside.blocks import in_steps
from core.methods.base import LayerResult
from core.methods.knob_sets import AdmmKnobs, AdmmLayerKnobs, AdmmLowRankKnobs
from core.methods.knobs import Knobs, knobs_to_spec, make_knobs
from core.methods.magnitude import Magnitude
from core.running.matching import RATE, match
from core.sparsity.grids import Grid
from core.sparsity.patterns import parse_pattern

WIDTH, PATTERN = 8, parse_pattern("2:4")


class Branch(nn.Module):
    """A block: x + b(tanh(a(x))), with a norm whose parameters are to stay."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.b(torch.tanh(self.a(x))))


class Two(nn.Module):
    """Two blocks on embedded tokens."""

    def __init__(self, again: bool = False) -> None:
        super().__init__()
        self.table, self.blocks, self.again = nn.Embedding(30, WIDTH), nn.ModuleList([Branch(), Branch()]), again

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.table(input_ids)
        for block in self.blocks:
            x = block(block(x)) if self.again else block(x)
        return x


def begin(again: bool = False) -> tuple[Two, dict[str, nn.Linear], list[dict[str, Tensor]], dict[str, LayerResult]]:
    torch.manual_seed(5)
    model = Two(again)
    layers = {f"{k}.{part}": getattr(block, part) for k, block in enumerate(model.blocks) for part in "ab"}
    real = torch.ones(20, 6, dtype=torch.long)
    real[3, 4:] = real[11, 2:] = 0
    batches = [{"input_ids": torch.randint(0, 30, (20, 6)), "attention_mask": real}]
    solution = {n: Magnitude(Knobs()).solve(m.weight.detach().clone(), None, PATTERN) for n, m in layers.items()}
    return model, layers, batches, solution


def gaps(model: Two, dense: list[Branch], batches: list[dict[str, Tensor]]) -> list[float]:
    """What each block loses on what reaches it, by a plain walk."""
    out, x, real = [], model.table(batches[0]["input_ids"]), batches[0]["attention_mask"].bool()
    for block, other in zip(model.blocks, dense, strict=True):
        out.append(float((block(x) - other(x))[real].square().sum().detach()))
        x = block(x)
    return out


def written_out(passes: int) -> dict[str, Tensor]:
    """Adam by its formulas, block by block, over chunks of eight sentences."""
    model, layers, batches, solution = begin()
    before = {n: m.weight.detach().clone() for n, m in layers.items()}
    chunks = in_steps(batches, 8)
    inputs = [model.table(chunk["input_ids"]).detach() for chunk in chunks]
    done: dict[str, Tensor] = {}
    for k, block in enumerate(model.blocks):
        names = [f"{k}.a", f"{k}.b"]
        targets = [block(x).detach() for x in inputs]
        w = {n: solution[n].weight.clone() for n in names}
        m, v = ({n: torch.zeros_like(w[n]) for n in names} for _ in range(2))
        step, rng = 0, np.random.default_rng(k + 1)
        for p in range(passes):
            lr = 2e-5 / 5 + (2e-5 - 2e-5 / 5) * (1 + math.cos(math.pi * p / passes)) / 2
            for i in rng.permutation(len(chunks)):
                step += 1
                for n in names:
                    layers[n].weight.data = w[n].clone()
                real = chunks[i]["attention_mask"].bool().unsqueeze(-1)
                loss = ((block(inputs[i]) - targets[i]).square() * real).sum()
                for n, g in zip(names, torch.autograd.grad(loss, [layers[n].weight for n in names]), strict=True):
                    g = g * solution[n].mask
                    m[n], v[n] = 0.9 * m[n] + 0.1 * g, 0.999 * v[n] + 0.001 * g * g
                    w[n] = w[n] - lr * (m[n] / (1 - 0.9**step)) / ((v[n] / (1 - 0.999**step)).sqrt() + 1e-8)
        for n in names:
            layers[n].weight.data = w[n].clone()
        inputs = [block(x).detach() for x in inputs]
        done |= w
    assert before.keys() == done.keys()
    return done


def test_every_step_is_adam_on_what_the_block_puts_out() -> None:
    model, layers, batches, solution = begin()
    others = {n: p.detach().clone() for n, p in model.named_parameters() if not n.endswith((".a.weight", ".b.weight"))}
    found = match(model, list(model.blocks), layers, batches, solution, 5, None)
    expected = written_out(5)
    for name, result in found.items():
        # A step of Adam is about RATE long whatever the gradient: 15 of them, up to rounding.
        assert torch.allclose(result.weight, expected[name], atol=RATE / 50)
        assert float((result.weight - solution[name].weight).abs().max()) > 5 * RATE
        assert torch.equal(result.mask, solution[name].mask) and not result.weight[~result.mask].any()
        assert torch.equal(layers[name].weight, result.weight) and layers[name].weight.grad is None
    assert all(torch.equal(model.get_parameter(n), p) for n, p in others.items())


def test_the_loss_of_every_block_falls() -> None:
    model, layers, batches, solution = begin()
    dense = [Branch() for _ in model.blocks]
    for own, block in zip(dense, model.blocks, strict=True):
        own.load_state_dict(block.state_dict())
    ends = {}
    for passes in (0, 60):
        for name, result in match(model, list(model.blocks), layers, batches, solution, passes, None).items():
            if not passes:
                assert torch.equal(result.weight, solution[name].weight)
        ends[passes] = gaps(model, dense, batches)
        for own, block in zip(dense, model.blocks, strict=True):
            block.load_state_dict(own.state_dict())
    assert all(after < 0.99 * before for before, after in zip(ends[0], ends[60], strict=True)), ends


def test_on_a_grid_what_comes_out_is_on_it() -> None:
    model, layers, batches, _ = begin()
    grid = Grid(4, 4)
    solution = {n: Magnitude(Knobs(), grid).solve(m.weight.detach().clone(), None, PATTERN) for n, m in layers.items()}
    for name, result in match(model, list(model.blocks), layers, batches, solution, 3, grid).items():
        assert result.scale is not None and torch.equal(result.mask, solution[name].mask)
        scale = result.scale.repeat_interleave(4, dim=1)
        codes = torch.where(scale > 0, result.weight / scale, torch.zeros(())).round()
        assert torch.equal(codes * scale, result.weight) and float(codes.abs().max()) <= 7
        assert not result.weight[~result.mask].any()


def test_what_cannot_be_matched_is_refused() -> None:
    model, layers, batches, solution = begin(again=True)
    with pytest.raises(InputError, match=r"used 2, 2 times.*Leave match out"):
        match(model, list(model.blocks), layers, batches, solution, 1, None)
    with pytest.raises(InputError, match=r"match = 20 with start = 'dense'"):
        AdmmKnobs(match=20, start="dense")
    with pytest.raises(InputError, match=r"match = 20 with rank = 8"):
        AdmmLowRankKnobs(match=20)
    assert AdmmLowRankKnobs(match=20, rank=0).match == AdmmLayerKnobs(match=20).match


def test_runs_recorded_before_keep_their_ids() -> None:
    for kind in (AdmmKnobs, AdmmLayerKnobs):
        assert "match" not in knobs_to_spec(kind())
        assert knobs_to_spec(make_knobs(kind, {"match": "20"}))["match"] == 20
