"""The knobs of `admm-layer`: each does what its help says, and a new one leaves recorded runs their ids."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.layerwise import fixed_rho
from core.errors import InputError
from core.inside.statistics import LayerStats
from core.methods.admm_layer import LOOK, RIDGE, AdmmLayer, inverse_scale
from core.methods.base import LayerResult
from core.methods.knob_sets import FINE, QUICK, AdmmLayerKnobs
from core.methods.knobs import knobs_to_spec, make_knobs
from core.methods.quadratic import QuadraticSplit, Round
from core.running.solving import trace_rows
from core.sparsity.patterns import parse_pattern
from core.sparsity.verify import verify
from core.specs.resolving import resolve
from tests.test_methods import layer, output_gap

LATER = [f.name for f in fields(AdmmLayerKnobs) if f.metadata["later"]]


def solve(pattern: str = "2:4", seed: int = 0, **knobs: Any) -> tuple[LayerResult, list[float]]:
    """The solution of a planted layer, and the share that the mask of every round keeps."""
    weight, stats = layer(rows=10, width=32, seed=seed)
    kept: list[float] = []

    def watch(split: QuadraticSplit, done: Round, scale: torch.Tensor) -> None:
        kept.append(float(split.mask.double().mean()))

    found = AdmmLayer(make_knobs(AdmmLayerKnobs, knobs)).solve(weight, stats, parse_pattern(pattern), watch)
    return found, kept


def test_settle_leaves_the_mask_alone_at_the_end() -> None:
    loose, _ = solve(iterations=12, settle=0, polish=0, rho_start=0.02, rho_end=0.05)
    still, _ = solve(iterations=12, settle=8, polish=0, rho_start=0.02, rho_end=0.05)
    assert any(row["flips"] > 0 for row in loose.trace[4:])  # otherwise the next line would say nothing
    assert all(row["flips"] == 0 for row in still.trace[4:])
    assert [r["flips"] for r in still.trace[:4]] == [r["flips"] for r in loose.trace[:4]]
    assert solve(iterations=3, settle=300)[0].mask.reshape(-1, 4).sum(1).eq(2).all()  # the first round still chooses


@pytest.mark.parametrize(("pattern", "zeros"), [("unstructured:0.75", 0.75), ("4:16", 0.75)])
def test_ramp_raises_the_share_of_zeros_along_the_cubic(pattern: str, zeros: float) -> None:
    _, kept = solve(pattern, iterations=12, ramp=8)
    for i, share in enumerate(kept):
        cubic = 1 - (1 - min((i + 1) / 8, 1.0)) ** 3
        assert abs((1 - share) - zeros * cubic) < 1 / 320  # whole entries of the matrix
    assert kept[0] > kept[3] > kept[7] == kept[11]


@pytest.mark.parametrize("knobs", [{"ramp": 300, "iterations": 6}, {"ramp": 9, "iterations": 10, "settle": 7},
                                   {"ramp": 5, "iterations": 1}, {"ramp": 2, "iterations": 4, "settle": 300}])
def test_a_ramp_that_is_too_long_still_ends_on_the_pattern(knobs: dict[str, int]) -> None:
    for pattern in ("2:4", "unstructured:0.5", "block:2x4:0.5"):
        verdict = verify(solve(pattern, **knobs)[0].mask.numpy(), parse_pattern(pattern), "a")
        assert (verdict.violations, verdict.short) == (0, 0)


def test_rho_rises_in_stages_with_the_support_or_not_at_all() -> None:
    def rhos(**knobs: Any) -> list[float]:
        return [row["rho"] for row in solve(iterations=14, rho_start=0.1, rho_end=0.8, **knobs)[0].trace]

    assert rhos(rise="fixed") == [0.8] * 14
    stages = [0.1 * 8 ** (s / 3) for s in (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3)]
    assert rhos(rise="stages", stages=4) == pytest.approx(stages)
    support = rhos(rise="support")
    assert support[:LOOK] == [0.1] * LOOK
    for i in range(LOOK, 14):
        grown = support[i] / support[i - 1]
        assert 1.1 - 1e-9 <= grown <= 1.3 + 1e-9 if i % LOOK == 0 else grown == 1.0


def test_a_rising_rho_stops_when_the_support_rests_and_the_answer_is_the_one_it_would_have_had() -> None:
    long, kept = solve(iterations=300, rise="support", polish=40)
    rounds = len(kept)
    assert rounds == len(long.trace) < 300 and rounds % LOOK == 0
    flips = [row["flips"] for row in long.trace]
    assert not any(flips[-LOOK:]) and any(flips[-2 * LOOK:-LOOK])  # at rest for one look, and not a look before
    for other in range(0, rounds - LOOK, LOOK):
        assert other <= LOOK or any(flips[other - LOOK:other])
    cut, _ = solve(iterations=rounds, rise="support", polish=40)
    assert torch.equal(cut.weight, long.weight)
    ramped, on_the_way = solve(iterations=300, rise="support", ramp=60, rho_start=50.0)
    assert len(on_the_way) > 60 and on_the_way[-1] == 0.5 and bool(ramped.mask.reshape(-1, 4).sum(1).eq(2).all())


def test_who_watches_a_layer_at_rest_sees_it_stay() -> None:
    weight, stats = layer(rows=10, width=32)
    method, states = AdmmLayer(make_knobs(AdmmLayerKnobs, {"iterations": 200, "rise": "support"})), []
    result = method.solve_watched(weight, stats, parse_pattern("2:4"), states.append)
    assert [state.number for state in states] == list(range(1, 201)) and len(result.trace) < 200
    for state in states[len(result.trace):]:
        assert torch.equal(state.w, states[-1].w) and torch.equal(state.mask, result.mask)


def test_in_the_trace_of_a_run_a_layer_at_rest_flips_nothing_and_keeps_its_residual() -> None:
    rows = [[{"rho": 1.0, "primal": 0.5, "flips": 0.25}, {"rho": 2.0, "primal": 0.3, "flips": 0.5}],
            [{"rho": 1.0, "primal": 0.1, "flips": 0.5}]]
    ready: Any = SimpleNamespace(dense={"a": torch.zeros(2, 4), "b": torch.zeros(4, 4)})
    found: Any = {name: SimpleNamespace(trace=trace) for name, trace in zip("ab", rows, strict=True)}
    assert trace_rows(ready, found) == [
        {"step": 1, "phase": "layer-wise", "rho": 1.0, "primal": 0.3, "flips": 0.25 * 8 + 0.5 * 16},
        {"step": 2, "phase": "layer-wise", "rho": 2.0, "primal": 0.2, "flips": 0.5 * 8}]


def test_without_scaling_the_loss_is_solved_in_the_weights_own_units() -> None:
    """One round by hand: the mask of the largest |W|, as no column counts for more than another."""
    weight, stats = layer(rows=10, width=32)
    found, _ = solve(iterations=1, polish=0, scaled=False)
    groups = weight.abs().reshape(-1, 4)
    largest = torch.zeros_like(groups).scatter(1, groups.topk(2, 1).indices, 1.0).reshape(weight.shape).bool()
    assert torch.equal(found.mask, largest)
    assert not torch.equal(solve(iterations=1, polish=0)[0].mask, largest)
    assert output_gap(weight, solve(scaled=False)[0].weight, stats) < output_gap(weight, weight * largest, stats)


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (3, 8)])
def test_the_fixed_rho_form_is_a_choice_of_knobs(n: int, m: int) -> None:
    """Boza's 20 rounds, cubic and the last Z-step, as benchmarks/layerwise.py writes them out."""
    weight, stats = layer(rows=10, width=32, seed=3)
    knobs = {"rise": "fixed", "rho_end": 1, "damping": 0.1, "iterations": 21, "ramp": 15, "settle": 6, "polish": 0}
    ours = AdmmLayer(make_knobs(AdmmLayerKnobs, knobs)).solve(weight, stats, parse_pattern(f"{n}:{m}"))
    theirs = fixed_rho(weight, stats, n, m)
    assert np.array_equal(ours.mask.numpy(), (theirs != 0).numpy())
    assert torch.allclose(ours.weight, theirs, atol=1e-4)


def test_the_inverse_metric_counts_what_is_lost_once_all_others_have_made_up_for_a_weight() -> None:
    """Weight by weight: the least loss of a row without it, by least squares over the others."""
    _, stats = layer(rows=2, width=12, tokens=40, seed=5)
    assert stats.gram is not None
    norms = stats.gram.diagonal().sqrt()
    a = (stats.gram / norms.outer(norms)).double()
    found = inverse_scale(a)
    root = np.linalg.cholesky((a + RIDGE * torch.eye(12, dtype=torch.float64)).numpy()).T  # |root v|^2 = v A v
    lost = []
    for j in range(12):
        others = [i for i in range(12) if i != j]
        answer = np.linalg.lstsq(root[:, others], root[:, j], rcond=None)[0]
        lost.append(float(((root[:, j] - root[:, others] @ answer) ** 2).sum()))
    assert np.allclose(found.numpy() ** 2 / found.numpy()[0] ** 2, np.array(lost) / lost[0], rtol=1e-9)
    assert float((a.diagonal() / found.square()).mean()) == pytest.approx(1.0)
    with pytest.raises(InputError, match="scaled = true"):
        make_knobs(AdmmLayerKnobs, {"metric": "inverse", "scaled": False})


def test_the_quick_knobs_cost_little_error() -> None:
    total = {"quick": 0.0, "default": 0.0, "fixed": 0.0}
    for seed in range(4):
        weight, stats = layer(rows=16, width=32, seed=seed)
        size = output_gap(weight, torch.zeros_like(weight), stats)
        for name, knobs in (("quick", QUICK), ("default", {})):
            solver = AdmmLayer(make_knobs(AdmmLayerKnobs, knobs))
            total[name] += output_gap(weight, solver.solve(weight, stats, parse_pattern("2:4")).weight, stats) / size
        total["fixed"] += output_gap(weight, fixed_rho(weight, stats, 2, 4), stats) / size
    assert total["default"] < total["quick"] < total["fixed"]


@pytest.mark.parametrize("name", LATER)
def test_a_later_knob_at_its_default_is_not_in_the_spec(name: str) -> None:
    given = {f.name: f.default for f in fields(AdmmLayerKnobs)}
    assert name not in knobs_to_spec(make_knobs(AdmmLayerKnobs, given))
    other = {"rise": "fixed", "scaled": False, "ramp": 3, "settle": 3, "metric": "inverse",
             "inputs": "pruned", "match": 20}[name]
    changed = make_knobs(AdmmLayerKnobs, {name: other})
    assert knobs_to_spec(changed)[name] == other
    assert make_knobs(AdmmLayerKnobs, knobs_to_spec(changed)) == changed


def test_a_recorded_run_keeps_its_id() -> None:
    """The id under which this run was recorded before the later knobs existed, however the defaults are given."""
    recorded = "cola-minilm-l6-admm-layer-2of4-e0-s0-46d058f4"
    run = {"task": "cola", "model": "minilm-l6", "method": "admm-layer", "pattern": "2:4", "epochs": 0, "seed": 0}
    assert resolve(run).run_id == recorded
    assert resolve({**run, "knobs": {"rise": "stages", "scaled": True, "ramp": 0, "settle": 0}}).run_id == recorded
    assert resolve({**run, "knobs": {"settle": 5}}).run_id != recorded


def test_statistics_without_any_signal_are_no_obstacle() -> None:
    weight, _ = layer(rows=4, width=16)
    for knobs in ({}, {"scaled": False}, {"rise": "support"}, FINE, QUICK):
        stats = LayerStats(norms=torch.zeros(16), tokens=5, gram=torch.zeros(16, 16))
        solver = AdmmLayer(make_knobs(AdmmLayerKnobs, knobs))
        assert torch.isfinite(solver.solve(weight, stats, parse_pattern("2:4")).weight).all()
