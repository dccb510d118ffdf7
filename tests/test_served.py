"""What is scored while a method trains other weights than the model is used with."""

from __future__ import annotations

from typing import Any

import torch

from core.methods.base import TrainingMethod
from core.methods.knobs import Knobs
from core.models.encoding import encode
from core.models.loading import load_model
from core.models.prunable import prunable
from core.running.training import Loop, Trainer
from core.runs.records import RunSpec
from core.tasks.loading import load_task

SPEC = RunSpec(task="agreement", model="tiny", method="asp", pattern="2:4", epochs=1, lr=1e-3, batch_size=32,
               max_length=48, freeze_embeddings=False, train_examples=160)


class Doubled(TrainingMethod):
    """Serves twice the trained weights, and trains only what belongs to the pruned layers."""

    def trains(self, name: str) -> bool:
        return name.rpartition(".")[0] in self.layers

    def served(self) -> dict[str, torch.Tensor]:
        return {name: 2 * layer.weight.detach() for name, layer in self.layers.items()}


def trainer(rows: list[dict[str, Any]]) -> tuple[Trainer, Doubled]:
    data = load_task(SPEC.task, train_examples=SPEC.train_examples)
    loaded = load_model("tiny", labels=data.entry.outputs, seed=0)
    method = Doubled(Knobs())
    method.hard_step = 99
    method.layers = prunable(loaded.model)
    total = lambda: float(sum(m.weight.detach().sum() for m in method.layers.values()))  # noqa: E731
    train = encode(loaded.tokenizer, data.train, SPEC.max_length)
    return Trainer(loaded.model, train, 0, SPEC, Loop(evaluate=total, trace=rows.append), method), method


def test_scores_inside_training_are_those_of_the_served_weights() -> None:
    rows: list[dict[str, Any]] = []
    t, method = trainer(rows)
    trained = float(sum(m.weight.detach().sum() for m in method.layers.values()))
    assert abs(t.score() - 2 * trained) < 1e-2
    assert float(sum(m.weight.detach().sum() for m in method.layers.values())) == trained  # and they are gone again
    seen: dict[str, torch.Tensor] = {}
    method.finish = lambda: seen.update(  # type: ignore[method-assign]
        {n: m.weight.detach().clone() for n, m in method.layers.items()}) or TrainingMethod.finish(method)
    t.run()
    last = [row["score"] for row in rows if "score" in row][-1]
    assert abs(last - 2 * float(sum(w.sum() for w in seen.values()))) < 1e-2
    assert abs(last - trained) > 1e-2
    for name, layer in method.layers.items():
        assert torch.equal(layer.weight, 2 * seen[name])  # `finish` leaves the served ones in the model


def test_only_what_the_method_trains_moves() -> None:
    t, method = trainer([])
    before = {n: p.detach().clone() for n, p in t.bare.named_parameters()}
    method.served = lambda: None  # type: ignore[method-assign,assignment,return-value]
    t.run()
    moved = {n for n, p in t.bare.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n in before if n.rpartition(".")[0] in method.layers}
    assert {n.rpartition(".")[2] for n in moved} == {"weight", "bias"}
