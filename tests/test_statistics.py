"""Statistics against scipy, scikit-learn, slow loops, and simulated worlds whose truth is known."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy import stats as scipy_stats
from scipy.optimize import minimize

from core.runs.checks.recount import values_of
from core.statistics import constant, per_example
from core.statistics.corrected import holm, p_from
from core.statistics.interval import Interval, around
from core.statistics.measures import METRICS
from core.statistics.paired import mcnemar, mean_difference, of_draws, score_difference
from core.statistics.resampling import means, resamples
from core.statistics.scoring import weighted_scores, weighted_scores_of_all
from core.statistics.seeds import Draws, over_seeds, over_tasks, seed_noise

RNG = np.random.default_rng(5)


# -- scores of resamples -------------------------------------------------------------------------------------------

def answers(metric: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels that suit *metric*, with ties."""
    if METRICS[metric].fits == "numbers":
        labels = rng.integers(0, 6, n).astype(np.float32)
        return (labels + rng.integers(-2, 3, n) / 2)[:, None].astype(np.float32), labels
    classes = 2 if METRICS[metric].fits == "two classes" else 3
    labels = rng.integers(0, classes, n)
    return rng.normal(0, 1, (n, classes)).astype(np.float32) + 1.2 * np.eye(classes, dtype=np.float32)[labels], labels


@pytest.mark.parametrize("metric", METRICS)
def test_a_weighted_score_is_that_of_the_examples_written_out(metric: str) -> None:
    for n in (2, 3, 30, 90):
        logits, labels = answers(metric, n, RNG)
        counts = np.concatenate([resamples(n, 40, n), np.ones((1, n), np.float32)])
        found = weighted_scores(metric, logits, labels, counts)
        for row, score in zip(counts.astype(int), found, strict=True):
            known = values_of(np.repeat(logits, row, axis=0), np.repeat(labels, row))
            assert score == pytest.approx(np.mean([known[name] for name in METRICS[metric].measures]), abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_many_models_at_once_have_the_scores_of_each_alone_to_the_last_bit(metric: str,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    _, labels = answers(metric, 60, RNG)
    models = [answers(metric, 60, RNG)[0] for _ in range(5)]
    models[1] = models[1] * np.nan
    if METRICS[metric].fits == "classes":
        models[3] = np.pad(models[3], ((0, 0), (0, 2)), constant_values=-9)  # a head with outputs that no label has
    counts = resamples(60, 120, 1)
    alone = [weighted_scores(metric, logits, labels, counts) for logits in models]
    for size in (1, 2, 64):  # however they are cut into pieces
        monkeypatch.setattr("core.statistics.scoring.AT_ONCE", size)
        monkeypatch.setattr("core.statistics.scoring.CHUNK", 7 * size)
        for one, many in zip(alone, weighted_scores_of_all(metric, models, labels, counts), strict=True):
            assert one.tobytes() == many.tobytes()
    assert np.isnan(alone[1]).all() and np.isfinite(alone[3]).all()


def test_a_correlation_tells_a_small_difference_from_none() -> None:
    labels = np.arange(6.0)
    far = (1e8 + np.array([0, 0, 0, 0, 0, 1.0]))[:, None]  # beside their size these values hardly differ
    counts = np.array([[1, 1, 1, 1, 1, 1], [2, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 6]], np.float32)
    found = weighted_scores("pearson", far, labels, counts)
    assert found[0] == pytest.approx(np.corrcoef(far[:, 0], labels)[0, 1], abs=1e-6) and list(found[1:]) == [0, 0]


@pytest.mark.parametrize("metric", METRICS)
def test_an_answer_that_never_changes_has_a_score_all_the_same(metric: str) -> None:
    logits, labels = answers(metric, 40, RNG)
    flat = np.repeat(logits[:1], 40, axis=0)
    found = weighted_scores(metric, flat, labels, resamples(40, 50))
    assert np.isfinite(found).all()
    if METRICS[metric].correlation:
        assert (found == 0).all()


def test_a_score_that_there_is_not_is_refused() -> None:
    with pytest.raises(KeyError, match="acuracy"):
        weighted_scores("acuracy", np.zeros((2, 2)), np.zeros(2), np.ones((1, 2)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_model_that_diverged_has_no_score(bad: float) -> None:
    logits, labels = answers("accuracy", 20, RNG)
    logits[3, 0] = bad
    assert np.isnan(weighted_scores("accuracy", logits, labels, resamples(20, 5))).all()
    assert np.isnan(score_difference("accuracy", logits, logits, labels).value)
    if np.isnan(bad):
        assert list(np.flatnonzero(np.isnan(per_example.agreement(logits, logits)))) == [3]


def test_resamples_are_of_n_examples_each_the_same_every_time_and_shared() -> None:
    drawn = resamples(50, 300)
    assert drawn.shape == (300, 50) and (drawn.sum(1) == 50).all() and (drawn == np.rint(drawn)).all()
    assert drawn is resamples(50, 300) and not drawn.flags.writeable
    assert drawn.var(0).mean() == pytest.approx(1 - 1 / 50, rel=0.1)  # of a binomial with n draws at 1/n
    values = RNG.normal(0, 1, 50)
    assert means(values, drawn)[7] == pytest.approx(np.repeat(values, drawn[7].astype(int)).mean())


# -- per example, and constant answers -----------------------------------------------------------------------------

def test_distances_are_scipy_s_for_logits_of_any_size() -> None:
    for scale in (1.0, 30.0, 400.0):
        a, b = RNG.normal(0, scale, (2, 20, 4))
        p, q = special.softmax(a, axis=1), special.softmax(b, axis=1)
        if scale < 100:  # beyond, q underflows to 0 and scipy's own answer is infinite
            assert per_example.kl(a, b) == pytest.approx(special.rel_entr(p, q).sum(1), rel=1e-9)
        assert np.isfinite(per_example.kl(a, b)).all() and (per_example.kl(a, b) >= -1e-12).all()
        labels = RNG.integers(0, 4, 20)
        assert per_example.loss(a, labels) == pytest.approx(-special.log_softmax(a, axis=1)[np.arange(20), labels])
    warm = per_example.kl(a, b, temperature=2.0)
    assert warm == pytest.approx(per_example.kl(a / 2, b / 2))
    assert (per_example.kl(a, a) == 0).all() and (per_example.agreement(a, a) == 1).all()


def test_of_numbers_a_distance_is_squared_and_agreement_is_refused() -> None:
    a, b = np.array([[1.0], [2.0]]), np.array([[3.0], [2.5]])
    assert list(per_example.kl(a, b)) == [4.0, 0.25] and list(per_example.loss(a, np.array([0.0, 4.0]))) == [1.0, 4.0]
    with pytest.raises(ValueError, match="numbers"):
        constant.constant_agreement(a)
    with pytest.raises(ValueError, match="numbers"):
        per_example.agreement(a, b)


@pytest.mark.parametrize("metric", [m for m, entry in METRICS.items() if entry.fits != "numbers"])
def test_no_constant_answer_beats_the_best_one(metric: str) -> None:
    for _ in range(8):
        logits, labels = answers(metric, 25, RNG)
        classes = logits.shape[1]
        tried = [np.mean([values_of(np.eye(classes)[[k] * 25].astype(np.float32), labels)[name]
                          for name in METRICS[metric].measures]) for k in range(classes)]
        assert constant.best_constant(metric, labels, classes) == pytest.approx(max(tried))
    assert constant.best_constant("pearson", np.arange(4.0), 1) == 0


def test_the_best_flat_distribution_is_what_a_minimiser_finds() -> None:
    logits = RNG.normal(0, 2, (40, 3))
    p = special.softmax(logits, axis=1)
    best = minimize(lambda z: special.rel_entr(p, special.softmax(z)).sum(1).mean(), np.zeros(3))
    assert constant.constant_kl(logits) == pytest.approx(best.fun, abs=1e-7)
    labels = RNG.integers(0, 3, 60)
    least = minimize(lambda z: -special.log_softmax(z)[labels].mean(), np.zeros(3))
    assert constant.constant_loss(labels, 3) == pytest.approx(least.fun, abs=1e-7)
    assert constant.constant_loss(np.array([0, 0, 0]), 3) == 0
    numbers = RNG.normal(3, 2, 50)
    assert constant.constant_loss(numbers, 1) == pytest.approx(min(np.square(numbers - m).mean()
                                                                   for m in np.linspace(2, 4, 20001)), abs=1e-6)
    assert constant.constant_kl(numbers[:, None]) == pytest.approx(constant.constant_loss(numbers, 1))
    assert constant.constant_agreement(np.eye(3)[[0, 1, 1, 2]]) == 0.5


# -- two models ----------------------------------------------------------------------------------------------------

def test_mcnemar_is_the_exact_binomial_test() -> None:
    for first, second in product((0, 1, 3, 8, 20), repeat=2):
        right = np.array([True] * first + [False] * second + [True, False] * 5)
        other = np.array([False] * first + [True] * second + [True, False] * 5)
        n, least = first + second, min(first, second)
        tail = sum(math.comb(n, k) for k in range(least + 1)) / 2 ** n
        assert mcnemar(right, other) == pytest.approx(min(1.0, 2 * tail) if n else 1.0)


def test_the_interval_of_a_difference_is_scipy_s_bootstrap() -> None:
    """Same standard error as scipy's own resampling of pairs; no noise is left where two models answer alike."""
    logits, labels = answers("accuracy_f1_mean", 300, RNG)
    other = logits + RNG.normal(0, 0.8, logits.shape).astype(np.float32)

    def statistic(index: np.ndarray) -> float:
        i = index.astype(int)
        a, b = values_of(logits[i], labels[i]), values_of(other[i], labels[i])
        return (a["accuracy"] + a["f1"] - b["accuracy"] - b["f1"]) / 2

    theirs = scipy_stats.bootstrap((np.arange(300),), statistic, n_resamples=800, vectorized=False, method="basic",
                                   rng=np.random.default_rng(1))
    ours = score_difference("accuracy_f1_mean", logits, other, labels)
    assert ours.half / 1.96 == pytest.approx(theirs.standard_error, rel=0.1)
    assert ours.value == pytest.approx(statistic(np.arange(300)))
    same = score_difference("accuracy_f1_mean", logits, logits, labels)
    assert (same.value, same.half, same.clear) == (0, 0, False)


def test_a_mean_difference_is_the_paired_t_interval_of_many_examples() -> None:
    a, b = RNG.normal(0, 1, 400), RNG.normal(0.3, 1, 400)
    want = scipy_stats.ttest_rel(a, b).confidence_interval(0.95)
    found = mean_difference(a, b)
    assert (found.low, found.high) == pytest.approx((want.low, want.high), abs=0.015)


@pytest.mark.parametrize(("metric", "n"), [("accuracy", 277), ("accuracy_f1_mean", 408), ("matthews_correlation", 300),
                                           ("pearson_spearman_mean", 120)])
def test_the_interval_of_a_difference_covers_the_truth_in_93_to_97_of_100(metric: str, n: int) -> None:
    """Examples drawn anew from a world in which both models, and so the truth, are known."""
    rng, sims = np.random.default_rng(17), 500 if metric != "pearson_spearman_mean" else 200
    big = two_models(metric, 200_000, rng)
    truth = np.subtract(*(weighted_scores(metric, big[k], big[2], np.ones((1, 200_000), np.float32))[0]
                          for k in (0, 1)))
    counts = resamples(n, 400)
    hits = 0
    for _ in range(sims):
        a, b, labels = two_models(metric, n, rng)
        whole = np.ones((1, n), np.float32)
        value = (weighted_scores(metric, a, labels, whole) - weighted_scores(metric, b, labels, whole))[0]
        found = of_draws(value, weighted_scores(metric, a, labels, counts) - weighted_scores(metric, b, labels, counts))
        hits += found.low <= truth <= found.high
    slack = 2 * math.sqrt(0.95 * 0.05 / sims)  # of the simulation itself
    assert 0.93 - slack <= hits / sims <= 0.97 + slack


def two_models(metric: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two models that share most of what is hard, the second one better; and the labels."""
    hard = rng.normal(0, 1, n)
    if METRICS[metric].fits == "numbers":
        labels = rng.normal(0, 1, n)
        a, b = (labels + 0.5 * hard + noise * rng.normal(0, 1, n) for noise in (0.6, 0.3))
        return a[:, None].astype(np.float32), b[:, None].astype(np.float32), labels.astype(np.float32)
    labels = (rng.random(n) < 0.65).astype(np.int64)
    sides = [np.where(labels == 1, 1, -1) * (shift + hard + 0.7 * rng.normal(0, 1, n)) for shift in (0.8, 1.1)]
    return *(np.stack([-s, s], 1).astype(np.float32) for s in sides), labels  # type: ignore[return-value]


# -- seeds and tasks -----------------------------------------------------------------------------------------------

def world(rng: np.random.Generator, seeds: int, sizes: tuple[float, float, float], n: int = 120,
          methods: int = 1) -> list[Draws]:
    """The draws of *methods* whose truth is 0: values of n examples with an effect of the seed, of the example, and of
    both together, of the given sizes."""
    by_seed, by_example, both = sizes
    shared = rng.normal(0, by_example, n)
    out = []
    for _ in range(methods):
        values = rng.normal(0, by_seed, (seeds, 1)) + shared + rng.normal(0, both, (seeds, n))
        out.append(Draws([float(v.mean()) for v in values], [means(v, resamples(n, 300)) for v in values]))
    return out


WORLDS = {"examples alone": (0.0, 1.0, 1.0), "each seed its own": (0.0, 0.0, 1.0), "some of both": (0.05, 0.5, 1.0),
          "mostly seeds": (0.3, 1.0, 0.5)}


@pytest.mark.parametrize("sizes", WORLDS.values(), ids=WORLDS)
def test_three_seeds_cover_the_truth_in_93_to_97_of_100(sizes: tuple[float, float, float]) -> None:
    rng, sims = np.random.default_rng(3), 700
    hits = sum(i.low <= 0 <= i.high for i in (over_seeds(world(rng, 3, sizes)[0]) for _ in range(sims)))
    assert 0.93 - 0.017 <= hits / sims <= 0.97 + 0.017


@pytest.mark.parametrize("sizes", WORLDS.values(), ids=WORLDS)
def test_two_seeds_cover_it_once_their_noise_is_pooled_over_methods(sizes: tuple[float, float, float]) -> None:
    rng, sims, hits, wide, alone = np.random.default_rng(4), 350, 0, 0.0, 0.0
    for _ in range(sims):
        found = world(rng, 2, sizes, methods=5)
        noise = seed_noise(found)
        assert noise is not None and noise.freedom == 5
        interval = over_seeds(found[0], noise)
        hits += interval.low <= 0 <= interval.high
        wide, alone = wide + interval.half, alone + over_seeds(found[0]).half
    assert 0.93 - 0.024 <= hits / sims <= 0.97 + 0.024 and wide < alone


def test_a_mean_over_tasks_covers_the_truth() -> None:
    rng, sims, hits = np.random.default_rng(6), 350, 0
    for _ in range(sims):
        interval = over_tasks([world(rng, s, WORLDS["some of both"])[0] for s in (3, 3, 3, 1)])
        hits += interval.low <= 0 <= interval.high
    # one task has one seed, whose own effect no interval can know: it may cover a little less
    assert 0.91 <= hits / sims <= 0.985


def test_with_one_seed_the_interval_is_that_of_the_examples() -> None:
    (draws,) = world(RNG, 1, (0.3, 1.0, 1.0))
    assert over_seeds(draws).half == pytest.approx(1.96 * float(np.std(draws.resampled[0], ddof=1)), rel=1e-3)
    assert seed_noise([draws]) is None and seed_noise([]) is None


def test_independent_tasks_add_their_variances() -> None:
    one, two = (world(RNG, 1, (0.0, 1.0, 1.0))[0] for _ in range(2))
    assert over_tasks([one, two]).half == pytest.approx(math.hypot(over_seeds(one).half, over_seeds(two).half) / 2)


# -- intervals and many of them ------------------------------------------------------------------------------------

def test_an_interval_is_clear_when_zero_is_outside() -> None:
    assert Interval(1, 0.1, 2).clear and Interval(-1, -2, -0.1).clear and not Interval(0.1, -0.1, 0.3).clear
    assert not Interval(1, 0, 2).clear and not around(1, math.nan).clear and math.isnan(around(1, math.inf).low)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=9))
@settings(max_examples=80, deadline=None)
def test_holm_rejects_what_his_step_down_rejects(p_values: list[float]) -> None:
    raised = holm(p_values)
    for level in (0.01, 0.05, 0.2):
        rejected, left = set(), sorted(range(len(p_values)), key=p_values.__getitem__)
        while left and p_values[left[0]] * len(left) <= level:
            rejected.add(left.pop(0))
        ties = {i for i in range(len(p_values)) for j in rejected if p_values[i] == p_values[j]}
        assert {i for i, p in enumerate(raised) if p <= level} - ties <= rejected
        assert rejected <= {i for i, p in enumerate(raised) if p <= level + 1e-12}
    assert all(r >= p for r, p in zip(raised, p_values, strict=True))


def test_a_comparison_that_is_not_known_still_counts() -> None:
    found = holm([0.01, math.nan, 0.04])
    assert found[0] == pytest.approx(0.03) and math.isnan(found[1]) and found[2] == pytest.approx(0.08)


def test_a_p_agrees_with_its_interval() -> None:
    assert p_from(Interval(1, 0, 2)) == pytest.approx(0.05, abs=1e-4) and p_from(Interval(2, 1, 3)) < 0.001
    assert p_from(Interval(0, -1, 1)) == 1 and math.isnan(p_from(around(1, math.nan)))
    assert p_from(Interval(0, 0, 0)) == 1 and p_from(Interval(0.1, 0.1, 0.1)) == 0
    assert p_from(Interval(0.7, -0.4, 1.8)) == pytest.approx(2 * scipy_stats.norm.sf(0.7 / (1.1 / 1.959964)), rel=1e-5)
