"""The names of metrics and phases: one list each, which knows every name that a recorded run speaks of."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np
import pytest

from core.runs.checks.recount import values_of
from core.runs.phases import MOMENT, TRACE, WORK
from core.runs.records import RunRecord
from core.runs.store import Store
from core.statistics.measures import METRICS, is_correlation, measures_of, metric_name, metric_words
from core.statistics.noise import noise
from core.tasks import TASKS
from core.tasks.metrics import score
from core.tasks.preparing import OFFERED
from tests.sources import ROOT, tree_of

STORE = Store(recorded=ROOT / "cached_runs", live=ROOT / "no-such-folder")


@pytest.fixture(scope="module")
def records() -> list[RunRecord]:
    return list(STORE.records())


def test_the_metrics_by_name_in_words_and_in_the_offer() -> None:
    assert {name: (metric_words(name), is_correlation(name)) for name in METRICS} == {
        "accuracy": ("accuracy", False), "f1": ("f1", False), "matthews_correlation": ("Matthews correlation", True),
        "pearson": ("pearson", True), "spearman": ("spearman", True),
        "accuracy_f1_mean": ("mean of accuracy and F1", False),
        "pearson_spearman_mean": ("mean of Pearson and Spearman correlation", True)}
    assert OFFERED == ("accuracy", "f1", "matthews_correlation", "pearson", "spearman", "pearson_spearman_mean")


def test_a_metric_that_is_not_known_is_said_as_it_is() -> None:
    assert metric_words("exact_match") == "exact match"
    assert not is_correlation("exact_match") and measures_of("exact_match") == []
    assert metric_name(("accuracy", "recall")) == "accuracy_recall_mean" and metric_name(("bleu",)) == "bleu"


@pytest.mark.parametrize(("classes", "names"), [
    (0, {"pearson", "spearman", "pearson_spearman_mean"}),
    (2, {"accuracy", "f1", "matthews_correlation", "accuracy_f1_mean"}), (3, {"accuracy", "matthews_correlation"})])
def test_which_metrics_suit_which_labels(classes: int, names: set[str]) -> None:
    assert {name for name, metric in METRICS.items() if metric.suits(classes)} == names


def test_every_measure_is_computed_and_counted_again_and_every_task_has_a_known_metric() -> None:
    two = np.float32([[2, 1], [1, 2], [1, 2]]), np.int16([0, 1, 0])
    numbers = np.float32([[1], [2], [4]]), np.float32([1, 3, 2])
    known = {**values_of(*two), **values_of(*numbers)}
    assert {measure for metric in METRICS.values() for measure in metric.measures} == set(known)
    for entry in TASKS.values():
        assert METRICS[entry.metric].measures == entry.metrics and METRICS[entry.metric].suits(len(entry.labels))
        logits, labels = two if len(entry.labels) == 2 else numbers
        if len(entry.labels) in (0, 2):
            assert score(entry, logits, labels)["score"] == pytest.approx(np.mean([known[m] for m in entry.metrics]))


def test_the_band_of_noise_goes_by_the_kind_of_metric() -> None:
    wider = {name for name in METRICS if noise(name, 0.5, 100) > 0.11}  # 2 · 0.75 / √99 = 0.15; 2 · √(0.25 / 100) = 0.1
    assert wider == {"matthews_correlation", "pearson", "spearman", "pearson_spearman_mean"}
    assert noise("exact_match", 0.5, 100) == pytest.approx(0.1)


def test_the_recorded_runs_speak_of_known_metrics_and_phases_only(records: list[RunRecord]) -> None:
    scored = [r for r in records if r.results is not None]
    assert {r.results.metric for r in scored if r.results} == {
        "accuracy", "matthews_correlation", "accuracy_f1_mean", "pearson_spearman_mean"}
    assert {p for r in records for p in r.timing.phases} == set(WORK) - {"start"}
    assert {m.phase for r in records for m in r.moments} <= set(MOMENT)
    phases = {row["phase"] for r in records for row in STORE.open(r.id).trace}
    # Phases of methods of which no run with a trace of them is recorded yet.
    assert phases <= set(TRACE) and {"dense", "layer-wise", "admm", "refine", "moving"} <= phases


def phases_returned(file: ast.Module) -> Iterator[str]:
    """What the properties `phase` of a file's classes can give."""
    for node in ast.walk(file):
        if isinstance(node, ast.FunctionDef) and node.name == "phase":
            yield from (c.value for r in ast.walk(node) if isinstance(r, ast.Return) and r.value is not None
                        for c in ast.walk(r.value) if isinstance(c, ast.Constant) and isinstance(c.value, str))


def test_the_phases_of_the_methods_have_words() -> None:
    found = {name for path in (ROOT / "core" / "methods").glob("*.py") for name in phases_returned(tree_of(path))}
    assert {"admm", "refine", "moving"} <= found <= set(TRACE)
