"""What `admm` takes from others: Adam's second moment in the projection, the gradient up the loss, the rate after the
prune. In the real training loop on a small model of our own, against loops that are written out."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.inside.statistics import LayerStats
from core.live.estimates import seconds_of
from core.methods.admm import Admm
from core.methods.base import Context
from core.methods.knob_sets import AdmmKnobs
from core.methods.knobs import Knobs, knobs_to_spec
from core.methods.magnitude import Magnitude
from core.models.encoding import Encoded
from core.running.optimising import second_moment
from core.running.training import Loop, Trainer
from core.runs.records import RunRecord, RunSpec, Timing
from core.sparsity.patterns import parse_pattern
from core.specs.resolving import resolve

STEPS, HARD, WIDTH = 24, 12, 8
PATTERN = parse_pattern("2:4")


class Small(nn.Module):
    """Two linears with dropout between, on the tokens as numbers. `seen` counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.drop = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2), nn.Dropout()
        self.seen = 0

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        self.seen += 1
        x = input_ids.float() / 10 - 1
        return SimpleNamespace(logits=self.b(self.drop(torch.tanh(self.a(x)))))


def begin(file: Path | None = None, dropout: float = 0.0, rows: list[dict[str, Any]] | None = None,
          **knobs: Any) -> tuple[Trainer, Admm]:
    torch.manual_seed(3)
    model, rng = Small(), np.random.default_rng(0)
    ids = [rng.integers(0, 20, WIDTH).tolist() for _ in range(4 * STEPS)]
    data = Encoded(ids, None, np.array([int(sum(i) > 76) for i in ids]))
    spec = RunSpec(task="agreement", epochs=1, lr=0.02, batch_size=4, dropout=dropout, freeze_embeddings=False)
    method, layers = Admm(AdmmKnobs(interval=4, **knobs)), {"a": model.a, "b": model.b}
    loop = Loop(evaluate=lambda: 0.5, trace=(rows if rows is not None else []).append, resume_file=file,
                checkpoint_every=2, log_every=1)
    trainer = Trainer(model, data, 0, spec, loop, method)
    dense = {n: m.weight.detach().clone() for n, m in layers.items()}
    method.prepare(layers, Context(
        pattern=PATTERN, total_steps=trainer.total, dense=dense, lr=trainer.rate,
        stats={n: LayerStats(norms=torch.linspace(0.5, 2.0, WIDTH), tokens=1) for n in dense},
        solution={n: Magnitude(Knobs()).solve(w, None, PATTERN) for n, w in dense.items()},
        second_moment=lambda name: second_moment(trainer.optimizer, layers[name].weight)))
    assert (trainer.total, method.hard_step) == (STEPS, HARD)
    return trainer, method


def best(score: Tensor) -> Tensor:
    """True for the two largest of every four, by sorting."""
    order = score.reshape(-1, 4).argsort(dim=1, descending=True, stable=True)
    return torch.zeros(order.shape).scatter(1, order[:, :2], 1.0).reshape(score.shape).bool()


def test_a_sharpness_aware_step_is_two_passes_written_out() -> None:
    """The gradient at W + r g/|g| from the same dropout, clipped, into AdamW at W, then the pull."""
    trainer, method = begin(dropout=0.4, sharpness=0.3, rho_start=0.01)
    model = copy.deepcopy(trainer.bare)
    optimizer = torch.optim.AdamW([
        {"params": [p for p in model.parameters() if p.ndim == 2], "weight_decay": 0.01},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0}], lr=0.02)
    target = {n: t.clone() for n, t in method.target.items()}

    def loss_of(index: list[int]) -> Tensor:
        x = torch.tensor([trainer.data.ids[i] for i in index])
        logits = model(x, torch.ones_like(x)).logits
        return nn.functional.cross_entropy(logits, torch.tensor([int(trainer.data.labels[i]) for i in index]))

    plain = 0
    for step, index in enumerate([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]):
        torch.manual_seed(step)
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = trainer.rate(step)
        before = [p.detach().clone() for p in model.parameters()]
        loss = loss_of(index)
        g = torch.autograd.grad(loss, list(model.parameters()))
        length = sum(float(x.square().sum()) for x in g) ** 0.5
        with torch.no_grad():
            for p, x in zip(model.parameters(), g, strict=True):
                p += 0.3 * x / length
        torch.manual_seed(step)
        up = torch.autograd.grad(loss_of(index), list(model.parameters()))
        plain += all(torch.allclose(x, y, atol=1e-3) for x, y in zip(g, up, strict=True))
        clip = min(1.0, 1.0 / (sum(float(x.square().sum()) for x in up) ** 0.5 + 1e-6))
        with torch.no_grad():
            for p, own, x in zip(model.parameters(), before, up, strict=True):
                p.copy_(own)
                p.grad = x * clip
        optimizer.step()
        with torch.no_grad():
            for name, t in target.items():
                w = model.get_parameter(f"{name}.weight")
                w.copy_((w + 0.01 * t) / 1.01)
        torch.manual_seed(step)
        assert float(trainer._step(index)) == pytest.approx(loss.item(), rel=1e-5)
        trainer.position += 1
        for mine, other in zip(trainer.bare.parameters(), model.parameters(), strict=True):
            assert torch.allclose(mine, other, atol=2e-6), step
    assert plain == 0  # up there it is another gradient


def test_two_passes_last_as_long_as_admm_and_an_estimate_knows_it() -> None:
    trainer, method = begin(sharpness=0.1)
    trainer.run()
    assert trainer.bare.seen == 2 * HARD + (STEPS - HARD)
    assert all(torch.equal(layer.weight != 0, method.masks[n]) for n, layer in method.layers.items())
    given = {"task": "agreement", "model": "tiny", "method": "admm", "epochs": 2, "knobs": {"share": 0.25}}
    like = RunRecord(schema=1, id="r", status="succeeded", created="", spec=resolve(given),
                     timing=Timing(total=10.0, phases={"load": 2.0, "train": 8.0}))
    assert seconds_of(like, resolve(given)) == 10.0
    assert seconds_of(like, resolve({**given, "knobs": {"share": 0.25, "sharpness": 2e-4}})) == 12.0


def test_the_projection_by_adam_is_the_largest_by_the_root_of_its_second_moment() -> None:
    """Every update from torch's own state, by sorting; before the first step in the metric of the norms."""
    trainer, method = begin(metric="adam", rho_start=0.05)
    norms = method.context.stats["a"].norms
    w = method.context.dense["a"]
    assert torch.equal(best(method.scores("a", w, torch.empty_like(w))), best(w.abs() * norms))
    differ = 0
    for step in range(HARD):
        u = {n: x.clone() for n, x in zip(method.layers, method.u, strict=True)}
        trainer._step([4 * step + i for i in range(4)])
        trainer.position += 1
        for n, layer in method.layers.items():
            if (step + 1) % 4 == 0:
                size = (layer.weight.data + u[n]).abs()
                second = trainer.optimizer.state[layer.weight]["exp_avg_sq"]
                assert torch.equal(method.support[n], best(size * second.sqrt())), step
                found = second_moment(trainer.optimizer, layer.weight)
                assert found is not None and torch.allclose(found, second / (1 - 0.999 ** (step + 1)))
                differ += not torch.equal(method.support[n], best(size * norms))
    assert differ > 0
    assert second_moment(trainer.optimizer, nn.Parameter(torch.ones(1))) is None


def test_the_rate_after_the_prune_is_the_schedules_times_the_factor() -> None:
    rows: list[dict[str, Any]] = []
    trainer, _ = begin(refine_lr=0.25, rows=rows)
    seen: list[float] = []
    trainer.optimizer.register_step_pre_hook(lambda o, *_: seen.append(o.param_groups[1]["lr"]))
    trainer.run()
    expected = [0.02 * (STEPS - step) / (STEPS - 1) * (1.0 if step < HARD else 0.25) for step in range(STEPS)]
    expected[0] = 0.02  # warm-up of one step
    assert seen == pytest.approx(expected)
    assert [row["lr"] for row in rows] == pytest.approx(expected)


@pytest.mark.parametrize("stop", [7, 19])
@pytest.mark.parametrize("refine", ["mask", "sr-ste"])
def test_killed_and_continued_is_uninterrupted(tmp_path: Path, refine: str, stop: int) -> None:
    """Continued from the file of the last even step, with dropout: weights, masks and the trace bit for bit."""
    knobs = {"metric": "adam", "sharpness": 0.1, "refine_lr": 0.5, "refine": refine, "decay": 0.05}
    rows: dict[bool, list[dict[str, Any]]] = {}
    ends: list[list[Tensor]] = []
    for killed in (False, True):
        rows[killed] = []
        file = tmp_path / f"{killed}.safetensors"
        trainer, method = begin(file, dropout=0.3, rows=rows[killed], **knobs)
        if killed:
            def report(done: int, total: int, note: str) -> None:
                if done == stop:
                    raise KeyboardInterrupt
            trainer.loop.report = report
            with pytest.raises(KeyboardInterrupt):
                trainer.run()
            trainer, method = begin(file, dropout=0.3, rows=rows[killed], **knobs)
            assert trainer.resume() and trainer.position == stop - 1
            del rows[killed][stop - 1:]
        trainer.run()
        ends.append([*(p.detach().clone() for p in trainer.bare.parameters()), *method.masks.values()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
    assert [{**row, "seconds": 0} for row in rows[False]] == [{**row, "seconds": 0} for row in rows[True]]


def test_runs_recorded_before_keep_their_ids() -> None:
    assert not {"sharpness", "refine_lr"} & set(knobs_to_spec(AdmmKnobs()))
    asked = knobs_to_spec(AdmmKnobs(metric="adam", sharpness=2e-4, refine_lr=2))
    assert (asked["metric"], asked["sharpness"], asked["refine_lr"]) == ("adam", 2e-4, 2.0)
