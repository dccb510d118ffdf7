"""BESA against the worked example, a naive loop that forms every mask by hand, and planted blocks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.inside.blocks import Block, in_steps, solve_blocks
from core.inside.sequential import Call
from core.methods import build
from core.methods.besa import Shares, exact
from core.methods.knob_sets import BesaKnobs
from core.runs.checks import told_check
from core.runs.records import Matrix
from core.sparsity.patterns import parse_pattern


class Branches(nn.Module):
    """y = x + loud A x + quiet B x."""

    def __init__(self, width: int = 16, loud: float = 1.0, quiet: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.a, self.b = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        for layer in (self.a, self.b):
            layer.weight.data = torch.randn(width, width, generator=generator) / width**0.5
        self.loud, self.quiet = loud, quiet

    def forward(self, x: Tensor) -> Tensor:
        return x + self.loud * self.a(x) + self.quiet * self.b(x)


def block_of(module: Branches, count: int = 6, seed: int = 1) -> Block:
    """*module* with *count* batches of two sequences of five tokens, the last token of the second one padding."""
    generator = torch.Generator().manual_seed(seed)
    width = module.a.in_features
    inputs = [torch.randn(2, 5, width, generator=generator) for _ in range(count)]
    real = torch.ones(2, 5, dtype=torch.bool)
    real[1, -1] = False
    with torch.no_grad():
        targets = [module(x) for x in inputs]
    seen = torch.cat([x[real] for x in inputs])
    norms = seen.square().sum(0).sqrt()
    return Block(1, module, [Call((), {})] * count, {"a": module.a, "b": module.b}, inputs, targets, [real] * count,
                 {"a": norms, "b": norms})


def candidates(target: float, how: str) -> Tensor:
    return torch.tensor(BesaKnobs(candidates=how).shares(target), dtype=torch.float64)


# -- the shares ----------------------------------------------------------------------------------------------------


def test_the_worked_example() -> None:
    shares = Shares(torch.tensor([[4.0, 1.0, 3.0, 2.0]]), torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64),
                    rows=True, smooth=True)
    shares.beta.data = torch.tensor([[0.0, 1.0, -1.0]])
    prob = shares.probabilities()
    assert prob[0].tolist() == pytest.approx([0.32748, 0.41260, 0.25992], abs=2e-5)
    assert float(shares.alpha(prob).detach()) == pytest.approx(0.53378, abs=2e-5)
    assert shares.counts().tolist() == [2]
    assert shares.mask(shares.counts()).tolist() == [[True, False, True, False]]
    # K_j = 1 + sum_d prob_d dK_j/dprob_d, and the slope is that derivative for the mask entry of rank j alone.
    kept = [1 + float((prob.detach() * shares.slope(torch.eye(4)[column:column + 1])).sum()) for column in (1, 3, 2, 0)]
    assert kept == pytest.approx([0.25992, 0.25992, 0.67252, 0.67252], abs=2e-5)


def test_it_starts_at_the_target_and_is_bounded_by_the_smoothing() -> None:
    published = candidates(0.5, "published")
    assert published.tolist() == pytest.approx([1 - k / 100 for k in range(101)])
    assert torch.equal(published, candidates(0.5, "centred"))
    for width in (384, 1536, 10):
        assert Shares(torch.rand(3, width), published, True, True).counts().tolist() == [width // 2] * 3
    assert BesaKnobs(candidates="published").reach(0.9) == pytest.approx((0.3763, 0.6237), abs=1e-4)
    assert BesaKnobs(candidates="published", smooth=False).reach(0.9) == (0.0, 1.0)
    # In this order no logits go further: those of the lower shares all the way down, of the upper all the way up.
    shares = Shares(torch.rand(1, 10), candidates(0.8, "centred"), True, True)
    low, high = BesaKnobs().reach(0.8)
    assert low < 0.8 < high and high - 0.8 == pytest.approx(0.8 - low) == pytest.approx(0.2 * 2 * 0.12368, abs=1e-4)
    best = 0.0
    for split in range(102):
        shares.beta.data = torch.where(torch.arange(101) < split, 40.0, -40.0).unsqueeze(0)
        best = max(best, float(shares.alpha(shares.probabilities()).detach()))
    assert best == pytest.approx(high, abs=1e-6)


def test_the_soft_keep_does_not_fall_with_the_rank() -> None:
    generator = torch.Generator().manual_seed(3)
    shares = Shares(torch.rand(1, 12, generator=generator), candidates(0.5, "published"), True, True)
    shares.beta.data = torch.randn(1, 101, generator=generator)
    prob = shares.probabilities()
    one = torch.eye(12).unsqueeze(1)
    kept = [1 + float((prob.detach() * shares.slope(one[int(j)])).sum()) for j in shares.order[0]]
    assert all(a <= b + 1e-6 for a, b in itertools.pairwise(kept)) and kept[0] < kept[-1]


# -- the number ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [5, -5, 0])
def test_the_number_becomes_exact_at_the_nearest_boundaries(change: int) -> None:
    generator = torch.Generator().manual_seed(abs(change))
    values = [torch.rand(4, 6, generator=generator).sort(dim=1).values,
              100 * torch.rand(3, 8, generator=generator).sort(dim=1).values]
    counts = [torch.tensor([2, 0, 6, 3]), torch.tensor([4, 8, 1])]
    found = exact(values, counts, 24 + change)
    assert sum(int(c.sum()) for c in found) == 24 + change
    # By hand: how far every weight is from its row's boundary, as a ratio; the nearest ones go, or come back.
    far = []
    for k, (table, count) in enumerate(zip(values, counts, strict=True)):
        for r, (row, c) in enumerate(zip(table.tolist(), count.tolist(), strict=True)):
            if change > 0:
                far += [(row[j] / row[c], k, r) for j in range(c, len(row))]
            else:
                far += [(row[c - 1] / row[j], k, r) for j in range(c)]
    wanted = [c.clone() for c in counts]
    for _, k, r in sorted(far)[:abs(change)]:
        wanted[k][r] += 1 if change > 0 else -1
    assert [c.tolist() for c in found] == [c.tolist() for c in wanted]


# -- a block -------------------------------------------------------------------------------------------------------


def naive(module: Branches, block: Block, target: float, lr: float) -> tuple[list[Tensor], list[float]]:
    """One pass of BESA over *block*, row by row shares over both matrices, every mask formed as the paper says.

    Returns the learned alpha `[rows]` of both matrices, and the error of every step.
    """
    weights = [module.a.weight.detach().clone(), module.b.weight.detach().clone()]
    width = weights[0].shape[1]
    p = [1 - k / 100 for k in range(101)]
    ranks = []
    for w in weights:
        metric = (w.abs() * block.norms["a"]).tolist()
        ranks.append([[sorted(range(width), key=lambda j, row=row: (row[j], j)).index(i) for i in range(width)]
                      for row in metric])
    betas = [torch.zeros(width, 101, requires_grad=True) for _ in weights]
    optimizer = torch.optim.AdamW(betas, lr=lr, weight_decay=0.0)

    def masked(w: Tensor, beta: Tensor, rank: list[list[int]]) -> tuple[Tensor, Tensor]:
        prob = torch.softmax(torch.sigmoid(beta), 1)
        alpha = prob.double() @ torch.tensor(p, dtype=torch.float64)
        rows = []
        for r in range(len(w)):
            gone = torch.tensor([[float(rank[r][i] < int(width * q + 1e-3)) for q in p] for i in range(width)])
            soft = 1 - gone @ prob[r]
            count = int(float(alpha[r].detach()) * width + 1e-3)
            hard = torch.tensor([float(rank[r][i] >= count) for i in range(width)])
            rows.append((hard - soft).detach() + soft)
        return w * torch.stack(rows), alpha

    errors = []
    for i in np.random.default_rng(1).permutation(len(block.real)):
        x, keep = block.inputs[i], block.real[i]
        (wa, alpha_a), (wb, alpha_b) = (masked(w, b, r) for w, b, r in zip(weights, betas, ranks, strict=True))
        y = x + module.loud * x @ wa.T + module.quiet * x @ wb.T
        reference = block.targets[i][keep]
        size = reference.norm(dim=0)
        error = (((reference - y[keep]) / size) ** 2).sum() / width
        alpha = torch.cat([alpha_a, alpha_b]).mean()
        loss = error + 5 * ((alpha - target) / target) ** 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    return [(torch.softmax(torch.sigmoid(b.detach()), 1).double() @ torch.tensor(p, dtype=torch.float64))
            for b in betas], errors


def test_a_pass_is_that_of_the_naive_loop() -> None:
    module = Branches(6, quiet=0.3)
    block = block_of(module, 4)
    alphas, errors = naive(module, block, 0.5, 0.3)
    method = build("besa", {"passes": 1, "lr": 0.3})
    found = method.solve_block(block, parse_pattern("global:0.5"))
    told = method.told()
    assert told["error/1"].tolist() == pytest.approx(errors, rel=1e-4)
    assert np.ptp(errors) > 0.01
    # Before the number was made exact the rows had these counts; after it none is far from them.
    for name, alpha in zip("ab", alphas, strict=True):
        rows = torch.from_numpy(told[f"rows/{name}"].astype(np.int64))
        assert torch.equal(rows, (~found[name].mask).sum(1))
        assert int((rows - (alpha * 6 + 1e-3).long()).abs().max()) <= 1
    assert float((alphas[0] - 0.5).abs().max()) > 0.02


def test_what_hardly_counts_learns_to_spare_more() -> None:
    """Planted: branch b is a hundredth as loud as a, so whatever it loses costs next to nothing."""
    module = Branches(24, quiet=0.01)
    block = block_of(module, 24)
    before = {name: layer.weight.detach().clone() for name, layer in block.layers.items()}
    method = build("besa", {"passes": 8, "lr": 0.1})
    found = method.solve_block(block, parse_pattern("global:0.5"))
    share = {name: 1 - float(result.mask.float().mean()) for name, result in found.items()}
    assert share["b"] > 0.56 and share["a"] < 0.44
    assert share["a"] + share["b"] == pytest.approx(1.0)
    uniform, learned = method.told()["whole"][0]
    assert learned < 0.85 * uniform
    for name, result in found.items():
        assert torch.equal(result.weight[result.mask], before[name][result.mask])
        assert not result.weight[~result.mask].any()
        assert torch.equal(block.layers[name].weight, before[name])


@pytest.mark.parametrize("pattern", ["global:0.5", "unstructured:0.5"])
def test_without_a_step_it_is_wanda_row_by_row(pattern: str) -> None:
    block = block_of(Branches(10))
    method = build("besa", {"passes": 0})
    for name, result in method.solve_block(block, parse_pattern(pattern)).items():
        scores = (block.layers[name].weight.detach().abs() * block.norms[name]).numpy()
        naive = np.zeros_like(scores, dtype=bool)
        for r, row in enumerate(scores):
            naive[r, np.argsort(row)[5:]] = True
        assert np.array_equal(result.mask.numpy(), naive)
    assert method.told()["whole"][0].tolist() == pytest.approx([method.told()["whole"][0][0]] * 2)


def test_the_number_of_zeros_is_exact_over_blocks_and_within_a_matrix() -> None:
    method = build("besa", {"passes": 1, "lr": 0.3})
    pattern = parse_pattern("global:0.37")
    kept = sum(int(result.mask.sum()) for k in range(3)
               for result in method.solve_block(block_of(Branches(7, seed=k), 3), pattern).values())
    assert kept == pattern.budget.kept(3 * 2 * 49) == round(0.63 * 294)
    alone = build("besa", {"passes": 1, "lr": 0.3}).solve_block(block_of(Branches(7), 3),
                                                               parse_pattern("unstructured:0.37"))
    assert [int(result.mask.sum()) for result in alone.values()] == [31, 31]


def test_a_pattern_that_fixes_a_number_leaves_nothing_to_learn() -> None:
    method = build("besa")
    block = block_of(Branches(8))
    for name, result in method.solve_block(block, parse_pattern("2:4")).items():
        scores = (block.layers[name].weight.detach().abs() * block.norms[name]).reshape(-1, 4)
        lowest = scores.sort(dim=1).values[:, 2:3]
        assert torch.equal(result.mask.reshape(-1, 4), scores >= lowest)
    assert method.told() == {}


@pytest.mark.parametrize(("knobs", "pattern", "words"), [
    ({"candidates": "published"}, "global:0.7", "Expected 0.376 to 0.624"),
    ({"granularity": "matrix"}, "unstructured:0.5", "Choose global:0.5, or --knob granularity=row")])
def test_what_cannot_be_learned_is_said_in_one_sentence(knobs: dict[str, Any], pattern: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        build("besa", knobs).solve_block(block_of(Branches(8)), parse_pattern(pattern))
    build("besa", {"passes": 0, "candidates": "published", "smooth": False}).solve_block(
        block_of(Branches(8)), parse_pattern("global:0.7"))


def test_what_cannot_be_learned_is_said_before_a_run_begins(cli: Any) -> None:
    given = ("run", "--task", "agreement", "--model", "tiny", "--method", "besa", "--pattern")
    for rest, words in ((("global:0.7", "--knob", "candidates=published"), "0.376 to 0.624"),
                        (("unstructured:0.5", "--knob", "granularity=matrix"), "Choose global:0.5")):
        result = cli(*given, *rest)
        assert result.exit_code == 2 and words in result.stderr and "Traceback" not in result.stderr


def test_weights_that_are_no_numbers_are_refused() -> None:
    block = block_of(Branches(8))
    block.layers["b"].weight.data[1, 2] = float("nan")
    with pytest.raises(InputError, match="'weight' holds an infinity, or what is no number"):
        build("besa").solve_block(block, parse_pattern("global:0.5"))


# -- the way through the blocks ------------------------------------------------------------------------------------


class Two(nn.Module):
    """Two blocks, x -> x A^T -> . B^T, with one that nobody uses."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList([nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)])
        self.spare = nn.Linear(4, 4)

    def forward(self, x: Tensor, attention_mask: Tensor) -> Tensor:
        for each in self.layer:
            x = each(x)
        return x


@pytest.mark.parametrize("follow", [True, False])
def test_a_block_is_shown_what_comes_through_those_before_it(follow: bool) -> None:
    torch.manual_seed(0)
    model = Two().train()
    first, second = (layer.weight.detach().clone() for layer in model.layer)
    layers = {f"layer.{k}": layer for k, layer in enumerate(model.layer)}
    x = torch.randn(3, 5, 4)
    mask = torch.ones(3, 5, dtype=torch.long)
    mask[2, 3:] = 0
    seen: list[Block] = []

    def solve(block: Block) -> dict[str, Tensor]:
        seen.append(block)
        return {name: layer.weight.detach() * 0.5 for name, layer in block.layers.items()}

    solve_blocks(model, list(model.layer), layers, [{"x": x, "attention_mask": mask}], solve, follow)
    halved = x @ (0.5 * first).T
    assert torch.allclose(seen[1].inputs[0], halved, atol=1e-6)
    assert torch.allclose(seen[1].targets[0], (halved if follow else x @ first.T) @ second.T, atol=1e-6)
    assert torch.allclose(seen[1].norms["layer.1"], halved[mask.bool()].norm(dim=0), atol=1e-5)
    assert torch.equal(model.layer[1].weight, 0.5 * second) and model.training
    with pytest.raises(InputError, match="no encoder layer uses spare"):
        solve_blocks(model, list(model.layer), {**layers, "spare": model.spare},
                     [{"x": x, "attention_mask": mask}], solve, follow)


def test_batches_are_cut_into_steps_without_needless_padding() -> None:
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]])
    steps = in_steps([{"input_ids": torch.arange(12).reshape(3, 4), "attention_mask": mask}], 2)
    assert [s["input_ids"].tolist() for s in steps] == [[[0, 1, 2], [4, 5, 6]], [[8, 9, 10, 11]]]
    assert [s["attention_mask"].shape for s in steps] == [(2, 3), (1, 4)]


def test_a_wrong_count_of_a_rows_zeros_is_found() -> None:
    matrices = [Matrix(name="a", shape=(2, 4), density=0.5)]
    good = {"method/rows/a": np.array([3, 1], dtype=np.uint8)}
    assert told_check.check(parse_pattern("2:4"), matrices, good) == (
        ["the zeros of every row, in 1 matrices, add up to the header's"], [])
    for wrong in ([3, 2], [5, 0], [3, 1, 0]):
        assert told_check.check(parse_pattern("2:4"), matrices, {"method/rows/a": np.array(wrong, dtype=np.uint8)})[1]
    assert told_check.check(parse_pattern("2:4"), matrices, {}) == ([], [])
