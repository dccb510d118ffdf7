"""Numbers and names inside claims, where two candidates are close, tie, or must not be compared at all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from core.runs.records import Matrix, RunRecord, RunSpec, Scores
from core.runs.store import Store
from core.statistics.noise import noise
from core.statistics.ranks import rank_correlation
from core.views.drawing import style
from core.views.patterns import certificate, occupancy_strip
from core.views.scores import error_and_score, stages
from core.views.scores.points import points
from core.views.weights.modelmap import model_map
from tests.damage import flip_bit, replace_arrays
from tests.makers import make_dense, make_run

ZEROS = {"2:4": 0.5, "1:4": 0.75, "3:4": 0.25}


def record(method: str, pattern: str, final: float, dense: float = 0.9, n: int = 1000, error: float | None = None,
           **given: Any) -> RunRecord:
    """One finished run of `agreement` with one matrix."""
    density = given.pop("density", 1 - ZEROS[pattern])
    made = RunSpec(task="agreement", model="tiny", method=method, pattern=pattern, **given)
    matrix = Matrix(name="encoder.layer.0.output.dense", shape=(100, 100), density=density, mask_sha256="0",
                    error=error)
    return RunRecord(schema=1, id=made.run_id, status="succeeded", created="2026-01-01T00:00:00+00:00", spec=made,
                     matrices=[matrix], results=Scores(metric="accuracy", n_eval=n, dense=dense, final=final))


# -- what counts as noise -----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("n", "dense", "final", "within"), [
    (4, 0.5, 0.0, True),  # two standard errors of four examples at a half are a half
    (16, 0.5, 0.25, True), (16, 0.5, 0.2499, False), (64, 0.5, 0.375, True), (64, 0.5, 0.3749, False),
    (1, 0.5, 0.5, False),  # one example says nothing
    (10, 1.0, 1.0, True), (10, 1.0, 0.9999, False), (10, 0.0, 0.0, True)])
def test_the_edge_of_the_noise_counts_as_within_at_exact_small_numbers(
        n: int, dense: float, final: float, within: bool) -> None:
    (point,) = points([record("asp", "2:4", final, dense=dense, n=n)], "agreement", "tiny")
    assert point.within is within


@pytest.mark.parametrize(("metric", "score", "n", "half"), [
    ("accuracy", 0.5, 4, 0.5), ("accuracy", 0.5, 2, 1 / math.sqrt(2)), ("accuracy", 0.2, 16, 0.2),
    ("accuracy_f1_mean", 0.8, 100, 0.08), ("matthews_correlation", 0.0, 5, 1.0), ("matthews_correlation", 0.5, 2, 1.5),
    ("pearson_spearman_mean", -0.5, 10, 0.5), ("matthews_correlation", 1.0, 5, 0.0), ("accuracy", 1.2, 5, 0.0)])
def test_the_noise_of_few_examples_by_hand(metric: str, score: float, n: int, half: float) -> None:
    assert noise(metric, score, n) == pytest.approx(half, abs=1e-15)


@pytest.mark.parametrize(("score", "n"), [(0.5, 1), (0.5, 0), (math.nan, 10), (math.inf, 10)])
def test_there_is_no_noise_where_nothing_was_measured(score: float, n: int) -> None:
    assert math.isnan(noise("accuracy", score, n)) and math.isnan(noise("pearson", score, n))


# -- error beside score ------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("runs", "said"), [
    (5, "whether a lower error gives a better score cannot be told from chance here"),  # chance: 2 / sqrt(4) = 1
    (6, "a lower error nearly always came with a better score")])
def test_a_perfect_order_of_five_runs_is_chance_and_of_six_is_not(runs: int, said: str) -> None:
    records = [record("wanda", "2:4", 0.9 - k / 100, error=0.01 * (k + 1), seed=k, epochs=0.0) for k in range(runs)]
    text = error_and_score.panel(records, "agreement", "tiny").claim
    assert said in text and f"(rank correlation −1.00 over {runs} runs" in text


def test_ranks_with_ties_are_scipy_s() -> None:
    rng = np.random.default_rng(0)
    for n in (3, 4, 7, 30):
        for _ in range(20):
            x, y = rng.integers(0, 4, n).tolist(), rng.integers(0, 3, n).tolist()
            if len(set(x)) > 1 and len(set(y)) > 1:
                assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)


@pytest.mark.parametrize(("least", "held"), [(0.5, 1), (0.49, 0)])
def test_the_lowest_error_may_score_as_low_as_the_noise_allows(least: float, held: int) -> None:
    """On 100 examples of a dense 0.5 the noise is 0.1."""
    records = [record(m, "2:4", score, dense=0.5, n=100, error=error, epochs=0.0)
               for m, score, error in (("wanda", least, 0.1), ("sparsegpt", 0.6, 0.2), ("magnitude", 0.55, 0.3))]
    assert error_and_score.at_one_pattern(error_and_score.marks(records, "agreement", "tiny")) == (held, 1)


# -- the drop at the hard prune ----------------------------------------------------------------------------------

@pytest.mark.parametrize("other", [{"n_eval": 500}, {"split": "held out of train"}])
def test_drops_of_runs_scored_on_other_examples_do_not_stand_beside(empty_store: Store, other: dict[str, Any]) -> None:
    own = make_run(empty_store.recorded)
    peer = make_run(empty_store.recorded, method="asp")
    make_run(empty_store.recorded, method="nxm-admm", scores=other)
    make_run(empty_store.recorded, method="asp", pattern="1:4")
    assert set(stages.drop(empty_store.records(), own).table["run"]) == {own, peer}


# -- groups ------------------------------------------------------------------------------------------------------

def test_the_most_ragged_matrix_is_the_one_with_most_groups_off(empty_store: Store) -> None:
    dense = make_dense(empty_store.recorded)
    run = empty_store.open(make_run(empty_store.recorded, parent=dense, method="magnitude"))
    planted: dict[str, Any] = {}
    for k, m in enumerate(run.record.matrices):
        groups = math.prod(m.shape) // 4
        off = groups * (k % 5) // 8  # at most half of its groups, of very different numbers of groups
        planted[f"occupancy.free/{m.name}"] = np.array([0, off // 2, groups - off, off - off // 2, 0], np.int64)
    ragged = run.record.matrices[6]
    groups = math.prod(ragged.shape) // 4
    planted[f"occupancy.free/{ragged.name}"] = np.array([0, groups * 5 // 8, groups * 3 // 8, 0, 0], np.int64)
    replace_arrays(run.path, planted)
    text = occupancy_strip.strip(empty_store.open(run.record.id)).claim
    assert f"the most ragged before was {style.matrix_words(ragged.name)}, with {style.percent(0.625)} of its" in text


def test_the_certificate_names_the_matrix_with_most_violations_and_counts_them_all(empty_store: Store) -> None:
    dense = make_dense(empty_store.recorded)
    run = empty_store.open(make_run(empty_store.recorded, parent=dense, method="magnitude"))
    planted = {1: 2, 8: 3, 10: 1}  # matrix -> groups that hold one too many
    for which, rows in planted.items():
        name = run.record.matrices[which].name
        mask = run.mask(name)
        assert mask is not None
        for row in range(rows):
            flip_bit(run.path, name, row, int(np.flatnonzero(mask[row] == 0)[0]))
    view = certificate.certificate(empty_store.open(run.record.id))
    assert view.table["violations"].tolist() == [planted.get(k, 0) for k in range(12)]
    worst = style.matrix_words(run.record.matrices[8].name)
    assert "6 violations: this run does not hold 2:4" in view.claim and f"Most are in {worst}: 3." in view.claim


# -- the model at a glance ---------------------------------------------------------------------------------------

def test_a_figure_runs_from_the_smallest_matrix_to_the_largest(empty_store: Store) -> None:
    dense = make_dense(empty_store.recorded)
    run = empty_store.open(make_run(empty_store.recorded, parent=dense, method="asp"))
    moved = [0.2, 0.31, 0.05, 0.3, 0.22, 0.06, 0.1, 0.25, 0.32, 0.11, 0.21, 0.3]
    for m, value in zip(run.record.matrices, moved, strict=True):
        m.moved = value
    low, high = (style.matrix_words(run.record.matrices[k].name) for k in (2, 8))
    assert model_map(run, "moved").claim == \
        f"Moved mask runs from {style.percent(0.05)} in {low} to {style.percent(0.32)} in {high}."
    for m in run.record.matrices:
        m.moved = 0.25
    assert model_map(run, "moved").claim == f"Moved mask is {style.percent(0.25)} in every matrix."
