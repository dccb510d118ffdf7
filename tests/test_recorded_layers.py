"""The order of the one-shot methods on the layers that were recorded for the lab: real weights, real inputs."""

from __future__ import annotations

import pytest
import torch

from core.lab.layer import errors, stats_of
from core.lab.source import matrices_of, offered, read_layer
from core.methods import build
from core.methods.knob_sets import FINE
from core.runs.store import Store, default_store
from core.sparsity.patterns import parse_pattern
from tests.sources import ROOT

RECORDED = Store(recorded=ROOT / "cached_runs", live=ROOT / "cached_runs" / "none")
LABS = {run: record.spec.model for run, record in offered(RECORDED.records()).items()}
# (task, matrix, pattern) where Wanda loses more than magnitude: all on tiny, and by less than a tenth. Wanda's score
# looks at one weight at a time; where inputs are strongly correlated, that says little of what the outputs lose.
EXCEPTIONS = {
    ("entailment", "bert.encoder.layer.0.attention.self.key", "1:4"),
    ("entailment", "bert.encoder.layer.1.attention.output.dense", "2:4"),
    ("entailment", "bert.encoder.layer.1.attention.output.dense", "4:8"),
    ("sentiment", "bert.encoder.layer.0.attention.self.value", "4:8"),
    ("sentiment", "bert.encoder.layer.0.attention.self.value", "1:4"),
    ("agreement", "bert.encoder.layer.0.attention.self.query", "1:4"),
    ("agreement", "bert.encoder.layer.0.attention.self.value", "1:4"),
}


def test_a_layer_of_minilm_and_of_every_built_in_task_is_recorded() -> None:
    assert sorted(LABS.values()) == ["minilm-l6", "tiny", "tiny", "tiny"]
    assert default_store().recorded == RECORDED.recorded


@pytest.mark.parametrize("run", LABS)
def test_admm_loses_least_then_sparsegpt_then_wanda_then_magnitude(run: str) -> None:
    opened = RECORDED.open(run)
    patterns = ("2:4",) if LABS[run] == "minilm-l6" else ("2:4", "4:8", "1:4")
    seen = 0
    for matrix in matrices_of(opened.record):
        layer = read_layer(opened, matrix)
        for pattern in patterns:
            lost = errors(layer, pattern)
            place = f"{run} {matrix} {pattern}: {lost}"
            assert lost["admm-layer"] <= lost["sparsegpt"] <= min(lost["wanda"], lost["magnitude"]), place
            limit = 1.1 if (opened.record.spec.task, matrix, pattern) in EXCEPTIONS else 1.0
            assert lost["wanda"] <= limit * lost["magnitude"], place
            seen += 1
    assert seen >= 12


def test_the_fine_knobs_lose_less_than_the_default_on_minilm() -> None:
    """Some layers' errors, summed in double precision: 0.97 and 0.99 of the default's on all, when it was written."""
    opened = RECORDED.open(next(run for run, model in LABS.items() if model == "minilm-l6"))
    for pattern in ("2:4", "1:4"):
        total = {"fine": 0.0, "default": 0.0}
        for matrix in matrices_of(opened.record)[::9]:
            layer = read_layer(opened, matrix)
            weight, gram = torch.from_numpy(layer.weight), torch.from_numpy(layer.gram).double()
            for name, knobs in (("fine", FINE), ("default", {})):
                gap = weight - build("admm-layer", knobs).solve(weight, stats_of(layer), parse_pattern(pattern)).weight
                total[name] += lost(gap, gram) / lost(weight, gram)
        assert total["fine"] < total["default"]


def lost(gap: torch.Tensor, gram: torch.Tensor) -> float:
    return float((gap.double() @ gram * gap.double()).sum())
