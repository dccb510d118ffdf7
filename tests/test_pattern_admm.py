"""Activation reshaping in training and in the start solution, and the watching of feature maps."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from core.errors import InputError
from core.inside.calibration import calibrate
from core.inside.statistics import LayerStats
from core.inside.watching import Watch, look, median_norms, places_named, places_of, sample_of
from core.methods.admm import Admm
from core.methods.base import Context
from core.methods.knob_sets import AdmmKnobs, PatternAdmmKnobs
from core.methods.knobs import Knobs
from core.methods.magnitude import Magnitude
from core.methods.pattern_admm import SAMPLE, PatternAdmm
from core.methods.reshaping import shrink
from core.models.prunable import prunable
from core.runs.regions import QUIET, REGION
from core.sparsity.patterns import parse_pattern
from core.sparsity.verify import verify

SMALL = {"vocab_size": 60, "num_labels": 2, "num_hidden_layers": 2, "hidden_size": 48, "num_attention_heads": 4,
         "intermediate_size": 80}
FAMILIES: dict[str, Any] = {
    "bert": lambda: transformers.BertForSequenceClassification(transformers.BertConfig(**SMALL)),
    "roberta": lambda: transformers.RobertaForSequenceClassification(transformers.RobertaConfig(**SMALL)),
    "distilbert": lambda: transformers.DistilBertForSequenceClassification(transformers.DistilBertConfig(
        vocab_size=60, dim=48, n_layers=2, n_heads=4, hidden_dim=80, num_labels=2)),
}


@pytest.fixture
def bert() -> Any:
    torch.manual_seed(0)
    return FAMILIES["bert"]().eval()


def batches(count: int = 2, rows: int = 6, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """Sentences of 3 to 9 tokens, padded with zeros."""
    generator = torch.Generator().manual_seed(seed)
    out = []
    for _ in range(count):
        ids = torch.randint(5, 60, (rows, 9), generator=generator)
        mask = (torch.arange(9) < torch.randint(3, 10, (rows, 1), generator=generator)).long()
        out.append({"input_ids": ids * mask, "attention_mask": mask})
    return out


# -- watching ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("family", FAMILIES)
def test_maps_are_what_the_architecture_says(family: str) -> None:
    """The block is the library's own hidden state; FFN and attention are checked by sending them on by hand."""
    torch.manual_seed(0)
    model = FAMILIES[family]().eval()
    batch = batches(1)[0]
    watch = Watch(places_of(model), ("attention", "ffn", "block"))
    (seen, real), = look(model, watch, [batch])
    assert torch.equal(real, batch["attention_mask"].bool())
    with torch.no_grad():
        hidden = model(**batch, output_hidden_states=True).hidden_states
    for layer in (1, 2):
        assert torch.equal(seen["block"][layer], hidden[layer])
    block = model.base_model.encoder.layer[0] if family != "distilbert" else model.base_model.transformer.layer[0]
    with torch.no_grad():
        if family == "distilbert":
            after = block.sa_layer_norm(block.attention.out_lin(seen["attention"][1]) + hidden[0])
            inside = nn.functional.gelu(block.ffn.lin1(after))
        else:
            after = block.attention.output(seen["attention"][1], hidden[0])
            inside = block.intermediate(after)
    assert torch.allclose(seen["ffn"][1], inside, atol=1e-6)
    assert not model.training and watch.seen == {}


def test_a_copy_of_the_model_is_not_watched(bert: Any) -> None:
    """A teacher copied while a watch is on carries its hooks: only the original may be seen."""
    watch = Watch(places_of(bert), ("block",))
    watch.start()
    twin = copy.deepcopy(bert)
    for p in twin.parameters():
        p.data.mul_(3.0)
    first, second = batches(2)
    bert(**first)
    mine = watch.seen["block"][2]
    twin(**second)
    assert watch.stop()["block"][2] is mine
    bert(**first)
    assert watch.seen == {}


@pytest.mark.parametrize("text, names", [("*", [1, 2]), ("encoder.layer.1", [2]), ("*.0, *.1", [1, 2])])
def test_layers_are_named_by_globs(bert: Any, text: str, names: list[int]) -> None:
    assert [p.layer for p in places_named(places_of(bert), text)] == names


def test_a_layer_that_is_not_there_is_told_those_that_are(bert: Any) -> None:
    with pytest.raises(InputError, match=r"encoder\.layer\.7.*encoder\.layer\.0, encoder\.layer\.1"):
        places_named(places_of(bert), "encoder.layer.7")


def test_a_model_without_the_usual_matrices_is_refused() -> None:
    class Other(nn.Module):
        base_model_prefix = "body"

        def __init__(self) -> None:
            super().__init__()
            self.body = nn.ModuleDict({"layer": nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))])})

        @property
        def base_model(self) -> nn.Module:
            return self.body

    with pytest.raises(InputError, match=r"2 matrices.*minilm-l6"):
        places_of(Other())


def test_a_sample_takes_all_lengths() -> None:
    parts = [{"input_ids": torch.arange(10 * b, 10 * b + 10)[:, None], "attention_mask": torch.ones(10, 1)}
             for b in range(4)]
    assert [row.item() for b in sample_of(parts, 8) for row in b["input_ids"]] == [0, 5, 10, 15, 20, 25, 30, 35]
    assert sum(len(b["input_ids"]) for b in sample_of(parts, 99)) == 40


# -- the term ----------------------------------------------------------------------------------------------------

def context(model: Any, layers: dict[str, nn.Linear]) -> Context:
    dense = {n: m.weight.detach().clone() for n, m in layers.items()}
    solver = Magnitude(Knobs())
    solution = {n: solver.solve(w, None, parse_pattern("2:4")) for n, w in dense.items()}
    stats = {n: LayerStats(norms=torch.ones(w.shape[1]), tokens=1) for n, w in dense.items()}
    return Context(pattern=parse_pattern("2:4"), total_steps=12, dense=dense, stats=stats,
                   solution=solution, lr=lambda step: 1e-3, model=model, batches=batches())


def prepared(model: Any, **knobs: Any) -> PatternAdmm:
    method = PatternAdmm(PatternAdmmKnobs(**knobs))
    layers = prunable(model)
    method.prepare(layers, context(model, layers))
    return method


def naive(model: Any, batch: dict[str, torch.Tensor], medians: dict[str, dict[int, float]], strength: float,
          rho: float, own: bool) -> tuple[float, float]:
    """The term and the quiet share, region by region in float64, from the library's own hidden states."""
    with torch.no_grad():
        hidden = model(**batch, output_hidden_states=True).hidden_states
    costs, shares = [], []
    for layer, median in medians["block"].items():
        norms = [math.sqrt(sum(v * v for v in token[i : i + REGION]))
                 for values, mask in zip(hidden[layer].double(), batch["attention_mask"], strict=True)
                 for token, real in zip(values.tolist(), mask.tolist(), strict=True) if real
                 for i in range(0, len(token), REGION)]
        s = math.sqrt(sum(v * v for v in norms) / len(norms)) if own else median
        copies = [max(0.0, a / s - 1 / rho) for a in norms]
        costs.append(strength * sum(v + rho / 2 * (a / s - v) ** 2 for a, v in zip(norms, copies, strict=True))
                     / len(norms))
        shares.append(sum(a < QUIET * median for a in norms) / len(norms))
    return sum(costs) / len(costs), sum(shares) / len(shares)


@pytest.mark.parametrize("unit", ["own", "dense"])
def test_the_term_is_the_loop_written_out(bert: Any, unit: str) -> None:
    method = prepared(bert, strength=0.8, rho_a=1.6, maps="block", unit=unit)
    with torch.no_grad():  # some regions shrink, so that both halves of the cost and the quiet share are tried
        bert.bert.encoder.layer[1].output.LayerNorm.weight[:REGION] *= 0.1
    batch = batches(1, seed=5)[0]
    method.before_forward(0)
    bert(**batch)
    term = method.penalty(batch)
    cost, share = naive(bert, batch, method.medians, 0.8, 1.6, unit == "own")
    assert 0.1 < share < 0.9
    assert term is not None and float(term.detach()) == pytest.approx(cost, rel=1e-5)
    assert method.measures()["quiet"] == pytest.approx(share)


def test_medians_are_those_of_the_dense_model(bert: Any) -> None:
    """Not those of the start solution, which `prepare` puts into the model."""
    twin = copy.deepcopy(bert)
    method = prepared(bert, maps="ffn")
    before, after = (m.bert.encoder.layer[0].output.dense.weight for m in (twin, bert))
    assert not torch.equal(before, after)
    assert method.medians == median_norms(twin, places_of(twin), ("ffn",), sample_of(batches(), SAMPLE))
    values: dict[int, list[float]] = {1: [], 2: []}
    for seen, real in look(twin, Watch(places_of(twin), ("ffn",)), batches()):
        for layer, a in seen["ffn"].items():
            for token in a[real].double().tolist():
                values[layer] += [math.sqrt(sum(v * v for v in token[i : i + REGION]))
                                  for i in range(0, len(token), REGION)]
    for layer, found in values.items():
        found.sort()
        middle = (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2
        assert method.medians["ffn"][layer] == pytest.approx(middle, rel=1e-5)


def test_padding_gets_no_gradient(bert: Any) -> None:
    method = prepared(bert, maps="ffn")
    batch = batches(1)[0]
    method.before_forward(0)
    bert(**batch)
    assert method.watch is not None
    seen = dict(method.watch.seen["ffn"])
    for values in seen.values():
        values.retain_grad()
    term = method.penalty(batch)
    assert term is not None
    term.backward()
    real = batch["attention_mask"].bool()
    for values in seen.values():
        assert values.grad is not None
        assert float(values.grad[~real].abs().sum()) == 0.0
        assert float(values.grad[real].abs().sum()) > 0.0


def test_the_loop_asks_in_vain_after_the_hard_prune_if_told_so(bert: Any) -> None:
    batch = batches(1)[0]
    for until, acts in (("prune", False), ("end", True)):
        method = prepared(bert, until=until)
        method.hard_prune(method.choose_masks())
        method.before_forward(9)
        bert(**batch)
        assert (method.penalty(batch) is not None) == acts
        assert ("quiet" in method.measures()) == acts


def train(method: Admm, model: Any, steps: int = 12) -> dict[str, torch.Tensor]:
    """A stand-in for the loop: twelve steps on two batches, the labels their first token's parity."""
    layers = prunable(model)
    method.prepare(layers, context(model, layers))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    data = batches()
    for step in range(steps):
        if not method.masks and step == method.hard_step:
            method.hard_prune(method.choose_masks())
        batch = data[step % 2]
        method.before_forward(step)
        logits = model(**batch).logits
        loss = nn.functional.cross_entropy(logits, batch["input_ids"][:, 0] % 2)
        extra = method.penalty(batch)
        (loss if extra is None else loss + extra).backward()
        method.after_backward(step)
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(step)
    return {n: m.weight.detach().clone() for n, m in layers.items()}


def test_without_strength_it_is_admm_bit_for_bit(bert: Any) -> None:
    twin = copy.deepcopy(bert)
    ours = train(PatternAdmm(PatternAdmmKnobs(strength=0.0)), bert)
    theirs = train(Admm(AdmmKnobs()), twin)
    assert all(torch.equal(ours[n], theirs[n]) for n in theirs)


def test_with_strength_regions_go_quiet_under_the_pattern(bert: Any) -> None:
    twin = copy.deepcopy(bert)
    shares = []
    for model, strength in ((bert, 20.0), (twin, 1e-6)):
        method = PatternAdmm(PatternAdmmKnobs(strength=strength))
        weights = train(method, model, steps=60)
        shares.append(method.measures()["quiet"])
        for name, weight in weights.items():
            verdict = verify((weight != 0).numpy(), parse_pattern("2:4"), name)
            assert (verdict.violations, verdict.short) == (0, 0)
    assert shares[0] > 2 * shares[1] + 0.05


# -- the start solution ------------------------------------------------------------------------------------------

def test_the_start_sees_the_mixed_gram_of_the_readers(bert: Any) -> None:
    """(1 - mix) X^T X + mix S^T S for the matrices that read a watched map, from inputs taken by hand; the others stay.
    """
    layers = prunable(bert)
    stats = calibrate(bert, layers, batches())
    method = PatternAdmm(PatternAdmmKnobs(rho_a=1.0 / 0.9, mix=0.25, maps="all", layers="*.0", inputs="dense"))
    mixed = method.calibrated(bert, layers, batches(), stats)
    changed = {n for n in stats if mixed[n] is not stats[n]}
    assert changed == {f"bert.encoder.layer.{n}" for n in (
        "0.attention.output.dense", "0.output.dense", "1.attention.self.query", "1.attention.self.key",
        "1.attention.self.value")}
    for kind, name in (("ffn", "0.output.dense"), ("block", "1.attention.self.key")):
        total = torch.zeros_like(stats[f"bert.encoder.layer.{name}"].gram)
        for seen, real in look(bert, Watch(places_of(bert), (kind,)), batches()):
            x = seen[kind][1][real]
            s = shrink(x, 0.9 * method.medians[kind][1])
            assert 0 < int((s != 0).sum()) < s.numel()
            total += 0.75 * x.T @ x + 0.25 * s.T @ s
        found = mixed[f"bert.encoder.layer.{name}"]
        assert found.gram is not None and torch.allclose(found.gram, total, rtol=1e-4, atol=1e-4)
        assert torch.allclose(found.norms, total.diagonal().sqrt(), rtol=1e-4)


def test_without_mix_the_start_is_left_alone(bert: Any) -> None:
    layers = prunable(bert)
    stats = calibrate(bert, layers, batches())
    assert PatternAdmm(PatternAdmmKnobs()).calibrated(bert, layers, batches(), stats) is stats


def test_reshaped_inputs_are_those_of_the_dense_model() -> None:
    with pytest.raises(InputError, match="inputs=dense"):
        PatternAdmmKnobs(mix=0.5, inputs="pruned")
