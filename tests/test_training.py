"""The loop: batches, schedule, loss, and what it must never do."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from core.models.encoding import encode
from core.models.loading import load_model
from core.models.prunable import prunable
from core.running.training import Diverged, Loop, Trainer, buckets, predict, schedule, task_loss
from core.runs.records import RunSpec
from core.tasks.loading import load_task


def test_every_example_is_in_one_batch_of_an_epoch() -> None:
    lengths = [3 + (7 * i) % 20 for i in range(333)]
    batches = buckets(lengths, 16, seed=1, epoch=0)
    assert sorted(i for b in batches for i in b) == list(range(333))
    assert max(map(len, batches)) == 16
    assert buckets(lengths, 16, 1, 0) == batches
    assert buckets(lengths, 16, 1, 1) != batches
    assert buckets(lengths, 16, 2, 0) != batches


def test_buckets_waste_little() -> None:
    """Padding is under 5 % of all tokens, where batches in random order waste far more."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 60, 2000).tolist()

    def waste(batches: list[list[int]]) -> float:
        padded = sum(len(b) * max(lengths[i] for i in b) for b in batches)
        return 1 - sum(lengths) / padded

    order = rng.permutation(2000).tolist()
    assert waste(buckets(lengths, 32, 0, 0)) < 0.05
    assert waste([order[i : i + 32] for i in range(0, 2000, 32)]) > 0.3


def test_the_schedule_rises_then_falls_to_nothing() -> None:
    rate = schedule(100, 1.0)
    values = [rate(s) for s in range(100)]
    assert max(values) == pytest.approx(1.0)
    assert values.index(max(values)) in (5, 6)
    assert values[0] == pytest.approx(1 / 6)
    assert values[-1] == pytest.approx(1 / 94)


@pytest.mark.parametrize(("total", "values"), [
    (1, [1.0]), (2, [1.0, 1.0]), (5, [1.0, 1.0, 3 / 4, 2 / 4, 1 / 4]),
    (25, [1 / 2, 1.0, *(k / 23 for k in range(23, 0, -1))])])
def test_a_short_training_warms_up_for_one_step_at_least(total: int, values: list[float]) -> None:
    rate = schedule(total, 1.0)
    assert [rate(step) for step in range(total)] == pytest.approx(values)
    assert rate(total) == 0.0 or total == 1


def test_the_loss_is_the_textbook_one() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.3]])
    teacher = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])
    labels = torch.tensor([0, 1])
    hard = soft = 0.0
    for row in range(2):
        e = [math.exp(v) for v in logits[row].tolist()]
        hard -= math.log(e[int(labels[row])] / sum(e)) / 2
        p = [math.exp(v / 2) for v in teacher[row].tolist()]
        q = [math.exp(v / 2) for v in logits[row].tolist()]
        soft += sum(a / sum(p) * math.log((a / sum(p)) / (b / sum(q))) for a, b in zip(p, q, strict=True)) * 4 / 2
    assert float(task_loss(logits, labels, None, 0.9)) == pytest.approx(hard, rel=1e-5)
    assert float(task_loss(logits, labels, teacher, 0.9)) == pytest.approx(0.1 * hard + 0.9 * soft, rel=1e-5)
    assert float(task_loss(logits[:, :1], torch.tensor([1.0, 0.0]), None, 0.0)) == pytest.approx((1 + 0.25) / 2)


SPEC = RunSpec(task="agreement", model="tiny", method="dense", pattern="dense", epochs=1, lr=1e-3, batch_size=32,
               max_length=48, freeze_embeddings=False, train_examples=160)


def trainer(file: Path | None = None, spec: RunSpec = SPEC, trace: list[dict[str, object]] | None = None) -> Trainer:
    data = load_task(spec.task, train_examples=spec.train_examples)
    loaded = load_model("tiny", labels=data.entry.outputs, seed=0)
    train = encode(loaded.tokenizer, data.train, spec.max_length)
    rows: list[dict[str, object]] = [] if trace is None else trace
    loop = Loop(evaluate=lambda: 0.5, trace=rows.append, resume_file=file, checkpoint_every=2, log_every=1)
    return Trainer(loaded.model, train, loaded.tokenizer.pad_token_id, spec, loop)


def test_training_lowers_the_loss_and_logs_every_step() -> None:
    rows: list[dict[str, object]] = []
    trainer(spec=RunSpec(**{**{f: getattr(SPEC, f) for f in SPEC.__struct_fields__}, "epochs": 6.0}), trace=rows).run()
    losses = [float(r["loss"]) for r in rows]  # type: ignore[arg-type]
    assert len(losses) == 30
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_state(tmp_path: Path) -> None:
    file = tmp_path / "resume.safetensors"
    t = trainer(file)
    before = t._step

    def poisoned(index: list[int]) -> torch.Tensor:
        loss = before(index)
        return loss * float("nan") if t.position == 3 else loss

    t._step = poisoned  # type: ignore[method-assign]
    with pytest.raises(Diverged, match="step 4"):
        t.run()
    again = trainer(file)
    assert again.resume()
    assert again.position == 2
    assert all(torch.isfinite(p).all() for p in again.trained)


def test_frozen_embeddings_do_not_move() -> None:
    fields = {f: getattr(SPEC, f) for f in SPEC.__struct_fields__}
    t = trainer(spec=RunSpec(**{**fields, "freeze_embeddings": True}))
    table = t.bare.base_model.embeddings.word_embeddings.weight
    query = next(iter(prunable(t.bare).values())).weight
    before = table.detach().clone(), query.detach().clone()
    t.run()
    assert torch.equal(table, before[0])
    assert not torch.equal(query, before[1])


def test_predictions_do_not_depend_on_the_batching() -> None:
    data = load_task("agreement", train_examples=70)
    loaded = load_model("tiny", labels=2, seed=0)
    encoded = encode(loaded.tokenizer, data.train, 48)
    one = predict(loaded.model, encoded, loaded.tokenizer.pad_token_id, batch_size=1)
    many = predict(loaded.model, encoded, loaded.tokenizer.pad_token_id, batch_size=64)
    assert np.allclose(one, many, atol=1e-4)
