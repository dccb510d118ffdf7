"""With dropout on: a run that goes on draws what it would have drawn, and nothing that is measured is dropped."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core.inside.calibration import calibrate
from core.models.encoding import Encoded, collate, encode
from core.models.loading import load_model
from core.models.prunable import prunable
from core.running.pipeline import resolve, run
from core.running.training import Loop, Trainer, predict, set_dropout
from core.runs.records import RunSpec
from core.runs.store import Store, read_header
from core.tasks.loading import load_task

RATE = 0.1
SPEC = RunSpec(task="agreement", model="tiny", method="dense", pattern="dense", epochs=2, lr=1e-3, batch_size=16,
               max_length=48, freeze_embeddings=False, train_examples=160, dropout=RATE)


class Killed(Exception):
    """The process ended here."""


def trained(file: Path | None, last: int = 99, evaluations: int = 2, resume: bool = False) -> nn.Module:
    """A model after SPEC's training, with its own scores asked for on the way; Killed after step *last*."""
    data = load_task(SPEC.task, train_examples=SPEC.train_examples)
    loaded = load_model("tiny", labels=2, seed=0)
    texts = encode(loaded.tokenizer, data.train, SPEC.max_length)

    def report(done: int, total: int, note: str) -> None:
        if done == last and not resume:
            raise Killed

    def evaluate() -> float:
        return float(predict(loaded.model, texts, 0).mean())

    torch.manual_seed(7)
    loop = Loop(evaluate=evaluate, trace=lambda row: None, report=report, resume_file=file, checkpoint_every=3,
                evaluations_per_epoch=evaluations)
    trainer = Trainer(loaded.model, texts, 0, SPEC, loop)
    if resume:
        torch.manual_seed(12345)  # another process: its generator is anywhere
        assert trainer.resume() and trainer.position == last // 3 * 3
    trainer.run()
    return loaded.model


def same(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_killed_training_goes_on_with_the_dropout_it_would_have_drawn(tmp_path: Path) -> None:
    whole = trained(None)
    with pytest.raises(Killed):
        trained(tmp_path / "resume.safetensors", last=11)
    assert same(whole, trained(tmp_path / "resume.safetensors", last=11, resume=True))


def test_scoring_on_the_way_leaves_the_training_as_it_was() -> None:
    assert same(trained(None, evaluations=1), trained(None, evaluations=5))


@pytest.fixture
def dropping() -> tuple[nn.Module, Encoded]:
    """A model in training that drops half of everything, and some sentences of unequal length."""
    loaded = load_model("tiny", labels=2, seed=0)
    set_dropout(loaded.model, 0.5)
    loaded.model.train()
    return loaded.model, encode(loaded.tokenizer, load_task("agreement", train_examples=40).train, 48)


def test_predictions_drop_nothing_and_leave_the_mode_as_it_was(dropping: tuple[nn.Module, Encoded]) -> None:
    model, texts = dropping
    still = copy.deepcopy(model)
    set_dropout(still, 0.0)
    wanted = np.concatenate([still(**collate(texts, [i], 0)).logits.detach().numpy() for i in range(len(texts))])
    for training in (True, False):
        model.train(training)
        assert np.allclose(predict(model, texts, 0, batch_size=7), wanted, atol=1e-5)
        assert all(module.training is training for module in model.modules())


def test_calibration_drops_nothing_and_leaves_the_mode_as_it_was(dropping: tuple[nn.Module, Encoded]) -> None:
    model, texts = dropping
    still = copy.deepcopy(model)
    set_dropout(still, 0.0)
    batches = [collate(texts, list(range(20)), 0)]
    wanted = calibrate(still, prunable(still), batches)
    for training in (True, False):
        model.train(training)
        found = calibrate(model, prunable(model), batches)
        assert all(torch.allclose(found[n].norms, wanted[n].norms, rtol=1e-5) for n in wanted)
        assert model.training is training


def test_a_run_with_dropout_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """Stopped in the middle of refinement; the state kept last is that of the hard prune."""
    given: dict[str, Any] = {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4", "epochs": 2,
                             "train_examples": 320, "dev_examples": 100, "dense_epochs": 1, "calibration": 32,
                             "dropout": RATE}
    spec = resolve(given)
    stores = [Store(recorded=tmp_path / "none", live=tmp_path / name) for name in ("whole", "stopped")]
    whole = run(spec, store=stores[0])

    def stop(progress: Any) -> None:
        if progress.phase == "train" and progress.total == 20 and progress.done == 15 and stores[1].find(spec.run_id):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(spec, store=stores[1], report=stop)
    assert read_header(stores[1].live / spec.run_id).status == "cancelled"
    assert (stores[1].live / spec.run_id / "resume.safetensors").exists()
    torch.manual_seed(12345)
    done = run(spec, store=stores[1], resume=True)
    assert done.results == whole.results
    one, two = (store.open(spec.run_id).arrays() for store in stores)
    assert one.keys() == two.keys()
    assert [key for key in one if not np.array_equal(one[key], two[key])] == []
