"""The live teacher's terms against plain loops; what it must leave alone; a run that was stopped and goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.models.encoding import collate, encode
from core.models.loading import load_model
from core.running.distilling import LiveTeacher, live_teacher
from core.running.pipeline import resolve, run
from core.running.progress import Progress
from core.running.training import Loop, Trainer
from core.runs.records import RunSpec
from core.runs.store import Store
from core.tasks.loading import load_task

SPEC = RunSpec(task="agreement", model="tiny", method="asp", pattern="2:4", epochs=1, lr=1e-3, batch_size=32,
               max_length=48, freeze_embeddings=False, train_examples=160)


def spec(**given: object) -> RunSpec:
    return RunSpec(**{**{f: getattr(SPEC, f) for f in SPEC.__struct_fields__}, **given})  # type: ignore[arg-type]


def trainer(of: RunSpec, file: Path | None = None) -> Trainer:
    data = load_task("agreement", train_examples=160)
    loaded = load_model("tiny", labels=2, seed=0)
    loop = Loop(evaluate=lambda: 0.5, trace=lambda row: None, resume_file=file, checkpoint_every=2)
    return Trainer(loaded.model, encode(loaded.tokenizer, data.train, 48), 0, of, loop)


def shaken(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(4)
    for p in model.parameters():
        p.data += 0.05 * torch.randn(p.shape, generator=generator)


@pytest.mark.parametrize("frozen", [False, True])
def test_both_terms_equal_plain_loops(frozen: bool) -> None:
    """Sentence by sentence without any padding, from the two models' own outputs."""
    data, loaded = load_task("agreement", train_examples=5), load_model("tiny", labels=2, seed=0)
    encoded = encode(loaded.tokenizer, data.train, 48)
    for i in range(2):  # uneven, so that there is padding
        del encoded.ids[i][4 + i :]
        if encoded.types is not None:
            del encoded.types[i][4 + i :]
    model = loaded.model
    hidden_only = live_teacher(model, spec(distill_hidden=3.0, freeze_embeddings=frozen))
    both = live_teacher(model, spec(distill_hidden=3.0, distill_attention=5000.0, freeze_embeddings=frozen))
    assert hidden_only is not None and both is not None
    shaken(model)
    batch = collate(encoded, range(5), 0)
    assert not batch["attention_mask"].all()
    found = []
    for live in (hidden_only, both):
        with live, torch.no_grad():
            found.append(float(live.term(batch, model(**batch, **live.asks))))

    model.set_attn_implementation("eager")
    both.model.set_attn_implementation("eager")
    gaps: dict[str, list[list[float]]] = {"hidden": [[] for _ in range(3)], "attention": [[] for _ in range(2)]}
    for i in range(5):
        one = collate(encoded, [i], 0)
        with torch.no_grad():
            s, t = (m(**one, output_hidden_states=True, output_attentions=True) for m in (model, both.model))
        for layer in range(3):
            a, b = s.hidden_states[layer][0].numpy(), t.hidden_states[layer][0].numpy()
            gaps["hidden"][layer] += [(x - y) ** 2 for x, y in zip(a.flat, b.flat, strict=True)]
        for layer in range(2):
            a, b = s.attentions[layer][0].numpy(), t.attentions[layer][0].numpy()
            gaps["attention"][layer] += [(x - y) ** 2 for x, y in zip(a.flat, b.flat, strict=True)]
    layers = gaps["hidden"][1:] if frozen else gaps["hidden"]
    hidden = 3.0 * float(np.mean([np.mean(x) for x in layers]))
    attention = 5000.0 * float(sum(np.mean(x) for x in gaps["attention"]))
    assert found[0] == pytest.approx(hidden, rel=1e-3)  # padded sentences are summed in another order, in float32
    assert found[1] == pytest.approx(hidden + attention, rel=1e-3)
    assert attention > 0.1 * hidden > 0


def test_the_teacher_stays_and_the_student_follows() -> None:
    t = trainer(spec(distill_hidden=20.0, distill_attention=20.0, epochs=8.0))
    assert t.live is not None
    before = {n: p.clone() for n, p in t.live.model.named_parameters()}
    shaken(t.bare)
    batch = collate(t.data, range(32), 0)

    def gap() -> float:
        with torch.no_grad(), t.live as live:  # type: ignore[union-attr]
            return float(live.term(batch, t.bare(**batch, **live.asks)))

    first = gap()
    t.run()
    assert gap() < 0.6 * first
    assert not t.live.model.training
    for name, parameter in t.live.model.named_parameters():
        assert torch.equal(parameter, before[name]) and parameter.grad is None


def test_attention_is_computed_as_before_once_the_training_is_over() -> None:
    t = trainer(spec(distill_attention=1.0))
    usual = t.bare.config._attn_implementation
    assert usual != "eager"
    seen: list[str] = []
    t.loop.report = lambda *_: seen.append(t.bare.config._attn_implementation)
    t.run()
    assert set(seen) == {"eager"}
    assert t.bare.config._attn_implementation == usual
    t = trainer(spec(distill_attention=1.0))
    t._step = lambda index: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(ZeroDivisionError):
        t.run()
    assert t.bare.config._attn_implementation == usual


def test_without_weights_there_is_no_teacher_and_nothing_changes() -> None:
    assert live_teacher(load_model("tiny", labels=2, seed=0).model, SPEC) is None
    given = {"task": "agreement", "model": "tiny", "method": "asp", "pattern": "2:4"}
    assert resolve(given).run_id == resolve({**given, "distill_hidden": 0, "distill_attention": 0.0}).run_id
    assert resolve(given).run_id != resolve({**given, "distill_hidden": 0.5}).run_id
    asked: list[dict[str, object]] = []
    t = trainer(SPEC)
    t.model.register_forward_pre_hook(lambda m, args, kwargs: asked.append(kwargs), with_kwargs=True)
    t.run()
    assert asked and all(set(k) <= {"input_ids", "attention_mask", "token_type_ids"} for k in asked)


@pytest.mark.parametrize(("knob", "asked"), [("hidden", "distill_hidden"), ("attention", "distill_attention")])
def test_a_model_that_gives_nothing_back_is_named(knob: str, asked: str) -> None:
    loaded = load_model("tiny", labels=2, seed=0)
    live = LiveTeacher(loaded.model, float(knob == "hidden"), float(knob == "attention"), skip=0)
    batch = {"input_ids": torch.tensor([[2, 5, 3]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    with pytest.raises(InputError, match=f"{asked} with Bert.*Leave {asked} at 0"):
        live.term(batch, SimpleNamespace(hidden_states=None, attentions=None))


def test_a_run_that_was_stopped_goes_on_with_the_same_teacher(tmp_path: Path) -> None:
    """Stopped after 33 of 40 steps, in the refinement: scores, masks and weights are those of an unbroken run."""
    given = {"task": "agreement", "model": "tiny", "method": "admm", "pattern": "2:4", "train_examples": 320,
             "dev_examples": 100, "dense_epochs": 1, "epochs": 4, "calibration": 32, "record": "full",
             "distill": 0.5, "distill_hidden": 1.0, "distill_attention": 1.0,
             "knobs": {"refine": "sr-ste", "metric": "adam", "sharpness": 1e-3, "refine_lr": 0.5, "match": 2}}
    one = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "one")
    two = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "two")
    expected = run(resolve(given), store=one)

    def stop(progress: Progress) -> None:
        if progress.phase == "train" and progress.total == 40 and progress.done == 33:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(resolve(given), store=two, report=stop)
    done = run(resolve(given), store=two, resume=True)
    assert done.results == expected.results
    assert [m.mask_sha256 for m in done.matrices] == [m.mask_sha256 for m in expected.matrices]
    a, b = one.open(expected.id), two.open(done.id)
    assert a.keys == b.keys
    for key in sorted(a.keys):
        assert np.array_equal(a.array(key), b.array(key)), key  # type: ignore[arg-type]
    steady = [{k: v for k, v in row.items() if k != "seconds"} for row in a.trace]
    assert steady == [{k: v for k, v in row.items() if k != "seconds"} for row in b.trace]
    assert {row["phase"] for row in steady} >= {"admm", "moving"}
