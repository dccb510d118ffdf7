"""NxMTransformer inside the real training loop against a float64 loop written out: W, Z, U and Adam's moments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.methods.base import Context
from core.methods.knob_sets import NxmAdmmKnobs
from core.methods.nxm_admm import NxmAdmm
from core.models.encoding import Encoded
from core.running.training import Loop, Trainer, buckets
from core.runs.records import RunSpec
from core.sparsity.patterns import parse_pattern

WORDS, EXAMPLES, BATCH, EPOCHS, LR, RHO = 12, 44, 16, 4, 0.02, 0.7
SPEC = RunSpec(task="agreement", model="tiny", method="nxm-admm", pattern="2:4", epochs=EPOCHS, lr=LR,
               batch_size=BATCH, freeze_embeddings=False)


class Toy(nn.Module):
    """Mean of fixed word vectors -> a -> tanh -> b -> head. a and b are pruned, head is not."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.table = torch.randn(WORDS, 8, dtype=torch.float64) * 3
        self.a, self.b = nn.Linear(8, 8).double(), nn.Linear(8, 4).double()
        self.head = nn.Linear(4, 2).double()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        real = attention_mask.unsqueeze(-1).double()
        x = (self.table[input_ids] * real).sum(1) / real.sum(1)
        return SimpleNamespace(logits=self.head(self.b(torch.tanh(self.a(x)))))


def data() -> Encoded:
    rng = np.random.default_rng(3)
    ids = [rng.integers(1, WORDS, int(n)).tolist() for n in rng.integers(2, 6, EXAMPLES)]
    return Encoded(ids, None, np.array([sum(row) % 2 for row in ids]))


def best(w: Tensor) -> Tensor:
    """W with the two largest of every four, by a loop."""
    out = torch.zeros_like(w)
    for i in range(w.shape[0]):
        for g in range(0, w.shape[1], 4):
            for j in sorted(range(g, g + 4), key=lambda j: -abs(float(w[i, j])))[:2]:
                out[i, j] = w[i, j]
    return out


def by_hand(trains: str) -> list[dict[str, Tensor]]:
    """Everything after every step. Written from the paper's algorithm; nothing of it is the product's."""
    toy, encoded, steps = Toy(), data(), EPOCHS * 3
    p = {n: v.detach().clone() for n, v in toy.named_parameters()}
    live = [n for n in p if trains == "spec" or n[0] in "ab"]
    m, v = {n: torch.zeros_like(p[n]) for n in live}, {n: torch.zeros_like(p[n]) for n in live}
    pruned = ("a.weight", "b.weight")
    z = {n: best(p[n]) for n in pruned}
    u = {n: p[n] - z[n] for n in pruned}
    seen: list[dict[str, Tensor]] = []
    for t in range(steps):
        index = buckets([len(i) for i in encoded.ids], BATCH, 0, t // 3)[t % 3]
        q = {n: x.clone().requires_grad_(n in live) for n, x in p.items()}
        losses = []
        for i in index:
            h = torch.tanh(toy.table[encoded.ids[i]].mean(0) @ q["a.weight"].T + q["a.bias"])
            logits = (h @ q["b.weight"].T + q["b.bias"]) @ q["head.weight"].T + q["head.bias"]
            losses.append(torch.logsumexp(logits, 0) - logits[int(encoded.labels[i])])
        loss = sum(losses) / len(losses) + sum(0.5 * RHO * (q[n] - (z[n] - u[n])).square().sum() for n in pruned)
        grads = dict(zip(live, torch.autograd.grad(loss, [q[n] for n in live]), strict=True))  # type: ignore[arg-type]
        norm = float(torch.sqrt(sum((g * g).sum() for g in grads.values())))  # type: ignore[arg-type]
        lr = LR if t == 0 else LR * (steps - t) / (steps - 1)  # one step of warm-up, then linear to zero
        for n, g in grads.items():
            g = g * min(1.0, 1.0 / (norm + 1e-6))
            m[n] = 0.9 * m[n] + 0.1 * g
            v[n] = 0.999 * v[n] + 0.001 * g * g
            if p[n].ndim == 2:
                p[n] = p[n] * (1 - lr * 0.01)
            p[n] = p[n] - lr * (m[n] / (1 - 0.9 ** (t + 1))) / (torch.sqrt(v[n] / (1 - 0.999 ** (t + 1))) + 1e-8)
        if t % 3 == 2:
            for n in pruned:
                z[n] = best(p[n] + u[n])
                u[n] = p[n] - z[n] + u[n]
        seen.append({"norm": torch.tensor(norm), **{f"p/{n}": x.clone() for n, x in p.items()},
                     **{f"z/{n}": x for n, x in z.items()}, **{f"u/{n}": x for n, x in u.items()},
                     **{f"m/{n}": x for n, x in m.items()}, **{f"v/{n}": x for n, x in v.items()}})
    return seen


def in_the_loop(trains: str) -> tuple[list[dict[str, Tensor]], Toy, NxmAdmm, list[dict[str, Any]]]:
    toy = Toy()
    method = NxmAdmm(NxmAdmmKnobs(rho=RHO, trains=trains))
    method.layers = {"a": toy.a, "b": toy.b}
    seen: list[dict[str, Tensor]] = []
    rows: list[dict[str, Any]] = []
    names = {id(p): n for n, p in toy.named_parameters()}

    def look(done: int, total: int, note: str) -> None:
        state = {names[id(p)]: s for p, s in trainer.optimizer.state.items()}
        z, u = dict(zip("ab", method.z, strict=True)), dict(zip("ab", method.u, strict=True))
        seen.append({**{f"p/{n}": p.detach().clone() for n, p in toy.named_parameters()},
                     **{f"z/{n}.weight": z[n].clone() for n in "ab"}, **{f"u/{n}.weight": u[n].clone() for n in "ab"},
                     **{f"m/{n}": s["exp_avg"].clone() for n, s in state.items()},
                     **{f"v/{n}": s["exp_avg_sq"].clone() for n, s in state.items()}})

    zeros = lambda: float((toy.a.weight == 0).sum())  # noqa: E731
    trainer = Trainer(toy, data(), 0, SPEC, Loop(evaluate=zeros, trace=rows.append, report=look), method)
    method.prepare(method.layers, Context(
        pattern=parse_pattern("2:4"), total_steps=trainer.total, stats={},
        solution={}, dense={n: w.weight.detach().clone() for n, w in method.layers.items()}, lr=trainer.rate))
    trainer.run()
    return seen, toy, method, rows


@pytest.mark.parametrize("trains", ["spec", "linears"])
def test_every_step_of_several_epochs_equals_the_published_algorithm(trains: str) -> None:
    """Tolerance: the loop takes its loss from float32 logits, so a gradient is good to 1e-7 of its size, and Adam
    divides by gradients."""
    expected = by_hand(trains)
    ours, _, method, _ = in_the_loop(trains)
    assert len(ours) == len(expected) == 12
    for step, (mine, theirs) in enumerate(zip(ours, expected, strict=True)):
        norm = theirs.pop("norm")
        assert set(mine) == set(theirs)
        assert float(norm) > 1.0 or step > 3, "the clip must have been at work"
        for key, value in theirs.items():
            assert torch.allclose(mine[key], value, atol=2e-5, rtol=1e-4), (step, key)
    start = dict(Toy().named_parameters())
    still = torch.equal(ours[-1]["p/head.weight"], start["head.weight"].detach())
    assert still is (trains == "linears")
    for name in "ab":  # the final model is plain magnitude of W: U plays no part
        assert torch.allclose(method.layers[name].weight, best(expected[-1][f"p/{name}.weight"]), atol=2e-5)
    assert any(not torch.equal(best(x["p/a.weight"]) != 0, x["z/a.weight"] != 0) for x in expected)  # it could have


def test_scores_on_the_way_are_those_of_the_projection() -> None:
    _, _, _, rows = in_the_loop("spec")
    scores = [row["score"] for row in rows if "score" in row]
    assert len(scores) >= EPOCHS
    assert set(scores) == {32.0}  # half of the 64 weights of a are zero whenever it is evaluated
