"""The identity prior against the singular value decomposition, forward passes without a module, differences of the
loss, every choice of a small model tried out, and a run that was killed."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import surgery
from core.errors import InputError
from core.inside.residual import Residuals, head_sizes, size
from core.methods.base import Context
from core.methods.identity_prior import KINDS, IdentityPrior, Part, power, removed
from core.methods.unit_knobs import IdentityPriorKnobs
from core.models.prunable import prunable
from core.models.tiny import tiny_model
from core.running import fitting, training
from core.running.pipeline import resolve, run
from core.runs.checks.folder_check import check
from core.runs.store import Store
from core.sparsity.patterns import parse_pattern
from core.views.mechanisms import identities, pictures
from tests.test_surgery import batch, logits, loud
from tests.test_units_run import SMALL
from tests.test_views_mechanisms import told as kept_by


def begin(model: Any, pattern: str = "units:0.5", steps: int = 12, **knobs: Any) -> IdentityPrior:
    method, layers = IdentityPrior(IdentityPriorKnobs(**knobs)), prunable(model)
    method.prepare(layers, Context(
        pattern=parse_pattern(pattern).joined(surgery.units(model)), total_steps=steps, stats={}, solution={},
        lr=lambda step: 1e-3, dense={n: m.weight.detach().clone() for n, m in layers.items()}))
    return method


def test_sigma_is_that_of_the_decomposition_within_a_hundredth_after_twenty_iterations() -> None:
    draw = torch.Generator().manual_seed(2)
    for layer in prunable(tiny_model(3)).values():  # random: the largest singular values are near each other
        weight = layer.weight.detach().double()
        left, values, right = torch.linalg.svd(weight, full_matrices=False)
        u = torch.randn(weight.shape[0], generator=draw).double()
        assert 0.9 * float(values[0]) < float(power(weight, u, 20)[0]) <= 1.000001 * float(values[0])
        assert float(power(weight, u, 100)[0]) == pytest.approx(float(values[0]), rel=0.01)
        falling = left @ torch.diag(1.0 / torch.arange(1, len(values) + 1).double()) @ right
        sigma, found = power(falling, u, 20)
        assert float(sigma) == pytest.approx(1.0, rel=1e-6)
        assert abs(float(found @ left[:, 0])) == pytest.approx(1.0, rel=1e-6)
    u = torch.ones(4)
    assert [float(x.sum()) for x in power(torch.zeros(4, 3), u, 2)] == [0.0, 4.0]


def test_the_heads_add_up_to_the_attention_but_for_its_bias_and_have_the_norms_that_are_told() -> None:
    model = loud(tiny_model(3)).double()
    anatomy, real = surgery.units(model), batch()["attention_mask"].bool()
    watch = Residuals(prunable(model), anatomy)
    watch.start()
    with torch.no_grad():
        model(**batch())
    passed = watch.stop()
    assert watch.stop() == []
    for m, p in zip(anatomy.modules, passed, strict=True):
        layer = prunable(model)[m.columns]
        parts = [p.inside[..., m.span(u)] @ layer.weight[:, m.span(u)].T for u in range(m.units)]
        assert torch.allclose(sum(parts) + layer.bias, p.out, atol=1e-10)
        norms = [np.mean([float(row.detach().norm()) for row in part[real]]) for part in (*parts[:4], p.out)]
        if m.noun == "head":  # float32 inside
            assert head_sizes(p.inside, layer.weight, 4, real).tolist() == pytest.approx(norms[:4], rel=1e-4)
        assert float(size(p.out, real)) == pytest.approx(norms[4], rel=1e-5)


def seen(method: IdentityPrior, model: Any, step: int) -> Tensor | None:
    method.before_forward(step)
    model(**batch())
    return method.penalty(batch())


@pytest.mark.parametrize("pattern", ["units:0.5", "modules:0.25", "heads:0.5"])
def test_the_terms_gradient_is_that_of_differences_and_its_value_the_weighed_sum(pattern: str) -> None:
    model = loud(tiny_model(3))
    for value in model.parameters():
        value.data.mul_(0.3)
    method = begin(model, pattern, steps=18, strength=0.5)
    value = seen(method, model, 3)  # half of the way to where the removing begins, after 6
    assert value is not None and method.hard_step == 12
    value.backward()
    counts = {"head": 4096, "attention": 16384, "FFN": 32768}
    sizes = np.array([counts[p.kind] for p in method.parts])
    assert float(value.detach()) == pytest.approx(
        0.25 * float((sizes / sizes.mean() * method.means[0].numpy()).sum()), rel=1e-5)
    draw = torch.Generator().manual_seed(1)
    for name in ("bert.encoder.layer.0.attention.self.value", "bert.encoder.layer.1.attention.output.dense",
                 "bert.encoder.layer.0.output.dense"):
        weight = method.layers[name].weight
        assert weight.grad is not None or (pattern == "heads:0.5" and name.endswith("0.output.dense"))
        way = torch.randn(weight.shape, generator=draw)
        ends = []
        for s in (1e-3, -2e-3):
            weight.data += s * way
            found = seen(method, model, 3)
            assert found is not None
            ends.append(float(found.detach()))
        weight.data += 1e-3 * way
        slope = 0.0 if weight.grad is None else float((weight.grad * way).sum())
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-3, rel=0.02, abs=2e-3)  # float32 differences


def test_removing_what_adds_nothing_changes_nothing() -> None:
    model = loud(tiny_model(3))
    layers = prunable(model)
    # Heads 2 and 3 of layer 1 read no value; the second FFN puts out nothing.
    layers["bert.encoder.layer.0.attention.self.value"].weight.data[16:48] = 0
    layers["bert.encoder.layer.0.attention.self.value"].bias.data[16:48] = 0
    layers["bert.encoder.layer.1.output.dense"].weight.data.zero_()
    layers["bert.encoder.layer.1.output.dense"].bias.data.zero_()
    method = begin(model, "units:0.4", spectral=0.0)
    seen(method, model, 1)
    quiet = [i for i, n in enumerate(method.means[0].tolist()) if n < 1e-5]
    assert [(p.layer, p.kind, p.unit) for p in (method.parts[i] for i in quiet)] == [
        (1, "head", 1), (1, "head", 2), (2, "FFN", None)]
    before = logits(model)
    stay = np.ones(len(method.parts), dtype=bool)
    stay[quiet] = False
    method._let_go(stay, 1)
    method._silence()
    assert torch.equal(logits(model), before)
    assert surgery.problems(model, surgery.units(model), method.kept(stay)) == []
    # And they are the first to go: 2 heads and an FFN are 41 % of the weights.
    masks = method.choose_masks()
    assert not masks["bert.encoder.layer.1.output.dense"].any()
    louder = loud(tiny_model(3))
    method = begin(louder, "units:0.4", spectral=0.0)
    seen(method, louder, 1)
    stay[:] = True
    stay[4] = False
    before = logits(louder)
    method._let_go(stay, 1)
    method._silence()
    assert not torch.allclose(logits(louder), before, atol=1e-3)


def small(heads: int = 2) -> list[Part]:
    """Two layers of *heads* heads, cost 1 each, and an FFN of cost 4."""
    return [part for layer in (1, 2) for part in (
        *(Part(2 * layer - 2, u, layer, "head", 1, 1) for u in range(heads)),
        Part(2 * layer - 1, None, layer, "FFN", 4, 4))]


@pytest.mark.parametrize("skip", [False, True])
def test_the_budget_is_met_and_nothing_more_would_fit_and_no_layer_is_emptied(skip: bool) -> None:
    """For every budget and many orders, against all choices there are."""
    parts, rng = small(), np.random.default_rng(0)
    costs, layers = np.array([p.cost for p in parts]), np.array([p.layer for p in parts])
    every = [np.array(c, dtype=bool) for c in itertools.product([False, True], repeat=len(parts))]
    for most in range(0 if skip else 2, 13):
        for _ in range(20):
            worth = rng.random(len(parts))
            stay = removed(parts, worth, np.ones(len(parts), dtype=bool), most, most, skip, last=True)
            allowed = [c for c in every if costs[c].sum() <= most and (skip or all(c[layers == k].any()
                                                                                   for k in (1, 2)))]
            assert any((stay == c).all() for c in allowed)
            assert not any((c & stay == stay).all() and c.sum() == stay.sum() + 1 for c in allowed)
            # On the way nothing falls a whole part below the end, and what is gone stays so.
            way = removed(parts, worth, np.ones(len(parts), dtype=bool), min(12, most + 3), most, skip, last=False)
            assert costs[way].sum() > most - 1
            end = removed(parts, rng.random(len(parts)), way, most, most, skip, last=True)
            assert costs[end].sum() <= most and not (end & ~way).any()


def test_the_lowest_for_its_weights_goes_first() -> None:
    parts = small()
    worth = np.array([0.9, 0.1, 0.5, 0.8, 0.7, 0.6])  # an FFN of 0.5 a weight goes before heads of 0.7
    stay = removed(parts, worth, np.ones(6, dtype=bool), 7, 7, False, last=True)
    assert stay.tolist() == [True, False, False, True, True, True]


def test_sigma_is_held_under_its_limit_and_only_by_scaling() -> None:
    model = loud(tiny_model(3))
    method = begin(model, spectral=0.5, steps=30)
    before = {n: m.weight.detach().clone() for n, m in method.layers.items()}
    method.after_step(0)
    for k, (name, layer) in enumerate(method.layers.items()):
        exact = float(torch.linalg.svdvals(before[name])[0])
        assert float(method.sigmas[0, k]) == pytest.approx(exact, rel=0.01)
        assert float(torch.linalg.svdvals(layer.weight.detach())[0]) == pytest.approx(0.5 * exact, rel=0.01)
        ratio = layer.weight.detach() / before[name]
        assert float(ratio.max() - ratio.min()) < 1e-4
    held = {n: m.weight.detach() * 0.9 for n, m in method.layers.items()}
    for name, layer in method.layers.items():
        layer.weight.data.copy_(held[name])
    method.after_step(1)
    assert all(torch.equal(layer.weight, held[name]) for name, layer in method.layers.items())


@pytest.mark.parametrize(("pattern", "words"), [
    ("modules:0.75", "'modules:0.75' leaves some of 2 layers without a module"),
    ("units:0.95", "'units:0.95' leaves some of 2 layers without a module")])
def test_what_cannot_be_is_said(pattern: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        begin(tiny_model(3), pattern)
    begin(tiny_model(3), pattern, skip=True)


def spec(pattern: str, **more: Any) -> Any:
    return resolve({**SMALL, "method": "identity-prior", "pattern": pattern, "epochs": 6, "record": "masks",
                    "batch_size": 16, **more})


@pytest.mark.parametrize("pattern", ["units:0.6", "modules:0.5", "heads:0.75"])
def test_a_whole_run_meets_its_budget_and_passes_the_check(pattern: str, tmp_path: Path) -> None:
    store = Store(recorded=tmp_path / "cached_runs", live=tmp_path / "runs")
    record = run(spec(pattern), store=store)
    opened = store.open(record.id)
    report = check(opened)
    assert report.problems == [] and record.units is not None
    heads, neurons = record.units.heads, record.units.neurons
    assert all(n in (0, 256) for n in neurons) and all(h or n for h, n in zip(heads, neurons, strict=True))
    if pattern == "units:0.6":  # of 24 head-equivalents 9.6 may stay: an FFN is 8 heads
        assert sum(heads) + sum(neurons) // 32 == 9
    elif pattern == "modules:0.5":
        assert sum(h > 0 for h in heads) + sum(n > 0 for n in neurons) == 2
    else:
        assert sum(heads) == 2 and heads == [1, 1] and neurons == [256, 256]
    gone, steps = opened.array("method/gone"), opened.array("method/steps")
    sigma, relative = opened.array("method/sigma"), opened.array("method/relative")
    assert gone is not None and steps is not None and sigma is not None and relative is not None
    assert gone.max() <= 16 and (gone[gone >= 0] > 8).all()  # 24 steps: removed between the 8th and the 16th
    assert steps[0] == 0 and (np.diff(steps) > 0).all() and sigma.shape == (3, 12)
    assert [m.name for m in record.matrices] == list(prunable(tiny_model(3)))
    for i, at in enumerate(gone):
        assert ((relative[:, i] == 0) == ((at >= 0) & (steps >= at))).all()
    assert len(pictures(opened)) == 2


def test_a_killed_run_ends_where_it_would_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = [Store(recorded=tmp_path / "cached_runs", live=tmp_path / name) for name in ("one", "two")]
    whole = run(spec("units:0.6"), store=stores[0])
    monkeypatch.setattr(fitting, "Loop", partial(training.Loop, checkpoint_every=5))
    step, taken = training.Trainer._step, list[int]()
    for end in (12, 19, 99):  # while modules go; once the masks are fixed; not at all
        def dying(self: Any, index: list[int], end: int = end) -> Tensor:
            if self.method is not None:
                if self.position == end:
                    raise KeyboardInterrupt
                taken.append(self.position)
            return step(self, index)
        monkeypatch.setattr(training.Trainer, "_step", dying)
        if end < 99:
            with pytest.raises(KeyboardInterrupt):
                run(spec("units:0.6"), store=stores[1], resume=end > 12)
    again = run(spec("units:0.6"), store=stores[1], resume=True)
    assert taken == [*range(12), *range(10, 19), *range(16, 24)]
    one, two = (s.open(r.id).arrays() for s, r in zip(stores, (whole, again), strict=True))
    assert set(one) == set(two) and all(np.array_equal(one[k], two[k]) for k in one)
    assert whole.results == again.results


# -- its pictures ---------------------------------------------------------------------------------------------------

def planted(matrices: int) -> dict[str, np.ndarray]:
    """Two heads and an FFN of layer 1; head 2 goes at step 10."""
    sigma = np.tile(np.array([[2.0], [1.8], [1.9]]), (1, matrices))
    sigma[1, 0], sigma[2, 1] = 1.0, 1.5
    return {"parts": np.array([[1, 0, 1], [1, 0, 2], [1, 2, 0]], np.int32), "gone": np.array([-1, 10, -1], np.int32),
            "steps": np.array([0, 10, 20], np.int32), "sigma": sigma,
            "relative": np.array([[0.4, 0.1, 0.6], [0.3, 0.0, 0.5], [0.2, 0.0, 0.4]])}


def test_modules_turn_grey_when_they_go_and_norms_stand_where_they_were_planted(tmp_path: Path) -> None:
    matrices = kept_by(tmp_path / "first", "identity-prior", {}).record.matrices
    run = kept_by(tmp_path, "identity-prior", planted(len(matrices)))
    first, second = pictures(run)
    text = (first.heading + first.claim).replace("\u202f", " ")
    assert "1 of 3 modules become the identity." in text and "1 of 2 heads and 0 of 1 FFN become the identity" in text
    assert "they added 10 % of what they read, those that stay 50 %, and in the end 30 %" in text
    heat, cover = (np.asarray(trace.z) for trace in first.figure.data[:2])
    assert heat.shape == (2 + identities.WHOLE, 3) and np.isnan(heat[1]).tolist() == [False, True, True]
    assert np.isnan(cover[1]).tolist() == [True, False, False] and np.isnan(cover[[0, 2]]).all()
    assert heat[2:] == pytest.approx(np.tile([0.6, 0.5, 0.4], (identities.WHOLE, 1)))
    assert first.figure.data[0].zmin == 0 and first.figure.data[0].zmax == identities.FULL
    assert first.table["identity from step"].tolist()[1] == 10 and "3 modules at 3 looks" in first.alt
    assert "above 90 % of its dense spectral norm" in second.claim.replace("\u202f", " ")
    assert second.figure.data[0].x[0] == 2.0 and second.figure.data[1].x[0] == 1.0
    assert len(second.table) == len(run.record.matrices) and second.figure.layout.xaxis.range[1] == 1.08 * 2.0


def test_the_pictures_kinds_are_the_methods() -> None:
    assert identities.KINDS == KINDS


@pytest.mark.parametrize("wrong", [{"gone": np.zeros(2, np.int32)}, {"steps": np.array([0, 0, 1], np.int32)},
                                   {"relative": np.full((3, 3), np.nan)}, {"sigma": np.ones((3, 1))},
                                   {"parts": np.array([[1, 9, 1]] * 3, np.int32)}])
def test_norms_that_do_not_fit_are_refused(tmp_path: Path, wrong: dict[str, np.ndarray]) -> None:
    matrices = kept_by(tmp_path / "first", "identity-prior", {}).record.matrices
    run = kept_by(tmp_path, "identity-prior", planted(len(matrices)) | wrong)
    with pytest.raises(InputError, match=r"fit|no usable"):
        pictures(run)
