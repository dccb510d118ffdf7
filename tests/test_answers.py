"""Answers: margins, flips and scores against plain loops over planted logits; damage and other data are refused."""

from __future__ import annotations

import dataclasses
import math

import msgspec
import numpy as np
import pytest

from core.errors import InputError
from core.runs.answers import Answers, answers_of, check, flips, read
from core.runs.checks.folder_check import check as check_run
from core.runs.checks.recount import values_of
from core.runs.records import Scores
from core.runs.store import Store
from core.statistics.measures import measures_of
from core.tasks import TASKS
from core.tasks.metrics import score
from tests import makers
from tests.damage import replace_arrays
from tests.making_answers import answers_for

SEEDS = range(5)


def planted(seed: int, n: int = 60, outputs: int = 3) -> Answers:
    """Random logits in eighths: some are equal, and every difference is exact."""
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(0, 1, (n, outputs)) * 8) / 8
    return answers_of(logits, rng.integers(0, outputs, n) if outputs > 1 else rng.normal(2, 1, n).round(1))


# --- one model -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("outputs", [2, 3, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_class_margin_and_right_of_every_example(seed: int, outputs: int) -> None:
    a = planted(seed, outputs=outputs)
    classes, margin, right = a.classes, a.margin, a.right
    assert margin is not None and right is not None and a.error is None
    for i, row in enumerate(a.logits.tolist()):
        best = row.index(max(row))
        rest = row[:best] + row[best + 1:]
        assert classes[i] == best
        assert margin[i] == pytest.approx(row[best] - max(rest), abs=1e-6) and margin[i] >= 0
        assert right[i] == (best == int(a.labels[i]))


def test_a_regression_has_values_and_errors_and_neither_margin_nor_right() -> None:
    a = answers_of(np.array([[1.5], [3.0]]), np.array([2.0, 2.5]))
    assert a.classes.tolist() == [1.5, 3.0] and a.error is not None and a.error.tolist() == [0.5, 0.5]
    assert a.margin is None and a.right is None and a.regression
    assert a.labels.dtype == np.float32 and planted(0).labels.dtype == np.int16


# --- two models ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("outputs", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_flips_are_those_of_a_plain_loop_the_most_decided_first(seed: int, outputs: int) -> None:
    before = planted(seed, outputs=outputs)
    after = Answers(planted(seed + 100, outputs=outputs).logits, before.labels)
    expected = []
    for i, (b, a, y) in enumerate(zip(before.logits.tolist(), after.logits.tolist(), before.labels.tolist(),
                                      strict=True)):
        was, now = b.index(max(b)), a.index(max(a))
        if was != now:
            gaps = [sorted(row)[-1] - sorted(row)[-2] for row in (b, a)]
            kind = "mended" if now == y else "broken" if was == y else "both wrong"
            expected.append((-min(gaps), i, was, now, y, kind))
    expected.sort(key=lambda row: (row[0], row[1]))
    found = flips(before, after)
    rows = zip(found.index.tolist(), found.before.tolist(), found.after.tolist(), found.label.tolist(), found.kind,
               strict=True)
    assert len(found) == len(expected) > 5 and found.n == 60
    assert list(rows) == [row[1:] for row in expected]
    smaller = np.minimum(found.margin_before, found.margin_after)
    assert (np.diff(smaller) <= 0).all()
    for part, kind in ((found.mended, "mended"), (found.broken, "broken"), (found.both_wrong, "both wrong")):
        assert part.tolist() == [row[1] for row in expected if row[-1] == kind]
    assert outputs > 2 or len(found.both_wrong) == 0
    assert not len(flips(before, before))


def test_the_difference_of_right_answers_is_mended_less_broken() -> None:
    before = planted(1)
    after = Answers(planted(2).logits, before.labels)
    found, (was, now) = flips(before, after), (before.right, after.right)
    assert was is not None and now is not None
    assert int(now.sum()) - int(was.sum()) == len(found.mended) - len(found.broken)


@pytest.mark.parametrize(("other", "words"), [
    (planted(1, n=59), "different examples"),
    (dataclasses.replace(planted(1), labels=(planted(1).labels + 1).astype(np.int16) % 3), "different examples"),
    (Answers(planted(1, outputs=4).logits, planted(1).labels), "3 and 4 classes"),
    (planted(1, outputs=1), "do not flip"),
])
def test_answers_to_something_else_are_refused(other: Answers, words: str) -> None:
    with pytest.raises(InputError, match=words):
        flips(planted(1), other)


# --- scores ----------------------------------------------------------------------------------------------------------

def naive(name: str, truth: list[float], said: list[float]) -> float:
    """A measure by its schoolbook formula, one example at a time."""
    n, pairs = len(truth), list(zip(truth, said, strict=True))
    if name == "accuracy":
        return sum(y == a for y, a in pairs) / n
    if name in ("f1", "matthews_correlation"):
        tp, fp = sum(y == a == 1 for y, a in pairs), sum(y == 0 and a == 1 for y, a in pairs)
        fn, tn = sum(y == 1 and a == 0 for y, a in pairs), sum(y == a == 0 for y, a in pairs)
        if name == "f1":
            return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0
        under = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        return (tp * tn - fp * fn) / under if under else 0.0
    if name == "spearman":
        ranks = [[sum(w < v for w in row) + (sum(w == v for w in row) + 1) / 2 for v in row] for row in (truth, said)]
        return naive("pearson", *ranks)
    x, y = sum(truth) / n, sum(said) / n
    top = sum((a - x) * (b - y) for a, b in pairs)
    under = math.sqrt(sum((a - x) ** 2 for a in truth)) * math.sqrt(sum((b - y) ** 2 for b in said))
    return top / under if under else 0.0


@pytest.mark.parametrize("task", ["cola", "mrpc", "sst2", "stsb"])
@pytest.mark.parametrize("seed", SEEDS)
def test_scores_counted_again_are_the_formulas_and_the_tasks(task: str, seed: int) -> None:
    entry = TASKS[task]
    a = planted(seed, n=80, outputs=entry.outputs)
    said = [float(v) for v in a.classes]
    found, recorded = values_of(a.logits, a.labels), score(entry, a.logits, a.labels)
    for name in entry.metrics:
        assert found[name] == pytest.approx(naive(name, [float(v) for v in a.labels], said), abs=1e-9)
        assert found[name] == pytest.approx(recorded[name], abs=1e-9)
    assert measures_of(entry.metric) == list(entry.metrics)


@pytest.mark.parametrize("seed", SEEDS)
def test_matthews_of_three_classes_is_the_tasks(seed: int) -> None:
    a = planted(seed, n=80)
    entry = dataclasses.replace(TASKS["mnli"], metrics=("matthews_correlation",))
    assert values_of(a.logits, a.labels)["matthews_correlation"] == pytest.approx(
        score(entry, a.logits, a.labels)["score"], abs=1e-9)


def test_a_constant_answer_scores_nothing_where_the_measure_is_a_correlation() -> None:
    labels = np.array([0, 1, 1, 0], np.int16)
    assert values_of(np.tile(np.float32([2, 1]), (4, 1)), labels) == {
        "accuracy": 0.5, "f1": 0.0, "matthews_correlation": 0.0}
    assert values_of(np.full((4, 1), 0.1, np.float32), labels.astype(np.float32)) == {"pearson": 0.0, "spearman": 0.0}


def test_a_score_of_another_kind_has_no_measures() -> None:
    assert measures_of("accuracy_perplexity_mean") == [] == measures_of("bleu") == measures_of("f1_")


# --- run folders -----------------------------------------------------------------------------------------------------

def test_a_runs_answers_are_read_and_its_planted_flips_found(empty_store: Store) -> None:
    parent = makers.make_dense(empty_store.live, task="entailment")
    run = empty_store.open(makers.make_run(empty_store.live, task="entailment", parent=parent))
    assert run.parent is not None and run.record.results is not None
    plan = answers_for("entailment", 0, 3, 1000, 0.9, 0.882, True, "")
    assert plan is not None and plan[2].mended and plan[2].broken and plan[2].both_wrong
    found = flips(read(run.parent), read(run))
    assert sorted(found.mended) == sorted(plan[2].mended)
    assert sorted(found.broken) == sorted(plan[2].broken)
    assert sorted(found.both_wrong) == sorted(plan[2].both_wrong)
    right = read(run).right
    assert right is not None and right.mean() == pytest.approx(run.record.results.final)


def test_an_old_run_is_refused_with_the_way_to_its_answers(empty_store: Store) -> None:
    old = makers.make_run(empty_store.live, answers=False)
    with pytest.raises(InputError, match="python -m core run --task"):
        read(empty_store.open(old))
    (empty_store.live / old / "checkpoint").mkdir()
    with pytest.raises(InputError, match=f"python -m core evaluate {old} --record"):
        read(empty_store.open(old))
    report = check_run(empty_store.open(old))
    assert any("not verified" in text and "answers" in text for text in report.verified)


def nan_of(logits: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(logits))[:, None] == 7, np.float32("nan"), logits).astype(np.float32)


@pytest.mark.parametrize(("change", "words"), [
    (lambda x, y: (x[:-1], y), "not float32"), (lambda x, y: (x.astype(np.float64), y), "float64"),
    (lambda x, y: (x, y[:-1]), "labels are"), (lambda x, y: (x, y.astype(np.int64)), "int64"),
    (lambda x, y: (nan_of(x), y), "not finite"), (lambda x, y: (x, np.full_like(y, 2)), "none of the 2 classes"),
    (lambda x, y: (x[:, :1], y), "not float32"), (lambda x, y: (None, y), "missing"),
    (lambda x, y: (x, None), "missing")])
def test_damaged_answers_are_named_by_the_check_and_refused_by_the_reader(change, words: str,  # type: ignore[no-untyped-def]
                                                                          empty_store: Store) -> None:
    parent = makers.make_dense(empty_store.live)
    run_id = makers.make_run(empty_store.live, parent=parent)
    run = empty_store.open(run_id)
    assert not check_run(run).problems
    logits, labels = change(run.array("answers/logits"), run.array("answers/labels"))
    replace_arrays(run.path, {"answers/logits": logits, "answers/labels": labels})
    damaged = empty_store.open(run_id)
    assert any(text.startswith("answers: ") and words in text for text in check_run(damaged).problems)
    with pytest.raises(InputError, match=words):
        read(damaged)


def test_one_wrong_answer_more_than_the_header_says_is_a_problem(empty_store: Store) -> None:
    parent = makers.make_dense(empty_store.live)
    run_id = makers.make_run(empty_store.live, parent=parent)
    run = empty_store.open(run_id)
    logits, right = run.array("answers/logits"), read(run).right
    assert logits is not None and right is not None
    logits[np.flatnonzero(right)[0]] *= -1
    replace_arrays(run.path, {"answers/logits": logits})
    problems = check_run(empty_store.open(run_id)).problems
    assert problems == ["answers: they give accuracy 0.881000, the header says 0.882000"]


@pytest.mark.parametrize("task", ["cola", "mrpc", "stsb"])
def test_the_check_counts_every_measure_of_the_header(task: str, empty_store: Store) -> None:
    entry, a = TASKS[task], planted(3, n=80, outputs=TASKS[task].outputs)
    truth, said = [float(v) for v in a.labels], [float(v) for v in a.classes]
    detail = {name: naive(name, truth, said) for name in entry.metrics}
    results = Scores(metric=entry.metric, n_eval=80, final=sum(detail.values()) / len(detail), detail=detail)
    record = msgspec.structs.replace(empty_store.open(makers.make_run(empty_store.live)).record, results=results,
                                     labels=list(entry.labels))
    verified, problems = check(record, a.arrays())
    assert not problems and all(name in verified[0] for name in (*entry.metrics, entry.metric))
    for name in entry.metrics:
        off = msgspec.structs.replace(results, detail=detail | {name: detail[name] + 1e-4})
        assert any(name in text for text in check(msgspec.structs.replace(record, results=off), a.arrays())[1])
    off = msgspec.structs.replace(results, final=float("nan"))
    assert check(msgspec.structs.replace(record, results=off), a.arrays())[1]
